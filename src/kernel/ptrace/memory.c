/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Others' memory: PTRACE_PEEKDATA, PTRACE_POKEDATA, process_vm_readv(2) and process_vm_writev(2)
 * (kernel/ptrace.c, mm/process_vm_access.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "core/call.h"
#include "core/call_table.h"
#include "core/usermem.h"
#include "mm/mm.h"
#include "ptrace/request.h"

#define PIECE 65536UL

/* ---- words ---- */

long request_peek(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	u64 word;
	long n = trace_access(t, child, addr, &word, sizeof word, false);

	return n == sizeof word ? user_put(t, data, &word) : n;
}

long request_poke(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	long n = trace_access(t, child, addr, &data, sizeof data, true);

	return n == sizeof data ? 0 : n;
}

/* ---- ranges ---- */

/* As mm_peek(), of what the other process itself may read. */
static long peek_readable(struct mm *mm, void *to, u64 addr, size_t size)
{
	size = mm_mapped(mm, addr, size, false, VM_READ);
	return size ? mm_peek(mm, to, addr, size) : -EFAULT;
}

/* One range of the other process, as far as there is room on this side: bytes, or -errno. */
static long move_range(struct uio *u, struct mm *mm, const struct user_iovec *range, bool write, char *buf)
{
	u64 done = 0;

	while (done < range->len && u->left) {
		size_t size = min(min(range->len - done, (u64)u->left), PIECE);
		long n = write ? uio_from_user(u, buf, size)
			       : peek_readable(mm, buf, range->base + done, size);

		if (n > 0 && write) {
			n = mm_poke(mm, range->base + done, buf, (size_t)n);
		} else if (n > 0) {
			n = uio_to_user(u, buf, (size_t)n);
		}
		if (n <= 0)
			return done ? (long)done : n;
		done += (u64)n;
		if ((size_t)n < size)
			break;
	}
	return (long)done;
}

static long move(struct uio *u, struct mm *mm, const struct user_iovec *ranges, u64 count, bool write)
{
	char *buf = malloc(PIECE);
	long done = 0, n = 0;

	if (!buf)
		return -ENOMEM;
	for (u64 i = 0; i < count && u->left; i++) {
		n = ranges[i].len ? move_range(u, mm, &ranges[i], write, buf) : 0;
		if (n < 0)
			break;
		done += n;
		if ((u64)n < ranges[i].len && u->left)
			break;
	}
	free(buf);
	return done ? done : n;
}

static int find_mm(struct task *t, int pid, struct mm **out)
{
	struct task *target = task_find(t->k, pid);

	if (!target)
		return -ESRCH;
	if (task_may_access(t, target, HUSK_ACCESS_ATTACH))
		return -EPERM;
	if (!target->mm || !target->mm->space)
		return -ESRCH;
	*out = target->mm;
	return 0;
}

/* The ranges of the other side: their addresses are nobody's to check before they are used. */
static int read_ranges(struct task *t, u64 addr, u64 count, struct user_iovec **out)
{
	int err;

	*out = NULL;
	if (count > 1024)
		return -EINVAL;
	if (!count)
		return 0;
	*out = calloc(count, sizeof **out);
	if (!*out)
		return -ENOMEM;
	err = user_read(t, *out, addr, count * sizeof **out);
	for (u64 i = 0; !err && i < count; i++)
		if ((s64)(*out)[i].len < 0)
			err = -EINVAL;
	if (err) {
		free(*out);
		*out = NULL;
	}
	return err;
}

static bool any_bytes(const struct user_iovec *ranges, u64 count)
{
	for (u64 i = 0; i < count; i++)
		if (ranges[i].len)
			return true;
	return false;
}

/* Linux: ENOSYS without CONFIG_CROSS_MEMORY_ATTACH. Here: also where the host forbids such calls, so that programs use
 * ptrace(2) or /proc/PID/mem. */
static long process_vm(struct task *t, struct call *c, bool write)
{
	struct user_iovec *local, *remote = NULL;
	struct mm *mm;
	struct uio u;
	long n;

	if (c->arg[5])
		return -EINVAL;
	n = uio_read_iovec(t, c->arg[1], c->arg[2], &local);
	if (n < 0)
		return n;
	if (n > 0)
		n = read_ranges(t, c->arg[3], c->arg[4], &remote);
	else
		goto out;
	if (n || !any_bytes(remote, c->arg[4]))
		goto out;
	n = find_mm(t, (int)c->arg[0], &mm);
	if (n)
		goto out;
	uio_init_iov(&u, t, local, (int)c->arg[2]);
	n = move(&u, mm, remote, c->arg[4], write);
out:
	free(local);
	free(remote);
	return n;
}

long sys_process_vm_readv(struct task *t, struct call *c)
{
	return process_vm(t, c, false);
}

long sys_process_vm_writev(struct task *t, struct call *c)
{
	return process_vm(t, c, true);
}

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
#include "task/errand.h"
#include "task/life.h"

#define PIECE ERRAND_MAX

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

/* A call's way through both sides' ranges. It may have to wait, for either side's bytes: it goes on where it was. */
struct vm_call {
	struct user_iovec *local, *remote; /* owned */
	struct uio near;
	struct mm *mm;   /* a reference: the other process's */
	u64 count, at;   /* of remote ranges; which one, */
	u64 used;        /* and how many bytes of it are done */
	bool write, cut; /* cut: what was taken did not all arrive */
	size_t have;     /* bytes in buf that are on their way */
	long done;
	char buf[];
};

static void vm_free(struct task *t, void *p)
{
	struct vm_call *v = p;

	mm_put(v->mm);
	free(v->local);
	free(v->remote);
	free(v);
}

/* How much of @size bytes there the other process itself may reach, or -EFAULT. */
static long reachable(const struct vm_call *v, u64 addr, size_t size)
{
	size = mm_mapped(v->mm, addr, size, v->write, v->write ? VM_WRITE : VM_READ);
	return size ? (long)size : -EFAULT;
}

/* Bytes, -errno, or CALL_PARK: by the host, or where it forbids that by the other process's own stub. */
static long far(struct task *t, struct vm_call *v, u64 addr, size_t size)
{
	const struct errand_want want = {v->mm, addr, size, v->write, false};
	long n = v->write ? mm_poke(v->mm, addr, v->buf, size) : mm_peek(v->mm, v->buf, addr, size);

	return n == -ENOSYS ? errand_ask(t, NULL, &want, v->buf) : n;
}

/* Its own bytes: as far(), or CALL_FETCH, and then nothing was taken. */
static long near_bytes(struct vm_call *v, size_t size)
{
	struct uio before = v->near;
	long n = uio_from_user(&v->near, v->buf, size);

	if (n < 0)
		v->near = before;
	return n;
}

/* The next piece: bytes, 0 at an end, -errno, CALL_FETCH or CALL_PARK. */
static long move_piece(struct task *t, struct vm_call *v)
{
	const struct user_iovec *r = &v->remote[v->at];
	u64 addr = r->base + v->used;
	size_t size = min(min(r->len - v->used, (u64)v->near.left), PIECE);
	long n;

	if (!v->have) {
		n = reachable(v, addr, size);
		if (n > 0)
			n = v->write ? near_bytes(v, (size_t)n) : far(t, v, addr, (size_t)n);
		if (n <= 0)
			return n;
		v->have = (size_t)n;
	}
	n = v->write ? far(t, v, addr, v->have) : uio_to_user(&v->near, v->buf, v->have);
	if (n == CALL_PARK || n == CALL_FETCH)
		return n;
	v->cut = n != (long)v->have;
	v->have = 0;
	return n;
}

static long move(struct task *t, struct call *c)
{
	struct vm_call *v = c->priv;
	long n = 0;

	while (!v->cut && v->at < v->count && (v->near.left || v->have)) {
		if (v->used == v->remote[v->at].len) {
			v->at++;
			v->used = 0;
			continue;
		}
		if (!v->mm->space || v->mm->space->dead) {
			n = -EFAULT;
			break;
		}
		n = move_piece(t, v);
		if (n == CALL_PARK || n == CALL_FETCH)
			return n;
		if (n <= 0)
			break;
		v->used += (u64)n;
		v->done += n;
	}
	return v->done ? v->done : n;
}

static int find_mm(struct task *t, int pid, struct mm **out)
{
	struct task *target = task_find(t->k, pid);

	/* Init is husk itself. */
	if (!target)
		return pid == HUSK_INIT_PID ? -EPERM : -ESRCH;
	if (task_may_access(t, target, HUSK_ACCESS_ATTACH))
		return -EPERM;
	if (!target->mm || !target->mm->space)
		return -ESRCH;
	*out = mm_get(target->mm);
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

static long process_vm(struct task *t, struct call *c, bool write)
{
	struct user_iovec *local, *remote = NULL;
	struct vm_call *v = NULL;
	struct mm *mm;
	long size, err;

	if (c->arg[5])
		return -EINVAL;
	size = uio_read_iovec(t, c->arg[1], c->arg[2], &local);
	if (size < 0)
		return size;
	err = size ? read_ranges(t, c->arg[3], c->arg[4], &remote) : 0;
	if (err || !size || !any_bytes(remote, c->arg[4]))
		goto out;
	err = find_mm(t, (int)c->arg[0], &mm);
	if (err)
		goto out;
	v = malloc(sizeof *v + min((size_t)size, PIECE));
	if (!v) {
		mm_put(mm);
		err = -ENOMEM;
		goto out;
	}
	*v = (struct vm_call){.local = local, .remote = remote, .mm = mm, .count = c->arg[4], .write = write};
	uio_init_iov(&v->near, t, local, (int)c->arg[2]);
	c->priv = v;
	c->priv_free = vm_free;
	c->step = move;
	return move(t, c);
out:
	free(local);
	free(remote);
	return err;
}

long sys_process_vm_readv(struct task *t, struct call *c)
{
	return process_vm(t, c, false);
}

long sys_process_vm_writev(struct task *t, struct call *c)
{
	return process_vm(t, c, true);
}

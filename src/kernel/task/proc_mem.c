/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/mem: the memory of a process as a file whose offsets are addresses (fs/proc/base.c: mem_rw); and
 * /proc/PID/environ, the part of it that execve() put the environment in (environ_read).
 *
 * Linux: reads and writes what is mapped, whatever its protection (a debugger's breakpoints in code). Here: so of a process
 * with a thread that is stopped for its tracer; of others only what the process itself could read or write, since the
 * host copies on its behalf and asks the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "mm/mm.h"
#include "task/errand.h"
#include "task/proc_pid.h"
#include "task/trace.h"
#include "vfs/simple.h"

#define PIECE 65536

/* The task whose own memory @mm is, when it is the caller's: it can be reached where others' cannot (a host that lets
 * nobody read another process). */
static struct task *own_task(struct mm *mm)
{
	struct task *t = mm->k->current;

	return t && t->mm == mm ? t : NULL;
}

/* By the stub of a thread that is stopped for its tracer, whatever the protection. */
static long forced(struct mm *mm, u64 addr, void *buf, size_t size, bool write)
{
	struct task *t = mm->k->current, *child = t ? trace_stopped_on(mm->k, mm) : NULL;

	return child ? trace_access(t, child, addr, buf, size, write) : -EIO;
}

/* Where the host lets nobody into the process: by its own stub, as far as the process itself may. */
static long by_stub(struct mm *mm, u64 addr, void *buf, size_t size, bool write)
{
	struct errand_want want = {.mm = mm, .addr = addr, .write = write};

	want.size = mm_mapped(mm, addr, min(size, (size_t)ERRAND_MAX), write, write ? VM_WRITE : VM_READ);
	return want.size && mm->k->current ? errand_ask(mm->k->current, NULL, &want, buf) : -EIO;
}

/* Bytes, 0 at an end, or what the handler is to pass on. What has to be waited for is the call's first piece (@first) and its
 * only one (*alone): a call that has moved something asks for nothing that it does not take. */
static long copy_out(struct mm *mm, struct uio *to, u64 addr, char *buf, bool first, bool *alone)
{
	size_t size = min(to->left, (size_t)PIECE);
	struct task *own = own_task(mm);
	long n = mm_peek(mm, buf, addr, size);

	if (n < 0 && own) {
		size = user_readable(own, addr, size);
		n = size ? user_read(own, buf, addr, size) : -EFAULT;
		n = n ? n : (long)size;
	} else if (n < 0) {
		if (!first)
			return 0;
		*alone = true;
		n = n == -ENOSYS ? by_stub(mm, addr, buf, size, false) : -EIO;
		if (n == -EIO)
			n = forced(mm, addr, buf, min(size, PAGE_SIZE - addr % PAGE_SIZE), false);
	}
	if (n > 0)
		n = uio_to_user(to, buf, (size_t)n);
	return n;
}

/* From *addr on, which moves: bytes, 0 where the memory has gone, -EIO, -ENOMEM, or what the handler is to pass on. */
static long read_memory(struct mm *mm, struct uio *to, u64 *addr)
{
	char *buf = malloc(PIECE);
	bool alone = false;
	long done = 0, n = 0;

	if (!buf)
		return -ENOMEM;
	while (mm->space && to->left && !alone) {
		n = copy_out(mm, to, *addr, buf, !done, &alone);
		if (n <= 0)
			break;
		*addr += (u64)n;
		done += n;
	}
	free(buf);
	if (done || n == CALL_FETCH || n == CALL_PARK)
		return done ? done : n;
	return mm->space && to->left ? -EIO : 0;
}

static long mem_read(struct file *f, struct uio *to, u64 *pos)
{
	return read_memory(f->priv, to, pos);
}

static long environ_read(struct file *f, struct uio *to, u64 *pos)
{
	struct mm *mm = f->priv;
	u64 addr;
	long n;

	if (mm->env_end <= mm->env_start || *pos >= mm->env_end - mm->env_start)
		return 0;
	addr = mm->env_start + *pos;
	to->left = min(to->left, mm->env_end - addr);
	n = read_memory(mm, to, &addr);
	*pos = addr - mm->env_start;
	return n;
}

/* Bytes from @addr on that the process could write. */
static size_t writable(struct mm *mm, u64 addr, size_t size)
{
	u64 at = addr;

	while (at - addr < size) {
		struct vma *v = vma_lookup(&mm->vmas, at);

		if (!v || !(v->flags & VM_WRITE))
			break;
		at = v->end;
	}
	return min(size, (size_t)(at - addr));
}

/* All of it, as a rule: bytes, -EIO, or what the handler is to pass on. */
static long put(struct mm *mm, u64 addr, char *buf, size_t size, bool force)
{
	struct task *own = own_task(mm);
	long n;

	if (force)
		n = forced(mm, addr, buf, size, true);
	else if (own)
		n = user_write(own, addr, buf, size) ? -EIO : (long)size;
	else
		n = mm->k->trap_ops->write(mm->space, addr, buf, size);
	if (n == -ENOSYS)
		n = by_stub(mm, addr, buf, size, true);
	return n > 0 || n == CALL_PARK ? n : -EIO;
}

/* Nothing can be written; whether what was to be is there is found out first. */
static long unwritable(struct uio *from)
{
	char byte;
	long n = uio_from_user(from, &byte, 1);

	if (n <= 0)
		return n;
	from->done--;
	from->left++;
	return -EIO;
}

static long mem_write(struct file *f, struct uio *from, u64 *pos)
{
	struct mm *mm = f->priv;
	size_t size = mm->space ? writable(mm, *pos, min(from->left, (size_t)PIECE)) : 0;
	bool force = !size && trace_stopped_on(mm->k, mm);
	long n, taken;
	char *buf;

	if (!mm->space || !from->left)
		return 0;
	if (force)
		size = min(from->left, PAGE_SIZE - *pos % PAGE_SIZE);
	if (!size)
		return unwritable(from);
	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	n = taken = uio_from_user(from, buf, size);
	if (taken > 0) {
		n = put(mm, *pos, buf, (size_t)taken, force);
		from->done -= (size_t)(taken - max(n, 0L));
		from->left += (size_t)(taken - max(n, 0L));
	}
	if (n > 0)
		*pos += (u64)n;
	free(buf);
	return n;
}

static s64 mem_seek(struct file *f, s64 offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += (s64)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

static void mem_release(struct file *f)
{
	mm_put(f->priv);
}

static const struct file_ops mem_ops = {
	.read = mem_read,
	.write = mem_write,
	.seek = mem_seek,
	.release = mem_release,
	.rw = RW_READ_PLAIN | RW_WRITE_PLAIN,
};

static const struct file_ops environ_ops = {
	.read = environ_read,
	.seek = empty_seek,
	.release = mem_release,
	.rw = RW_READ_PLAIN,
};

static int open_memory(struct task *t, bool allowed, const struct file_ops *ops, u32 flags, struct file **out)
{
	int err;

	if (!t->mm)
		return -ESRCH;
	if (!allowed)
		return -EACCES;
	err = file_new(t->k, ops, flags, NULL, mm_get(t->mm), out);
	if (err)
		mm_put(t->mm);
	return err;
}

int proc_open_mem(struct task *t, struct task *reader, u32 flags, struct file **out)
{
	bool allowed = !task_may_access(reader, t, HUSK_ACCESS_ATTACH | HUSK_ACCESS_FS);

	return open_memory(t, allowed, &mem_ops, flags, out);
}

int proc_open_environ(struct task *t, struct task *reader, u32 flags, struct file **out)
{
	return open_memory(t, proc_may_read(reader, t), &environ_ops, flags, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies that go along with a job.
 *
 * process_vm_writev() makes them in one call. Where the host refuses that, a few bytes are written word by word through
 * the stopped thread, and more go by way of a memfd that every guest process has as TRACER_TRANSFER_FD: the kernel
 * writes them there and has the thread pread() them to their place, or has it pwrite() what is wanted and reads it.
 */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRANSFER_ROOM (2 * TRAP_COPY_MAX) /* of each thread in the memfd: what goes out, what comes in */

static off_t transfer_at(const struct tracee *th)
{
	return (off_t)th->tid * (off_t)TRANSFER_ROOM;
}

static bool in_wanted(const struct tracee *th)
{
	return th->in_size > POKE_MAX && !th->in_ready;
}

bool transfer_wanted(const struct tracee *th)
{
	return th->space->trap->config.no_process_vm && th->space->trap->transfer >= 0 &&
	       ((th->ncopies && th->out_used > POKE_MAX) || in_wanted(th));
}

void transfer_begin(struct tracee *th)
{
	const struct iovec *to = &th->to[th->out_next];
	int fd = th->space->trap->transfer;

	th->transferred = true;
	if (!th->ncopies || th->out_used <= POKE_MAX) {
		job_call(th, STEP_TRANSFER, SYS_pwrite64, TRACER_TRANSFER_FD, th->in_addr, th->in_size,
			 (u64)transfer_at(th) + TRAP_COPY_MAX, 0, 0);
		return;
	}
	if (!th->out_next && pwrite(fd, th->out, th->out_used, transfer_at(th)) != (ssize_t)th->out_used) {
		th->error = -ENOMEM;
		job_advance(th);
		return;
	}
	job_call(th, STEP_TRANSFER, SYS_pread64, TRACER_TRANSFER_FD, (u64)to->iov_base, to->iov_len,
		 (u64)transfer_at(th) + th->out_at, 0, 0);
}

static void out_clear(struct tracee *th)
{
	th->ncopies = th->out_used = th->out_next = th->out_at = 0;
}

void transfer_end(struct tracee *th, long result)
{
	if (th->ncopies && th->out_used > POKE_MAX) {
		size_t len = th->to[th->out_next].iov_len;

		if (result != (long)len) {
			th->error = -EFAULT;
			out_clear(th);
			return;
		}
		th->out_at += (u32)len;
		if (++th->out_next == th->ncopies)
			out_clear(th);
		return;
	}
	th->in_ready = result == (long)th->in_size &&
		       pread(th->space->trap->transfer, th->in, th->in_size,
			     transfer_at(th) + (off_t)TRAP_COPY_MAX) == (ssize_t)th->in_size;
	if (th->in_ready)
		return;
	th->error = -EFAULT;
	th->in_size = 0; /* it is asked for once */
}

void transfer_drop(struct tracee *th)
{
	if (th->transferred)
		fallocate(th->space->trap->transfer, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  transfer_at(th), TRANSFER_ROOM);
}

static long copies_poke(struct tracee *th)
{
	u32 at = 0;

	for (u32 i = 0; i < th->ncopies; i++) {
		if (memory_poke(th, (u64)th->to[i].iov_base, th->out + at, th->to[i].iov_len) !=
		    (long)th->to[i].iov_len)
			return -EFAULT;
		at += (u32)th->to[i].iov_len;
	}
	return 0;
}

static long write_copies(struct tracee *th)
{
	struct iovec local = {th->out, th->out_used};
	ssize_t n;

	if (!th->space->trap->config.no_process_vm) {
		n = process_vm_writev(th->space->pid, &local, 1, th->to, th->ncopies, 0);
		if (n >= 0 || errno == EFAULT)
			return n == (ssize_t)th->out_used ? 0 : -EFAULT;
	}
	return copies_poke(th);
}

long copies_make(struct tracee *th)
{
	long result = 0;

	if (th->ncopies)
		result = write_copies(th);
	out_clear(th);
	if (!result && th->in_size && !th->in_ready) {
		th->in_ready = memory_peek(th, th->in, th->in_addr, th->in_size) == (long)th->in_size;
		result = th->in_ready ? 0 : -EFAULT;
	}
	if (!th->in_ready)
		th->in_size = 0;
	return result;
}

size_t tracer_precopied(struct trap_thread *thread, void *to, u64 addr, size_t size)
{
	struct tracee *th = tracee_of(thread);
	u64 skip = addr - th->in_addr;

	if (!th->in_ready || skip >= th->in_size)
		return 0;
	size = min(size, th->in_size - skip);
	memcpy(to, th->in + skip, size);
	return size;
}

size_t tracer_copy_out(struct trap_thread *thread, u64 addr, const void *from, size_t size)
{
	struct tracee *th = tracee_of(thread);

	size = min(size, TRAP_COPY_MAX - th->out_used);
	if (!size || th->ncopies == ARRAY_SIZE(th->to))
		return 0;
	memcpy(th->out + th->out_used, from, size);
	th->to[th->ncopies++] = (struct iovec){(void *)addr, size};
	th->out_used += (u32)size;
	return size;
}

int tracer_copy_in(struct trap_thread *thread, u64 addr, size_t size)
{
	struct tracee *th = tracee_of(thread);

	if (size > TRAP_COPY_MAX)
		return -ENOSPC;
	th->in_addr = addr;
	th->in_size = (u32)size;
	th->in_ready = false;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory by process_vm_readv() and process_vm_writev(), word by word through a stopped thread where the host
 * refuses those; registers and vector state by register sets.
 */
#include "trap/ptrace/ptrace.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif
#define REGSET_MAX     16384
#define ERESTART_FIRST 512         /* ERESTARTSYS */
#define ERESTART_LAST  516         /* ERESTART_RESTARTBLOCK */
#define AMX_FEATURES   (3UL << 17) /* no program has them without asking its kernel */

/* ---- registers ---- */

int regs_get(struct tracee *th, struct guest_regs *regs)
{
	struct iovec iov = {regs, sizeof *regs};

	return ptrace(PTRACE_GETREGSET, th->tid, NT_PRSTATUS, &iov) < 0 ? -errno : 0;
}

int regs_set(struct tracee *th, const struct guest_regs *regs)
{
	struct iovec iov = {(void *)regs, sizeof *regs};

	th->host_regs_known = false;
	return ptrace(PTRACE_SETREGSET, th->tid, NT_PRSTATUS, &iov) < 0 ? -errno : 0;
}

int regs_take(struct tracee *th)
{
	int err = regs_get(th, &th->base.regs);

	th->host_regs = th->base.regs;
	th->host_regs_known = !err;
	return err;
}

void regs_load(struct trap_thread *thread)
{
	struct guest_regs known = thread->regs;

	if (!thread->lazy)
		return;
	thread->lazy = false;
	regs_take(tracee_of(thread));
	/* The host told the number alone: of the rest of its register nobody knew yet. */
	thread->regs.rax = thread->answered ? known.rax : thread->regs.orig_rax;
	thread->regs.orig_rax = known.orig_rax;
}

bool restarts(u64 rax)
{
	return rax >= -(u64)ERESTART_LAST && rax <= -(u64)ERESTART_FIRST;
}

void regs_give(struct tracee *th, const struct guest_regs *regs)
{
	struct guest_regs *host = &th->host_regs;
	u64 rax = host->rax;

	if (th->base.lazy) {
		ptrace(PTRACE_POKEUSER, th->tid, offsetof(struct guest_regs, rax), regs->rax);
		th->base.lazy = false;
		return;
	}
	/* Without SYSEMU it is the number that cancels the call. */
	if (!th->host_regs_known || th->entry_stop || restarts(regs->rax)) {
		regs_set(th, regs);
		return;
	}
	/* Most calls change their result alone, most faults nothing. */
	host->rax = regs->rax;
	host->orig_rax = regs->orig_rax;
	if (memcmp(host, regs, sizeof *host))
		regs_set(th, regs);
	else if (regs->rax != rax)
		ptrace(PTRACE_POKEUSER, th->tid, offsetof(struct guest_regs, rax), regs->rax);
	th->host_regs_known = false;
}

/* Bytes of the components @features in the standard format (Intel SDM volume 1, 13.4.3). */
static size_t components_size(u64 features)
{
	size_t size = XSTATE_LEGACY + 64;

	for (u32 i = 2; i < 63; i++) {
		u32 length, offset, c, d;

		if (!(features >> i & 1))
			continue;
		__cpuid_count(0xd, i, length, offset, c, d);
		size = max(size, (size_t)length + offset);
	}
	return size;
}

int xstate_layout(struct ptrap *t, struct tracee *th)
{
	u8 state[REGSET_MAX];
	struct iovec iov = {state, sizeof state};
	struct {
		u32 magic1, extended_size;
		u64 features;
		u32 size, pad[7];
	} sw = {.magic1 = 0x46505853};

	if (ptrace(PTRACE_GETREGSET, th->tid, NT_X86_XSTATE, &iov) < 0) {
		if (errno != ENODEV)
			return -errno;
		sw.magic1 = 0;
		return xstate_learn(&t->xstate, &sw);
	}
	t->regset_size = iov.iov_len;
	memcpy(&sw.features, state + XSTATE_SW_BYTES, 8);
	sw.features &= ~AMX_FEATURES;
	sw.size = (u32)components_size(sw.features);
	sw.extended_size = sw.size + 4;
	return sw.size > t->regset_size ? -EPROTO : xstate_learn(&t->xstate, &sw);
}

size_t tracer_xstate_size(struct trap *trap)
{
	return ptrap_of(trap)->xstate.size;
}

void tracer_xstate_get(struct trap_thread *thread, void *to)
{
	struct tracee *th = tracee_of(thread);
	const struct xstate_layout *x = &th->space->trap->xstate;
	u8 state[REGSET_MAX];
	struct iovec iov = {state, sizeof state};

	memcpy(to, x->init, x->size);
	if (ptrace(PTRACE_GETREGSET, th->tid, NT_X86_XSTATE, &iov) < 0)
		return;
	memcpy(to, state, x->size);
	memcpy((u8 *)to + XSTATE_SW_BYTES, x->init + XSTATE_SW_BYTES, XSTATE_LEGACY - XSTATE_SW_BYTES);
}

int tracer_xstate_set(struct trap_thread *thread, const void *from, size_t size)
{
	struct tracee *th = tracee_of(thread);
	struct ptrap *t = th->space->trap;
	u8 state[REGSET_MAX];
	struct iovec iov = {state, t->regset_size};
	int err;

	memset(state, 0, t->regset_size);
	err = xstate_clean(&t->xstate, state, from, size);
	if (err)
		return err;
	/* A thread that has just been killed is the only one that refuses. */
	ptrace(PTRACE_SETREGSET, th->tid, NT_X86_XSTATE, &iov);
	return 0;
}

/* ---- memory ---- */

static bool is_stopped(const struct tracee *th)
{
	return th->state == TRACEE_HELD || th->state == TRACEE_WAITING || th->state == TRACEE_FREE;
}

/* A thread of @s through which memory can be looked at; NULL: all run. */
static struct tracee *stopped_thread(struct pspace *s)
{
	struct tracee *th;

	list_for_each (th, &s->threads, node)
		if (is_stopped(th))
			return th;
	list_for_each (th, &s->free, node)
		return th;
	return NULL;
}

long memory_peek(struct tracee *th, void *to, u64 addr, size_t size)
{
	size_t done = 0;

	while (done < size) {
		u64 at = addr + done, skip = at % 8;
		size_t n = min(size - done, 8 - skip);
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, th->tid, at - skip, NULL);
		if (errno)
			return done ? (long)done : -EFAULT;
		memcpy((u8 *)to + done, (u8 *)&word + skip, n);
		done += n;
	}
	return (long)done;
}

long memory_poke(struct tracee *th, u64 addr, const void *from, size_t size)
{
	size_t done = 0;

	while (done < size) {
		u64 at = addr + done, skip = at % 8, word;
		size_t n = min(size - done, 8 - skip);

		if (n < 8 && memory_peek(th, &word, at - skip, 8) != 8)
			return done ? (long)done : -EFAULT;
		memcpy((u8 *)&word + skip, (const u8 *)from + done, n);
		if (ptrace(PTRACE_POKEDATA, th->tid, at - skip, word) < 0)
			return done ? (long)done : -EFAULT;
		done += n;
	}
	return (long)done;
}

size_t tracer_direct_max(const struct trap *trap)
{
	const struct ptrap *t = (const struct ptrap *)trap;

	return t->config.no_process_vm && t->transfer >= 0 ? POKE_MAX : SIZE_MAX;
}

long tracer_read(struct trap_space *space, void *to, u64 addr, size_t size)
{
	struct pspace *s = pspace_of(space);
	struct iovec local = {to, size}, remote = {(void *)addr, size};
	struct tracee *th;
	ssize_t n;

	if (!s->pid)
		return -EFAULT;
	if (!s->trap->config.no_process_vm) {
		n = process_vm_readv(s->pid, &local, 1, &remote, 1, 0);
		if (n >= 0 || errno == EFAULT)
			return n < 0 ? -EFAULT : n;
		s->trap->config.no_process_vm = errno == EPERM || errno == ENOSYS;
	}
	th = stopped_thread(s);
	return th ? memory_peek(th, to, addr, size) : -ENOSYS;
}

long tracer_write(struct trap_space *space, u64 addr, const void *from, size_t size)
{
	struct pspace *s = pspace_of(space);
	struct iovec local = {(void *)from, size}, remote = {(void *)addr, size};
	struct tracee *th;
	ssize_t n;

	if (!s->pid)
		return -EFAULT;
	if (!s->trap->config.no_process_vm) {
		n = process_vm_writev(s->pid, &local, 1, &remote, 1, 0);
		if (n >= 0 || errno == EFAULT)
			return n < 0 ? -EFAULT : n;
		s->trap->config.no_process_vm = errno == EPERM || errno == ENOSYS;
	}
	th = stopped_thread(s);
	return th ? memory_poke(th, addr, from, size) : -ENOSYS;
}

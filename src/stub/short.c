/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are answered here, without the kernel: those whose result it has written down beforehand, clocks by the
 * host's vDSO, and what futex.c, memory.c and the like do by host calls of their own.
 *
 * Which ones may be is the kernel's to say, thread by thread (slot->constants, slot->short_ways): a filter or a tracer
 * must see every call. What is out of the ordinary, an unreadable pointer or an unknown clock, is left to the kernel,
 * which knows Linux's answer.
 */
#include <asm/unistd.h>
#include <linux/time_types.h>

#include "stub/stub.h"

#define CLOCK_REALTIME        0
#define CLOCK_REALTIME_COARSE 5

/* The clocks that the vDSO reads by itself: REALTIME, MONOTONIC, MONOTONIC_RAW, both coarse ones, BOOTTIME, TAI. */
#define VDSO_CLOCKS 0x8f3u

typedef int vdso_clock_fn(int clock, struct __kernel_timespec *ts);

/* By the vDSO, which needs no system call, or makes one, which fails (signal.c). */
static int ask_vdso(u64 function, u64 clock, struct __kernel_timespec *ts)
{
	u32 id = (u32)clock;

	return function && id < 32 && (VDSO_CLOCKS >> id & 1) && !((vdso_clock_fn *)function)((int)id, ts);
}

static int put(u64 user, const void *from, u64 size)
{
	return user < HUSK_GUEST_TOP && !stub_copy((void *)user, from, size);
}

static int short_clock_gettime(u64 *r)
{
	struct __kernel_timespec ts;

	if (!ask_vdso(kpage->vdso_clock_gettime, r[SREG_RDI], &ts) || !put(r[SREG_RSI], &ts, sizeof ts))
		return 0;
	r[SREG_RAX] = 0;
	return 1;
}

static int short_clock_getres(u64 *r)
{
	struct __kernel_timespec ts;

	if (!ask_vdso(kpage->vdso_clock_getres, r[SREG_RDI], &ts) ||
	    (r[SREG_RSI] && !put(r[SREG_RSI], &ts, sizeof ts)))
		return 0;
	r[SREG_RAX] = 0;
	return 1;
}

static int short_gettimeofday(u64 *r)
{
	struct __kernel_timespec ts;
	s64 tv[2];

	if (r[SREG_RSI] || !ask_vdso(kpage->vdso_clock_gettime, CLOCK_REALTIME, &ts))
		return 0;
	tv[0] = ts.tv_sec;
	tv[1] = ts.tv_nsec / 1000;
	if (r[SREG_RDI] && !put(r[SREG_RDI], tv, sizeof tv))
		return 0;
	r[SREG_RAX] = 0;
	return 1;
}

static int short_time(u64 *r)
{
	struct __kernel_timespec ts;

	if (!ask_vdso(kpage->vdso_clock_gettime, CLOCK_REALTIME_COARSE, &ts))
		return 0;
	if (r[SREG_RDI] && !put(r[SREG_RDI], &ts.tv_sec, sizeof ts.tv_sec))
		return 0;
	r[SREG_RAX] = (u64)ts.tv_sec;
	return 1;
}

static int short_sched_yield(u64 *r)
{
	r[SREG_RAX] = (u64)stub_host_sched_yield();
	return 1;
}

static int answer(struct slot *slot, struct ucontext *uc, u64 nr)
{
	u64 *r = slot->regs;

	switch (nr) {
	case __NR_futex:
		return stub_short_futex(slot, uc);
	case __NR_clock_gettime:
		return short_clock_gettime(r);
	case __NR_clock_getres:
		return short_clock_getres(r);
	case __NR_gettimeofday:
		return short_gettimeofday(r);
	case __NR_time:
		return short_time(r);
	case __NR_sched_yield:
		return short_sched_yield(r);
	case __NR_rt_sigprocmask:
		return stub_short_sigprocmask(slot);
	case __NR_rt_sigreturn:
		return stub_return(slot, uc);
	case __NR_mmap:
	case __NR_mprotect:
	case __NR_munmap:
	case __NR_brk:
	case __NR_madvise:
		return stub_short_memory(slot, nr);
	case __NR_read:
	case __NR_pread64:
	case __NR_readv:
	case __NR_lseek:
	case __NR_write:
		return stub_short_donated(r, nr);
	case __NR_close:
	case __NR_fcntl:
	case __NR_getdents64:
		return stub_short_known(slot, nr);
	case __NR_wait4:
		return stub_short_wait4(slot);
	case __NR_ptrace:
		return stub_short_ptrace(slot);
	}
	return 0;
}

/* Calls about descriptors are answered now and then only. Such that come by a signal are the kernel's: it patches the site. */
static int is_about_known(u64 nr)
{
	return nr == __NR_close || nr == __NR_fcntl || nr == __NR_getdents64;
}

static int is_short(const struct slot *slot, u64 nr, int by_signal)
{
	if (is_about_known(nr) && ((by_signal && kpage->patches) || !stub_knows(slot, nr)))
		return 0;
	switch (nr) {
#define X(name, number) \
	case number:    \
		return (slot->short_ways & SHORT_BIT(name)) != 0;
		HUSK_SHORT_CALLS(X)
#undef X
	}
	return nr < HUSK_QUICK_CALLS && slot->constants[nr];
}

/* The kernel patches sites that calls come from by a signal, but does not see those that are answered here: it is told
 * of a site's first, second, fourth, ... call. An entry is a site's address and the number of its calls. */
static int tell_site(struct slot *slot)
{
	u64 site = slot->regs[SREG_RIP], *entry = &slot->sites[site / 2 % HUSK_NR_SITES];

	if (*entry >> 16 != site)
		*entry = site << 16;
	if ((*entry & 0xffff) == 0xffff)
		return 0;
	++*entry;
	return !((*entry & 0xffff) & ((*entry & 0xffff) - 1));
}

int stub_short(struct slot *slot, struct ucontext *uc)
{
	struct sigcontext *mc = (struct sigcontext *)&uc->uc_mcontext;
	u64 nr = slot->regs[SREG_ORIG_RAX];

	if (nr >= HUSK_COUNTED_CALLS || !is_short(slot, nr, uc != 0))
		return 0;
	if (uc && kpage->patches && tell_site(slot)) {
		stub_turn(slot, uc, EVENT_SITE);
		return 1;
	}
	if (nr < HUSK_QUICK_CALLS && slot->constants[nr])
		slot->regs[SREG_RAX] = slot->constants[nr] - 1;
	else if (!answer(slot, uc, nr))
		return 0;
	slot->counts[nr]++;
	slot->stub_calls++;
	/* Where it goes on has changed when its site was patched while it waited. */
	if (uc) {
		mc->rax = slot->regs[SREG_RAX];
		mc->rip = slot->regs[SREG_RIP];
	}
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the stub's filter.
 *
 * From anywhere but the stub's own syscall instructions every call traps: that is how the guest's calls reach
 * husk. Each instruction of the stub may make one call only, compared by its exact address *and* number,
 * since a guest can jump to it with any registers. The arguments are then pinned so that the call can harm
 * nobody but the guest itself: memory calls stay below the windows, descriptors are the stub's own, clones
 * ask the kernel.
 *
 * Two calls pass every filter on Linux 6.12 and up: uretprobe (335) and uprobe (336). They are the host's way back
 * from probes that its root has set. From anywhere but the host's own trampolines, which are mapped only where such
 * a probe is, they do nothing but SIGILL or -ENXIO to the caller, so a guest that makes them learns that error
 * instead of husk's ENOSYS.
 *
 * Layout: architecture, high half of the instruction pointer, then a chain of comparisons of its low half;
 * each match leads to a rule of a few instructions. Linear, since trees gain nothing measurable.
 */
#include "trap/seccomp/filter.h"

#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/bug.h"
#include "channel/channel.h"
#include "stub_symbols.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define NR_MSEAL       462
#define NR_CLOSE_RANGE 436

#define LOW(ip)        ((u32)(ip))
#define HIGH(ip)       ((u32)((u64)(ip) >> 32))
#define ARG_LOW(i)     (offsetof(struct seccomp_data, args) + 8 * (i))
#define ARG_HIGH(i)    (ARG_LOW(i) + 4)
#define GUEST_TOP_HIGH 0x7ffdu /* high word of the last guest page: one below the windows' lowest */

#define MSG_DONTWAIT     0x40
#define MSG_CMSG_CLOEXEC 0x40000000

struct builder {
	struct sock_filter *out;
	size_t n;
	bool gated;
};

static void emit(struct builder *b, u16 code, u32 k, u8 jt, u8 jf)
{
	BUG_ON(b->n >= STUB_FILTER_MAX);
	b->out[b->n++] = (struct sock_filter){code, jt, jf, k};
}

static void load(struct builder *b, u32 offset)
{
	emit(b, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void ret(struct builder *b, u32 action)
{
	emit(b, BPF_RET | BPF_K, action, 0, 0);
}

/* Traps unless the accumulator compares (@op) with @k as @want. */
static void require(struct builder *b, u16 op, u32 k, bool want)
{
	emit(b, BPF_JMP | op | BPF_K, k, want ? 1 : 0, want ? 0 : 1);
	ret(b, SECCOMP_RET_TRAP);
}

static void require_equal(struct builder *b, u32 offset, u32 value)
{
	load(b, offset);
	require(b, BPF_JEQ, value, true);
}

static void require_arg(struct builder *b, int i, u64 value)
{
	require_equal(b, ARG_LOW(i), (u32)value);
	require_equal(b, ARG_HIGH(i), HIGH(value));
}

/* The accumulator must be one of @values. */
static void require_one_of(struct builder *b, const u32 *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, values[i], (u8)(n - i), 0);
	ret(b, SECCOMP_RET_TRAP);
}

/* [args[addr], args[addr] + args[len]) lies below the windows: exact for every guest range, refuses all that
 * could end in or behind a window, with carries: high words of both at most, and in sum at most, the guest's
 * last. */
static void require_guest_range(struct builder *b, int addr, int len)
{
	load(b, ARG_HIGH(len));
	require(b, BPF_JGT, GUEST_TOP_HIGH, false);
	emit(b, BPF_MISC | BPF_TAX, 0, 0, 0);
	load(b, ARG_HIGH(addr));
	require(b, BPF_JGT, GUEST_TOP_HIGH, false);
	emit(b, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	require(b, BPF_JGT, GUEST_TOP_HIGH, false);
}

static void rule_allow(struct builder *b)
{
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_futex(struct builder *b)
{
	static const u32 commands[] = {FUTEX_WAIT,        FUTEX_WAKE,    FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET,
				       FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_REQUEUE};

	load(b, ARG_LOW(1));
	emit(b, BPF_ALU | BPF_AND | BPF_K, ~(u32)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), 0, 0);
	require_one_of(b, commands, ARRAY_SIZE(commands));
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_doorbell(struct builder *b)
{
	require_arg(b, 0, HUSK_DOORBELL_FD);
	require_arg(b, 2, 8);
	ret(b, SECCOMP_RET_ALLOW);
}

/* Guest memory only, at an exact place: a free choice of the host's could fall into a hole of the windows. */
static void rule_mmap(struct builder *b)
{
	const u32 allowed = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS |
			    MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK;

	require_guest_range(b, 0, 1);
	load(b, ARG_LOW(3));
	emit(b, BPF_JMP | BPF_JSET | BPF_K, MAP_FIXED | MAP_FIXED_NOREPLACE, 1, 0);
	ret(b, SECCOMP_RET_TRAP);
	require(b, BPF_JSET, ~allowed, false);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_memory_range(struct builder *b)
{
	require_guest_range(b, 0, 1);
	ret(b, SECCOMP_RET_ALLOW);
}

/* No flags: what later hosts may give them a meaning. */
static void rule_mseal(struct builder *b)
{
	require_guest_range(b, 0, 1);
	require_arg(b, 2, 0);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_mremap(struct builder *b)
{
	size_t fixed;

	require_guest_range(b, 0, 1);
	load(b, ARG_LOW(3));
	fixed = b->n;
	emit(b, BPF_JMP | BPF_JSET | BPF_K, MREMAP_FIXED, 0, 0);
	/* Without a place for the result the mapping must not move: it grows where it is. */
	require(b, BPF_JSET, MREMAP_MAYMOVE, false);
	require_guest_range(b, 0, 2);
	ret(b, SECCOMP_RET_ALLOW);
	b->out[fixed].jt = (u8)(b->n - fixed - 1);
	require_guest_range(b, 4, 2);
	ret(b, SECCOMP_RET_ALLOW);
}

/* No MERGEABLE (other sandboxes' memory), HWPOISON or SOFT_OFFLINE (the host's). */
static void rule_madvise(struct builder *b)
{
	static const u32 advices[] = {0,  1,  2,  3,  4,  8,  9,  10, 11, 14,  15, 16,
				      17, 18, 19, 20, 21, 22, 23, 24, 25, 102, 103};

	require_guest_range(b, 0, 1);
	load(b, ARG_LOW(2));
	require_one_of(b, advices, ARRAY_SIZE(advices));
	ret(b, SECCOMP_RET_ALLOW);
}

/* The accumulator must be the number of a donated file. */
static void require_donated(struct builder *b)
{
	require(b, BPF_JGE, HUSK_DONATED_FD, true);
	require(b, BPF_JGE, HUSK_DONATED_FD + HUSK_NR_DONATED, false);
}

/* Files that the kernel has given to this process, all open for reading alone. The host does not look at the high half of
 * a descriptor. */
static void rule_donated(struct builder *b)
{
	load(b, ARG_LOW(0));
	require_donated(b);
	ret(b, SECCOMP_RET_ALLOW);
}

/* Neither of the socket nor of the doorbell, and to the place of a donated file. */
static void rule_donate(struct builder *b)
{
	load(b, ARG_LOW(0));
	require(b, BPF_JGE, HUSK_DOORBELL_FD + 1, true);
	load(b, ARG_LOW(1));
	require_donated(b);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_close_donated(struct builder *b)
{
	load(b, ARG_LOW(0));
	require_donated(b);
	load(b, ARG_LOW(1));
	require_donated(b);
	require_arg(b, 2, 0);
	ret(b, SECCOMP_RET_ALLOW);
}

/* Never the socket or the doorbell. */
static void rule_close(struct builder *b)
{
	require_equal(b, ARG_HIGH(0), 0);
	load(b, ARG_LOW(0));
	require(b, BPF_JGE, HUSK_DOORBELL_FD + 1, true);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_recvmsg(struct builder *b)
{
	require_arg(b, 0, HUSK_SOCKET_FD);
	require_equal(b, ARG_LOW(2), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_arch_prctl(struct builder *b)
{
	static const u32 codes[] = {0x1001 /* ARCH_SET_GS */, 0x1002 /* ARCH_SET_FS */};

	load(b, ARG_LOW(0));
	require_one_of(b, codes, ARRAY_SIZE(codes));
	ret(b, SECCOMP_RET_ALLOW);
}

/* No CPU clocks: those of other host processes are none of a guest's business. */
static void rule_clock_gettime(struct builder *b)
{
	require_arg(b, 0, CLOCK_MONOTONIC);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_fork(struct builder *b)
{
	require_arg(b, 0, STUB_FORK_FLAGS);
	ret(b, b->gated ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
}

static void rule_thread(struct builder *b)
{
	require_arg(b, 0, STUB_THREAD_FLAGS);
	ret(b, b->gated ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
}

static void rule_death_signal(struct builder *b)
{
	require_arg(b, 0, PR_SET_PDEATHSIG);
	require_arg(b, 1, SIGKILL);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_tsc(struct builder *b)
{
	static const u32 modes[] = {PR_TSC_ENABLE, PR_TSC_SIGSEGV};

	require_arg(b, 0, PR_SET_TSC);
	require_equal(b, ARG_HIGH(1), 0);
	load(b, ARG_LOW(1));
	require_one_of(b, modes, ARRAY_SIZE(modes));
	ret(b, SECCOMP_RET_ALLOW);
}

/* The two ways of catching calls earlier than here; never off. */
static void rule_dispatch(struct builder *b)
{
	size_t inclusive;

	require_arg(b, 0, HUSK_PR_SET_DISPATCH);
	require_arg(b, 4, 0);
	require_equal(b, ARG_HIGH(1), 0);
	load(b, ARG_LOW(1));
	inclusive = b->n;
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, DISPATCH_INCLUSIVE, 0, 0);
	require(b, BPF_JEQ, DISPATCH_EXCLUSIVE, true);
	require_arg(b, 2, HUSK_STUB_BASE);
	require_arg(b, 3, HUSK_STUB_SIZE);
	ret(b, SECCOMP_RET_ALLOW);
	b->out[inclusive].jt = (u8)(b->n - inclusive - 1);
	require_arg(b, 2, HUSK_GUEST_START);
	require_arg(b, 3, HUSK_STUB_BASE - HUSK_GUEST_START);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_dup2_socket(struct builder *b)
{
	require_arg(b, 1, HUSK_SOCKET_FD);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_dup2_doorbell(struct builder *b)
{
	require_arg(b, 1, HUSK_DOORBELL_FD);
	ret(b, SECCOMP_RET_ALLOW);
}

/* A forked process maps its own channel region over the parent's: that very mapping and nothing else. */
static void rule_map_region(struct builder *b)
{
	require_arg(b, 0, HUSK_CHAN_BASE);
	require_arg(b, 1, HUSK_CHAN_SIZE);
	require_arg(b, 2, PROT_READ | PROT_WRITE);
	require_arg(b, 3, MAP_SHARED | MAP_FIXED);
	require_arg(b, 5, 0);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_unmap_boot(struct builder *b)
{
	require_arg(b, 0, HUSK_BOOT_BASE);
	require_arg(b, 1, HUSK_BOOT_SIZE);
	ret(b, SECCOMP_RET_ALLOW);
}

static void rule_boot_sendmsg(struct builder *b)
{
	require_arg(b, 0, HUSK_SOCKET_FD);
	ret(b, SECCOMP_RET_ALLOW);
}

/* One line for each syscall instruction of the stub, the frequent ones first. */
static const struct {
	u64 ip;
	u32 nr;
	void (*rule)(struct builder *b);
} rules[] = {
	{STUB_EXIT_IP, SYS_rt_sigreturn, rule_allow},
	{STUB_HOST_FUTEX_IP, SYS_futex, rule_futex},
	{STUB_GUEST_FUTEX_IP, SYS_futex, rule_futex},
	{STUB_HOST_READ_IP, SYS_read, rule_donated},
	{STUB_HOST_PREAD64_IP, SYS_pread64, rule_donated},
	{STUB_HOST_LSEEK_IP, SYS_lseek, rule_donated},
	{STUB_HOST_WRITE_IP, SYS_write, rule_doorbell},
	{STUB_HOST_MMAP_IP, SYS_mmap, rule_mmap},
	{STUB_HOST_MUNMAP_IP, SYS_munmap, rule_memory_range},
	{STUB_HOST_MPROTECT_IP, SYS_mprotect, rule_memory_range},
	{STUB_HOST_MREMAP_IP, SYS_mremap, rule_mremap},
	{STUB_HOST_MADVISE_IP, SYS_madvise, rule_madvise},
	{STUB_HOST_MINCORE_IP, SYS_mincore, rule_memory_range},
	{STUB_HOST_MSEAL_IP, NR_MSEAL, rule_mseal},
	{STUB_HOST_RECVMSG_IP, SYS_recvmsg, rule_recvmsg},
	{STUB_HOST_CLOSE_IP, SYS_close, rule_close},
	{STUB_HOST_READV_IP, SYS_readv, rule_donated},
	{STUB_HOST_DUP2_IP, SYS_dup2, rule_donate},
	{STUB_HOST_CLOSE_RANGE_IP, NR_CLOSE_RANGE, rule_close_donated},
	{STUB_RETURN_IP, SYS_rt_sigreturn, rule_allow},
	{STUB_HOST_CLOCK_GETTIME_IP, SYS_clock_gettime, rule_clock_gettime},
	{STUB_HOST_ARCH_PRCTL_IP, SYS_arch_prctl, rule_arch_prctl},
	{STUB_FORK_CLONE_IP, SYS_clone, rule_fork},
	{STUB_FORK_PRCTL_IP, SYS_prctl, rule_death_signal},
	{STUB_FORK_DUP2_SOCKET_IP, SYS_dup2, rule_dup2_socket},
	{STUB_FORK_DUP2_DOORBELL_IP, SYS_dup2, rule_dup2_doorbell},
	{STUB_FORK_MMAP_IP, SYS_mmap, rule_map_region},
	{STUB_THREAD_CLONE_IP, SYS_clone, rule_thread},
	{STUB_HOST_SIGALTSTACK_IP, SYS_sigaltstack, rule_allow},
	{STUB_HOST_SCHED_YIELD_IP, SYS_sched_yield, rule_allow},
	{STUB_HOST_GETPPID_IP, SYS_getppid, rule_allow},
	{STUB_HOST_PRCTL_IP, SYS_prctl, rule_dispatch},
	{STUB_HOST_SET_TSC_IP, SYS_prctl, rule_tsc},
	{STUB_HOST_EXIT_GROUP_IP, SYS_exit_group, rule_allow},
	{STUB_BOOT_MUNMAP_IP, SYS_munmap, rule_unmap_boot},
	{STUB_BOOT_SENDMSG_IP, SYS_sendmsg, rule_boot_sendmsg},
};

/* All but those at stub_ready_ip and stub_frame_ip, which are to trap. */
_Static_assert(ARRAY_SIZE(rules) == STUB_NR_CALLS - 2, "a call of the stub has no rule");

size_t stub_filter_build(struct sock_filter *out, bool gated)
{
	struct builder b = {.out = out, .gated = gated};

	load(&b, offsetof(struct seccomp_data, arch));
	emit(&b, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	ret(&b, SECCOMP_RET_KILL_PROCESS);
	load(&b, offsetof(struct seccomp_data, instruction_pointer) + 4);
	require(&b, BPF_JEQ, HIGH(HUSK_STUB_BASE), true);
	load(&b, offsetof(struct seccomp_data, instruction_pointer));
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		size_t jump = b.n;

		BUG_ON(HIGH(rules[i].ip) != HIGH(HUSK_STUB_BASE));
		emit(&b, BPF_JMP | BPF_JEQ | BPF_K, LOW(rules[i].ip), 0, 0);
		require_equal(&b, offsetof(struct seccomp_data, nr), rules[i].nr);
		rules[i].rule(&b);
		BUG_ON(b.n - jump - 1 > 255);
		out[jump].jf = (u8)(b.n - jump - 1);
	}
	ret(&b, SECCOMP_RET_TRAP);
	return b.n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zygote's start: from a fresh execveat() of the stub's image to the first turn. Lies in pages of its
 * own, which go before the first guest runs.
 *
 * slot 1's boot words, filled by the kernel: [0] 1: ask for a notification listener; [1] number of filter
 * instructions, which lie in the slot's in area; [2] number of pieces of the host's vDSO; [3], [4], ...:
 * offset of each piece from the vDSO's ELF header and its length. Filled here: [13] 1: the vDSO was moved to
 * HUSK_VDSO_BASE, pieces packed in their order; [14] step that failed; [15] its errno.
 */
#include <asm/unistd.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "stub/stub.h"

#define BOOT __attribute__((section(".boot"), noinline))

#define MREMAP_MAYMOVE  1
#define MREMAP_FIXED    2
#define AT_SYSINFO_EHDR 33
#define NR_mseal        462

extern void stub_signal_entry(void), stub_restorer(void);
extern char stub_sealed_end[];
void stub_boot_finish(void) __attribute__((noreturn));
long stub_boot_sendmsg(int fd, void *msg, int flags);

static inline __attribute__((always_inline)) long host(long nr, long a, long b, long c, long d, long e,
						       long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

#define boot_slot ((struct slot *)(HUSK_CHAN_BASE + HUSK_SLOT_SIZE))

/* Maps the kernel page and the channel region; returns the vDSO's address from the auxiliary vector. */
BOOT __attribute__((used)) u64 boot_map(u64 *sp)
{
	u64 argc = *sp++;

	host(__NR_mmap, HUSK_KPAGE_BASE, HUSK_KPAGE_SIZE, 1, 0x11, HUSK_KPAGE_FD, 0);
	host(__NR_mmap, HUSK_CHAN_BASE, HUSK_CHAN_SIZE, 3, 0x11, HUSK_REGION_FD, 0);
	host(__NR_close, HUSK_KPAGE_FD, 0, 0, 0, 0, 0);
	host(__NR_close, HUSK_REGION_FD, 0, 0, 0, 0, 0);
	sp += argc + 1;
	while (*sp++)
		;
	for (; sp[0]; sp += 2)
		if (sp[0] == AT_SYSINFO_EHDR)
			return sp[1];
	return 0;
}

BOOT static void fail(u64 step, long err)
{
	boot_slot->boot[14] = step;
	boot_slot->boot[15] = (u64)err;
	slot_index(boot_slot);
	host(__NR_exit_group, 99, 0, 0, 0, 0, 0);
}

BOOT static void check(u64 step, long result)
{
	if (result < 0)
		fail(step, result);
}

BOOT static void move_vdso(u64 vdso)
{
	u64 to = HUSK_VDSO_BASE, n = boot_slot->boot[2];

	for (u64 i = 0; i < n && i < 5; i++) {
		u64 from = vdso + boot_slot->boot[3 + 2 * i], len = boot_slot->boot[4 + 2 * i];

		if (host(__NR_mremap, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to, 0) != (long)to)
			return;
		to += len;
	}
	boot_slot->boot[13] = n > 0;
}

BOOT static void set_signals(void)
{
	struct {
		void *handler;
		u64 flags;
		void *restorer;
		u64 mask;
	} action = {stub_signal_entry, SA_SIGINFO | SA_ONSTACK | SA_RESTORER | SA_NODEFER, stub_restorer, 0};
	u64 caught = 0;
	const u64 signals = 1UL << (SIGSYS - 1) | 1UL << (SIGSEGV - 1) | 1UL << (SIGBUS - 1) |
			    1UL << (SIGFPE - 1) | 1UL << (SIGILL - 1) | 1UL << (SIGTRAP - 1) |
			    1UL << (HUSK_INTERRUPT_SIGNAL - 1);
	struct {
		u64 sp;
		int flags;
		u64 size;
	} ss = {(u64)boot_slot + HUSK_SIGSTACK_OFFSET, 0, HUSK_SIGSTACK_SIZE};

	for (int signo = 1; signo <= 31; signo++) {
		if (!(signals >> (signo - 1) & 1))
			continue;
		check(10, host(__NR_rt_sigaction, signo, (long)&action, 0, 8, 0, 0));
		caught |= 1UL << (signo - 1);
	}
	caught = ~caught;
	check(11, host(__NR_rt_sigprocmask, 2, (long)&caught, 0, 8, 0, 0));
	check(12, host(__NR_sigaltstack, (long)&ss, 0, 0, 0, 0, 0));
}

/* Sends the listener to the kernel process, by the one instruction that the filter allows for it. */
BOOT static void send_listener(int listener)
{
	struct {
		u64 len;
		int level, type, fd, pad;
	} control = {20, 1, 1, listener, 0};
	char byte = 0;
	struct {
		void *base;
		u64 len;
	} iov = {&byte, 1};
	struct {
		void *name;
		u64 name_len;
		void *iov;
		u64 niov;
		void *control;
		u64 control_len;
		u64 flags;
	} m = {0, 0, &iov, 1, &control, 24, 0};

	stub_boot_sendmsg(HUSK_SOCKET_FD, &m, 0);
	stub_host_close(listener);
}

BOOT static void unmap(u64 start, u64 end)
{
	if (start < end)
		check(20, host(__NR_munmap, start, end - start, 0, 0, 0, 0));
}

BOOT __attribute__((used, noreturn)) void boot_prepare(u64 vdso)
{
	struct sock_fprog filter = {(unsigned short)boot_slot->boot[1],
				    (void *)((u64)boot_slot + HUSK_IN_OFFSET)};
	long listener;

	if (vdso)
		move_vdso(vdso);
	unmap(0x10000, HUSK_STUB_BASE);
	unmap(HUSK_STUB_BASE + HUSK_STUB_SIZE, HUSK_VDSO_BASE);
	unmap(HUSK_VDSO_BASE + HUSK_VDSO_SIZE, HUSK_KPAGE_BASE);
	unmap(HUSK_KPAGE_BASE + HUSK_KPAGE_SIZE, HUSK_CHAN_BASE);
	unmap(HUSK_CHAN_BASE + HUSK_CHAN_SIZE, HUSK_TASK_TOP);
	/* Out of a terminal's reach, and yet of the kernel process's own session: the host's autogroups take turns. */
	check(1, host(__NR_setpgid, 0, 0, 0, 0, 0, 0));
	set_signals();
	check(2, host(__NR_prctl, PR_SET_PDEATHSIG, 9, 0, 0, 0, 0));
	if (host(__NR_getppid, 0, 0, 0, 0, 0, 0) != (long)kpage->kernel_pid)
		fail(3, 0);
	check(4, host(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0));
	/* Sealing is a second line, where the host has it: the filter alone must hold. It takes no range with holes. */
	host(NR_mseal, HUSK_STUB_BASE, (u64)stub_sealed_end - HUSK_STUB_BASE, 0, 0, 0, 0);
	host(NR_mseal, HUSK_KPAGE_BASE, HUSK_KPAGE_SIZE, 0, 0, 0, 0);
	check(6, stub_dispatch());
	listener = host(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
			boot_slot->boot[0] ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, (long)&filter, 0, 0, 0);
	check(5, listener);
	if (boot_slot->boot[0])
		send_listener((int)listener);
	stub_boot_finish();
}

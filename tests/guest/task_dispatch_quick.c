/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatched calls in great number, as ways that are short must not show: vector registers and control words, signal
 * masks and signals that come meanwhile, handlers that change what they return to, that leave by a jump, that are
 * replaced; threads. Skipped where the host has no Syscall User Dispatch.
 */
#include "dispatch.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#define MANY 1500

static __thread volatile unsigned char selector;
static __thread volatile long count;

/* A call of no system's, by a function that looks like a library's. */
static __attribute__((noinline)) long foreign(long nr, long a)
{
	long r = nr;

	__asm__ volatile("mov $0x5432, %%r8d\n\tsyscall" : "+a"(r) : "D"(a) : "rcx", "r11", "r8", "memory");
	return r;
}

static long dispatched(long a)
{
	selector = BLOCK;
	return foreign(0x1234, a);
}

static void catch (void (*fn)(int, siginfo_t *, void *), int flags, int blocks)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	if (blocks)
		sigaddset(&sa.sa_mask, blocks);
	CHECK_OK(sigaction(SIGSYS, &sa, NULL));
}

static void switch_on(int on)
{
	CHECK_OK(dispatch(on ? EXCLUSIVE : OFF, NULL, 0, on ? &selector : NULL));
}

static greg_t *regs(void *uc)
{
	return ((ucontext_t *)uc)->uc_mcontext.gregs;
}

/* ---- vector state ---- */

static volatile unsigned handler_mxcsr, handler_fcw, handler_xmm;

static void looks_at_vectors(int signo, siginfo_t *info, void *uc)
{
	unsigned mxcsr;
	unsigned short fcw;
	unsigned long low;

	__asm__ volatile("movq %%xmm9, %0" : "=r"(low));
	selector = ALLOW;
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(fcw));
	handler_mxcsr |= mxcsr ^ 0x1f80;
	handler_fcw |= fcw ^ 0x37fU;
	handler_xmm |= low != 0;
	/* Of its own, to be gone afterwards. */
	__asm__ volatile("pcmpeqd %%xmm9, %%xmm9\n\tpcmpeqd %%xmm14, %%xmm14" : : : "xmm9", "xmm14");
	regs(uc)[REG_RAX] = regs(uc)[REG_RDI] + 1;
}

static void vectors(void)
{
	unsigned mxcsr = 0x7f80, mxcsr_after, before;
	unsigned short fcw = 0x27f, fcw_after;
	unsigned long low, high;
	long wrong = 0, r;

	catch (looks_at_vectors, 0, 0);
	__asm__ volatile("stmxcsr %0" : "=m"(before));
	for (long i = 0; i < MANY; i++) {
		unsigned long a = 0x1111111111111111UL * (unsigned long)(i & 15), b = ~a;

		selector = BLOCK;
		__asm__ volatile(
			"ldmxcsr %[mxcsr]\n\tfldcw %[fcw]\n\t"
			"movq %[a], %%xmm9\n\tmovq %[b], %%xmm14\n\t"
			"mov $0x4321, %%eax\n\tsyscall\n\t"
			"movq %%xmm9, %[low]\n\tmovq %%xmm14, %[high]\n\t"
			"stmxcsr %[mxcsr_after]\n\tfnstcw %[fcw_after]\n\tldmxcsr %[before]\n\tfninit"
			: "=&a"(r), [low] "=&r"(low), [high] "=&r"(high), [mxcsr_after] "=m"(mxcsr_after),
			  [fcw_after] "=m"(fcw_after)
			: [mxcsr] "m"(mxcsr), [fcw] "m"(fcw), [before] "m"(before), [a] "r"(a), [b] "r"(b),
			  "D"(i)
			: "rcx", "r11", "xmm9", "xmm14", "memory");
		wrong += r != i + 1 || low != a || high != b || mxcsr_after != mxcsr || fcw_after != fcw;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(handler_mxcsr, 0);
	CHECK_EQ(handler_fcw, 0);
	CHECK_EQ(handler_xmm, 0);
}

/* ---- registers ---- */

static void changes_registers(int signo, siginfo_t *info, void *uc)
{
	greg_t *r = regs(uc);

	selector = ALLOW;
	r[REG_RBX] += 1;
	r[REG_R12] += 2;
	r[REG_R15] += 3;
	r[REG_R11] += 4;
	r[REG_RDX] = r[REG_RBP];
	r[REG_EFL] ^= 0x8c1; /* OF, SF, ZF, CF */
	r[REG_RAX] = (long)info->si_call_addr - r[REG_RIP] + info->si_syscall;
}

static void registers(void)
{
	long wrong = 0;

	catch (changes_registers, 0, 0);
	for (long i = 0; i < MANY; i++) {
		register long r12 __asm__("r12") = i, r15 __asm__("r15") = 2 * i;
		long rax = 0x777, rbx = 3 * i, rdx = 0, flags;

		selector = BLOCK;
		__asm__ volatile("xor %%ecx, %%ecx\n\tmov $0x777, %%eax\n\tsyscall\n\tpushfq\n\tpop %%rdi"
				 : "+a"(rax), "+b"(rbx), "+d"(rdx), "+r"(r12), "+r"(r15), "=&D"(flags)
				 :
				 : "rcx", "r11", "memory");
		wrong += rax != 0x777 || rbx != 3 * i + 1 || r12 != i + 2 || r15 != 2 * i + 3;
		/* xor left ZF and PF alone. */
		wrong += (flags & 0x8d5) != (0x44 ^ 0x8c1);
	}
	CHECK_EQ(wrong, 0);
}

/* ---- masks ---- */

static volatile int early, late;

static void on_user_signal(int signo)
{
	late++;
}

static void raises(int signo, siginfo_t *info, void *uc)
{
	int before = late;

	selector = ALLOW;
	count++;
	if (count % 3 == 0)
		raise(SIGUSR1);
	early += late != before;
}

static void masked(void)
{
	sigset_t mask;

	signal(SIGUSR1, on_user_signal);
	catch (raises, 0, SIGUSR1);
	count = early = late = 0;
	for (int i = 1; i <= MANY; i++) {
		dispatched(0);
		if (late != i / 3)
			break;
	}
	CHECK_EQ(late, MANY / 3);
	CHECK_EQ(early, 0);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	CHECK_EQ(sigismember(&mask, SIGSYS) + sigismember(&mask, SIGUSR1), 0);
}

/* The frame's mask is what holds afterwards. */
static void changes_mask(int signo, siginfo_t *info, void *uc)
{
	selector = ALLOW;
	if (regs(uc)[REG_RDI] & 1)
		sigaddset(&((ucontext_t *)uc)->uc_sigmask, SIGUSR2);
	else
		sigdelset(&((ucontext_t *)uc)->uc_sigmask, SIGUSR2);
}

static void masks_left(void)
{
	long wrong = 0;
	sigset_t mask;

	signal(SIGUSR2, on_user_signal);
	catch (changes_mask, 0, SIGUSR1);
	late = 0;
	for (int i = 0; i < MANY; i++) {
		dispatched(i);
		if (i % 5)
			continue;
		raise(SIGUSR2);
		sigprocmask(SIG_SETMASK, NULL, &mask);
		wrong += sigismember(&mask, SIGUSR2) != (i & 1);
		/* What waits comes when it is let. */
		dispatched(0);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(late, MANY / 5);
	dispatched(0);
}

/* Left by a jump: the mask is the program's to put back. */
static sigjmp_buf out;

static void jumps(int signo, siginfo_t *info, void *uc)
{
	selector = ALLOW;
	count++;
	siglongjmp(out, 1);
}

static void left_by_jump(void)
{
	sigset_t mask;

	catch (jumps, 0, SIGUSR1);
	for (count = 0; count < MANY;) {
		if (sigsetjmp(out, 1))
			continue;
		dispatched(0);
	}
	CHECK_EQ(count, MANY);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	CHECK_EQ(sigismember(&mask, SIGSYS) + sigismember(&mask, SIGUSR1), 0);
}

/* Left by a jump with the mask as it is in the handler: SIGSYS is blocked from then on. */
static void left_blocked(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		switch_on(1);
		catch (jumps, 0, 0);
		for (volatile int i = 0; i < 100; i++)
			if (!sigsetjmp(out, 1))
				dispatched(0);
		if (!sigsetjmp(out, 0))
			dispatched(0);
		dispatched(0);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : -status, SIGSYS);
}

/* ---- stacks ---- */

static char *alt;
static volatile int outside;

static void where(int signo, siginfo_t *info, void *uc)
{
	char here;

	selector = ALLOW;
	outside += !(&here > alt && &here < alt + 32768);
	outside += (uintptr_t)__builtin_frame_address(0) % 16 != 0;
}

static void stacks(void)
{
	stack_t ss = {.ss_size = 32768}, now;

	ss.ss_sp = alt = mmap(NULL, 32768, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(sigaltstack(&ss, NULL));
	catch (where, SA_ONSTACK, 0);
	for (int i = 0; i < MANY; i++)
		dispatched(0);
	CHECK_EQ(outside, 0);
	CHECK_OK(sigaltstack(NULL, &now));
	CHECK_EQ(now.ss_flags, 0);
	CHECK(now.ss_sp == alt);
	ss.ss_flags = SS_DISABLE;
	CHECK_OK(sigaltstack(&ss, NULL));
	munmap(alt, 32768);
}

/* Where no frame can be written there is SIGSEGV, as with any signal. */
static void no_stack(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		switch_on(1);
		catch (where, 0, 0);
		alt = p;
		for (int i = 0; i < 300; i++)
			dispatched(0);
		selector = BLOCK;
		__asm__ volatile("mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\tmov $0x1234, %%eax\n\tsyscall\n\tmov "
				 "%%rbx, %%rsp"
				 :
				 : "r"(p + 4096)
				 : "rax", "rbx", "rcx", "r11", "memory");
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : -status, SIGSEGV);
}

/* ---- what others do meanwhile ---- */

#define SENT 400

static volatile long received, order_wrong;
static volatile int in_handler, in_both;

/* May come between the selector's change and the call. It leaves ALLOW behind, or its own rt_sigreturn() would be dispatched;
 * the call then is one that no system has. */
static void on_queued(int signo, siginfo_t *info, void *uc)
{
	selector = ALLOW;
	in_both += in_handler;
	order_wrong += info->si_value.sival_int != (int)received;
	received++;
}

static void slow(int signo, siginfo_t *info, void *uc)
{
	selector = ALLOW;
	in_handler = 1;
	for (volatile int i = 0; i < 50; i++)
		;
	count++;
	in_handler = 0;
}

static void *sender(void *arg)
{
	for (int i = 0; i < SENT; i++) {
		union sigval v = {.sival_int = i};

		while (pthread_sigqueue(*(pthread_t *)arg, SIGRTMIN + 2, v))
			;
		if (i % 4 == 0)
			sched_yield();
	}
	return NULL;
}

static void signals_meanwhile(void)
{
	struct sigaction sa = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};
	pthread_t self = pthread_self(), thread;

	CHECK_OK(sigaction(SIGRTMIN + 2, &sa, NULL));
	catch (slow, 0, SIGRTMIN + 2);
	received = order_wrong = 0;
	CHECK_EQ(pthread_create(&thread, NULL, sender, &self), 0);
	while (received < SENT)
		dispatched(0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(received, SENT);
	CHECK_EQ(order_wrong, 0);
	CHECK_EQ(in_both, 0);
}

static volatile int wanted, got, turn;

static void first(int signo, siginfo_t *info, void *uc)
{
	selector = ALLOW;
	got = 1;
}

static void second(int signo, siginfo_t *info, void *uc)
{
	selector = ALLOW;
	got = 2;
}

static void *replaces(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct sigaction sa = {.sa_sigaction = i & 1 ? second : first, .sa_flags = SA_SIGINFO};

		sigaction(SIGSYS, &sa, NULL);
		__atomic_store_n(&wanted, 1 + (i & 1), __ATOMIC_SEQ_CST);
		__atomic_store_n(&turn, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST))
			sched_yield();
	}
	__atomic_store_n(&turn, 2, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Once the call has come back that sets it, the new handler is the one. */
static void replaced(void)
{
	pthread_t thread;
	long wrong = 0;
	int now;

	catch (first, 0, 0);
	CHECK_EQ(pthread_create(&thread, NULL, replaces, NULL), 0);
	while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) != 2) {
		dispatched(0);
		if (!now)
			continue;
		dispatched(0);
		wrong += got != wanted;
		__atomic_store_n(&turn, 0, __ATOMIC_SEQ_CST);
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(wrong, 0);
}

static void makes_calls(int signo, siginfo_t *info, void *uc)
{
	sigset_t mask;

	selector = ALLOW;
	/* The kernel sees the mask that holds here. */
	sigprocmask(SIG_SETMASK, NULL, &mask);
	regs(uc)[REG_RAX] = sigismember(&mask, SIGSYS) + 2 * sigismember(&mask, SIGUSR1) + getppid() % 2;
}

static void *worker(void *arg)
{
	long wrong = 0;

	switch_on(1);
	for (int i = 0; i < MANY; i++)
		wrong += dispatched(0) != 3 + getppid() % 2;
	CHECK_EQ(wrong, 0);
	switch_on(0);
	return NULL;
}

static void many_threads(void)
{
	pthread_t t[4];

	catch (makes_calls, 0, SIGUSR1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, worker, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

/* A child that is made in the handler has its mask, and none of the dispatch. */
static volatile pid_t child;

static void forks(int signo, siginfo_t *info, void *uc)
{
	selector = ALLOW;
	count++;
	if (count % 100 == 0)
		child = fork();
}

static void forked(void)
{
	int status;

	catch (forks, 0, SIGUSR1);
	count = 0;
	for (int i = 0; i < 500; i++) {
		child = -1;
		dispatched(0);
		if (!child) {
			sigset_t mask;

			/* It has come back from the handler, too. */
			sigprocmask(SIG_SETMASK, NULL, &mask);
			selector = BLOCK;
			_exit(sigismember(&mask, SIGUSR1) || syscall(SYS_gettid) != getpid());
		}
		if (child > 0) {
			CHECK_EQ(waitpid(child, &status, 0), child);
			CHECK_EQ(status, 0);
		}
	}
}

int main(void)
{
	dispatch_needed();
	switch_on(1);
	vectors();
	registers();
	masked();
	masks_left();
	left_by_jump();
	left_blocked();
	stacks();
	no_stack();
	signals_meanwhile();
	replaced();
	forked();
	switch_on(0);
	many_threads();
	return check_done();
}

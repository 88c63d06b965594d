/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that run again and again: what they find and what is there when they have returned is the same each time, by
 * whatever way they come and go. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "check.h"

#define TIMES    60
#define REALTIME 30 /* signals, all at once */

static volatile int calls, not_fresh;
static char *page;

static void look_and_smash(void)
{
	uint32_t mxcsr;
	uint16_t cw;

	calls++;
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(cw));
	not_fresh += mxcsr != 0x1f80 || cw != 0x37f;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovdqa %%xmm0, %%xmm9\n\tfninit\n\tfld1\n\tcmp $0, %%rsp"
			 :
			 :
			 : "xmm0", "xmm9", "cc");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vcmpps $15, %%ymm7, %%ymm7, %%ymm7" : : : "xmm7");
}

static void smash(int signo)
{
	look_and_smash();
}

static void open_page(int signo, siginfo_t *info, void *context)
{
	look_and_smash();
	CHECK(info->si_addr >= (void *)page && info->si_addr < (void *)(page + 4096));
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void skip(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	look_and_smash();
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RCX] += 5;
}

static void action(int signo, void *handler, int flags, int blocks)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = handler;
	sa.sa_flags = flags;
	if (blocks)
		sigaddset(&sa.sa_mask, blocks);
	CHECK_OK(sigaction(signo, &sa, NULL));
}

/* Not on the stack, which is moved. */
static const double pattern[4] __attribute__((aligned(32))) = {1.5, -2.25, 3.125, 1e300};
static double got[4] __attribute__((aligned(32)));
static uint16_t cw = 0x0f7f, cw_after;
static uint32_t mxcsr = 0x9f80, mxcsr_after, old_mxcsr;
static uint64_t differs, flags;

#define FILL                                                                                                 \
	"stmxcsr %[old]\n\tfldcw %[cw]\n\tldmxcsr %[mx]\n\tmovaps %[p0], %%xmm0\n\tmovaps %[p1], %%xmm9\n\t" \
	"lea -512(%%rsp), %%rsp\n\tmovq $0x5aa5, -8(%%rsp)\n\tmovq $0x5aa6, -128(%%rsp)\n\t"                 \
	"mov $0x1111, %%ebx\n\tmov $0x2222, %%r8d\n\tmov $0x3333, %%r9d\n\tmov $0x4444, %%r10d\n\t"          \
	"mov $0x5555, %%r12d\n\tmov $0x6666, %%r13d\n\tmov $0x7777, %%r14d\n\tmov $0x8888, %%r15d\n\t"       \
	"mov $0x9999, %%edx\n\tmov $0xaaaa, %%ecx\n\tmov $0xbbbb, %%r11d\n\t"                                \
	"mov $0x7fffffff, %%eax\n\tadd $1, %%eax\n\tstd\n\tstc\n\t"
#define COMPARE                                                                                       \
	"lea -256(%%rsp), %%rsp\n\tpushfq\n\tpopq %[f]\n\tlea 256(%%rsp), %%rsp\n\tcld\n\t"           \
	"xor $0x1111, %%rbx\n\txor $0x2222, %%r8\n\txor $0x3333, %%r9\n\txor $0x4444, %%r10\n\t"      \
	"xor $0x5555, %%r12\n\txor $0x6666, %%r13\n\txor $0x7777, %%r14\n\txor $0x8888, %%r15\n\t"    \
	"xor $0x9999, %%rdx\n\t"                                                                      \
	"or %%rbx, %%r8\n\tor %%r9, %%r8\n\tor %%r10, %%r8\n\tor %%r12, %%r8\n\tor %%r13, %%r8\n\t"   \
	"or %%r14, %%r8\n\tor %%r15, %%r8\n\tor %%rdx, %%r8\n\t"                                      \
	"mov -8(%%rsp), %%rdx\n\txor $0x5aa5, %%rdx\n\tor %%rdx, %%r8\n\t"                            \
	"mov -128(%%rsp), %%rdx\n\txor $0x5aa6, %%rdx\n\tor %%rdx, %%r8\n\t"                          \
	"lea 512(%%rsp), %%rsp\n\tmov %%r8, %[d]\n\tmovaps %%xmm0, %[g0]\n\tmovaps %%xmm9, %[g1]\n\t" \
	"fnstcw %[cwa]\n\tstmxcsr %[mxa]\n\tfninit\n\tldmxcsr %[old]"
#define OUTPUTS                                                                            \
	[d] "=m"(differs), [f] "=m"(flags), [cwa] "=m"(cw_after), [mxa] "=m"(mxcsr_after), \
		[old] "=m"(old_mxcsr), [g0] "=m"(got[0]), [g1] "=m"(got[2])
#define INPUTS [p0] "m"(pattern[0]), [p1] "m"(pattern[2]), [cw] "m"(cw), [mx] "m"(mxcsr)
#define CLOBBERS \
	"rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "xmm0", "xmm9"

/* @eflags: of CF ZF SF TF DF OF */
static int all_kept(unsigned eflags)
{
	return !differs && (flags & 0xdc1) == eflags && cw_after == cw &&
	       (mxcsr_after & 0xffc0) == (mxcsr & 0xffc0) && !memcmp(got, pattern, sizeof got);
}

/* By a call: the site is the same each time, and one that may be patched. */
static int kept_over_call(void)
{
	long rax = 0, rdi = getpid(), rsi = SIGUSR1, rcx;

	__asm__ volatile(FILL "cld\n\tmov $62, %%eax\n\tsyscall\n\t" COMPARE
			 : OUTPUTS, "+a"(rax), "=c"(rcx), "+D"(rdi), "+S"(rsi)
			 : INPUTS
			 : CLOBBERS);
	return !rax && rsi == SIGUSR1 && all_kept(0x881);
}

static int wide_kept_over_call(void)
{
	long rax = SYS_kill;

	if (!__builtin_cpu_supports("avx"))
		return 1;
	memset(got, 0, sizeof got);
	__asm__ volatile(
		"vmovaps %[p], %%ymm7\n\tmov $62, %%eax\n\tsyscall\n\tvmovaps %%ymm7, %[g]\n\tvzeroupper"
		: "+a"(rax), [g] "=m"(got)
		: "D"((long)getpid()), "S"((long)SIGUSR1), [p] "m"(pattern)
		: "rcx", "r11", "memory", "xmm7");
	return !rax && !memcmp(got, pattern, sizeof got);
}

/* By a fault: rax, rcx and r11 too are what they were. */
static int kept_over_fault(void)
{
	long rax = 0, rcx = 0, rdi = (long)page;
	uint64_t r11;

	mprotect(page, 4096, PROT_NONE);
	__asm__ volatile(FILL "movb $7, (%%rdi)\n\tmov %%r11, %%rsi\n\t" COMPARE
			 : OUTPUTS, "+a"(rax), "+c"(rcx), "+D"(rdi), "=S"(r11)
			 : INPUTS
			 : CLOBBERS);
	return rax == 0x80000000 && rcx == 0xaaaa && r11 == 0xbbbb && page[0] == 7 && all_kept(0xc81);
}

static int kept_over_skip(void)
{
	long rax = 0, rcx = 0, rdi = 0;
	uint64_t r11;

	__asm__ volatile(FILL "ud2\n\tmov %%r11, %%rsi\n\t" COMPARE
			 : OUTPUTS, "+a"(rax), "+c"(rcx), "+D"(rdi), "=S"(r11)
			 : INPUTS
			 : CLOBBERS);
	return rax == 0x80000000 && rcx == 0xaaaa + 5 && r11 == 0xbbbb && all_kept(0xc81);
}

static void test_kept(void)
{
	int bad = 0;

	action(SIGUSR1, smash, 0, 0);
	action(SIGSEGV, open_page, SA_SIGINFO, 0);
	action(SIGILL, skip, SA_SIGINFO, 0);
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < TIMES; i++)
		bad += !kept_over_call() + !wide_kept_over_call() + !kept_over_fault() + !kept_over_skip();
	CHECK_EQ(bad, 0);
	CHECK_EQ(calls, 4 * TIMES);
	CHECK_EQ(not_fresh, 0);
	munmap(page, 4096);
}

/* ---- masks ---- */

static volatile int second, order_bad;

static void first_of_two(int signo)
{
	int before = second;

	raise(SIGUSR2);
	order_bad += second != before;
}

static void second_of_two(int signo)
{
	second++;
}

static void block_usr2(int signo, siginfo_t *info, void *context)
{
	sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
}

static void test_masks(void)
{
	sigset_t set, now;
	int blocked = 0;

	action(SIGUSR1, first_of_two, 0, SIGUSR2);
	action(SIGUSR2, second_of_two, 0, 0);
	for (int i = 0; i < TIMES; i++) {
		raise(SIGUSR1);
		order_bad += second != i + 1;
	}
	CHECK_EQ(order_bad, 0);
	CHECK_EQ(second, TIMES);
	action(SIGUSR1, block_usr2, SA_SIGINFO, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (int i = 0; i < TIMES; i++) {
		raise(SIGUSR1);
		sigprocmask(SIG_UNBLOCK, &set, &now);
		blocked += sigismember(&now, SIGUSR2) == 1 && sigismember(&now, SIGUSR1) == 0;
	}
	CHECK_EQ(blocked, TIMES);
}

static volatile int seen[REALTIME], depth;

static void count_one(int signo, siginfo_t *info, void *context)
{
	look_and_smash();
	seen[depth++] = info->si_value.sival_int;
}

static void test_many_at_once(void)
{
	union sigval value;
	sigset_t set, old;
	int bad = 0;

	action(SIGRTMIN + 1, count_one, SA_SIGINFO | SA_NODEFER, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	calls = not_fresh = 0;
	for (int round = 0; round < 5; round++) {
		sigprocmask(SIG_BLOCK, &set, &old);
		for (value.sival_int = 0; value.sival_int < REALTIME; value.sival_int++)
			sigqueue(getpid(), SIGRTMIN + 1, value);
		depth = 0;
		sigprocmask(SIG_SETMASK, &old, NULL);
		/* The last frame's handler runs first. */
		for (int i = 0; i < REALTIME; i++)
			bad += seen[i] != REALTIME - 1 - i;
	}
	CHECK_EQ(bad, 0);
	CHECK_EQ(calls, 5 * REALTIME);
	CHECK_EQ(not_fresh, 0);
}

/* ---- stacks and jumps ---- */

static char stacks[2][65536];
static sigjmp_buf back;
static volatile int on_it;

static stack_t stack_of(int i)
{
	return (stack_t){.ss_sp = stacks[i], .ss_size = sizeof stacks[i]};
}

static void use_stack(int signo)
{
	char here;

	on_it += &here >= stacks[0] && &here < stacks[0] + sizeof stacks[0];
}

static void other_stack(int signo)
{
	stack_t other = stack_of(1);

	CHECK_OK(sigaltstack(&other, NULL));
}

static void jump(int signo)
{
	siglongjmp(back, 1);
}

static void test_stacks(void)
{
	stack_t mine = stack_of(0), now;
	volatile int jumps = 0;

	CHECK_OK(sigaltstack(&mine, NULL));
	action(SIGUSR1, use_stack, SA_ONSTACK, 0);
	action(SIGUSR2, other_stack, 0, 0);
	for (int i = 0; i < TIMES; i++) {
		raise(SIGUSR1);
		/* What the handler has set is put back with its frame. */
		raise(SIGUSR2);
		CHECK_OK(sigaltstack(NULL, &now));
		CHECK(now.ss_sp == stacks[0] && !now.ss_flags);
	}
	CHECK_EQ(on_it, TIMES);
	action(SIGUSR1, jump, SA_ONSTACK, 0);
	while (jumps < TIMES) {
		if (!sigsetjmp(back, 1))
			raise(SIGUSR1);
		else
			jumps++;
	}
	CHECK_OK(sigaltstack(NULL, &now));
	CHECK_EQ(now.ss_flags, 0);
}

int main(void)
{
	test_kept();
	test_masks();
	test_many_at_once();
	test_stacks();
	return check_done();
}

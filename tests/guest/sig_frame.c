/* SPDX-License-Identifier: Apache-2.0 */
/* Shows the signal frame: registers and vector state kept over handlers, changed by them, layout, flags, red
 * zone. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

static volatile int calls;
static volatile long before, after;

static void smash(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)signo;
	(void)info;
	calls++;
	/* Everything that a called function may change, and the flags. */
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovdqa %%xmm0, %%xmm1\n\tmovdqa %%xmm0, %%xmm7\n\t"
			 "movdqa %%xmm0, %%xmm15\n\tfninit\n\tcmp $0, %%rsp"
			 :
			 :
			 : "xmm0", "xmm1", "xmm7", "xmm15", "cc");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vcmpps $15, %%ymm0, %%ymm0, %%ymm0\n\tvmovaps %%ymm0, %%ymm7"
				 :
				 :
				 : "xmm0", "xmm7");
	CHECK_EQ((uintptr_t)uc->uc_mcontext.fpregs % 64, 0);
	CHECK((uintptr_t)uc->uc_mcontext.fpregs > (uintptr_t)uc);
	CHECK(here % 16 == 0);
	CHECK_EQ((uintptr_t)uc % 16, 0);
	CHECK_EQ(uc->uc_flags & 7, 7);
	CHECK_EQ(uc->uc_mcontext.gregs[REG_CSGSFS] & 0xffff, 0x33);
	CHECK_EQ((uint64_t)uc->uc_mcontext.gregs[REG_CSGSFS] >> 48, 0x2b);
	uint32_t *sw = (uint32_t *)((char *)uc->uc_mcontext.fpregs + 464);
	CHECK_EQ(sw[0], 0x46505853);
	CHECK_EQ(sw[1], sw[4] + 4);
	CHECK_EQ(*(uint32_t *)((char *)uc->uc_mcontext.fpregs + sw[4]), 0x46505845);
	uint64_t xfeatures = sw[2] | (uint64_t)sw[3] << 32;
	CHECK_EQ(xfeatures & 3, 3);
}

/* Signals itself with a pattern in every vector register, and looks whether they are still there. */
static int vectors_kept(void)
{
	static const double pattern[4] __attribute__((aligned(32))) = {1.5, -2.25, 3.125, 1e300};
	double got[4] __attribute__((aligned(32)));
	uint16_t cw = 0x0f7f, cw_after = 0;
	uint32_t mxcsr = 0x9f80, mxcsr_after = 0, old;
	long pid = getpid(), r;
	int avx = __builtin_cpu_supports("avx");

	__asm__ volatile("stmxcsr %0" : "=m"(old));
	__asm__ volatile(
		"fldcw %[cw]\n\tldmxcsr %[mx]\n\tmovaps (%[p]), %%xmm0\n\tmovaps 16(%[p]), %%xmm15\n\t"
		"syscall\n\t"
		"movaps %%xmm0, (%[g])\n\tmovaps %%xmm15, 16(%[g])\n\tfnstcw %[cwa]\n\tstmxcsr "
		"%[mxa]\n\tfninit"
		: "=a"(r), [cwa] "=m"(cw_after), [mxa] "=m"(mxcsr_after)
		: "a"(SYS_kill), "D"(pid),
		  "S"((long)SIGUSR1), [p] "r"(pattern), [g] "r"(got), [cw] "m"(cw), [mx] "m"(mxcsr)
		: "rcx", "r11", "memory", "xmm0", "xmm15");
	__asm__ volatile("ldmxcsr %0" : : "m"(old));
	if (r || memcmp(got, pattern, sizeof got) || cw_after != cw ||
	    (mxcsr_after & 0xffc0) != (mxcsr & 0xffc0))
		return 0;
	if (!avx)
		return 1;
	memset(got, 0, sizeof got);
	__asm__ volatile("vmovaps (%[p]), %%ymm7\n\tsyscall\n\tvmovaps %%ymm7, (%[g])\n\tvzeroupper"
			 : "=a"(r)
			 : "a"(SYS_kill), "D"(pid), "S"((long)SIGUSR1), [p] "r"(pattern), [g] "r"(got)
			 : "rcx", "r11", "memory", "xmm7");
	return !r && !memcmp(got, pattern, sizeof got);
}

/* A leaf that keeps data below the stack pointer and every register over a signal. */
static int registers_kept(void)
{
	long pid = getpid(), ok;

	__asm__ volatile(
		"mov $0x1111, %%rbx\n\tmov $0x2222, %%r8\n\tmov $0x3333, %%r9\n\tmov $0x4444, %%r10\n\t"
		"mov $0x5555, %%r12\n\tmov $0x6666, %%r13\n\tmov $0x7777, %%r14\n\tmov $0x8888, %%r15\n\t"
		"movq $0x5aa5, -8(%%rsp)\n\tmovq $0x5aa6, -128(%%rsp)\n\tstd\n\tstc\n\t"
		"mov $62, %%eax\n\tsyscall\n\t"
		"setc %%dl\n\tcld\n\tmovzbl %%dl, %%edx\n\t"
		"xor $0x1111, %%rbx\n\txor $0x2222, %%r8\n\txor $0x3333, %%r9\n\txor $0x4444, %%r10\n\t"
		"xor $0x5555, %%r12\n\txor $0x6666, %%r13\n\txor $0x7777, %%r14\n\txor $0x8888, %%r15\n\t"
		"or %%rbx, %%r8\n\tor %%r9, %%r8\n\tor %%r10, %%r8\n\tor %%r12, %%r8\n\tor %%r13, %%r8\n\t"
		"or %%r14, %%r8\n\tor %%r15, %%r8\n\tor %%rax, %%r8\n\t"
		"mov -8(%%rsp), %%rax\n\txor $0x5aa5, %%rax\n\tor %%rax, %%r8\n\t"
		"mov -128(%%rsp), %%rax\n\txor $0x5aa6, %%rax\n\tor %%rax, %%r8\n\t"
		"xor $1, %%edx\n\tor %%rdx, %%r8\n\tmov %%r8, %0"
		: "=a"(ok)
		: "D"(pid), "S"((long)SIGUSR1)
		: "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	return ok == 0;
}

static void change(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	(void)info;
	uc->uc_mcontext.gregs[REG_RAX] = 0x77;
	uc->uc_mcontext.gregs[REG_R12] = 0x88;
	uc->uc_mcontext.gregs[REG_EFL] |= 1;
	sigaddset(&uc->uc_sigmask, SIGHUP);
	uc->uc_mcontext.fpregs->_xmm[3].element[0] = 0x99;
}

static void test_change(void)
{
	long rax, r12, xmm, pid = getpid();
	unsigned char carry;
	sigset_t set;
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = change;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR2, &sa, NULL);
	__asm__ volatile("xor %%r12d, %%r12d\n\tpcmpeqd %%xmm3, %%xmm3\n\tclc\n\tsyscall\n\tsetc %[c]\n\tmov "
			 "%%r12, %[r]\n\t"
			 "movq %%xmm3, %[x]"
			 : "=a"(rax), [c] "=&r"(carry), [r] "=&r"(r12), [x] "=&r"(xmm)
			 : "a"(SYS_kill), "D"(pid), "S"((long)SIGUSR2)
			 : "rcx", "r11", "r12", "xmm3", "memory", "cc");
	CHECK_EQ(rax, 0x77);
	CHECK_EQ(r12, 0x88);
	CHECK_EQ(carry, 1);
	CHECK_EQ((uint32_t)xmm, 0x99);
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGHUP) == 1);
	CHECK(sigismember(&set, SIGUSR2) == 0);
}

static char *guarded;

static void fix(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	calls++;
	CHECK(info->si_addr == guarded);
	CHECK_EQ(uc->uc_mcontext.gregs[REG_CR2], (long)guarded);
	CHECK_EQ(uc->uc_mcontext.gregs[REG_TRAPNO], 14);
	CHECK_EQ(uc->uc_mcontext.gregs[REG_ERR] & 6, 6);
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

/* A stack pointer, a frame, a selector that cannot be: SIGSEGV. */
static int dies(void (*how)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		how();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void bad_stack(void)
{
	__asm__ volatile("mov $64, %%rsp\n\tsyscall\n\tud2"
			 :
			 : "a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "memory");
}

static void bad_return(void)
{
	__asm__ volatile("mov $4096, %%rsp\n\tsyscall\n\tud2" : : "a"(SYS_rt_sigreturn) : "memory");
}

static void bad_selector_handler(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	(void)info;
	uc->uc_mcontext.gregs[REG_CSGSFS] = 0;
}

static void bad_selector(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = bad_selector_handler;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR2);
}

static void no_restorer(void)
{
	struct {
		void (*handler)(int, siginfo_t *, void *);
		unsigned long flags, restorer, mask;
	} sa = {smash, SA_SIGINFO, 0, 0};

	syscall(SYS_rt_sigaction, SIGUSR2, &sa, NULL, 8);
	raise(SIGUSR2);
}

int main(void)
{
	struct sigaction sa;
	struct itimerval it = {{0, 2000}, {0, 2000}};
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = smash;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &sa, NULL);
	CHECK(vectors_kept());
	CHECK(registers_kept());
	CHECK(calls >= 2);
	test_change();

	guarded = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sa.sa_sigaction = fix;
	sigaction(SIGSEGV, &sa, NULL);
	calls = 0;
	*(volatile char *)guarded = 5;
	CHECK_EQ(calls, 1);
	CHECK_EQ(*guarded, 5);
	signal(SIGSEGV, SIG_DFL);

	CHECK_EQ(dies(bad_stack), SIGSEGV);
	CHECK_EQ(dies(bad_return), SIGSEGV);
	CHECK_EQ(dies(bad_selector), SIGSEGV);
	CHECK_EQ(dies(no_restorer), SIGSEGV);

	/* Interrupted anywhere in a computation, its result is the same. */
	sa.sa_sigaction = smash;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	calls = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	double sum = 0, again = 0;
	uint64_t mix = 1;
	for (int i = 1; calls < 20; i++) {
		sum = again = 0;
		for (int j = 1; j < 2000; j++) {
			sum += 1.0 / j;
			mix = mix * 6364136223846793005UL + 1;
		}
		for (int j = 1; j < 2000; j++)
			again += 1.0 / j;
		if (sum != again)
			break;
	}
	CHECK(sum == again);
	CHECK(calls >= 20);
	return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A fault that is resolved leaves nothing behind: registers, flags, vector state and red zone over each page by which a
 * stack grows, signals among them. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "check.h"

#define PAGE  4096UL
#define PAGES 600
#define GAP   (512 * PAGE) /* that a growing mapping keeps from what lies below it, and more */

static volatile int alarms;

static void smash(int signo)
{
	alarms++;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovdqa %%xmm0, %%xmm9\n\tfninit\n\tcmp $0, %%rsp"
			 :
			 :
			 : "xmm0", "xmm9", "cc");
}

/* Stores to @page with a pattern in all registers and flags that a program can set: 1 when all of it is still there. */
static int kept(char *page)
{
	static const double pattern[4] __attribute__((aligned(32))) = {1.5, -2.25, 3.125, 1e300};
	double got[4] __attribute__((aligned(32)));
	/* Not on the stack, which is moved. */
	static uint16_t cw = 0x0f7f, cw_after;
	static uint32_t mxcsr = 0x9f80, mxcsr_after, old;
	static uint64_t differs, flags;
	const double *values = pattern;

	__asm__ volatile("stmxcsr %0" : "=m"(old));
	__asm__ volatile(
		"lea -512(%%rsp), %%rsp\n\tfldcw %[cw]\n\tldmxcsr %[mx]\n\tmovaps (%%rax), %%xmm0\n\tmovaps "
		"16(%%rax), %%xmm9\n\t"
		"mov $0x1111, %%ebx\n\tmov $0x2222, %%r8d\n\tmov $0x3333, %%r9d\n\tmov $0x4444, %%r10d\n\t"
		"mov $0x5555, %%r12d\n\tmov $0x6666, %%r13d\n\tmov $0x7777, %%r14d\n\tmov $0x8888, %%r15d\n\t"
		"mov $0x9999, %%edx\n\tmov $0xaaaa, %%ecx\n\tmov $0xbbbb, %%r11d\n\tmov $0xcccc, %%esi\n\t"
		"movq $0x5aa5, -8(%%rsp)\n\tmovq $0x5aa6, -128(%%rsp)\n\t"
		/* overflow and sign, then carry and direction */
		"mov $0x7fffffff, %%eax\n\tadd $1, %%eax\n\tstd\n\tstc\n\t"
		"movb $7, (%%rdi)\n\t"
		"lea -256(%%rsp), %%rsp\n\tpushfq\n\tpop %%rax\n\tlea 256(%%rsp), %%rsp\n\tcld\n\t"
		"xor $0x1111, %%rbx\n\txor $0x2222, %%r8\n\txor $0x3333, %%r9\n\txor $0x4444, %%r10\n\t"
		"xor $0x5555, %%r12\n\txor $0x6666, %%r13\n\txor $0x7777, %%r14\n\txor $0x8888, %%r15\n\t"
		"xor $0x9999, %%rdx\n\txor $0xaaaa, %%rcx\n\txor $0xbbbb, %%r11\n\txor $0xcccc, %%rsi\n\t"
		"or %%rbx, %%r8\n\tor %%r9, %%r8\n\tor %%r10, %%r8\n\tor %%r12, %%r8\n\tor %%r13, %%r8\n\t"
		"or %%r14, %%r8\n\tor %%r15, %%r8\n\tor %%rdx, %%r8\n\tor %%rcx, %%r8\n\tor %%r11, %%r8\n\t"
		"or %%rsi, %%r8\n\t"
		"mov -8(%%rsp), %%rdx\n\txor $0x5aa5, %%rdx\n\tor %%rdx, %%r8\n\t"
		"mov -128(%%rsp), %%rdx\n\txor $0x5aa6, %%rdx\n\tor %%rdx, %%r8\n\t"
		"mov %%r8, %[d]\n\tmov %%rax, %[f]\n\t"
		"fnstcw %[cwa]\n\tstmxcsr %[mxa]\n\tfninit\n\tlea 512(%%rsp), %%rsp"
		: [d] "=m"(differs), [f] "=m"(flags), [cwa] "=m"(cw_after), [mxa] "=m"(mxcsr_after),
		  "+D"(page), "+a"(values)
		: [cw] "m"(cw), [mx] "m"(mxcsr)
		: "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
		  "cc", "xmm0", "xmm9");
	__asm__ volatile("movaps %%xmm0, (%0)\n\tmovaps %%xmm9, 16(%0)" : : "r"(got) : "memory");
	__asm__ volatile("ldmxcsr %0" : : "m"(old));
	/* CF SF DF OF, and neither ZF nor TF */
	return !differs && (flags & 0xdc1) == 0xc81 && cw_after == cw &&
	       (mxcsr_after & 0xffc0) == (mxcsr & 0xffc0) && !memcmp(got, pattern, sizeof got);
}

static int wide_kept(char *page)
{
	static const double pattern[4] __attribute__((aligned(32))) = {0.5, 7, -1e-300, 3};
	double got[4] __attribute__((aligned(32)));

	if (!__builtin_cpu_supports("avx"))
		return page[0] = 7;
	__asm__ volatile("vmovaps (%1), %%ymm7\n\tmovb $7, (%0)\n\tvmovaps %%ymm7, (%2)\n\tvzeroupper"
			 :
			 : "r"(page), "r"(pattern), "r"(got)
			 : "memory", "xmm7");
	return !memcmp(got, pattern, sizeof got);
}

int main(void)
{
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	struct sigaction sa;
	int bad = 0, zeroes = 1;
	char *hole, *top;

	memset(&sa, 0, sizeof sa);
	sa.sa_handler = smash;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	for (int round = 0; round < 20; round++) {
		hole = mmap(NULL, PAGES * PAGE + GAP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
		CHECK(hole != MAP_FAILED);
		munmap(hole, PAGES * PAGE + GAP);
		top = hole + GAP + (PAGES - 1) * PAGE;
		CHECK(mmap(top, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0) == top);
		setitimer(ITIMER_REAL, &often, NULL);
		for (unsigned long i = 1; i < PAGES; i++) {
			char *page = top - i * PAGE;

			/* A read brings zeroes, what is skipped grows along. */
			if (i % 16 == 0) {
				zeroes &= !*(volatile char *)page;
				continue;
			}
			if (i % 16 == 5)
				continue;
			bad += !(i % 2 ? kept(page + i) : wide_kept(page + i));
			zeroes &= page[i] == 7 && !page[i - 1] && (i == 1 || !page[PAGE]);
		}
		setitimer(ITIMER_REAL, &never, NULL);
		munmap(hole, PAGES * PAGE + GAP);
	}
	CHECK_EQ(bad, 0);
	CHECK(zeroes);
	CHECK(alarms > 0);
	return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guests that attack share: jumping to the stub's syscall instructions, attempts in child processes,
 * verdicts.
 *
 * An attempt runs in a process of its own. It ends well when the process dies by a signal, when husk ends it,
 * or when the attempt itself finds that nothing came of it and exits with 0; ESCAPED means that something got
 * out. A program of this folder runs as a guest only: outside there is no stub to attack, and it says so
 * with 77.
 */
#ifndef HUSK_TESTS_ESCAPE_H
#define HUSK_TESTS_ESCAPE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel/channel.h"

#define STUB_CODE_SIZE (HUSK_BOOT_BASE - HUSK_STUB_BASE)

enum { NOTHING = 0, ESCAPED = 42, UNSURE = 43 };

static int attempts, escaped, hung;

/* The name of a file that must never appear on the host. */
static const char marker[] = "/tmp/husk-escape-marker";

static inline long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A linear generator: attempts are the same in every run. */
static inline uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static sigjmp_buf probe_jump;

static inline void probe_fault(int signo)
{
	siglongjmp(probe_jump, signo);
}

/* True when @addr can be read. */
static inline int readable(uint64_t addr)
{
	struct sigaction sa = {.sa_handler = probe_fault}, segv, bus;
	volatile int ok = 0;

	sigaction(SIGSEGV, &sa, &segv);
	sigaction(SIGBUS, &sa, &bus);
	if (!sigsetjmp(probe_jump, 1)) {
		(void)*(volatile uint8_t *)addr;
		ok = 1;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return ok;
}

/* The addresses of all syscall instructions in the stub's window; any 0f 05, also inside longer instructions.
 */
#define MAX_SITES 256
static uint64_t sites[MAX_SITES];
static int nsites;

static inline void find_sites(void)
{
	for (uint64_t page = HUSK_STUB_BASE; page < HUSK_STUB_BASE + HUSK_STUB_SIZE; page += 4096) {
		if (!readable(page))
			continue;
		const uint8_t *p = (const uint8_t *)page;

		for (int i = 0; i < 4095 && nsites < MAX_SITES; i++)
			if (p[i] == 0x0f && p[i + 1] == 0x05)
				sites[nsites++] = page + i;
	}
	if (!nsites) {
		printf("1..0 # SKIP no stub here\n");
		exit(77);
	}
}

/*
 * Jumps to the syscall instruction @site with these registers. Comes back, with rax, when the stub's code
 * behind it returns: the stack is full of addresses to come back to, so any pops before the ret do no harm.
 */
struct jump {
	uint64_t nr, a[6], site, stack;
	uint64_t saved_rsp, saved_rbp, result;
};

static inline long stub_jump(uint64_t site, long nr, const uint64_t a[6])
{
	static __thread uint64_t stack[4096] __attribute__((aligned(64)));
	static __thread struct jump j;
	struct jump *jp = &j;

	j = (struct jump){.nr = nr, .site = site, .stack = (uint64_t)&stack[2048]};
	memcpy(j.a, a, sizeof(j.a));
	__asm__ volatile(
		"mov %%rax, %%r15\n\t"
		"mov %%rsp, %c[rsp](%%r15)\n\t"
		"mov %%rbp, %c[rbp](%%r15)\n\t"
		"mov %c[stack](%%r15), %%rsp\n\t"
		"lea 9f(%%rip), %%rax\n\t"
		"mov %%rsp, %%rcx\n\t"
		"mov $1024, %%edx\n"
		"1:\tmov %%rax, (%%rcx)\n\t"
		"add $8, %%rcx\n\t"
		"dec %%edx\n\t"
		"jnz 1b\n\t"
		"movq %%r15, %%xmm7\n\t"
		"mov %c[nr](%%r15), %%rax\n\t"
		"mov %c[a0](%%r15), %%rdi\n\t"
		"mov %c[a1](%%r15), %%rsi\n\t"
		"mov %c[a2](%%r15), %%rdx\n\t"
		"mov %c[a3](%%r15), %%r10\n\t"
		"mov %c[a4](%%r15), %%r8\n\t"
		"mov %c[a5](%%r15), %%r9\n\t"
		"mov %%r8, %%rbx\n\t"
		"jmp *%c[site](%%r15)\n"
		"9:\tmovq %%xmm7, %%r15\n\t"
		"mov %%rax, %c[result](%%r15)\n\t"
		"mov %c[rsp](%%r15), %%rsp\n\t"
		"mov %c[rbp](%%r15), %%rbp\n\t"
		: "+a"(jp)
		: [rsp] "i"(offsetof(struct jump, saved_rsp)), [rbp] "i"(offsetof(struct jump, saved_rbp)),
		  [stack] "i"(offsetof(struct jump, stack)), [nr] "i"(offsetof(struct jump, nr)),
		  [a0] "i"(offsetof(struct jump, a[0])), [a1] "i"(offsetof(struct jump, a[1])),
		  [a2] "i"(offsetof(struct jump, a[2])), [a3] "i"(offsetof(struct jump, a[3])),
		  [a4] "i"(offsetof(struct jump, a[4])), [a5] "i"(offsetof(struct jump, a[5])),
		  [site] "i"(offsetof(struct jump, site)), [result] "i"(offsetof(struct jump, result))
		: "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		  "xmm7", "memory", "cc");
	return (long)j.result;
}

/* As stub_jump() with the arguments in a row. */
#define STUB_CALL(site, nr, ...) stub_jump(site, nr, (uint64_t[6]){__VA_ARGS__})

/*
 * Runs fn(arg) in a child, at most @ms milliseconds. Returns its wait status; -1 when it had to be killed
 * (which must work). Counts it, and says when it got out.
 */
static inline int attempt(const char *name, int (*fn)(void *arg), void *arg, long ms)
{
	int status = 0;
	long end;
	pid_t pid;

	attempts++;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		printf("# %s: fork: %s\n", name, strerror(errno));
		return -1;
	}
	if (!pid)
		_exit(fn(arg));
	for (end = now_ms() + ms;;) {
		pid_t r = waitpid(pid, &status, WNOHANG);

		if (r == pid)
			break;
		if (r < 0) {
			printf("not ok - %s: the child is lost: %s\n", name, strerror(errno));
			escaped++;
			return -1;
		}
		if (now_ms() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			hung++;
			return -1;
		}
		nanosleep(&(struct timespec){0, 200000}, NULL);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == ESCAPED) {
		printf("not ok - %s\n", name);
		escaped++;
	}
	return status;
}

/* The last line and the exit status of a program. */
static inline int verdict(const char *what)
{
	printf("%sok - %s: %d attempts, %d got out, %d had to be killed\n", escaped ? "not " : "", what,
	       attempts, escaped, hung);
	return escaped ? 1 : 0;
}

#endif

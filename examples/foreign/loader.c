/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program of another system: loads its code, has the kernel hand its calls back by Syscall User Dispatch, and
 * answers them. So does Wine with the code of Windows programs that make their calls directly.
 *
 *	loader PROGRAM
 *
 * The selector says BLOCK while foreign code runs and ALLOW while the loader's own code does, so that neither the
 * loader nor its C library need care. One thing happens while it says BLOCK already: the handler's return, a call of
 * Linux's own. It comes from own_restorer, and the range that is always left alone is that function's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "calls.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH  59
#define PR_SYS_DISPATCH_ON            1
#define SYSCALL_DISPATCH_FILTER_ALLOW 0
#define SYSCALL_DISPATCH_FILTER_BLOCK 1
#endif
#define SA_RESTORER 0x04000000

#define STACK_SIZE 65536

static volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;
static unsigned long served;

void own_restorer(void);
extern char own_restorer_end[];
__asm__("own_restorer: mov $15, %eax\n" /* rt_sigreturn */
	"syscall\n"
	"own_restorer_end: hlt\n");

/* ---- the other system's calls ---- */

static long do_allocate(greg_t *r)
{
	void *p = mmap(NULL, (size_t)r[REG_R10], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 0 : (long)p;
}

static long do_say(greg_t *r)
{
	return write(1, (const void *)r[REG_R10], (size_t)r[REG_RDX]);
}

static long do_listen(greg_t *r)
{
	return read(0, (void *)r[REG_R10], (size_t)r[REG_RDX]);
}

static long do_number(greg_t *r)
{
	char text[32];

	return write(1, text, (size_t)snprintf(text, sizeof text, "%ld\n", (long)r[REG_R10]));
}

static long do_leave(greg_t *r)
{
	fprintf(stderr, "%lu calls served\n", served);
	exit((int)r[REG_R10]);
}

static const struct {
	long number;
	long (*serve)(greg_t *r);
} calls[] = {
	{FOREIGN_ALLOCATE, do_allocate}, {FOREIGN_SAY, do_say},     {FOREIGN_LISTEN, do_listen},
	{FOREIGN_NUMBER, do_number},     {FOREIGN_LEAVE, do_leave},
};

static void on_call(int signo, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	long result = -1;

	(void)signo;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	served++;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].number == info->si_syscall)
			result = calls[i].serve(r);
	r[REG_RAX] = result;
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
}

/* ---- loading ---- */

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(125);
}

static void *load(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *code;

	need(fd >= 0 && !fstat(fd, &st), path);
	code = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	need(code != MAP_FAILED, path);
	close(fd);
	return code;
}

/* As the kernel takes it: the C library would put a restorer of its own there. */
static void catch_calls(void)
{
	struct {
		void (*handler)(int signo, siginfo_t *info, void *context);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} action = {on_call, SA_SIGINFO | SA_RESTORER | SA_ONSTACK, own_restorer, 0};
	stack_t stack = {.ss_sp = malloc(STACK_SIZE), .ss_size = STACK_SIZE};

	need(stack.ss_sp && !sigaltstack(&stack, NULL), "sigaltstack");
	need(!syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, 8), "SIGSYS");
	need(!prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, own_restorer,
		    own_restorer_end - (char *)own_restorer + 1, &selector),
	     "Syscall User Dispatch");
}

int main(int argc, char **argv)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *code;

	need(argc == 2, "loader PROGRAM");
	need(stack != MAP_FAILED, "stack");
	code = load(argv[1]);
	catch_calls();
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	__asm__ volatile("mov %0, %%rsp\n\tcall *%1" : : "r"(stack + STACK_SIZE - 64), "r"(code) : "memory");
	__builtin_unreachable();
}

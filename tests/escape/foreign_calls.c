/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into a kernel that are not `syscall` with a 64-bit number: int 0x80, sysenter, x32 numbers, the
 * vsyscall page, 32-bit code. Each must be refused or end the process; none may reach the host.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <sys/time.h>

static int int80(void *arg)
{
	long r;

	/* creat(marker) of the 32-bit table: the address does not fit, so the path is copied below 4 GiB. */
	char *low = mmap((void *)0x10000000, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (low == MAP_FAILED)
		return NOTHING;
	strcpy(low, marker);
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(*(long *)arg), "b"(low), "c"(0666), "d"(0) : "memory");
	return r >= 0 ? ESCAPED : NOTHING;
}

static int x32(void *arg)
{
	long r = syscall(0x40000000 | *(long *)arg, marker, O_CREAT | O_WRONLY, 0666);

	return r >= 0 ? ESCAPED : NOTHING;
}

static int sysenter(void *arg)
{
	(void)arg;
	__asm__ volatile("mov $20, %%eax\n\tsysenter" ::: "rax", "rcx", "rdx", "memory");
	return UNSURE;
}

/* 32-bit code by a far return. */
static int compat(void *arg)
{
	uint8_t *low = mmap((void *)0x10000000, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	/* mov $8,%eax; mov $0x10001000,%ebx; mov $0666,%ecx; int $0x80 | syscall | sysenter; mov $1,%eax; int
	 * $0x80 */
	static const uint8_t head[] = {0xb8, 8, 0, 0, 0, 0xbb, 0, 0x10, 0, 0x10, 0xb9, 0xb6, 1, 0, 0};
	static const uint8_t ways[3][2] = {{0xcd, 0x80}, {0x0f, 0x05}, {0x0f, 0x34}};

	if (low == MAP_FAILED)
		return NOTHING;
	memcpy(low, head, sizeof(head));
	memcpy(low + sizeof(head), ways[*(long *)arg], 2);
	low[sizeof(head) + 2] = 0xf4; /* hlt */
	strcpy((char *)low + 4096, marker);
	__asm__ volatile("mov $0x10002000, %%esp\n\tpushq $0x23\n\tpushq $0x10000000\n\tlretq" ::: "memory");
	return UNSURE;
}

/* gettimeofday in the vsyscall page: the host's emulation must not be worse than nothing. */
static int vsyscall(void *arg)
{
	struct timeval tv = {0};
	long r;

	(void)arg;
	__asm__ volatile("call *%1"
			 : "=a"(r)
			 : "r"(0xffffffffff600000), "D"(&tv), "S"(0)
			 : "rcx", "r11", "rdx", "memory");
	return r == 0 && tv.tv_sec < 1000 ? UNSURE : NOTHING;
}

static int high_numbers(void *arg)
{
	(void)arg;
	for (long nr = 471; nr < 1200; nr++)
		if (syscall(nr, 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			return ESCAPED;
	return syscall(-1L) == -1 && errno == ENOSYS && syscall(1L << 32 | SYS_getppid) ? NOTHING : UNSURE;
}

int main(void)
{
	long number;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (number = 0; number < 3; number++)
		attempt("32-bit code", compat, &number, 2000);
	number = 8;
	attempt("int 0x80: creat", int80, &number, 2000);
	for (number = 1; number < 440; number += 7)
		attempt("int 0x80", int80, &number, 2000);
	number = SYS_open;
	attempt("x32: open", x32, &number, 2000);
	for (number = 0; number < 550; number += 11)
		if (number != SYS_open)
			attempt("x32", x32, &number, 2000);
	attempt("sysenter", sysenter, NULL, 2000);
	attempt("the vsyscall page", vsyscall, NULL, 2000);
	attempt("numbers beyond the table", high_numbers, NULL, 2000);
	return verdict("other ways into a kernel");
}

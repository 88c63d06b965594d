/* SPDX-License-Identifier: Apache-2.0 */
/*
 * short_calls NUMBER none|allow|other|args|ip|log|errno: makes call NUMBER 500 times, under a filter of its own.
 *
 *   allow   none, but Syscall User Dispatch with its selector on ALLOW
 *   other   one that has nothing to say of the call
 *   args    it looks at the call's last argument
 *   ip      it looks at where the call comes from
 *   log     the call is allowed, and the log hears of it
 *   errno   the call fails
 *
 * For tests/cli/seccomp.sh, which sees by --stats how many of the calls husk heard of. Ends with 1 when the filter had
 * another effect than it must have.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECRET       0x4711
#define COUNT        500
#define SET_DISPATCH 59 /* PR_SET_SYSCALL_USER_DISPATCH */

#define LOAD(field)                                                                  \
	{                                                                            \
		BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, field) \
	}
#define IS(k, t, f)                                \
	{                                          \
		BPF_JMP | BPF_JEQ | BPF_K, t, f, k \
	}
#define RETURN(k)                        \
	{                                \
		BPF_RET | BPF_K, 0, 0, k \
	}

static volatile unsigned char selector;

/* What the filter says of the call: of its last argument, of its place, or of all of them. */
static int install(unsigned nr, const char *kind)
{
	int args = !strcmp(kind, "args"), ip = !strcmp(kind, "ip");
	unsigned verdict = !strcmp(kind, "log") ? SECCOMP_RET_LOG : SECCOMP_RET_ERRNO | 33;
	struct sock_filter look[] = {LOAD(nr),        IS(!strcmp(kind, "other") ? SYS_acct : nr, 0, 3),
				     LOAD(args[5]),   IS(SECRET, 0, 1),
				     RETURN(verdict), RETURN(SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = {6, look};

	if (!strcmp(kind, "none"))
		return 0;
	if (!strcmp(kind, "allow"))
		return prctl(SET_DISPATCH, 1UL, 0UL, 0UL, &selector);
	if (ip)
		look[2].k = offsetof(struct seccomp_data, instruction_pointer) + 4;
	else if (!args)
		look[3] = (struct sock_filter)IS(0, 0, 0);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -1 : (int)syscall(SYS_seccomp, 1, 0, &prog);
}

static long room[64];
static int word, file;

/* Harmless arguments for those calls that need any. */
static long call(long nr, long last)
{
	switch (nr) {
	case SYS_futex:
		return syscall(nr, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, last);
	case SYS_read:
		return syscall(nr, file, room, 1L, 0L, 0L, last);
	case SYS_pread64:
		return syscall(nr, file, room, 1L, 0L, 0L, last);
	case SYS_lseek:
		return syscall(nr, file, 0L, (long)SEEK_CUR, 0L, 0L, last);
	case SYS_fstat:
		return syscall(nr, file, room, 0L, 0L, 0L, last);
	case SYS_clock_gettime:
		return syscall(nr, (long)CLOCK_MONOTONIC, room, 0L, 0L, 0L, last);
	case SYS_rt_sigprocmask:
		return syscall(nr, 0L, NULL, room, 8L, 0L, last);
	case SYS_gettimeofday:
		return syscall(nr, room, NULL, 0L, 0L, 0L, last);
	default:
		return syscall(nr, 0L, 0L, 0L, 0L, 0L, last);
	}
}

int main(int argc, char **argv)
{
	long nr = argc == 3 ? strtol(argv[1], NULL, 10) : -1;
	int refused = argc == 3 && !strcmp(argv[2], "errno");

	file = open("/proc/self/exe", O_RDONLY);
	if (nr < 0 || file < 0 || install((unsigned)nr, argv[2]))
		return 125;
	for (int i = 0; i < COUNT; i++) {
		errno = 0;
		call(nr, 0);
		if ((errno == 33) != refused)
			return 1;
	}
	errno = 0;
	call(nr, SECRET);
	return (errno == 33) != (refused || !strcmp(argv[2], "args"));
}

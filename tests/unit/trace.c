/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How traces show things: strings with every kind of byte, flags, signal sets, structures, lines that are too
 * long.
 *
 * links: src/trace/line.c src/trace/names.c src/trace/structs.c
 */
#include "abi/calls.h"
#include "trace/line.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct line line;
static int bad;

static void is(const char *want)
{
	line.text[line.used] = 0;
	if (strcmp(line.text, want)) {
		bad = 1;
		printf("not ok: %s\n    not: %s\n", line.text, want);
	}
	line_clear(&line);
}

static void flags(int set, u64 value, const char *want)
{
	line_flags(&line, set, value);
	is(want);
}

int main(void)
{
	u64 all = ~0ull, two = 1ull << (SIGINT - 1) | 1ull << (SIGRTMIN - 1);
	struct pollfd p = {3, POLLIN, POLLHUP};
	struct sockaddr_un un = {AF_UNIX, "/run/x"};
	struct stat st = {.st_mode = S_IFREG | 0644, .st_size = 5};
	siginfo_t child = {.si_signo = SIGCHLD, .si_code = CLD_EXITED};
	s64 time[2] = {1, 5};

	line_quote(&line, "a\"\\\n\t\r\v\f\a\b\0331\033x\x80\0009", 17, false);
	is("\"a\\\"\\\\\\n\\t\\r\\v\\f\\7\\10\\0331\\33x\\200\\0009\"");
	line_quote(&line, "abc", 3, true);
	is("\"abc\"...");

	flags(FLAGS_open, O_RDONLY, "O_RDONLY");
	flags(FLAGS_open, O_RDWR | O_CREAT | O_CLOEXEC, "O_RDWR|O_CREAT|O_CLOEXEC");
	flags(FLAGS_open, O_WRONLY | O_TMPFILE, "O_WRONLY|O_TMPFILE");
	flags(FLAGS_prot, PROT_NONE, "PROT_NONE");
	flags(FLAGS_prot, PROT_READ | PROT_EXEC, "PROT_READ|PROT_EXEC");
	flags(FLAGS_map, MAP_PRIVATE | MAP_ANONYMOUS, "MAP_PRIVATE|MAP_ANONYMOUS");
	flags(FLAGS_map, MAP_PRIVATE | 0x10000000, "MAP_PRIVATE|0x10000000");
	flags(FLAGS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, "CLONE_VM|CLONE_VFORK|SIGCHLD");
	flags(FLAGS_futex, 0x81, "FUTEX_WAKE|FUTEX_PRIVATE_FLAG");
	flags(FLAGS_madvise, MADV_DONTNEED, "MADV_DONTNEED");
	flags(FLAGS_madvise, 77, "0x4d");
	flags(FLAGS_wait, 0, "0");
	flags(FLAGS_rusage, ~0ull, "RUSAGE_CHILDREN");

	line_struct(&line, STRUCT_sigset, &two, 8);
	is("[INT RT_2]");
	line_struct(&line, STRUCT_sigset, &all, 8);
	is("~[]");
	line_struct(&line, STRUCT_pollfd, &p, sizeof p);
	is("{fd=3, events=POLLIN, revents=POLLHUP}");
	line_struct(&line, STRUCT_stat, &st, sizeof st);
	is("{st_mode=S_IFREG|0644, st_size=5, ...}");
	line_struct(&line, STRUCT_timespec, time, sizeof time);
	is("{tv_sec=1, tv_nsec=5}");
	line_sockaddr(&line, &un, sizeof un);
	is("{sa_family=AF_UNIX, sun_path=\"/run/x\"}");
	line_sockaddr(&line, &un, 2);
	is("{sa_family=AF_UNIX}");
	child.si_pid = 7;
	line_siginfo(&line, &child);
	is("{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7, si_uid=0, si_status=0, si_utime=0, si_stime=0}");
	line_wait_status(&line, 3 << 8);
	is("[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]");
	line_wait_status(&line, SIGSEGV);
	is("[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV}]");

	/* Never past the end, and marked. */
	for (int i = 0; i < 3000; i++)
		line_add(&line, "0123456789");
	line_write(&line, open("/dev/null", O_WRONLY));
	if (line.used > sizeof line.text || memcmp(line.text + line.used - 7, " <cut>\n", 7)) {
		bad = 1;
		printf("not ok: a long line\n");
	}
	if (!bad)
		printf("ok trace\n");
	return bad;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Single system calls: what one costs that does nothing, reads, opens, looks up, writes to a pipe, signals.
 */
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* getppid() is never cached by libc. */
static void null_call(unsigned long n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void read_zero(unsigned long n)
{
	static int fd = -1;
	char byte;

	if (fd < 0) {
		fd = open("/dev/zero", O_RDONLY);
		bench_need(fd >= 0, "/dev/zero");
	}
	while (n--)
		bench_need(read(fd, &byte, 1) == 1, "read");
}

static void open_close(unsigned long n)
{
	while (n--) {
		int fd = open("/etc/passwd", O_RDONLY);

		bench_need(fd >= 0, "/etc/passwd");
		close(fd);
	}
}

static void stat_file(unsigned long n)
{
	struct stat st;

	while (n--)
		bench_need(!stat("/etc/passwd", &st), "stat");
}

/* One byte to another process and back. */
static void pipe_ping_pong(unsigned long n)
{
	static int to[2], from[2];
	static pid_t child;
	char byte = 0;

	if (!child) {
		bench_need(!pipe(to) && !pipe(from), "pipe");
		child = fork();
		bench_need(child >= 0, "fork");
		if (!child) {
			close(to[1]);
			while (read(to[0], &byte, 1) == 1 && write(from[1], &byte, 1) == 1)
				;
			_exit(0);
		}
	}
	if (!n) {
		close(to[1]);
		waitpid(child, NULL, 0);
		return;
	}
	while (n--) {
		bench_need(write(to[1], &byte, 1) == 1, "write");
		bench_need(read(from[0], &byte, 1) == 1, "read");
	}
}

static volatile sig_atomic_t caught;

static void handler(int signo)
{
	caught++;
}

static void signal_self(unsigned long n)
{
	static int ready;

	if (!ready) {
		signal(SIGUSR1, handler);
		ready = 1;
	}
	while (n--)
		raise(SIGUSR1);
}

static const struct bench benches[] = {
	{"null call", null_call}, {"read 1 byte", read_zero},         {"open+close", open_close},
	{"stat", stat_file},      {"pipe ping-pong", pipe_ping_pong}, {"signal to self", signal_self},
};

BENCH_MAIN(benches)

/* SPDX-License-Identifier: Apache-2.0 */
/* Single calls: what one costs that does nothing, reads, opens, looks up, hands a byte on, signals. */
#include "bench/bench.h"
#include "bench/dispatch.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The kernel's own price: a call that only looks, and that husk's stub never answers by itself. */
static void null_call(void *state, u64 n)
{
	while (n--)
		syscall(SYS_personality, 0xffffffff);
}

/* The same from code that no file holds: such code is never patched, so that each call comes as a signal. */
static void *make_code(void)
{
	static const unsigned char code[] = {
		0xb8, SYS_personality,
		0,    0,
		0,          /* mov $SYS_personality, %eax */
		0x0f, 0x05, /* syscall */
		0xc3,       /* ret */
	};
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bench_need(page != MAP_FAILED, "mmap");
	memcpy(page, code, sizeof code);
	bench_need(!mprotect(page, 4096, PROT_READ | PROT_EXEC), "mprotect");
	return page;
}

static void null_call_by_signal(void *state, u64 n)
{
	long (*call)(unsigned long persona) = state;

	while (n--)
		call(0xffffffff);
}

/* One whose result may be known beforehand. libc never keeps the answer of getppid(). */
static void known_call(void *state, u64 n)
{
	while (n--)
		syscall(SYS_getppid);
}

/* A clock, as who has no vDSO reads it. */
static void clock_call(void *state, u64 n)
{
	struct timespec ts;

	while (n--)
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
}

/* On a private word with nobody waiting: needs no turn where the guest's own process can make the host call. */
static void futex_wake(void *state, u64 n)
{
	u32 word = 0;

	while (n--)
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

struct opened {
	int fd;
};

/* A file whose bytes are made up, and that husk's stub never reads by itself. */
static void *open_zeroes(void)
{
	struct opened *o = malloc(sizeof *o);

	bench_need(o, "memory");
	o->fd = open("/dev/full", O_RDONLY);
	bench_need(o->fd >= 0, "/dev/full");
	return o;
}

static void read_byte(void *state, u64 n)
{
	struct opened *o = state;
	char byte;

	while (n--)
		bench_need(read(o->fd, &byte, 1) == 1, "read");
}

static void *open_file(void)
{
	struct opened *o = malloc(sizeof *o);

	bench_need(o, "memory");
	o->fd = open("/proc/self/exe", O_RDONLY);
	bench_need(o->fd >= 0, "/proc/self/exe");
	return o;
}

static void read_file(int fd, size_t size, u64 n)
{
	char bytes[4096];

	while (n--) {
		ssize_t got = read(fd, bytes, size);

		bench_need(got >= 0, "read");
		if ((size_t)got < size)
			bench_need(!lseek(fd, 0, SEEK_SET), "lseek");
	}
}

static void read_file_byte(void *state, u64 n)
{
	read_file(((struct opened *)state)->fd, 1, n);
}

static void read_file_page(void *state, u64 n)
{
	read_file(((struct opened *)state)->fd, 4096, n);
}

static void open_close(void *state, u64 n)
{
	while (n--) {
		int fd = open("/etc/passwd", O_RDONLY);

		bench_need(fd >= 0, "/etc/passwd");
		close(fd);
	}
}

static void stat_file(void *state, u64 n)
{
	struct stat st;

	while (n--)
		bench_need(!stat("/etc/passwd", &st), "stat");
}

/* A process that sends back each byte it gets. */
struct echo {
	int to, from;
	pid_t pid;
};

static void *start_echo(void)
{
	struct echo *e = malloc(sizeof *e);
	int to[2], from[2];
	char byte;

	bench_need(e && !pipe(to) && !pipe(from), "pipe");
	e->pid = fork();
	bench_need(e->pid >= 0, "fork");
	if (!e->pid) {
		close(to[1]);
		while (read(to[0], &byte, 1) == 1 && write(from[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	e->to = to[1];
	e->from = from[0];
	return e;
}

static void ping_pong(void *state, u64 n)
{
	struct echo *e = state;
	char byte = 0;

	while (n--) {
		bench_need(write(e->to, &byte, 1) == 1, "write");
		bench_need(read(e->from, &byte, 1) == 1, "read");
	}
}

static void stop_echo(void *state)
{
	struct echo *e = state;

	close(e->to);
	waitpid(e->pid, NULL, 0);
	free(e);
}

static void ignore_it(int signo)
{
}

static void *catch_signal(void)
{
	bench_need(signal(SIGUSR1, ignore_it) != SIG_ERR, "signal");
	return NULL;
}

static void signal_self(void *state, u64 n)
{
	while (n--)
		raise(SIGUSR1);
}

const struct workload bench_calls[] = {
	{"null call", BENCH_CALLS, NULL, null_call, NULL, 1},
	{"null call by signal", BENCH_CALLS, make_code, null_call_by_signal, NULL, 1},
	{"call with a known result", BENCH_CALLS, NULL, known_call, NULL, 1},
	{"clock_gettime", BENCH_CALLS, NULL, clock_call, NULL, 1},
	{"private futex wake", BENCH_CALLS, NULL, futex_wake, NULL, 1},
	{"read 1 byte", BENCH_CALLS, open_zeroes, read_byte, NULL, 1},
	{"read 1 byte of a file", BENCH_CALLS, open_file, read_file_byte, NULL, 1},
	{"read 4 KiB of a file", BENCH_CALLS, open_file, read_file_page, NULL, 1},
	{"open+close", BENCH_CALLS, NULL, open_close, NULL, 1},
	{"stat", BENCH_CALLS, NULL, stat_file, NULL, 1},
	{"signal to self", BENCH_CALLS, catch_signal, signal_self, NULL, 1},
	{"pipe ping-pong", BENCH_CALLS, start_echo, ping_pong, stop_echo, 1},
	{"call that is dispatched", BENCH_CALLS, dispatch_begin, dispatch_blocked, NULL, 1},
	{"call with dispatch on ALLOW", BENCH_CALLS, dispatch_begin, dispatch_allowed, NULL, 1},
	{"known result with dispatch on ALLOW", BENCH_CALLS, dispatch_begin, dispatch_known, NULL, 1},
};
const size_t bench_calls_count = ARRAY_SIZE(bench_calls);

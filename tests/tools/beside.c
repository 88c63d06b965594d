/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beside WAY FILE: does something to FILE that takes long, while another process makes calls, which must not wait for it.
 * Signals that come meanwhile cut nothing.
 *
 * Ends with 0 and prints nothing; or with 1 and a sentence. Ways: write (a byte at the end), truncate (to a byte more),
 * open (a mapping to write), allocate, send (a byte by sendfile), big (a write of 100 MB).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG    (100UL << 20)
#define ENOUGH 50 /* calls that the other one makes meanwhile: some thousands; one that waits makes two */

static volatile unsigned long *calls, *signals;

static void on_alarm(int signo)
{
	++*signals;
}

static int do_write(int fd, off_t size)
{
	return pwrite(fd, "x", 1, size) != 1;
}

static int do_truncate(int fd, off_t size)
{
	return ftruncate(fd, size + 1);
}

static int do_open(int fd, off_t size)
{
	return mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED;
}

static int do_allocate(int fd, off_t size)
{
	return fallocate(fd, 0, size, 1);
}

static int do_send(int fd, off_t size)
{
	int from = open("/proc/self/exe", O_RDONLY);

	return lseek(fd, size, SEEK_SET) != size || sendfile(fd, from, NULL, 1) != 1;
}

static int do_big(int fd, off_t size)
{
	char *bytes = malloc(BIG);

	memset(bytes, 'b', BIG);
	return pwrite(fd, bytes, BIG, size) != (ssize_t)BIG;
}

static const struct {
	const char *name;
	int (*run)(int fd, off_t size);
} ways[] = {{"write", do_write},       {"truncate", do_truncate}, {"open", do_open},
	    {"allocate", do_allocate}, {"send", do_send},         {"big", do_big}};

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval often = {{0, 2000}, {0, 2000}}, never = {0};
	unsigned long before, made;
	struct stat st;
	int fd, failed = 1, error = 0;
	pid_t pid;

	calls = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signals = calls + 1;
	fd = argc == 3 ? open(argv[2], O_RDWR) : -1;
	if (fd < 0 || fstat(fd, &st)) {
		perror("beside");
		return 1;
	}
	pid = fork();
	while (!pid) {
		umask(022);
		++*calls;
	}
	while (!*calls)
		;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	before = *calls;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (!strcmp(ways[i].name, argv[1])) {
			failed = ways[i].run(fd, st.st_size);
			error = errno;
		}
	made = *calls - before;
	setitimer(ITIMER_REAL, &never, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (failed)
		printf("%s: %s\n", argv[1], strerror(error));
	else if (made < ENOUGH)
		printf("%s: the other one made %lu calls meanwhile\n", argv[1], made);
	return failed || made < ENOUGH;
}

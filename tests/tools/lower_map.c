/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower_map FILE: whether shared mappings of a file that lies there already show what is written to it later, by another
 * process, in all processes that have them; whether its end is their end; and whether a private mapping behind it shows what
 * it grows by.
 *
 * Ends with 0, or with 1 and a sentence. FILE has more than two pages and does not begin with "NEW".
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static sigjmp_buf back;

static void on_bus(int signo)
{
	siglongjmp(back, signo);
}

#define CHECK(what)                                    \
	do {                                           \
		if (!(what)) {                         \
			printf("not so: %s\n", #what); \
			fflush(stdout);                \
			_exit(1);                      \
		}                                      \
	} while (0)

/* Waits for the writer by a call, or by looking alone. */
static void reader(volatile char *map, int from, int to, bool by_call)
{
	char c;

	alarm(20);
	if (by_call)
		CHECK(read(from, &c, 1) == 1);
	while (!by_call && map[0] != 'N')
		;
	CHECK(!memcmp((char *)map, "NEW", 3) && map[PAGE] == 'X');
	CHECK(write(to, "s", 1) == 1);
	CHECK(read(from, &c, 1) == 1); /* it has been cut to a page */
	CHECK(map[0] == 'N');
	if (!sigsetjmp(back, 1)) {
		c = map[PAGE];
		CHECK(!"SIGBUS behind the end");
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int r = open(argv[1], O_RDONLY), w, status, to[2][2], seen[2];
	char *map, *part, *private, *behind, first;
	struct stat before, after;
	char buf[3];
	off_t end;

	CHECK(r >= 0 && !fstat(r, &before));
	end = (before.st_size + PAGE - 1) / PAGE * PAGE;
	signal(SIGBUS, on_bus);
	map = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, r, 0);
	part = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, r, PAGE);
	private = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, r, 0);
	behind = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, r, end - PAGE);
	CHECK(map != MAP_FAILED && part != MAP_FAILED && private != MAP_FAILED && behind != MAP_FAILED);
	first = map[0];
	private[PAGE] = 'P';
	CHECK(!mprotect(part, PAGE, PROT_NONE));
	CHECK(!pipe(seen));
	for (int i = 0; i < 2; i++) {
		CHECK(!pipe(to[i]));
		if (!fork())
			reader(map, to[i][0], seen[1], i);
	}
	w = open(argv[1], O_RDWR);
	CHECK(w >= 0);
	CHECK(pwrite(w, "X", 1, PAGE) == 1 && pwrite(w, "NEW", 3, 0) == 3);
	CHECK(pread(r, buf, 3, 0) == 3 && !memcmp(buf, "NEW", 3));
	CHECK(!memcmp(map, "NEW", 3));
	CHECK(!mprotect(part, PAGE, PROT_READ) && part[0] == 'X');
	CHECK(private[PAGE] == 'P' && (private[0] == first || private[0] == 'N'));
	CHECK(!fstat(r, &after) && before.st_ino == after.st_ino && before.st_dev == after.st_dev &&
	      before.st_size == after.st_size);
	CHECK(pwrite(w, "B", 1, end) == 1 && behind[PAGE] == 'B');
	CHECK(write(to[1][1], "x", 1) == 1);
	for (int i = 0; i < 2; i++)
		CHECK(read(seen[0], buf, 1) == 1);
	CHECK(!ftruncate(w, PAGE));
	for (int i = 0; i < 2; i++)
		CHECK(write(to[i][1], "y", 1) == 1);
	for (int i = 0; i < 2; i++) {
		CHECK(wait(&status) > 0);
		CHECK(status == 0);
	}
	return 0;
}

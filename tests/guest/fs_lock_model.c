/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks against a model: random locks of open files on a few bytes, each compared with a map of who holds what; and
 * processes that count in one file, by each kind of lock that waits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define OWNERS 4
#define BYTES  48
#define ROUNDS 12000

static char path[] = "/dev/shm/husk-lockmodelXXXXXX";
static unsigned seed = 1;

/* Who holds a byte, and how: 0, F_RDLCK + 1, F_WRLCK + 1. */
static char held[OWNERS][BYTES];

static unsigned pick(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static int conflicts(int owner, int type, int from, int to)
{
	for (int o = 0; o < OWNERS; o++)
		for (int i = from; i <= to && o != owner; i++)
			if (held[o][i] && (type == F_WRLCK || held[o][i] == F_WRLCK + 1))
				return 1;
	return 0;
}

/* Whether @l is somebody else's lock as it is: all of one kind, and no longer at either end. */
static int is_whole(const struct flock *l, int owner, int from, int to)
{
	int start = (int)l->l_start, end = l->l_len ? (int)(l->l_start + l->l_len - 1) : BYTES - 1;

	if (start < 0 || end >= BYTES || start > to || end < from)
		return 0;
	for (int o = 0; o < OWNERS; o++) {
		int same = o != owner;

		for (int i = start; i <= end && same; i++)
			same = held[o][i] == l->l_type + 1;
		if (same && (start == 0 || held[o][start - 1] != l->l_type + 1) &&
		    (end == BYTES - 1 || held[o][end + 1] != l->l_type + 1))
			return 1;
	}
	return 0;
}

static void test_model(void)
{
	static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
	int fd[OWNERS], bad = 0;

	for (int o = 0; o < OWNERS; o++)
		fd[o] = open(path, O_RDWR);
	for (int n = 0; n < ROUNDS && bad < 10; n++) {
		int o = (int)pick(OWNERS), from = (int)pick(BYTES), to = from + (int)pick(BYTES - from), r,
		    want;
		struct flock l = {.l_type = types[pick(3)],
				  .l_start = from,
				  .l_len = to == BYTES - 1 ? 0 : to - from + 1};

		if (pick(3) == 0 && l.l_type != F_UNLCK) {
			int type = l.l_type;

			CHECK_OK(fcntl(fd[o], F_OFD_GETLK, &l));
			want = conflicts(o, type, from, to);
			bad += (l.l_type != F_UNLCK) != want || (want && !is_whole(&l, o, from, to));
			continue;
		}
		r = fcntl(fd[o], F_OFD_SETLK, &l);
		want = l.l_type != F_UNLCK && conflicts(o, l.l_type, from, to) ? -1 : 0;
		bad += r != want || (r && errno != EAGAIN);
		for (int i = from; i <= to && !r; i++)
			held[o][i] = l.l_type == F_UNLCK ? 0 : (char)(l.l_type + 1);
	}
	CHECK_EQ(bad, 0);
	for (int o = 0; o < OWNERS; o++)
		close(fd[o]);
}

static void take(int fd, int how)
{
	struct flock l = {.l_type = F_WRLCK, .l_len = 1};

	if (how == 0)
		CHECK_OK(fcntl(fd, F_SETLKW, &l));
	else if (how == 1)
		CHECK_OK(fcntl(fd, F_OFD_SETLKW, &l));
	else
		CHECK_OK(flock(fd, LOCK_EX));
}

static void give(int fd, int how)
{
	struct flock l = {.l_type = F_UNLCK, .l_len = 1};

	if (how == 2)
		CHECK_OK(flock(fd, LOCK_UN));
	else
		CHECK_OK(fcntl(fd, how ? F_OFD_SETLK : F_SETLK, &l));
}

/* Read, think, write: counts are lost unless the lock keeps all others out. */
static void test_counting(int how)
{
	int fd = open(path, O_RDWR), status, total = 0;

	CHECK_EQ(pwrite(fd, &total, sizeof total, 0), (long)sizeof total);
	for (int p = 0; p < 5; p++) {
		if (fork())
			continue;
		int own = open(path, O_RDWR), n;

		for (int i = 0; i < 200; i++) {
			take(own, how);
			if (pread(own, &n, sizeof n, 0) != sizeof n)
				_exit(2);
			n++;
			if (pwrite(own, &n, sizeof n, 0) != sizeof n)
				_exit(3);
			give(own, how);
		}
		_exit(check_failed());
	}
	for (int p = 0; p < 5; p++) {
		wait(&status);
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(pread(fd, &total, sizeof total, 0), (long)sizeof total);
	CHECK_EQ(total, 5 * 200);
	close(fd);
}

int main(void)
{
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	test_model();
	for (int how = 0; how < 3; how++)
		test_counting(how);
	close(fd);
	unlink(path);
	return check_done();
}

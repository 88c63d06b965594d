/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories of /proc, /sys, /dev and /dev/pts by their offsets and other than by read(2): lseek, pread, reads
 * of a few bytes, mmap, splice, sendfile, poll, locks, fsync, getdents64 with small buffers while processes come and go.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

static char whole[1 << 18], pieces[1 << 18];

static long slurp(const char *path, char *out, size_t piece)
{
	int fd = open(path, O_RDONLY);
	long n, size = 0;

	CHECK(fd >= 0);
	while ((n = read(fd, out + size, piece)) > 0)
		size += n;
	CHECK_EQ(n, 0);
	close(fd);
	return size;
}

/* What does not change by itself is the same in pieces of any size, and at any offset. */
static void test_pieces(void)
{
	static const char *const paths[] = {"/proc/version",
					    "/proc/filesystems",
					    "/proc/self/limits",
					    "/proc/self/cmdline",
					    "/proc/self/environ",
					    "/proc/self/mountinfo",
					    "/proc/self/net/dev",
					    "/proc/self/auxv",
					    "/proc/sys/kernel/osrelease",
					    "/proc/tty/drivers",
					    "/sys/devices/system/cpu/possible"};
	static const size_t sizes[] = {1, 7, 100, 4096};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		long size = slurp(paths[i], whole, sizeof whole);
		int fd = open(paths[i], O_RDONLY);

		CHECK(size > 0);
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
			CHECK_EQ(slurp(paths[i], pieces, sizes[k]), size);
			CHECK(!memcmp(whole, pieces, (size_t)size));
		}
		for (long at = size - 1; at >= 0; at -= 1 + size / 7) {
			CHECK_EQ(pread(fd, pieces, 1, at), 1);
			CHECK_EQ(pieces[0], whole[at]);
		}
		CHECK_EQ(pread(fd, pieces, 1, size), 0);
		CHECK_EQ(pread(fd, pieces, 1, size + 100000), 0);
		CHECK_ERRNO(pread(fd, pieces, 1, -1), EINVAL);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
		CHECK_EQ(lseek(fd, size - 1, SEEK_SET), size - 1);
		CHECK_EQ(read(fd, pieces, 9), 1);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), size);
		close(fd);
	}
}

/* What each kind answers to lseek(2). */
enum kind {
	SEQUENCE,  /* forth and back, and it has no end */
	VALUE,     /* as an empty file without a long offset */
	SETTING,   /* as an empty file, with one */
	ATTRIBUTE, /* as a file of one page */
	ROOM,      /* a directory of a tree in memory */
};

static void seeks(const char *path, enum kind kind)
{
	bool endless = kind == SEQUENCE || kind == ROOM, bounded = kind == VALUE || kind == ATTRIBUTE;
	long size = kind == ATTRIBUTE ? 4096 : 0;
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
	CHECK_EQ(lseek(fd, 2, SEEK_CUR), 5);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, -9, SEEK_CUR), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, 9), EINVAL);
	CHECK_EQ(lseek(fd, 0x7fffffff, SEEK_SET), 0x7fffffff);
	if (bounded)
		CHECK_ERRNO(lseek(fd, 1L << 31, SEEK_SET), EINVAL);
	else
		CHECK_EQ(lseek(fd, 1L << 40, SEEK_SET), 1L << 40);
	if (endless) {
		CHECK_ERRNO(lseek(fd, 0, SEEK_END), EINVAL);
		CHECK_ERRNO(lseek(fd, 0, SEEK_DATA), EINVAL);
		CHECK_ERRNO(lseek(fd, 0, SEEK_HOLE), EINVAL);
	} else {
		CHECK_EQ(lseek(fd, 0, SEEK_END), size);
		CHECK_EQ(lseek(fd, 5, SEEK_END), size + 5);
		CHECK_ERRNO(lseek(fd, size, SEEK_DATA), ENXIO);
		CHECK_ERRNO(lseek(fd, size, SEEK_HOLE), ENXIO);
	}
	if (kind == SETTING)
		CHECK_EQ(lseek(fd, -1, SEEK_HOLE), 0);
	if (kind == ATTRIBUTE)
		CHECK_EQ(lseek(fd, 1, SEEK_HOLE), 4096);
	close(fd);
}

static void test_seeks(void)
{
	seeks("/proc/version", SEQUENCE);
	seeks("/proc/self/status", SEQUENCE);
	seeks("/proc/self/maps", SEQUENCE);
	seeks("/proc/self/mounts", SEQUENCE);
	seeks("/proc/self/net/unix", SEQUENCE);
	seeks("/proc/self/cmdline", VALUE);
	seeks("/proc/self/environ", VALUE);
	seeks("/proc/self/auxv", VALUE);
	seeks("/proc/self/coredump_filter", VALUE);
	seeks("/proc/self/oom_score_adj", SETTING);
	seeks("/proc/sys/kernel/osrelease", SETTING);
	seeks("/proc/sys/kernel/random/boot_id", SETTING);
	seeks("/sys/devices/system/cpu/online", ATTRIBUTE);
	seeks("/proc", VALUE);
	seeks("/proc/self", VALUE);
	seeks("/proc/self/fd", VALUE);
	seeks("/sys", VALUE);
	seeks("/dev", ROOM);
	seeks("/dev/pts", ROOM);
}

static long map(int fd, int prot, int flags)
{
	return mmap(NULL, 4096, prot, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

static void maps(const char *path, int error)
{
	int fd = open(path, O_RDONLY);

	CHECK_ERRNO(map(fd, PROT_READ, MAP_PRIVATE), error);
	CHECK_ERRNO(map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE), error);
	CHECK_ERRNO(map(fd, PROT_READ | PROT_WRITE, MAP_SHARED), EACCES);
	CHECK_ERRNO(map(fd, PROT_EXEC, MAP_PRIVATE), EPERM);
	close(fd);
}

static void test_mappings(void)
{
	maps("/proc/version", EIO);
	maps("/proc/self/net/unix", EIO);
	maps("/proc/self/stat", ENODEV);
	maps("/proc/sys/kernel/osrelease", ENODEV);
}

/* Which can be polled, and which spliced. */
static void ways(const char *path, bool polls, bool splices)
{
	int fd = open(path, O_RDONLY), ep = epoll_create1(0), ends[2];
	struct epoll_event ev = {.events = EPOLLIN};
	off_t at = 2;

	CHECK_OK(pipe(ends));
	if (polls)
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	else
		CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), EPERM);
	if (splices) {
		CHECK_EQ(splice(fd, NULL, ends[1], NULL, 3, 0), 3);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
		CHECK_EQ(sendfile(ends[1], fd, &at, 3), 3);
		CHECK_EQ(at, 5);
	} else {
		CHECK_ERRNO(splice(fd, NULL, ends[1], NULL, 3, 0), EINVAL);
		CHECK_ERRNO(sendfile(ends[1], fd, &at, 3), EINVAL);
	}
	CHECK_ERRNO(fallocate(fd, 0, 0, 1), EBADF);
	CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
	CHECK_OK(flock(fd, LOCK_EX | LOCK_NB));
	CHECK_ERRNO(fcntl(fd, F_SETFL, O_DIRECT), EINVAL);
	CHECK_ERRNO(open(path, O_RDONLY | O_DIRECT), EINVAL);
	close(fd);
	close(ep);
	close(ends[0]);
	close(ends[1]);
}

static void test_ways(void)
{
	ways("/proc/version", true, true);
	ways("/proc/self/net/dev", true, false);
	ways("/proc/self/stat", false, false);
	ways("/proc/self/mountinfo", true, true);
	ways("/proc/sys/kernel/osrelease", true, true);
	ways("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", true, true);
}

static void test_sync(void)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {{"/dev", 0},      {"/dev/pts", 0},           {"/proc", EINVAL},
		     {"/sys", EINVAL}, {"/proc/version", EINVAL}, {"/sys/devices/system/cpu/online", 0}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int fd = open(cases[i].path, O_RDONLY);

		if (cases[i].error) {
			CHECK_ERRNO(fsync(fd), cases[i].error);
			CHECK_ERRNO(fdatasync(fd), cases[i].error);
		} else {
			CHECK_OK(fsync(fd));
			CHECK_OK(fdatasync(fd));
		}
		CHECK_OK(syncfs(fd));
		close(fd);
	}
}

struct entry {
	unsigned long ino;
	long next;
	unsigned short size;
	unsigned char type;
	char name[];
};

/* Those that live all along are listed once each, however many come and go between two calls. */
static void test_listing(void)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY), seen = 0, self = 0;
	char buf[64] __attribute__((aligned(8)));
	long last = 0, n;
	pid_t kept[5];

	CHECK_ERRNO(syscall(SYS_getdents64, fd, buf, 8), EINVAL);
	for (int i = 0; i < 5; i++) {
		kept[i] = fork();
		if (!kept[i]) {
			pause();
			_exit(0);
		}
	}
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0) {
		const struct entry *e = (void *)buf;
		pid_t child;

		for (long at = 0; at < n; at += e->size) {
			long pid;

			e = (void *)(buf + at);
			pid = atol(e->name);
			if (!pid)
				continue;
			CHECK(pid > last);
			last = pid;
			self += pid == getpid();
			for (int i = 0; i < 5; i++)
				seen += pid == kept[i];
		}
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), e->next);
		if (!last)
			continue;
		child = fork();
		if (!child)
			_exit(0);
		CHECK_EQ(waitpid(child, NULL, 0), child);
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(self, 1);
	CHECK_EQ(seen, 5);
	for (int i = 0; i < 5; i++) {
		kill(kept[i], SIGKILL);
		waitpid(kept[i], NULL, 0);
	}
	close(fd);
}

int main(void)
{
	test_pieces();
	test_seeks();
	test_mappings();
	test_ways();
	test_sync();
	test_listing();
	return check_done();
}

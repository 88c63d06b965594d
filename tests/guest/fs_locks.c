/* SPDX-License-Identifier: Apache-2.0 */
/* Record locks, locks of open file descriptions and flock: merging, splitting, inheritance, deadlock, waiting. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>
#include <linux/magic.h>
#include <sched.h>

#include "check.h"

static char path[] = "/dev/shm/husk-locksXXXXXX";

static int lock(int fd, int cmd, int type, long start, long len)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &l);
}

/* What another process would meet: "type start len", or "free". */
static const char *conflict(int type, long start, long len)
{
	static char text[64];
	int p[2];
	ssize_t n;

	CHECK_OK(pipe(p));
	if (!fork()) {
		struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
		int fd = open(path, O_RDWR);

		if (fcntl(fd, F_GETLK, &l))
			n = snprintf(text, sizeof text, "errno %d", errno);
		else if (l.l_type == F_UNLCK)
			n = snprintf(text, sizeof text, "free");
		else
			n = snprintf(text, sizeof text, "%c %ld %ld%s", l.l_type == F_RDLCK ? 'r' : 'w',
				     (long)l.l_start, (long)l.l_len,
				     l.l_pid == getppid() ? ""
				     : l.l_pid == -1      ? " ofd"
							  : " who");
		write(p[1], text, n);
		_exit(0);
	}
	close(p[1]);
	n = read(p[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	close(p[0]);
	wait(NULL);
	return text;
}

static void test_ranges(int fd)
{
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	CHECK_STR(conflict(F_RDLCK, 0, 0), "w 0 10");
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 10, 10));
	CHECK_STR(conflict(F_RDLCK, 0, 0), "w 0 20");
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 5, 5));
	CHECK_STR(conflict(F_RDLCK, 0, 0), "w 0 5");
	CHECK_STR(conflict(F_RDLCK, 5, 5), "free");
	CHECK_STR(conflict(F_RDLCK, 7, 0), "w 10 10");
	CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 12, 4));
	CHECK_STR(conflict(F_RDLCK, 12, 4), "free");
	CHECK_STR(conflict(F_WRLCK, 12, 4), "r 12 4");
	CHECK_STR(conflict(F_RDLCK, 10, 10), "w 10 2");
	CHECK_STR(conflict(F_RDLCK, 13, 100), "w 16 4");
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 3, 15));
	CHECK_STR(conflict(F_RDLCK, 0, 0), "w 0 20");
	CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 100, 0));
	CHECK_STR(conflict(F_WRLCK, 50, 0), "r 100 0");
	CHECK_STR(conflict(F_WRLCK, 0x7fffffffffffff00, 1), "r 100 0");
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK_STR(conflict(F_WRLCK, 0, 0), "free");
	/* a second lock in front of the first, of another kind, then merged by a third */
	CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 50, 10));
	CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 30, 10));
	CHECK_STR(conflict(F_WRLCK, 0, 0), "r 30 10");
	CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 40, 10));
	CHECK_STR(conflict(F_WRLCK, 0, 0), "r 30 30");
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
}

static void test_arguments(int fd)
{
	struct flock l = {.l_type = F_RDLCK, .l_whence = 3};
	int ro = open(path, O_RDONLY), wo = open(path, O_WRONLY), op = open(path, O_PATH);

	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EINVAL);
	l = (struct flock){.l_type = 77};
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_GETLK, &l), EINVAL);
	l = (struct flock){.l_type = F_UNLCK};
	CHECK_ERRNO(fcntl(fd, F_GETLK, &l), EINVAL);
	CHECK_ERRNO(lock(fd, F_SETLK, F_RDLCK, -1, 1), EINVAL);
	CHECK_ERRNO(lock(fd, F_SETLK, F_RDLCK, 5, -6), EINVAL);
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 10, -4));
	CHECK_STR(conflict(F_RDLCK, 0, 0), "w 6 4");
	CHECK_ERRNO(lock(fd, F_SETLK, F_RDLCK, 0x7fffffffffffffff, 2), EOVERFLOW);
	CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 0x7fffffffffffffff, 1));
	CHECK_ERRNO(lock(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
	CHECK_ERRNO(lock(wo, F_SETLK, F_RDLCK, 0, 1), EBADF);
	CHECK_ERRNO(lock(op, F_SETLK, F_RDLCK, 0, 1), EBADF);
	CHECK_ERRNO(lock(op, F_GETLK, F_RDLCK, 0, 1), EBADF);
	CHECK_ERRNO(fcntl(fd, F_SETLK, 8), EFAULT);
	CHECK_ERRNO(fcntl(fd, F_GETLK, 8), EFAULT);
	l = (struct flock){.l_type = F_RDLCK, .l_pid = 5};
	CHECK_ERRNO(fcntl(fd, F_OFD_SETLK, &l), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_OFD_GETLK, &l), EINVAL);
	/* SEEK_CUR and SEEK_END */
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK_OK(ftruncate(fd, 100));
	CHECK_EQ(lseek(fd, 40, SEEK_SET), 40);
	l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 2, .l_len = 3};
	CHECK_OK(fcntl(fd, F_SETLK, &l));
	l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10};
	CHECK_OK(fcntl(fd, F_SETLK, &l));
	CHECK_STR(conflict(F_RDLCK, 0, 0), "w 42 3");
	CHECK_STR(conflict(F_RDLCK, 50, 0), "w 90 0");
	/* any close of the file by the process lets all go, but one of a mere place */
	close(op);
	CHECK_STR(conflict(F_RDLCK, 50, 0), "w 90 0");
	close(ro);
	CHECK_STR(conflict(F_RDLCK, 0, 0), "free");
	close(wo);
}

static void test_ofd(int fd)
{
	int other = open(path, O_RDWR), same = dup(fd), status;
	struct flock l;

	CHECK_OK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	CHECK_STR(conflict(F_RDLCK, 0, 0), "w 0 10 ofd");
	/* F_UNLCK asks for one's own (Linux 6.11) */
	l = (struct flock){.l_type = F_UNLCK, .l_start = 5};
	if (fcntl(fd, F_OFD_GETLK, &l) == 0) {
		CHECK_EQ(l.l_type, F_WRLCK);
		CHECK_EQ(l.l_start, 0);
		CHECK_EQ(l.l_len, 10);
		CHECK_EQ(l.l_pid, -1);
		l = (struct flock){.l_type = F_UNLCK, .l_start = 10};
		CHECK_OK(fcntl(fd, F_OFD_GETLK, &l));
		CHECK_EQ(l.l_type, F_UNLCK);
		l = (struct flock){.l_type = F_UNLCK, .l_start = 5};
		CHECK_OK(fcntl(other, F_OFD_GETLK, &l));
		CHECK_EQ(l.l_type, F_UNLCK);
	} else {
		CHECK_EQ(errno, EINVAL);
	}
	CHECK_ERRNO(lock(other, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
	CHECK_ERRNO(lock(fd, F_SETLK, F_RDLCK, 5, 1),
		    EAGAIN); /* another world's owner, though the same process */
	CHECK_OK(lock(same, F_OFD_SETLK, F_RDLCK, 5, 1));
	CHECK_OK(lock(other, F_OFD_SETLK, F_RDLCK, 5, 1));
	close(same);
	CHECK_STR(conflict(F_WRLCK, 0, 5), "w 0 5 ofd");
	if (!fork()) {
		/* inherited: the child may change what its parent locked */
		CHECK_OK(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_STR(conflict(F_WRLCK, 0, 0), "r 5 1 ofd");
	close(other);
	CHECK_STR(conflict(F_WRLCK, 0, 0), "free");
}

static void test_inheritance(int fd)
{
	int status;

	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	if (!fork()) {
		CHECK_ERRNO(lock(fd, F_SETLK, F_RDLCK, 0, 1), EAGAIN);
		CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 10, 1));
		close(fd); /* the child's locks go, the parent's stay */
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_STR(conflict(F_WRLCK, 0, 0), "w 0 1");
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
}

static void nothing(int sig)
{
}

/* Waits until the child sleeps in its call: in /proc its state is S and stays so. */
static void until_sleeping(pid_t pid)
{
	char name[40], text[512], *p;
	int seen = 0;

	snprintf(name, sizeof name, "/proc/%d/stat", pid);
	while (seen < 3) {
		int f = open(name, O_RDONLY);
		ssize_t n = read(f, text, sizeof text - 1);

		close(f);
		text[n > 0 ? n : 0] = 0;
		p = strrchr(text, ')');
		seen = p && p[2] == 'S' ? seen + 1 : 0;
		usleep(2000);
	}
}

static void test_waiting(int fd)
{
	struct sigaction sa = {.sa_handler = nothing};
	int status;
	pid_t pid;

	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	pid = fork();
	if (!pid) {
		CHECK_OK(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
		_exit(check_failed());
	}
	until_sleeping(pid);
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 1));
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	/* a signal ends the wait */
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	pid = fork();
	if (!pid) {
		sigaction(SIGUSR1, &sa, NULL);
		CHECK_ERRNO(lock(fd, F_SETLKW, F_WRLCK, 0, 1), EINTR);
		_exit(check_failed());
	}
	until_sleeping(pid);
	kill(pid, SIGUSR1);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
}

static void test_deadlock(int fd)
{
	int status;
	pid_t pid;

	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	pid = fork();
	if (!pid) {
		CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 1, 1));
		CHECK_OK(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
		_exit(check_failed());
	}
	while (strcmp(conflict(F_RDLCK, 1, 1), "free") == 0)
		usleep(1000);
	until_sleeping(pid);
	CHECK_ERRNO(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, 1, 1), EAGAIN);
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 1));
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_OK(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
}

static void test_flock(int fd)
{
	int other = open(path, O_RDONLY), third = open(path, O_RDONLY), same = dup(fd),
	    op = open(path, O_PATH), p[2], status;
	pid_t pid;

	CHECK_ERRNO(flock(fd, 0), EINVAL);
	CHECK_ERRNO(flock(fd, LOCK_SH | LOCK_EX), EINVAL);
	CHECK_ERRNO(flock(999, LOCK_SH), EBADF);
	CHECK_ERRNO(flock(op, LOCK_SH), EBADF);
	CHECK_OK(flock(fd, LOCK_EX));
	CHECK_OK(flock(same, LOCK_EX | LOCK_NB));
	CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_OK(flock(same, LOCK_SH));
	CHECK_OK(flock(other, LOCK_SH | LOCK_NB));
	/* a conversion that fails has lost the lock */
	CHECK_ERRNO(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_OK(flock(fd, LOCK_EX | LOCK_NB));
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 0)); /* record locks and flock don't see each other */
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	close(same);
	CHECK_ERRNO(flock(third, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	pid = fork();
	if (!pid) {
		CHECK_OK(flock(other, LOCK_EX));
		_exit(check_failed());
	}
	until_sleeping(pid);
	CHECK_OK(flock(fd, LOCK_UN));
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_ERRNO(flock(fd, LOCK_SH | LOCK_NB),
		    EWOULDBLOCK); /* the child's end left it to our descriptor */
	close(other);
	CHECK_OK(flock(fd, LOCK_SH | LOCK_NB));
	close(third);
	close(op);
	CHECK_OK(pipe(p));
	CHECK_OK(flock(p[0], LOCK_EX | LOCK_NB));
	CHECK_ERRNO(flock(p[1], LOCK_EX | LOCK_NB), EWOULDBLOCK);
	close(p[0]);
	close(p[1]);
}

static void test_lease(int fd)
{
	int p[2];

	CHECK_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
	CHECK_ERRNO(fcntl(fd, F_SETLEASE, F_UNLCK), EAGAIN);
	CHECK_ERRNO(fcntl(fd, F_SETLEASE, F_RDLCK), EAGAIN); /* open for writing */
	CHECK_ERRNO(fcntl(fd, F_SETLEASE, 77), EINVAL);
	CHECK_OK(pipe(p));
	CHECK_ERRNO(fcntl(p[0], F_SETLEASE, F_RDLCK), EINVAL);
	close(p[0]);
	close(p[1]);
	if (getuid()) {
		p[0] = open("/etc/passwd", O_RDONLY);
		CHECK_ERRNO(fcntl(p[0], F_SETLEASE, F_RDLCK), EACCES);
		close(p[0]);
	}
}

/* Whether /proc/locks has a line with @text behind its number. */
static int listed(const char *text)
{
	FILE *f = fopen("/proc/locks", "re");
	char line[256];
	int found = 0;

	while (f && fgets(line, sizeof line, f))
		if (strchr(line, ' ') && !strncmp(strchr(line, ' ') + 1, text, strlen(text)) &&
		    strchr(line, ' ')[1 + strlen(text)] == '\n')
			found++;
	if (f)
		fclose(f);
	return found;
}

/* One line of /proc/locks; the device is the file system's own affair. */
static const char *lock_line(const char *kind, const char *type, int pid, int fd, const char *range)
{
	static char text[256];
	struct stat st;

	fstat(fd, &st);
	snprintf(text, sizeof text, "%s ADVISORY  %s %d %02x:%02x:%lu %s", kind, type, pid, major(st.st_dev),
		 minor(st.st_dev), (unsigned long)st.st_ino, range);
	return text;
}

static void test_list(int fd)
{
	struct flock mine = {.l_type = F_WRLCK, .l_start = 5, .l_len = 10},
		     open_lock = {.l_type = F_RDLCK, .l_start = 100};
	int second = open(path, O_RDWR), other, pid, status, tries;
	char name[] = "/tmp/fs_locks.list.XXXXXX", *text;

	other = mkstemp(name);
	CHECK_OK(fcntl(fd, F_SETLK, &mine));
	if (!listed(lock_line("POSIX ", "WRITE", getpid(), fd, "5 14"))) {
		/* On some file systems the numbers that stat() shows are not those of the locks. */
		struct statfs type;

		CHECK_OK(fstatfs(fd, &type));
		CHECK(type.f_type == OVERLAYFS_SUPER_MAGIC || type.f_type == BTRFS_SUPER_MAGIC);
		FILE *f = fopen("/proc/locks", "re");
		char line[256];
		int any = 0;

		while (f && fgets(line, sizeof line, f))
			any |= strstr(line, " 5 14\n") != NULL;
		CHECK(any);
		if (f)
			fclose(f);
		mine.l_type = F_UNLCK;
		CHECK_OK(fcntl(fd, F_SETLK, &mine));
		goto out;
	}
	CHECK_OK(fcntl(second, F_OFD_SETLK, &open_lock));
	CHECK_EQ(listed(lock_line("OFDLCK", "READ", -1, fd, "100 EOF")), 1);
	CHECK_OK(flock(other, LOCK_EX));
	CHECK_EQ(listed(lock_line("FLOCK ", "WRITE", getpid(), other, "0 EOF")), 1);
	CHECK_OK(flock(other, LOCK_SH));
	CHECK_EQ(listed(lock_line("FLOCK ", "WRITE", getpid(), other, "0 EOF")), 0);
	CHECK_EQ(listed(lock_line("FLOCK ", "READ", getpid(), other, "0 EOF")), 1);
	pid = fork();
	if (!pid) {
		mine.l_start = 0;
		alarm(20);
		fcntl(fd, F_SETLKW, &mine);
		_exit(0);
	}
	if (asprintf(&text, "-> %s", lock_line("POSIX ", "WRITE", pid, fd, "0 9")) < 0)
		abort();
	for (tries = 0; tries < 100000 && !listed(text); tries++)
		sched_yield();
	CHECK(tries < 100000);
	free(text);
	/* Taken apart: two locks. */
	mine.l_start = 8;
	mine.l_len = 2;
	mine.l_type = F_UNLCK;
	CHECK_OK(fcntl(fd, F_SETLK, &mine));
	CHECK_EQ(listed(lock_line("POSIX ", "WRITE", getpid(), fd, "5 7")), 1);
	CHECK_EQ(listed(lock_line("POSIX ", "WRITE", getpid(), fd, "10 14")), 1);
	mine.l_start = mine.l_len = 0;
	CHECK_OK(fcntl(fd, F_SETLK, &mine));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(listed(lock_line("POSIX ", "WRITE", getpid(), fd, "5 7")), 0);
	close(second);
	CHECK_EQ(listed(lock_line("OFDLCK", "READ", -1, fd, "100 EOF")), 0);
	second = -1;
out:
	close(second);
	close(other);
	unlink(name);
}

/* Files without a name have locks, too: those of one kernel object that all of them share. */
static void test_nameless(void)
{
	int ev = eventfd(0, 0), ep = epoll_create1(0), p[2], status;
	struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	CHECK_OK(pipe(p));
	CHECK_OK(lock(ev, F_SETLK, F_WRLCK, 5, 10));
	CHECK_OK(lock(p[1], F_SETLK, F_WRLCK, 0, 1));
	CHECK_ERRNO(lock(p[0], F_SETLK, F_WRLCK, 0, 1), EBADF);
	if (!fork()) {
		CHECK_ERRNO(lock(ev, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
		CHECK_ERRNO(lock(p[1], F_SETLK, F_WRLCK, 0, 0), EAGAIN);
		CHECK_OK(fcntl(ep, F_GETLK, &l));
		CHECK_EQ(l.l_type, F_WRLCK);
		CHECK_EQ(l.l_start, 5);
		CHECK_EQ(l.l_len, 10);
		CHECK_EQ(l.l_pid, getppid());
		_exit(check_failed());
	}
	CHECK(wait(&status) > 0);
	CHECK_EQ(status, 0);
	CHECK_OK(flock(ev, LOCK_EX | LOCK_NB));
	CHECK_ERRNO(flock(ep, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_OK(flock(p[0], LOCK_EX | LOCK_NB));
	CHECK_ERRNO(flock(p[1], LOCK_SH | LOCK_NB), EAGAIN);
	close(ev); /* and with it both locks */
	CHECK_OK(flock(ep, LOCK_SH | LOCK_NB));
	if (!fork()) {
		CHECK_OK(lock(ep, F_SETLK, F_WRLCK, 0, 0));
		_exit(check_failed());
	}
	CHECK(wait(&status) > 0);
	CHECK_EQ(status, 0);
	close(ep);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	test_ranges(fd);
	test_arguments(fd);
	test_ofd(fd);
	test_inheritance(fd);
	test_waiting(fd);
	test_deadlock(fd);
	test_flock(fd);
	test_list(fd);
	test_lease(fd);
	test_nameless();
	close(fd);
	unlink(path);
	return check_done();
}

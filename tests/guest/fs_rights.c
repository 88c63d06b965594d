/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rights and kinds that are easily forgotten, in a tree in memory and in the one at /var/tmp: moving a directory that may not
 * be written, links to what is in no tree, owners that stay, a process's own /proc/self/fd, how FIFOs may be opened.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "check.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#endif

#define SOMEBODY 65534

static int rename2(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

/* Its ".." is a part of a directory: with another parent it is written to. */
static void move_directories(void)
{
	if (!getuid()) {
		CHECK_OK(syscall(SYS_setresgid, SOMEBODY, SOMEBODY, SOMEBODY));
		CHECK_OK(syscall(SYS_setresuid, SOMEBODY, SOMEBODY, SOMEBODY));
	}
	CHECK_OK(chmod("a/mine", 0555));
	CHECK_OK(rename("a/mine", "a/still"));
	CHECK_OK(rename("a/still", "a/mine"));
	CHECK_ERRNO(rename("a/mine", "b/mine"), EACCES);
	CHECK_ERRNO(rename2("a/mine", "b/mine", RENAME_NOREPLACE), EACCES);
	CHECK_ERRNO(rename("a/mine", "b/empty"), EACCES);
	CHECK_ERRNO(rename2("a/mine", "b/file", RENAME_EXCHANGE), EACCES);
	CHECK_ERRNO(rename2("b/file", "a/mine", RENAME_EXCHANGE), EACCES);
	CHECK_OK(rename2("b/file", "b/empty", RENAME_EXCHANGE));
	CHECK_OK(rename2("b/file", "b/empty", RENAME_EXCHANGE));
	CHECK_OK(chmod("a/mine", 0755));
	CHECK_OK(rename("a/mine", "b/empty"));
	CHECK_OK(rename("b/empty", "a/mine"));
	CHECK_OK(mkdir("b/empty", 0755));
}

static void change_owner(void)
{
	move_directories(); /* who has become somebody else */
	/* A change of owner that changes nothing takes the set-id bits away, from who may do so. */
	if (access("root/suid", F_OK) == 0) {
		struct stat st;

		CHECK_ERRNO(chown("root/suid", -1, -1), EPERM);
		CHECK_OK(stat("root/suid", &st));
		CHECK_EQ(st.st_mode, S_IFREG | 04755);
		CHECK_OK(chown("root/plain", -1, -1));
	}
}

/* Pipes, memfds and the like belong to no tree, whatever leads to them. */
static void test_links(void)
{
	int p[2], s[2], kinds[6];

	CHECK_OK(pipe(p));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	kinds[0] = p[0];
	kinds[1] = p[1];
	kinds[2] = s[0];
	kinds[3] = eventfd(0, 0);
	kinds[4] = memfd_create("m", 0);
	kinds[5] = open("/dev/null", O_RDWR);
	for (int i = 0; i < 6; i++) {
		char name[40];

		snprintf(name, sizeof name, "/proc/self/fd/%d", kinds[i]);
		CHECK_ERRNO(linkat(AT_FDCWD, name, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW), EXDEV);
		CHECK_ERRNO(link(name, "linked"), EXDEV);
		if (linkat(kinds[i], "", AT_FDCWD, "linked", AT_EMPTY_PATH) == -1)
			CHECK(errno == EXDEV ||
			      (errno == ENOENT && getuid())); /* without CAP_DAC_READ_SEARCH */
		else
			CHECK(!"linked");
		CHECK_ERRNO(rename(name, "linked"), EXDEV);
		CHECK_ERRNO(access("linked", F_OK), ENOENT);
		close(kinds[i]);
	}
	close(s[1]);
}

/* Whoever it has become, a process sees what it has open. */
static void own_descriptors(void)
{
	char text[100];
	int fd;

	CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
	fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	CHECK_OK(faccessat(fd, "0", F_OK, 0));
	close(fd);
	CHECK(readlink("/proc/self/fd/1", text, sizeof text) > 0);
	fd = open("f", O_RDONLY);
	snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
	close(open(text, O_RDONLY));
	CHECK_EQ(openat(AT_FDCWD, text, O_RDONLY), fd + 1);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
}

static void test_fifo(void)
{
	int fd;

	CHECK_OK(mkfifo("fifo", 0600));
	fd = open("fifo", O_RDWR);
	CHECK(fd >= 0);
	CHECK_ERRNO(open("fifo", O_RDONLY | O_DIRECT | O_NONBLOCK), EINVAL);
	CHECK_ERRNO(open("fifo", O_ACCMODE | O_NONBLOCK), EINVAL);
	close(fd);
	CHECK_OK(unlink("fifo"));
}

/* What fallocate(2) asks first, and on what it works at all. */
static void test_fallocate(void)
{
	int p[2], ro = open("f", O_RDONLY), null = open("/dev/null", O_RDWR),
		  comm = open("/proc/self/comm", O_RDWR);

	CHECK_OK(pipe(p));
	CHECK_ERRNO(fallocate(ro, 0x1000, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(p[1], 2 /* PUNCH_HOLE */, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(ro, 0, 0, 10), EBADF);
	CHECK_ERRNO(fallocate(null, 0, 0, 10), ENODEV);
	CHECK_ERRNO(fallocate(comm, 0, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(comm, 0, 0x7fffffffffffffff, 10), EFBIG);
	CHECK_ERRNO(fsync(comm), EINVAL);
	close(ro);
	close(null);
	close(comm);
	close(p[0]);
	close(p[1]);
}

/* Vectors without a byte move nothing, wherever to; memory that runs comes from trees. */
static void test_nothing(void)
{
	struct iovec none = {NULL, 0};
	int dir = open(".", O_RDONLY), ev = eventfd(0, EFD_NONBLOCK), full = open("/dev/full", O_RDWR),
	    sock = socket(AF_UNIX, SOCK_STREAM, 0), m = memfd_create("m", 0);
	char caps[24] = "123";

	CHECK_EQ(readv(dir, &none, 1), 0);
	CHECK_EQ(readv(ev, &none, 0), 0);
	CHECK_EQ(writev(ev, &none, 1), 0);
	CHECK_EQ(writev(full, &none, 1), 0);
	CHECK_EQ(writev(sock, &none, 1), 0);
	CHECK_EQ(read(sock, caps, 0), 0);
	CHECK_ERRNO(read(dir, caps, 0), EISDIR);
	CHECK_EQ((long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, ev, 0), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ev, 0), -1);
	CHECK_EQ(errno, ENODEV);
	CHECK_EQ(fcntl(m, F_GETFL), O_RDWR | 0100000);
	CHECK_ERRNO(fcntl(m, F_SETFL, O_DIRECT), EINVAL);
	/* What is no set of capabilities is not kept as one. */
	CHECK_ERRNO(setxattr("f", "security.capability", caps, 3, 0), EINVAL);
	CHECK_ERRNO(setxattr("f", "security.capability", caps, 24, 0), EINVAL);
	close(dir);
	close(ev);
	close(full);
	close(sock);
	close(m);
}

static void file(const char *name, mode_t mode)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0600);

	CHECK(fd >= 0);
	CHECK_OK(fchmod(fd, mode));
	close(fd);
}

static void test_in(const char *where)
{
	char dir[60], text[100];

	snprintf(dir, sizeof dir, "%s/husk-rightsXXXXXX", where);
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	CHECK_OK(chmod(".", 0777));
	CHECK_OK(mkdir("a", 0777) | mkdir("b", 0777) | mkdir("a/mine", 0755) | mkdir("b/empty", 0755));
	file("b/file", 0666);
	file("f", 0666);
	if (!getuid()) {
		CHECK_OK(chmod("a", 0777) | chmod("b", 0777) | mkdir("root", 0755));
		CHECK_OK(chown("a/mine", SOMEBODY, SOMEBODY) | chown("b/empty", SOMEBODY, SOMEBODY));
		CHECK_OK(chown("b/file", SOMEBODY, SOMEBODY));
		file("root/suid", 04755);
		file("root/plain", 0755);
	}
	CHECK_EQ(check_in_child(change_owner), 0);
	test_links();
	CHECK_EQ(check_in_child(own_descriptors), 0);
	test_fifo();
	test_fallocate();
	test_nothing();
	CHECK_OK(chdir("/"));
	snprintf(text, sizeof text, "rm -rf %s", dir);
	CHECK_EQ(system(text), 0);
}

int main(void)
{
	umask(022);
	test_in("/dev/shm");
	test_in("/var/tmp");
	return check_done();
}

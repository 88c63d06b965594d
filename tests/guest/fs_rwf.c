/* SPDX-License-Identifier: Apache-2.0 */
/* preadv2 and pwritev2 flags, the sync family, advice, fallocate modes, limits of size and number. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

static char path[] = "/dev/shm/husk-rwfXXXXXX", text[20000];

static const char *content(int fd)
{
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void test_rwf(int fd)
{
	struct iovec iov = {"abc", 3}, in = {text, 10};
	int ap = open(path, O_RDWR | O_APPEND), p[2];
	ssize_t n;

	CHECK_ERRNO(pwritev2(fd, &iov, 1, 0, 0x4000), EOPNOTSUPP);
	CHECK_ERRNO(preadv2(fd, &in, 1, 0, 0x4000), EOPNOTSUPP);
	CHECK_ERRNO(pwritev2(fd, &iov, 1, -2, 0), EINVAL);
	CHECK_EQ(pwritev2(fd, &iov, 1, 0, RWF_DSYNC), 3);
	CHECK_EQ(pwritev2(fd, &iov, 1, 0, RWF_SYNC), 3);
	CHECK_EQ(pwritev2(fd, &iov, 1, 0, RWF_HIPRI), 3);
	CHECK_STR(content(fd), "abc");
	CHECK_EQ(pwritev2(fd, &iov, 1, 0, RWF_APPEND), 3);
	CHECK_STR(content(fd), "abcabc");
	CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
	CHECK_EQ(pwritev2(fd, &iov, 1, -1, RWF_APPEND), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 9);
	CHECK_EQ(pwritev2(fd, &iov, 1, -1, 0), 3);
	CHECK_STR(content(fd), "abcabcabcabc");
	CHECK_EQ(pwritev2(ap, &iov, 1, 0, 0), 3); /* O_APPEND wins over the offset */
	CHECK_EQ(lseek(fd, 0, SEEK_END), 15);
	iov.iov_base = "XYZ";
	n = pwritev2(ap, &iov, 1, 0, RWF_NOAPPEND);
	CHECK(n == 3 || (n == -1 && errno == EOPNOTSUPP)); /* Linux 6.9 */
	if (n == 3)
		CHECK_STR(content(fd), "XYZabcabcabcabc");
	if (n == 3)
		CHECK_ERRNO(pwritev2(ap, &iov, 1, 0, RWF_NOAPPEND | RWF_APPEND), EINVAL);
	CHECK_EQ(preadv2(fd, &in, 1, 0, RWF_HIPRI), 10);
	CHECK_ERRNO(preadv2(fd, &in, 1, 0, RWF_NOWAIT), EOPNOTSUPP); /* tmpfs knows it not */
	CHECK_OK(pipe(p));
	CHECK_ERRNO(preadv2(p[0], &in, 1, -1, RWF_NOWAIT), EAGAIN);
	CHECK_ERRNO(preadv2(p[0], &in, 1, 0, 0), ESPIPE);
	CHECK_EQ(pwritev2(p[1], &iov, 1, -1, RWF_NOWAIT), 3);
	CHECK_EQ(preadv2(p[0], &in, 1, -1, RWF_NOWAIT), 3);
	CHECK_EQ(fcntl(p[0], F_GETFL), O_RDONLY);
	close(p[0]);
	close(p[1]);
	close(ap);
	/* vectors */
	CHECK_ERRNO(syscall(SYS_readv, fd, &in, -1), EINVAL);
	CHECK_ERRNO(syscall(SYS_readv, fd, &in, 1025), EINVAL);
	CHECK_EQ(readv(fd, NULL, 0), 0);
	in.iov_len = -1;
	CHECK_ERRNO(readv(fd, &in, 1), EINVAL);
	CHECK_ERRNO(preadv(fd, &in, 1, -1), EINVAL);
}

static volatile sig_atomic_t broken;

static void count_broken(int sig)
{
	broken++;
}

/* Whether writing to @fd, which nobody reads any more, is told by SIGPIPE unless that is asked not to be. */
static void test_nosignal(int fd)
{
	struct iovec iov = {"abc", 3};

	broken = 0;
	CHECK_ERRNO(pwritev2(fd, &iov, 1, -1, 0), EPIPE);
	CHECK_EQ(broken, 1);
	if (pwritev2(fd, &iov, 1, -1, RWF_NOSIGNAL) == -1 && errno == EOPNOTSUPP)
		return; /* before Linux 6.18 */
	CHECK_EQ(errno, EPIPE);
	CHECK_EQ(broken, 1);
}

/* What else than regular files may be asked for. */
static void test_rwf_kinds(void)
{
	char name[] = "/dev/shm/husk-rwf-dXXXXXX", one[8] = {1};
	struct iovec iov = {one, 8};
	int p[2], s[2], fifo, ev = eventfd(1, EFD_NONBLOCK), null = open("/dev/null", O_RDWR);

	signal(SIGPIPE, count_broken);
	CHECK_OK(pipe(p));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(pwritev2(s[0], &iov, 1, -1, RWF_NOWAIT), 8);
	CHECK_EQ(pwritev2(p[1], &iov, 1, -1, RWF_DSYNC | RWF_APPEND), 8);
	CHECK_EQ(preadv2(p[0], &iov, 1, -1, RWF_SYNC), 8);
	CHECK_ERRNO(pwritev2(p[1], &iov, 1, -1, 0x4000), EOPNOTSUPP);
	iov.iov_len = 0;
	CHECK_EQ(pwritev2(p[1], &iov, 1, -1, 0x4000), 0); /* nothing to write, nothing to ask for */
	iov.iov_len = 8;
	close(p[0]);
	close(s[1]);
	test_nosignal(p[1]);
	test_nosignal(s[0]);
	signal(SIGPIPE, SIG_DFL);
	CHECK_EQ(pwritev2(null, &iov, 1, -1, RWF_NOWAIT | RWF_APPEND), 8);
	/* Written a buffer at a time, a counter knows none; read, it knows all. */
	CHECK_ERRNO(pwritev2(ev, &iov, 1, -1, RWF_DSYNC), EOPNOTSUPP);
	CHECK_ERRNO(pwritev2(ev, &iov, 1, -1, RWF_NOWAIT), EOPNOTSUPP);
	CHECK_EQ(pwritev2(ev, &iov, 1, -1, RWF_HIPRI), 8);
	CHECK_EQ(preadv2(ev, &iov, 1, -1, RWF_NOWAIT), 8);
	CHECK(mkdtemp(name));
	fifo = open(name, O_RDONLY | O_DIRECTORY);
	CHECK_ERRNO(preadv2(fifo, &iov, 1, -1, RWF_HIPRI), EISDIR);
	CHECK_ERRNO(preadv2(fifo, &iov, 1, -1, RWF_DSYNC), EOPNOTSUPP);
	close(fifo);
	CHECK_OK(rmdir(name));
	CHECK_OK(mkfifo(name, 0600));
	fifo = open(name, O_RDWR | O_NONBLOCK);
	CHECK_ERRNO(preadv2(fifo, &iov, 1, -1, RWF_NOWAIT), EOPNOTSUPP); /* only those of pipe() know it */
	CHECK_ERRNO(preadv2(fifo, &iov, 1, -1, RWF_HIPRI), EAGAIN);
	close(fifo);
	unlink(name);
	close(p[1]);
	close(s[0]);
	close(ev);
	close(null);
}

static void test_sync(int fd)
{
	int p[2], op = open(path, O_PATH), dir = open("/dev/shm", O_RDONLY), ro = open(path, O_RDONLY);

	CHECK_OK(pipe(p));
	CHECK_OK(fsync(fd));
	CHECK_OK(fdatasync(fd));
	CHECK_OK(fsync(ro));
	CHECK_OK(fsync(dir));
	CHECK_ERRNO(fsync(p[0]), EINVAL);
	CHECK_ERRNO(fdatasync(p[1]), EINVAL);
	CHECK_ERRNO(fsync(op), EBADF);
	CHECK_ERRNO(fsync(999), EBADF);
	CHECK_OK(syncfs(fd));
	CHECK_OK(syncfs(p[0]));
	CHECK_ERRNO(syncfs(op), EBADF);
	sync();
	CHECK_OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	CHECK_OK(sync_file_range(fd, 0, 100, 7));
	CHECK_ERRNO(sync_file_range(fd, 0, 0, 8), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, -1, 0, 7), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, 10, -1, 7), EINVAL);
	CHECK_ERRNO(sync_file_range(p[0], 0, 0, 7), ESPIPE);
	CHECK_ERRNO(sync_file_range(999, 0, 0, 7), EBADF);
	CHECK_OK(sync_file_range(dir, 0, 0, 7));
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	CHECK_EQ(posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL), EINVAL);
	CHECK_EQ(posix_fadvise(fd, 0, 0, 6), EINVAL);
	CHECK_EQ(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
	CHECK_EQ(posix_fadvise(999, 0, 0, POSIX_FADV_NORMAL), EBADF);
	CHECK_EQ(posix_fadvise(op, 0, 0, POSIX_FADV_NORMAL), EBADF);
	CHECK_OK(readahead(fd, 0, 100));
	CHECK_ERRNO(readahead(p[0], 0, 100), EINVAL);
	CHECK_ERRNO(readahead(999, 0, 100), EBADF);
	close(ro);
	ro = open(path, O_WRONLY);
	CHECK_ERRNO(readahead(ro, 0, 100), EBADF);
	close(ro);
	close(p[0]);
	close(p[1]);
	close(op);
	close(dir);
}

static void test_fallocate(void)
{
	char name[] = "/dev/shm/husk-fallocXXXXXX";
	int fd = mkstemp(name), ro = open(name, O_RDONLY), p[2], dir = open("/dev/shm", O_RDONLY);
	struct stat st;

	unlink(name);
	CHECK_OK(pipe(p));
	CHECK_ERRNO(fallocate(ro, 0, 0, 10), EBADF);
	CHECK_ERRNO(fallocate(999, 0, 0, 10), EBADF);
	CHECK_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0x1000, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096),
		    EOPNOTSUPP);
	CHECK_ERRNO(fallocate(p[1], 0, 0, 10), ESPIPE);
	CHECK_ERRNO(fallocate(fd, 0, 0x7fffffffffffffff, 10), EFBIG);
	CHECK_ERRNO(fallocate(dir, 0, 0, 10), EBADF);
	CHECK_OK(fallocate(fd, 0, 0, 10000));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 10000);
	CHECK_EQ(st.st_blocks, 24);
	CHECK_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 10000, 10000));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 10000);
	memset(text, 'f', 10000);
	CHECK_EQ(pwrite(fd, text, 10000, 0), 10000);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 5000));
	CHECK_EQ(pread(fd, text, 10000, 0), 10000);
	CHECK_EQ(text[99], 'f');
	CHECK_EQ(text[100], 0);
	CHECK_EQ(text[5099], 0);
	CHECK_EQ(text[5100], 'f');
	CHECK_OK(fallocate(fd, 0, 0, 2 << 20));
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
	CHECK_EQ(pwrite(fd, text, 4096, 0), 4096);
	CHECK_EQ(pwrite(fd, text, 10, 8192), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 4096);
	CHECK_EQ(lseek(fd, 4096, SEEK_DATA), 8192);
	CHECK_ERRNO(lseek(fd, 2 << 20, SEEK_DATA), ENXIO);
	CHECK_ERRNO(lseek(fd, -1, SEEK_DATA), ENXIO);
	/* A hole in a small file is one, too. */
	int small = open(".", O_TMPFILE | O_RDWR, 0600);
	if (small >= 0) {
		CHECK_EQ(pwrite(small, "x", 1, 200000), 1);
		CHECK_EQ(lseek(small, 0, SEEK_HOLE), 0);
		CHECK(lseek(small, 0, SEEK_DATA) >= 131072);
		CHECK_EQ(lseek(small, 200000, SEEK_HOLE), 200001);
		CHECK_OK(fstat(small, &st));
		CHECK(st.st_blocks < 100);
		close(small);
	}
	CHECK_OK(ftruncate(fd, 3 << 20));
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 4096);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 3 << 20);
	CHECK_ERRNO(lseek(fd, 0, 5), EINVAL);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(p[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(ftruncate(ro, 5), EINVAL);
	CHECK_ERRNO(ftruncate(fd, -1), EINVAL);
	CHECK_ERRNO(ftruncate(p[1], 0), EINVAL);
	CHECK_ERRNO(truncate("/dev/shm", 0), EISDIR);
	CHECK_ERRNO(truncate("/dev/null", 0), EINVAL);
	CHECK_ERRNO(truncate("/dev/shm/none", 0), ENOENT);
	close(fd);
	close(ro);
	close(dir);
	close(p[0]);
	close(p[1]);
}

static volatile sig_atomic_t signals;

static void count(int sig)
{
	signals++;
}

static void test_limits(int fd)
{
	struct rlimit old, low;

	signal(SIGXFSZ, count);
	CHECK_OK(getrlimit(RLIMIT_FSIZE, &old));
	low = old;
	low.rlim_cur = 5000;
	CHECK_OK(ftruncate(fd, 0));
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &low));
	CHECK_EQ(pwrite(fd, text, 100, 4950), 50);
	CHECK_EQ(signals, 0);
	CHECK_ERRNO(pwrite(fd, text, 100, 5000), EFBIG);
	CHECK_EQ(signals, 1);
	CHECK_ERRNO(pwrite(fd, text, 1, 6000), EFBIG);
	CHECK_EQ(signals, 2);
	CHECK_ERRNO(ftruncate(fd, 5001), EFBIG);
	CHECK_EQ(signals, 3);
	CHECK_ERRNO(truncate(path, 5001), EFBIG);
	CHECK_EQ(signals, 4);
	CHECK_ERRNO(fallocate(fd, 0, 0, 5001), EFBIG);
	CHECK_EQ(signals, 5);
	CHECK_OK(ftruncate(fd, 5000));
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &old));
	CHECK_EQ(pwrite(fd, text, 100, 5000), 100);
	if (!fork()) {
		signal(SIGXFSZ, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, 10});
		pwrite(fd, text, 10, 10);
		_exit(0);
	}
	{
		int status;

		wait(&status);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
	}
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = 5;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
	while (dup(0) >= 0)
		;
	CHECK_EQ(errno, EMFILE);
	CHECK_ERRNO(open("/dev/null", O_RDONLY), EMFILE);
	CHECK_ERRNO(open("/dev/none", O_RDONLY), EMFILE); /* the number comes first */
	CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 0), EMFILE);
	CHECK_ERRNO(memfd_create("x", 0), EMFILE);
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
}

int main(void)
{
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	test_rwf(fd);
	test_rwf_kinds();
	test_sync(fd);
	test_fallocate();
	test_limits(fd);
	unlink(path);
	return check_done();
}

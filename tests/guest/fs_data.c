/* SPDX-License-Identifier: Apache-2.0 */
/* Data: offsets, vectors, holes, truncation, fallocate, big files, mappings, copies between files,
 * duplicates. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define BIG (5 << 20)

static int fresh(const char *name)
{
	return open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
}

static off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

static void offsets(void)
{
	char a[16] = {0}, b[16] = {0};
	struct iovec out[2] = {{"abc", 3}, {"defgh", 5}}, in[2] = {{a, 2}, {b, 10}};
	int fd = fresh("o"), d, ro;

	CHECK_EQ(writev(fd, out, 2), 8);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_EQ(pwrite(fd, "X", 1, 20), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_EQ(size_of(fd), 21);
	CHECK_EQ(preadv(fd, in, 2, 1), 12);
	CHECK(!memcmp(a, "bc", 2) && !memcmp(b, "defgh\0\0\0\0\0", 10));
	CHECK_EQ(pread(fd, a, 10, 100), 0);
	CHECK_ERRNO((int)pread(fd, a, 1, -1), EINVAL);
	CHECK_EQ(lseek(fd, -1, SEEK_END), 20);
	CHECK_EQ(read(fd, a, 10), 1);
	CHECK_EQ(a[0], 'X');
	CHECK_EQ(read(fd, a, 10), 0);
	CHECK_ERRNO((int)lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO((int)lseek(fd, 0, 99), EINVAL);
	CHECK_EQ(lseek(fd, 1000, SEEK_SET), 1000);
	CHECK_EQ(size_of(fd), 21);
	d = dup(fd);
	CHECK_EQ(lseek(d, 0, SEEK_CUR), 1000);
	CHECK_EQ(lseek(d, 3, SEEK_SET), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	ro = open("o", O_RDONLY);
	CHECK_EQ(lseek(ro, 0, SEEK_CUR), 0);
	CHECK_EQ(dup2(ro, d), d);
	CHECK_EQ(lseek(d, 0, SEEK_CUR), 0);
	CHECK_EQ(fcntl(d, F_GETFD), 0);
	CHECK_EQ(dup3(ro, d, O_CLOEXEC), d);
	CHECK_EQ(fcntl(d, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(dup3(ro, ro, 0), EINVAL);
	CHECK_ERRNO(dup2(ro, -1), EBADF);
	CHECK_ERRNO(dup2(99, ro), EBADF);
	CHECK_EQ(fcntl(ro, F_DUPFD, 60), 60);
	CHECK_EQ(close(60), 0);
	CHECK_ERRNO(close(60), EBADF);
	if (!fork()) {
		lseek(fd, 7, SEEK_SET);
		_exit(0);
	}
	wait(NULL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
	CHECK_ERRNO((int)syscall(SYS_read, fd, 8L, 1L), EFAULT);
	close(fd);
	close(d);
	close(ro);
}

static void sizes(void)
{
	char buf[8192];
	int fd = fresh("s");

	CHECK_EQ(ftruncate(fd, 5000), 0);
	CHECK_EQ(write(fd, "abc", 3), 3);
	CHECK_EQ(ftruncate(fd, 2), 0);
	CHECK_EQ(ftruncate(fd, 4), 0);
	CHECK_EQ(pread(fd, buf, sizeof buf, 0), 4);
	CHECK(!memcmp(buf, "ab\0\0", 4));
	CHECK_EQ(truncate("s", 10), 0);
	CHECK_EQ(size_of(fd), 10);
	CHECK_ERRNO(truncate("s", -1), EINVAL);
	CHECK_ERRNO(truncate(".", 1), EISDIR);
	CHECK_ERRNO(truncate("none", 1), ENOENT);
	if (!fallocate(fd, 0, 0, 100)) {
		CHECK_EQ(size_of(fd), 100);
		CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 9000), 0);
		CHECK_EQ(size_of(fd), 100);
		CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 1), 0);
		CHECK_EQ(pread(fd, buf, 2, 0), 2);
		CHECK(!buf[0] && buf[1] == 'b');
		CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
		CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
	}
	/* A hole of a gigabyte costs nothing and reads as zeroes. */
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(pwrite(fd, "end", 3, 1L << 30), 3);
	CHECK_EQ(size_of(fd), (1L << 30) + 3);
	CHECK_EQ(pread(fd, buf, 3, 1L << 29), 3);
	CHECK(!buf[0] && !buf[1] && !buf[2]);
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 1L << 30);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	CHECK_ERRNO((int)lseek(fd, 1L << 31, SEEK_DATA), ENXIO);
	close(fd);
}

static void big(void)
{
	unsigned char *data = malloc(BIG), *back = malloc(BIG), *map;
	int fd = fresh("b"), ro, copy;
	off_t at = 100;

	for (int i = 0; i < BIG; i++)
		data[i] = (unsigned char)(i * 7 + i / 4096);
	CHECK_EQ(write(fd, data, BIG), BIG);
	CHECK_EQ(pread(fd, back, BIG, 0), BIG);
	CHECK(!memcmp(data, back, BIG));
	map = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && !memcmp(map, data, BIG));
	map[4096] = 1;
	CHECK_EQ(pread(fd, back, 1, 4096), 1);
	CHECK_EQ(back[0], 1);
	CHECK_EQ(pwrite(fd, "\2", 1, 4097), 1);
	CHECK_EQ(map[4097], 2);
	ro = open("b", O_RDONLY);
	CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES);
	unsigned char *private = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
	CHECK(private != MAP_FAILED);
	private[0] = 99;
	CHECK_EQ(map[0], data[0]);
	unsigned char *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	CHECK_ERRNO(mprotect(shared, 4096, PROT_READ | PROT_WRITE), EACCES);
	map[1] = 77;
	CHECK_EQ(shared[1], 77);
	copy = fresh("c");
	CHECK_EQ(sendfile(copy, ro, &at, 1000), 1000);
	CHECK_EQ(at, 1100);
	CHECK_EQ(lseek(ro, 0, SEEK_CUR), 0);
	CHECK_EQ(sendfile(copy, ro, NULL, 50), 50);
	CHECK_EQ(lseek(ro, 0, SEEK_CUR), 50);
	CHECK_EQ(size_of(copy), 1050);
	CHECK_EQ(pread(copy, back, 1000, 0), 1000);
	CHECK(!memcmp(back, data + 100, 1000));
	ssize_t n = copy_file_range(ro, NULL, copy, NULL, 2000, 0);
	CHECK(n == 2000 || errno == EXDEV);
	if (n > 0)
		CHECK_EQ(lseek(ro, 0, SEEK_CUR), 2050);
	munmap(map, BIG);
	munmap(private, BIG);
	munmap(shared, 4096);
	free(data);
	free(back);
	close(fd);
	close(ro);
	close(copy);
}

/* A small file that is mapped, and one that is unlinked while mapped. */
static void small_maps(void)
{
	char *map, link[64], path[128];
	int fd = fresh("m");
	ssize_t n;

	CHECK_EQ(write(fd, "hello", 5), 5);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && !strcmp(map, "hello"));
	CHECK_EQ(unlink("m"), 0);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	CHECK(n > 12 && !memcmp(path + n - 12, "/m (deleted)", 12));
	CHECK_EQ(pwrite(fd, "J", 1, 0), 1);
	CHECK_EQ(map[0], 'J');
	close(fd);
	CHECK_EQ(map[1], 'e');
	munmap(map, 4096);
}

static volatile sig_atomic_t got_xfsz;

static void on_xfsz(int signo)
{
	got_xfsz = signo;
}

static void limits(void)
{
	struct rlimit old, new;
	char buf[200] = {0};
	int fd = fresh("x");

	signal(SIGXFSZ, on_xfsz);
	getrlimit(RLIMIT_FSIZE, &old);
	new = old;
	new.rlim_cur = 100;
	setrlimit(RLIMIT_FSIZE, &new);
	CHECK_EQ(write(fd, buf, 200), 100);
	CHECK_ERRNO((int)write(fd, buf, 1), EFBIG);
	CHECK_EQ(got_xfsz, SIGXFSZ);
	setrlimit(RLIMIT_FSIZE, &old);
	close(fd);
	struct statfs st;
	CHECK_EQ(statfs(".", &st), 0);
	CHECK(st.f_bsize > 0 && st.f_namelen >= 255);
	getrlimit(RLIMIT_NOFILE, &old);
	new = old;
	new.rlim_cur = 10;
	setrlimit(RLIMIT_NOFILE, &new);
	int last = -1, n;
	while ((n = open("x", O_RDONLY)) >= 0)
		last = n;
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(last, 9);
	setrlimit(RLIMIT_NOFILE, &old);
}

/* Sizes at which husk goes by pieces, others having their turns in between. */
static void pieces(void)
{
	enum { SIZE = 40 << 20 };
	struct stat st;
	char *all = malloc(SIZE), *back = malloc(SIZE);
	int fd = open("pieces", O_RDWR | O_CREAT, 0600), pair[2];
	struct iovec iov[2] = {{back, 5000001}, {back + 5000001, SIZE - 5000001}};

	if (!fallocate(fd, 0, 0, SIZE)) {
		CHECK_EQ(fstat(fd, &st), 0);
		CHECK_EQ(st.st_size, SIZE);
		CHECK(st.st_blocks >= SIZE / 512);
		CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 1, SIZE + SIZE / 2), 0);
		CHECK_EQ(fstat(fd, &st), 0);
		CHECK_EQ(st.st_size, SIZE);
		CHECK(st.st_blocks >= (SIZE + SIZE / 2) / 512);
	}
	for (int i = 0; i < SIZE; i++)
		all[i] = (char)(i * 7 + (i >> 12) + (i >> 20));
	CHECK_EQ(write(fd, all, SIZE), SIZE);
	CHECK_EQ(pread(fd, back, SIZE, 0), SIZE);
	CHECK(!memcmp(all, back, SIZE));
	CHECK_EQ(pread(fd, back, SIZE, 12345), SIZE - 12345);
	CHECK(!memcmp(all + 12345, back, SIZE - 12345));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	memset(back, 0, SIZE);
	CHECK_EQ(readv(fd, iov, 2), SIZE);
	CHECK(!memcmp(all, back, SIZE));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), SIZE);
	/* A child with the same offset, and threads' reads of one piece each, are not mixed. */
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_OK(pipe(pair));
	pid_t p = fork();
	if (!p) {
		ssize_t n = read(fd, back, SIZE / 2);
		long at = n == SIZE / 2
				  ? !memcmp(back, all, SIZE / 2) ? 0 : !memcmp(back, all + SIZE / 2, SIZE / 2)
				  : -1;

		CHECK_EQ(write(pair[1], &at, sizeof at), sizeof at);
		_exit(check_failed());
	}
	memset(back, 0, SIZE);
	CHECK_EQ(read(fd, back, SIZE / 2), SIZE / 2);
	long at = !memcmp(back, all, SIZE / 2) ? 0 : !memcmp(back, all + SIZE / 2, SIZE / 2) ? 1 : -1, other;
	CHECK_EQ(read(pair[0], &other, sizeof other), sizeof other);
	CHECK(at >= 0 && other == !at);
	int status;
	CHECK_EQ(waitpid(p, &status, 0), p);
	CHECK_EQ(status, 0);
	/* From file to file, in one call. */
	int to = open("pieces.2", O_RDWR | O_CREAT, 0600);
	loff_t in = 0, out = 0;
	CHECK_EQ(copy_file_range(fd, &in, to, &out, SIZE, 0), SIZE);
	CHECK_EQ(in, SIZE);
	CHECK_EQ(out, SIZE);
	CHECK_EQ(copy_file_range(fd, &in, to, &out, SIZE, 0), 0);
	CHECK_EQ(pread(to, back, SIZE, 0), SIZE);
	CHECK(!memcmp(all, back, SIZE));
	in = 0;
	CHECK_EQ(ftruncate(to, 0), 0);
	CHECK_EQ(sendfile(to, fd, &in, SIZE), SIZE);
	CHECK_EQ(in, SIZE);
	CHECK_EQ(pread(to, back, SIZE, 0), SIZE);
	CHECK(!memcmp(all, back, SIZE));
	free(all);
	free(back);
}

int main(void)
{
	char dir[64] = "/tmp/fs_data.XXXXXX", command[128];

	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	offsets();
	/* A buffer that no program could have. */
	CHECK_ERRNO(syscall(SYS_write, 1, dir, ~0UL / 2), EFAULT);
	sizes();
	big();
	small_maps();
	pieces();
	limits();
	for (int fd = 3; fd < 20; fd++)
		close(fd);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(system(command), 0);
	return check_done();
}

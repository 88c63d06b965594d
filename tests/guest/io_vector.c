/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors at offsets and with flags: preadv, pwritev, preadv2, pwritev2. */
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>

#include "check.h"

/* Volatile, so that the compiler does not see what is wrong with them. */
static struct iovec *volatile const bad = (void *)8;
static volatile int minus_one = -1, too_many = IOV_MAX + 1;

static void at_offsets(int fd)
{
	char a[3], b[4];
	struct iovec out[2] = {{"abc", 3}, {"defg", 4}}, in[2] = {{a, 3}, {b, 4}};

	CHECK_EQ(pwritev(fd, out, 2, 10), 7);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 17);
	CHECK_EQ(preadv(fd, in, 2, 10), 7);
	CHECK(!memcmp(a, "abc", 3) && !memcmp(b, "defg", 4));
	CHECK_EQ(preadv(fd, in, 2, 15), 2);
	CHECK(!memcmp(a, "fgc", 3));
	CHECK_EQ(preadv(fd, in, 2, 17), 0);
	CHECK_EQ(preadv(fd, in, 0, 0), 0);
	CHECK_ERRNO(preadv(fd, in, 2, -1), EINVAL);
	CHECK_ERRNO(pwritev(fd, out, 2, -5), EINVAL);
	CHECK_ERRNO(preadv(fd, in, minus_one, 0), EINVAL);
	CHECK_ERRNO(preadv(fd, in, too_many, 0), EINVAL);
	CHECK_ERRNO(preadv(fd, bad, 1, 0), EFAULT);
	CHECK_ERRNO(pwritev(fd, bad, 1, 0), EFAULT);
	in[0].iov_len = -1;
	CHECK_ERRNO(preadv(fd, in, 2, 0), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
}

static void with_flags(int fd)
{
	char a[8] = "";
	struct iovec out = {"12345", 5}, in = {a, 7};

	CHECK_EQ(pwritev2(fd, &out, 1, 0, 0), 5);
	CHECK_EQ(preadv2(fd, &in, 1, 2, 0), 7);
	CHECK(!memcmp(a, "345\0\0\0\0", 7));
	/* At -1 the file's own offset is used and moved. */
	CHECK_EQ(preadv2(fd, &in, 1, -1, 0), 7);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
	CHECK_EQ(pwritev2(fd, &out, 1, -1, RWF_DSYNC), 5);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 12);
	CHECK_EQ(pwritev2(fd, &out, 1, 3, RWF_SYNC), 5);
	CHECK_EQ(preadv2(fd, &in, 1, 3, RWF_HIPRI), 7);
	CHECK(!memcmp(a, "12345", 5));
	/* RWF_APPEND writes at the end, wherever it is told to, and leaves the offset alone. */
	CHECK_EQ(pwritev2(fd, &out, 1, 0, RWF_APPEND), 5);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 22);
	CHECK_ERRNO(preadv2(fd, &in, 1, 0, 0x40000000), EOPNOTSUPP);
	CHECK_ERRNO(pwritev2(fd, &out, 1, 0, 0x40000000), EOPNOTSUPP);
	CHECK_ERRNO(preadv2(fd, &in, 1, -2, 0), EINVAL);
	CHECK_ERRNO(preadv2(99, &in, 1, -2, 0x40000000), EINVAL);
	CHECK_ERRNO(preadv2(99, &in, 1, -1, 0x40000000), EBADF);
	CHECK_ERRNO(preadv2(fd, bad, 1, 0, 0x40000000), EFAULT);
	CHECK_EQ(preadv2(fd, &in, 0, 0, 0x40000000), 0);
}

static void on_others(int fd)
{
	char c;
	struct iovec out = {"x", 1}, in = {&c, 1};
	int p[2], reader, path;

	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_ERRNO(preadv(p[0], &in, 1, 0), ESPIPE);
	CHECK_ERRNO(pwritev(p[1], &out, 1, 0), ESPIPE);
	CHECK_ERRNO(preadv2(p[0], &in, 1, 0, 0), ESPIPE);
	CHECK_ERRNO(preadv2(p[0], &in, 1, -1, 0), EAGAIN);
	CHECK_EQ(pwritev2(p[1], &out, 1, -1, 0), 1);
	CHECK_EQ(preadv2(p[0], &in, 1, -1, 0), 1);
	CHECK_ERRNO(preadv2(p[1], &in, 1, -1, 0), EBADF);
	CHECK_ERRNO(pwritev2(p[0], &out, 1, -1, 0), EBADF);
	fcntl(p[0], F_SETFL, 0);
	CHECK_ERRNO(preadv2(p[0], &in, 1, -1, RWF_NOWAIT), EAGAIN);
	reader = open("/proc/self/exe", O_RDONLY);
	CHECK_EQ(preadv(reader, &in, 1, 1), 1);
	CHECK_EQ(c, 'E');
	CHECK_ERRNO(pwritev(reader, &out, 1, 0), EBADF);
	path = open("/", O_PATH);
	CHECK_ERRNO(preadv(path, &in, 1, 0), EBADF);
	CHECK_ERRNO(preadv(open("/", O_RDONLY), &in, 1, 0), EISDIR);
	close(fd);
	CHECK_ERRNO(preadv(fd, &in, 1, 0), EBADF);
}

int main(void)
{
	char name[] = "/tmp/io_vector.XXXXXX";
	int fd = mkstemp(name);

	CHECK_OK(fd);
	unlink(name);
	at_offsets(fd);
	with_flags(fd);
	on_others(fd);
	return check_done();
}

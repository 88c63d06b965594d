/* SPDX-License-Identifier: Apache-2.0 */
/* mmap and munmap: every kind of mapping, hints, fixed places, errors in Linux's order, terabyte
 * reservations. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096UL
#define MB   (1UL << 20)

static char *map(void *at, size_t len, int prot, int flags)
{
	return mmap(at, len, prot, flags | MAP_ANONYMOUS, -1, 0);
}

/* A file of three pages whose bytes are 'a', 'b', 'c'; unlinked. */
static int make_file(int flags)
{
	char name[] = "/tmp/mm_mmap_XXXXXX", page[PAGE];
	int fd = mkstemp(name), i, out;

	for (i = 0; i < 3; i++) {
		memset(page, 'a' + i, sizeof page);
		if (write(fd, page, sizeof page) != sizeof page)
			_exit(1);
	}
	out = open(name, flags);
	close(fd);
	unlink(name);
	return out;
}

static void anonymous(void)
{
	char *p = map(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), *q;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[0] | p[2 * PAGE], 0);
	memset(p, 1, 3 * PAGE);
	CHECK_OK(munmap(p + PAGE, PAGE));
	CHECK_EQ(p[0] + p[2 * PAGE], 2);
	/* A hint is taken when the place is free, left when not. */
	q = map(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE);
	CHECK(q == p + PAGE);
	CHECK_EQ(q[0], 0);
	q = map(p, PAGE, PROT_READ, MAP_PRIVATE);
	CHECK(q != MAP_FAILED && q != p);
	CHECK_OK(munmap(q, PAGE));
	/* Fixed: replaces. */
	q = map(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED);
	CHECK(q == p);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[2 * PAGE], 1);
	CHECK_ERRNO(map(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE), EEXIST);
	CHECK_ERRNO(map(p, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE), EEXIST);
	CHECK_OK(munmap(p, 3 * PAGE));
	q = map(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE);
	CHECK(q == p);
	CHECK_OK(munmap(p, PAGE));
	CHECK_OK(munmap(p, PAGE));
	/* A low address on wish, and a hint that is no page's address. */
	q = map(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_32BIT);
	CHECK(q != MAP_FAILED && (uintptr_t)q < 0x80000000UL);
	CHECK_OK(munmap(q, PAGE));
	q = map(p + 5, PAGE, PROT_READ, MAP_PRIVATE);
	CHECK(q == p);
	CHECK_OK(munmap(p, PAGE));
}

static void errors(void)
{
	int fd = make_file(O_RDONLY), wr, dir = open("/", O_RDONLY), pipes[2];
	char *p = map(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE);

	CHECK_ERRNO(map(NULL, 0, PROT_READ, MAP_PRIVATE), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, 0), EINVAL);
	CHECK_ERRNO(map(NULL, -1UL, PROT_READ, MAP_PRIVATE), ENOMEM);
	CHECK_ERRNO(map(NULL, 1UL << 48, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE), ENOMEM);
	CHECK_ERRNO(map(p + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED), EINVAL);
	CHECK_ERRNO(map((void *)(1UL << 48), PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED), ENOMEM);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_GROWSDOWN), EINVAL);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 1), EINVAL);
	CHECK_ERRNO(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 7), EINVAL);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_HUGETLB, fd, 0), EINVAL);
	CHECK_ERRNO(map(NULL, 1 << 21, PROT_READ, MAP_PRIVATE | MAP_HUGETLB | 16 << 26), EINVAL);
	CHECK_ERRNO(map(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_HUGETLB), EINVAL);
	wr = make_file(O_WRONLY);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wr, 0), EACCES);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wr, 0), EACCES);
	close(wr);
	CHECK_OK(pipe(pipes));
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0), ENODEV);
	close(pipes[0]);
	close(pipes[1]);
	CHECK_ERRNO(munmap(p + 1, PAGE), EINVAL);
	CHECK_ERRNO(munmap(p, 0), EINVAL);
	CHECK_ERRNO(munmap((void *)(1UL << 60), PAGE), EINVAL);
	CHECK_ERRNO(munmap(p, 1UL << 60), EINVAL);
	CHECK_OK(munmap(p, 1));
	CHECK_OK(munmap(p + PAGE, PAGE));
	close(dir);
	close(fd);
}

static void files(void)
{
	int fd = make_file(O_RDWR);
	char *shared = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
	char *again = mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 2 * PAGE), c;

	CHECK(shared != MAP_FAILED && private != MAP_FAILED && again != MAP_FAILED);
	CHECK_EQ(shared[0], 'a');
	CHECK_EQ(shared[2 * PAGE], 'c');
	CHECK_EQ(private[0], 'b');
	shared[2 * PAGE] = 'X';
	CHECK_EQ(again[0], 'X');
	CHECK_EQ(private[PAGE], 'X');
	CHECK_EQ(pread(fd, &c, 1, 2 * PAGE), 1);
	CHECK_EQ(c, 'X');
	private[0] = 'P';
	CHECK_EQ(shared[PAGE], 'b');
	CHECK_EQ(pwrite(fd, "W", 1, 5), 1);
	CHECK_EQ(shared[5], 'W');
	CHECK_OK(msync(shared, 3 * PAGE, MS_SYNC));
	close(fd); /* mappings stay */
	CHECK_EQ(shared[5], 'W');
	CHECK_OK(munmap(shared, 3 * PAGE));
	CHECK_OK(munmap(private, 2 * PAGE));
	CHECK_OK(munmap(again, PAGE));
	fd = make_file(O_RDONLY);
	again = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(again != MAP_FAILED);
	CHECK_ERRNO(mprotect(again, PAGE, PROT_READ | PROT_WRITE), EACCES);
	CHECK_OK(munmap(again, PAGE));
	private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(private != MAP_FAILED);
	private[0] = 1;
	CHECK_OK(munmap(private, PAGE));
	close(fd);
}

static void zero_device(void)
{
	int fd = open("/dev/zero", O_RDWR);
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[0], 0);
	p[0] = 1;
	CHECK_OK(munmap(p, PAGE));
	close(fd);
}

static void fork_kinds(void)
{
	char *shared = map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *private = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	unsigned char vec;
	int status;
	pid_t pid;

	shared[0] = private[0] = private[PAGE] = private[2 * PAGE] = 1;
	CHECK_OK(madvise(private + PAGE, PAGE, MADV_DONTFORK));
	CHECK_OK(madvise(private + 2 * PAGE, PAGE, MADV_WIPEONFORK));
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(private[0], 1);
		CHECK_ERRNO(mincore(private + PAGE, PAGE, &vec), ENOMEM);
		CHECK_EQ(private[2 * PAGE], 0);
		shared[0] = 7;
		private[0] = private[2 * PAGE] = 7;
		_exit(check_failed());
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_EQ(shared[0], 7);
	CHECK_EQ(private[0], 1);
	CHECK_EQ(private[2 * PAGE], 1);
	CHECK_OK(munmap(shared, PAGE));
	CHECK_OK(munmap(private, 4 * PAGE));
}

/* What Go, Java, V8 and sanitizers do. */
static void reservations(void)
{
	size_t huge = 1UL << 40, i;
	char *p = map(NULL, huge, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE), *q;

	CHECK(p != MAP_FAILED);
	for (i = 0; i < 64; i++) {
		q = p + i * (huge / 64);
		CHECK_OK(mprotect(q, PAGE, PROT_READ | PROT_WRITE));
		q[0] = (char)i;
	}
	for (i = 0; i < 64; i++)
		CHECK_EQ(p[i * (huge / 64)], (char)i);
	q = map(p + huge / 2, 2 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED);
	CHECK(q == p + huge / 2);
	q[2 * MB - 1] = 1;
	CHECK_OK(munmap(p, huge));
	q = map(NULL, 64 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);
	CHECK(q != MAP_FAILED);
	q[64 * MB - 1] = 1;
	CHECK_OK(munmap(q, 64 * MB));
}

static void limits(void)
{
	struct rlimit old, as;
	char *p;

	CHECK_OK(getrlimit(RLIMIT_AS, &old));
	as = old;
	as.rlim_cur = 64 * MB;
	if (setrlimit(RLIMIT_AS, &as))
		return;
	CHECK_ERRNO(map(NULL, 128 * MB, PROT_NONE, MAP_PRIVATE), ENOMEM);
	CHECK_OK(setrlimit(RLIMIT_AS, &old));
	p = map(NULL, 128 * MB, PROT_NONE, MAP_PRIVATE);
	CHECK(p != MAP_FAILED);
	CHECK_OK(munmap(p, 128 * MB));
}

/* Many small mappings that cannot merge, taken away in another order. */
static void many(void)
{
	enum { N = 600 };
	static char *at[N];
	int i;

	for (i = 0; i < N; i++) {
		at[i] = map(NULL, PAGE, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE);
		CHECK(at[i] != MAP_FAILED);
		if (!(i & 1))
			at[i][0] = (char)i;
	}
	for (i = 0; i < N; i += 2)
		CHECK_EQ(at[i][0], (char)i);
	for (i = 0; i < N; i++)
		CHECK_OK(munmap(at[i * 7 % N], PAGE));
}

int main(void)
{
	anonymous();
	errors();
	files();
	zero_device();
	fork_kinds();
	reservations();
	limits();
	many();
	return check_done();
}

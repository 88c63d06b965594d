/* SPDX-License-Identifier: Apache-2.0 */
/* Long writes to files in memory: that all bytes arrive, from wherever they lie; what counts when memory ends in between;
 * signals and threads that change the memory meanwhile. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "check.h"

#define MOST (6UL << 20)
#define KB   1024UL
#define PAGE 4096UL

static unsigned char *from, *back;

/* A file that is past the size up to which it is kept in small pieces of memory. */
static int new_file(void)
{
	int fd = open("/tmp/long-writes", O_CREAT | O_TRUNC | O_RDWR, 0600);

	CHECK(fd >= 0);
	unlink("/tmp/long-writes");
	CHECK_OK(ftruncate(fd, 2L << 20));
	return fd;
}

static void fill(unsigned seed)
{
	unsigned *word = (unsigned *)from;

	for (size_t i = 0; i < MOST / sizeof *word; i++)
		word[i] = seed = seed * 1664525 + 1013904223;
}

static void compare(int fd, const unsigned char *what, size_t size, off_t at)
{
	CHECK_EQ(pread(fd, back, size, at), size);
	CHECK(!memcmp(back, what, size));
}

static void test_sizes(void)
{
	static const size_t sizes[] = {96 * KB,   128 * KB - 1,  128 * KB,      128 * KB + 1, 160 * KB + 7,
				       1024 * KB, 1024 * KB + 3, 2048 * KB + 5, 5000 * KB};
	int fd = new_file();

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const unsigned char *what = from + i * 13;
		off_t at = (off_t)(i * 4099);

		fill((unsigned)i);
		CHECK_EQ(pwrite(fd, what, sizes[i], at), sizes[i]);
		compare(fd, what, sizes[i], at);
		fill((unsigned)i + 100);
		CHECK_EQ(lseek(fd, at, SEEK_SET), at);
		CHECK_EQ(write(fd, what, sizes[i]), sizes[i]);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), at + (off_t)sizes[i]);
		compare(fd, what, sizes[i], at);
	}
	close(fd);
}

static void test_vectors(void)
{
	static const size_t sizes[] = {1, 40 * KB, 0, 100 * KB + 1, 32 * KB, 3, 400 * KB, 64 * KB - 1};
	struct iovec iov[8];
	unsigned char *whole = malloc(MOST);
	size_t at = 0, total = 0;
	int fd = new_file();

	CHECK(whole != NULL);
	fill(7);
	for (int i = 0; i < 8; i++) {
		iov[i] = (struct iovec){from + at, sizes[i]};
		memcpy(whole + total, from + at, sizes[i]);
		total += sizes[i];
		at += sizes[i] + 1000;
	}
	CHECK_EQ(pwritev(fd, iov, 8, 77), total);
	compare(fd, whole, total, 77);
	free(whole);
	close(fd);
}

/* Memory that ends after @good bytes. */
static void end_after(size_t good)
{
	int fd = new_file();

	fill(9);
	CHECK_OK(mprotect(from + good, PAGE, PROT_NONE));
	CHECK_EQ(pwrite(fd, from, 2048 * KB, 0), good ? (long)good : -1);
	CHECK_EQ(pwrite(fd, from + 5, good ? good - 5 + PAGE : PAGE, 3), good ? (long)good - 5 : -1);
	CHECK_OK(mprotect(from + good, PAGE, PROT_READ | PROT_WRITE));
	if (good)
		compare(fd, from + 5, good - 5, 3);
	close(fd);
}

static void test_ends(void)
{
	for (size_t good = 0; good < 300 * KB; good += 28 * KB)
		end_after(good);
	end_after(1024 * KB + PAGE);
}

static void test_limit(void)
{
	struct rlimit old, limit;
	int fd = new_file();

	fill(11);
	CHECK_OK(getrlimit(RLIMIT_FSIZE, &old));
	limit = old;
	limit.rlim_cur = 3072 * KB + 100;
	signal(SIGXFSZ, SIG_IGN);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	CHECK_EQ(pwrite(fd, from, 2048 * KB, 2048 * KB), 1024 * KB + 100);
	CHECK_ERRNO(pwrite(fd, from, 2048 * KB, 3072 * KB + 100), EFBIG);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &old));
	compare(fd, from, 1024 * KB + 100, 2048 * KB);
	close(fd);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	alarms++;
}

static void test_signals(void)
{
	struct itimerval every = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	struct sigaction act = {.sa_handler = on_alarm};
	int fd = new_file();

	CHECK_OK(sigaction(SIGALRM, &act, NULL));
	CHECK_OK(setitimer(ITIMER_REAL, &every, NULL));
	for (unsigned i = 0; i < 40; i++) {
		from[i * 5000] = (unsigned char)i;
		CHECK_EQ(pwrite(fd, from, 1024 * KB, i), 1024 * KB);
		compare(fd, from, 1024 * KB, i);
	}
	CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
	CHECK(alarms > 0);
	close(fd);
}

static volatile int stop;

/* A page in the middle comes and goes. */
static void *meddle(void *arg)
{
	unsigned char *page = from + 200 * KB;

	while (!stop) {
		CHECK_OK(munmap(page, PAGE));
		usleep(20);
		CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == page);
		usleep(20);
	}
	return arg;
}

static void test_meddling(void)
{
	pthread_t thread;
	int fd = new_file(), whole = 0, part = 0;

	fill(13);
	memset(from + 200 * KB, 0, PAGE);
	CHECK_EQ(pthread_create(&thread, NULL, meddle, NULL), 0);
	for (int i = 0; i < 300; i++) {
		long n = pwrite(fd, from, 512 * KB, 0);

		/* The page may also go while it is being copied. */
		CHECK(n == 512 * (long)KB || (n > 0 && n < 200 * (long)KB + (long)PAGE));
		whole += n == 512 * (long)KB;
		part += n != 512 * (long)KB;
	}
	stop = 1;
	pthread_join(thread, NULL);
	compare(fd, from, (whole ? 512 : 128) * KB, 0);
	CHECK_EQ(whole + part, 300);
	close(fd);
}

int main(void)
{
	from = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	back = malloc(MOST);
	CHECK(from != MAP_FAILED && back != NULL);
	test_sizes();
	test_vectors();
	test_ends();
	test_limit();
	test_signals();
	test_meddling();
	return check_done();
}

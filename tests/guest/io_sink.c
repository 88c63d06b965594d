/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that keep nothing, written and read again and again, which husk may let a process do by itself: whatever happens
 * to their descriptors in between, the next call sees it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define OFTEN 40 /* calls after which a device is not used in the same way as at first */
#define PAGE  4096

static char path[64];
static char bytes[PAGE];
/* What is odd about arguments is not for the compiler to see. */
static void *volatile nowhere = (void *)8;
static void *volatile beyond = (void *)0x7ffffffff000;
static volatile size_t all = -1, most = 1UL << 31, big = 5UL << 20;

static int open_sink(const char *device, int flags)
{
	int fd = open(device, flags);

	CHECK(fd >= 0);
	for (int i = 0; i < OFTEN; i++)
		CHECK_EQ(write(fd, bytes, 10), 10);
	return fd;
}

static void test_writing(void)
{
	struct iovec iov[2] = {{bytes, 10}, {bytes, 20}};
	int fd = open_sink("/dev/null", O_WRONLY);

	CHECK_EQ(write(fd, bytes, 0), 0);
	CHECK_EQ(write(fd, nowhere, 100), 100);
	CHECK_ERRNO(write(fd, beyond, 100), EFAULT);
	CHECK_ERRNO(write(fd, bytes, all), EFAULT);
	CHECK_EQ(write(fd, bytes, most), 0x7ffff000);
	CHECK_EQ(write(fd, bytes, big), 5 << 20);
	CHECK_EQ(writev(fd, iov, 2), 30);
	CHECK_EQ(pwrite(fd, bytes, 7, 100), 7);
	CHECK_ERRNO(read(fd, bytes, 1), EBADF);
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 0);
	CHECK_EQ(write(fd, bytes, 10), 10);
	close(fd);
	CHECK_ERRNO(write(fd, bytes, 10), EBADF);
}

static void test_modes(void)
{
	int null = open("/dev/null", O_RDONLY), zero = open("/dev/zero", O_RDONLY), both;
	char byte;

	for (int i = 0; i < OFTEN; i++) {
		CHECK_EQ(read(null, &byte, 1), 0);
		CHECK_EQ(read(zero, &byte, 1), 1);
	}
	CHECK_ERRNO(write(null, &byte, 1), EBADF);
	CHECK_ERRNO(write(zero, &byte, 1), EBADF);
	close(null);
	close(zero);
	zero = open_sink("/dev/zero", O_WRONLY);
	CHECK_ERRNO(read(zero, &byte, 1), EBADF);
	close(zero);
	both = open_sink("/dev/zero", O_RDWR);
	byte = 1;
	CHECK_EQ(read(both, &byte, 1), 1);
	CHECK_EQ(byte, 0);
	close(both);
	both = open_sink("/dev/null", O_RDWR);
	CHECK_EQ(read(both, &byte, 1), 0);
	close(both);
}

static void test_zeros(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	char *at = mmap(NULL, 300 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	for (int i = 0; i < OFTEN; i++) {
		memset(bytes, 'x', sizeof bytes);
		CHECK_EQ(read(fd, bytes + 1, PAGE - 2), PAGE - 2);
		CHECK(bytes[0] == 'x' && !bytes[1] && !bytes[PAGE - 2] && bytes[PAGE - 1] == 'x');
	}
	CHECK_EQ(read(fd, bytes, 0), 0);
	memset(at, 'x', 100 * PAGE);
	CHECK_EQ(read(fd, at, 299 * PAGE), 299 * PAGE); /* untouched memory, too */
	CHECK(!at[0] && !at[100 * PAGE - 1] && !at[299 * PAGE - 1]);
	at[PAGE - 1] = 'x';
	CHECK_OK(mprotect(at + PAGE, PAGE, PROT_READ));
	CHECK_EQ(read(fd, at + PAGE - 10, 20), 10);
	CHECK_EQ(at[PAGE - 1], 0);
	CHECK_ERRNO(read(fd, at + PAGE, 20), EFAULT);
	CHECK_ERRNO(read(fd, beyond, 20), EFAULT);
	munmap(at, 300 * PAGE);
	close(fd);
}

/* Descriptors: another file under the number, a second number, closed and opened again. */
static void test_numbers(void)
{
	int fd = open_sink("/dev/null", O_WRONLY), twin = dup(fd), file, kept;
	struct stat st;

	CHECK_EQ(write(twin, bytes, 10), 10);
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file >= 0);
	CHECK_EQ(dup2(file, fd), fd);
	CHECK_EQ(write(fd, "file", 4), 4);
	CHECK_EQ(write(twin, bytes, 10), 10);
	CHECK_OK(fstat(file, &st));
	CHECK_EQ(st.st_size, 4);
	CHECK_EQ(dup2(twin, fd), fd);
	CHECK_EQ(write(fd, bytes, 10), 10);
	kept = fcntl(twin, F_DUPFD, 700); /* beyond what husk keeps a table of */
	CHECK_EQ(write(kept, bytes, 10), 10);
	close(fd);
	CHECK_EQ(dup(file), fd); /* the lowest */
	CHECK_EQ(write(fd, "more", 4), 4);
	CHECK_OK(fstat(file, &st));
	CHECK_EQ(st.st_size, 8);
	close(kept);
	close(twin);
	close(fd);
	close(file);
}

static void wait_for(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void test_fork(void)
{
	int fd = open_sink("/dev/null", O_WRONLY), file = open(path, O_RDWR | O_TRUNC);
	struct stat st;
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < OFTEN; i++)
			if (write(fd, bytes, 10) != 10)
				_exit(1);
		_exit(dup2(file, fd) != fd || write(fd, "child", 5) != 5);
	}
	wait_for(pid);
	CHECK_EQ(write(fd, bytes, 10), 10);
	CHECK_OK(fstat(file, &st));
	CHECK_EQ(st.st_size, 5);
	close(fd);
	close(file);
}

static void refuse_writes(void)
{
	struct sock_filter refuse[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, refuse};
	int fd = open_sink("/dev/null", O_WRONLY);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(2);
	_exit(write(fd, bytes, 1) != -1 || errno != ENOSPC);
}

static void test_filter(void)
{
	pid_t pid = fork();

	if (!pid)
		refuse_writes();
	wait_for(pid);
}

/* ---- while another thread changes what the number stands for ---- */

struct writer {
	int fd;
	int stop, failed;
	long written;
};

static void *keep_writing(void *arg)
{
	struct writer *w = arg;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		if (write(w->fd, "12345678", 8) != 8) {
			w->failed = 1;
			return NULL;
		}
		__atomic_fetch_add(&w->written, 8, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void test_race(void)
{
	int null = open_sink("/dev/null", O_WRONLY), file = open(path, O_WRONLY | O_TRUNC | O_APPEND);
	struct writer w = {.fd = dup(null)};
	struct stat before, after;
	pthread_t thread;

	CHECK_OK(pthread_create(&thread, NULL, keep_writing, &w));
	for (int i = 0; i < 200; i++) {
		long seen;

		CHECK_EQ(dup2(file, w.fd), w.fd);
		CHECK_OK(fstat(file, &before));
		/* Two writes that end from now on: the second has begun after dup2(). */
		seen = __atomic_load_n(&w.written, __ATOMIC_ACQUIRE);
		while (__atomic_load_n(&w.written, __ATOMIC_ACQUIRE) < seen + 16 &&
		       !__atomic_load_n(&w.failed, __ATOMIC_ACQUIRE))
			sched_yield();
		CHECK_OK(fstat(file, &after));
		CHECK(after.st_size >= before.st_size + 8);
		CHECK_EQ(dup2(null, w.fd), w.fd);
	}
	__atomic_store_n(&w.stop, 1, __ATOMIC_RELEASE);
	CHECK_OK(pthread_join(thread, NULL));
	CHECK(!w.failed);
	CHECK_OK(fstat(file, &after));
	CHECK(after.st_size % 8 == 0 && after.st_size <= w.written);
	close(w.fd);
	close(file);
	close(null);
}

int main(void)
{
	snprintf(path, sizeof path, "/tmp/io_sink.%d", getpid());
	test_writing();
	test_modes();
	test_zeros();
	test_numbers();
	test_fork();
	test_filter();
	test_race();
	CHECK_OK(unlink(path));
	return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Seals of memfds, each against each way around it; shared mappings between processes; truncation below a mapping. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC        16U
#endif

static sigjmp_buf back;
static siginfo_t last;

static void caught(int sig, siginfo_t *info, void *context)
{
	last = *info;
	siglongjmp(back, 1);
}

/* The signal that reading (writing) at @p brings, or 0. */
static int touch(volatile char *p, int write)
{
	if (sigsetjmp(back, 1))
		return last.si_signo;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

static int new_memfd(void)
{
	int fd = memfd_create("seals", MFD_ALLOW_SEALING);

	CHECK_OK(ftruncate(fd, 8192));
	return fd;
}

static void test_shrink_grow(void)
{
	int fd = new_memfd();

	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	CHECK_ERRNO(ftruncate(fd, 4096), EPERM);
	CHECK_OK(ftruncate(fd, 8192));
	CHECK_OK(ftruncate(fd, 12288));
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
	CHECK_ERRNO(ftruncate(fd, 12289), EPERM);
	CHECK_ERRNO(fallocate(fd, 0, 0, 16384), EPERM);
	CHECK_OK(fallocate(fd, 0, 0, 12288));
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 16384), EPERM);
	CHECK_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 12288));
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 16384));
	CHECK_EQ(pwrite(fd, "abc", 3, 12286), 2); /* up to the end */
	CHECK_ERRNO(pwrite(fd, "abc", 3, 12288), EPERM);
	close(fd);
}

static void test_write(void)
{
	int fd = new_memfd(), ro;
	char path[40], *m;

	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE)); /* the mapping that is there stays */
	m[0] = 'm';
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), EPERM);
	munmap(m, 4096);
	m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	CHECK_EQ(m[0], 'm');
	CHECK_ERRNO(mprotect(m, 4096, PROT_READ | PROT_WRITE), EACCES);
	munmap(m, 4096);
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(m != MAP_FAILED);
	m[0] = 'p';
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_OK(ftruncate(fd, 4096)); /* size is another seal's */
	munmap(m, 4096);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	CHECK_ERRNO(fcntl(ro, F_ADD_SEALS, F_SEAL_SEAL), EPERM);
	CHECK_EQ(fcntl(ro, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
	close(ro);
	close(fd);
}

static void test_exec(void)
{
	int fd = memfd_create("noexec", MFD_NOEXEC_SEAL);
	struct stat st;

	if (fd < 0 && errno == EINVAL)
		return; /* before Linux 6.3 */
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mode & 0777, 0666);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_EXEC);
	CHECK_ERRNO(fchmod(fd, 0777), EPERM);
	CHECK_OK(fchmod(fd, 0600));
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	close(fd);
	CHECK_ERRNO(memfd_create("x", MFD_NOEXEC_SEAL | MFD_EXEC), EINVAL);
	fd = memfd_create("x", MFD_EXEC | MFD_ALLOW_SEALING);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mode & 0777, 0777);
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC));
	/* what can be executed shall not be changed any more */
	CHECK_EQ(fcntl(fd, F_GET_SEALS),
		 F_SEAL_EXEC | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	CHECK_ERRNO(fchmod(fd, 0666), EPERM);
	CHECK_OK(fchmod(fd, 0711 | 0066));
	close(fd);
	fd = memfd_create("x", 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	close(fd);
}

static void test_names(void)
{
	char name[300];
	int fd, p[2];

	memset(name, 'n', sizeof name);
	name[249] = 0;
	fd = memfd_create(name, 0);
	CHECK(fd >= 0);
	close(fd);
	name[249] = 'n';
	name[250] = 0;
	CHECK_ERRNO(memfd_create(name, 0), EINVAL);
	CHECK_ERRNO(memfd_create((char *)8, 0), EFAULT);
	CHECK_ERRNO(memfd_create("x", 0x4000), EINVAL);
	/* files of a tree have no seals to give */
	strcpy(name, "/dev/shm/husk-sealsXXXXXX");
	fd = mkstemp(name);
	unlink(name);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	close(fd);
	/* other files none to have, and who may not write is not even asked which */
	CHECK_OK(pipe(p));
	CHECK_ERRNO(fcntl(p[0], F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_ERRNO(fcntl(p[1], F_ADD_SEALS, F_SEAL_GROW), EINVAL);
	CHECK_ERRNO(fcntl(p[1], F_GET_SEALS), EINVAL);
	close(p[0]);
	close(p[1]);
	fd = open("/dev/shm", O_RDONLY | O_DIRECTORY);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, 0x1000), EPERM);
	CHECK_ERRNO(fcntl(fd, F_GET_SEALS), EINVAL);
	close(fd);
}

static void test_sharing(void)
{
	char name[] = "/dev/shm/husk-sharedXXXXXX", c;
	int fd = mkstemp(name), status, other, back_pipe[2], to[2];
	char *m;
	pid_t pid;

	CHECK_OK(pipe(back_pipe));
	CHECK_OK(pipe(to));
	CHECK_OK(ftruncate(fd, 8192));
	m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid = fork();
	if (!pid) {
		/* another open of the same file, another mapping */
		int own = open(name, O_RDWR);
		char *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own, 4096);

		CHECK_EQ(read(to[0], &c, 1), 1);
		CHECK_EQ(mine[0], 'p');
		mine[1] = 'c';
		CHECK_EQ(pwrite(own, "w", 1, 4098), 1);
		CHECK_EQ(write(back_pipe[1], "x", 1), 1);
		_exit(check_failed());
	}
	CHECK_EQ(pwrite(fd, "p", 1, 4096), 1); /* seen by mappings */
	CHECK_EQ(m[4096], 'p');
	CHECK_EQ(write(to[1], "x", 1), 1);
	CHECK_EQ(read(back_pipe[0], &c, 1), 1);
	CHECK_EQ(m[4097], 'c');
	CHECK_EQ(m[4098], 'w');
	CHECK_EQ(pread(fd, &c, 1, 4097), 1);
	CHECK_EQ(c, 'c');
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	/* it lives on without a name, and after its descriptor */
	CHECK_OK(unlink(name));
	other = dup(fd);
	close(fd);
	close(other);
	CHECK_EQ(m[4097], 'c');
	m[0] = 'z';
	munmap(m, 8192);
	close(to[0]);
	close(to[1]);
	close(back_pipe[0]);
	close(back_pipe[1]);
}

static void test_truncation(int flags)
{
	char name[] = "/dev/shm/husk-truncXXXXXX";
	int fd = mkstemp(name);
	char *m;

	unlink(name);
	CHECK_OK(ftruncate(fd, 12288));
	m = mmap(NULL, 16384, PROT_READ | PROT_WRITE, flags, fd, 0);
	CHECK_EQ(touch(m + 8192, 1), 0);
	CHECK_EQ(touch(m + 12288, 0), SIGBUS);
	CHECK_EQ(last.si_code, BUS_ADRERR);
	CHECK(last.si_addr == m + 12288);
	CHECK_OK(ftruncate(fd, 5000));
	CHECK_EQ(touch(m + 4096, 1), 0);
	CHECK_EQ(touch(m + 6000, 1), 0); /* the rest of its last page */
	CHECK_EQ(touch(m + 8192, 0), SIGBUS);
	CHECK_EQ(last.si_code, BUS_ADRERR);
	CHECK(last.si_addr == m + 8192);
	/* what the kernel is to read there is not there either */
	CHECK_ERRNO(write(fd, m + 8192, 1), EFAULT);
	CHECK_OK(ftruncate(fd, 12288));
	CHECK_EQ(touch(m + 8192, 0), 0);
	CHECK_EQ(m[8192], 0);
	munmap(m, 16384);
	close(fd);
}

static void test_code(void)
{
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	int fd = memfd_create("code", 0);
	int (*fn)(void);
	void *m;

	CHECK_EQ(write(fd, code, sizeof code), (long)sizeof code);
	m = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(m != MAP_FAILED);
	memcpy(&fn, &m, sizeof fn);
	CHECK_EQ(fn(), 42);
	munmap(m, 4096);
	m = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	memcpy(&fn, &m, sizeof fn);
	CHECK_EQ(fn(), 42);
	CHECK_EQ(pwrite(fd, "\x2b", 1, 1), 1);
	CHECK_EQ(fn(), 43);
	munmap(m, 4096);
	close(fd);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	test_shrink_grow();
	test_write();
	test_exec();
	test_names();
	test_sharing();
	test_truncation(MAP_SHARED);
	test_truncation(MAP_PRIVATE);
	test_code();
	return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* madvise, msync, mincore, the mlock family and protection keys: effects and errors. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define PAGE 4096UL
#define RW   (PROT_READ | PROT_WRITE)

static char *map(size_t pages, int flags)
{
	char *p = mmap(NULL, pages * PAGE, RW, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void advices(void)
{
	static const int harmless[] = {MADV_NORMAL, MADV_RANDOM,     MADV_SEQUENTIAL, MADV_DONTFORK,
				       MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_DONTDUMP,
				       MADV_DODUMP, MADV_COLD,       MADV_PAGEOUT};
	char *p = map(8, MAP_PRIVATE), *s = map(2, MAP_SHARED);
	size_t i;

	memset(p, 1, 8 * PAGE);
	for (i = 0; i < sizeof harmless / sizeof *harmless; i++) {
		CHECK_OK(madvise(p + PAGE, 2 * PAGE, harmless[i]));
		CHECK_EQ(p[PAGE] + p[3 * PAGE - 1], 2);
	}
	CHECK_OK(madvise(p, PAGE + 1, MADV_DONTNEED)); /* rounded up */
	CHECK_EQ(p[0] + p[PAGE], 0);
	CHECK_EQ(p[2 * PAGE], 1);
	CHECK_OK(madvise(p + 2 * PAGE, PAGE, MADV_FREE));
	p[2 * PAGE] = 5;
	CHECK_EQ(p[2 * PAGE], 5);
	CHECK_OK(madvise(p, 0, MADV_DONTNEED));
	s[0] = 3;
	CHECK_OK(madvise(s, PAGE, MADV_DONTNEED)); /* shared: the object keeps it */
	CHECK_EQ(s[0], 3);
	CHECK_OK(madvise(s, PAGE, MADV_REMOVE));
	CHECK_EQ(s[0], 0);
	CHECK_ERRNO(madvise(s, PAGE, MADV_FREE), EINVAL);
	CHECK_ERRNO(madvise(s, PAGE, MADV_WIPEONFORK), EINVAL);
	CHECK_ERRNO(madvise(p, PAGE, MADV_REMOVE), EINVAL);
	CHECK_ERRNO(madvise(p, PAGE, 12345), EINVAL);
	CHECK_ERRNO(madvise(p + 1, PAGE, MADV_NORMAL), EINVAL);
	CHECK_ERRNO(madvise(p, -1UL, MADV_NORMAL), EINVAL);
	/* A hole is passed over and told. */
	CHECK_OK(munmap(p + 4 * PAGE, PAGE));
	CHECK_ERRNO(madvise(p + 3 * PAGE, 3 * PAGE, MADV_DONTNEED), ENOMEM);
	CHECK_EQ(p[3 * PAGE] + p[5 * PAGE], 0);
	CHECK_OK(munmap(p, 8 * PAGE));
	CHECK_OK(munmap(s, 2 * PAGE));
}

static void sync_errors(void)
{
	char *p = map(3, MAP_PRIVATE);

	CHECK_OK(msync(p, 3 * PAGE, MS_SYNC));
	CHECK_OK(msync(p, 3 * PAGE, MS_ASYNC));
	CHECK_OK(msync(p, 0, MS_ASYNC));
	CHECK_ERRNO(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO(msync(p, PAGE, 64), EINVAL);
	CHECK_ERRNO(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_OK(munmap(p + PAGE, PAGE));
	CHECK_ERRNO(msync(p, 3 * PAGE, MS_SYNC), ENOMEM);
	CHECK_OK(munmap(p, 3 * PAGE));
}

static void in_core(void)
{
	char *p = map(5000, MAP_PRIVATE);
	static unsigned char vec[5000];

	madvise(p, 5000 * PAGE, MADV_NOHUGEPAGE);
	p[0] = p[2 * PAGE] = p[4999 * PAGE] = 1;
	memset(vec, 0xff, sizeof vec);
	CHECK_OK(mincore(p, 5000 * PAGE, vec));
	CHECK_EQ(vec[0] & 1, 1);
	CHECK_EQ(vec[1] & 1, 0);
	CHECK_EQ(vec[2] & 1, 1);
	CHECK_EQ(vec[4500] & 1, 0);
	CHECK_EQ(vec[4999] & 1, 1);
	vec[1] = 7;
	CHECK_OK(mincore(p, 1, vec));
	CHECK_EQ(vec[1], 7);
	CHECK_OK(mincore(p, 0, vec));
	CHECK_ERRNO(mincore(p + 1, PAGE, vec), EINVAL);
	CHECK_ERRNO(mincore(p, -1UL, vec), ENOMEM);
	CHECK_ERRNO(mincore(p, PAGE, (void *)16), EFAULT);
	CHECK_OK(munmap(p + PAGE, PAGE));
	CHECK_ERRNO(mincore(p, 3 * PAGE, vec), ENOMEM);
	CHECK_OK(munmap(p, 5000 * PAGE));
}

static long locked_kb(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof line, f))
		sscanf(line, "VmLck: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

/* In a child without privileges: limits can be tried. */
static void locks_child(void)
{
	struct rlimit limit = {16 * PAGE, 16 * PAGE};
	char *p;

	if (getuid() == 0 && (setgid(65534) || setuid(65534)))
		_exit(0);
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		_exit(0);
	p = map(32, MAP_PRIVATE);
	CHECK_OK(mlock(p, 8 * PAGE));
	CHECK_EQ(locked_kb(), 32);
	CHECK_OK(mlock(p, 16 * PAGE)); /* not counted twice */
	CHECK_EQ(locked_kb(), 64);
	CHECK_ERRNO(mlock(p + 16 * PAGE, PAGE), ENOMEM);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), EAGAIN);
	CHECK_ERRNO(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(msync(p, PAGE, MS_INVALIDATE), EBUSY);
	CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
	CHECK_OK(munlock(p, 12 * PAGE));
	CHECK_EQ(locked_kb(), 16);
	CHECK_OK(syscall(SYS_mlock2, p, PAGE, 1));
	CHECK_ERRNO(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
	CHECK_ERRNO(mlockall(0), EINVAL);
	CHECK_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
	CHECK_ERRNO(mlockall(64), EINVAL);
	CHECK_OK(munlockall());
	CHECK_EQ(locked_kb(), 0);
	CHECK_OK(munmap(p + 20 * PAGE, PAGE));
	CHECK_ERRNO(mlock(p + 19 * PAGE, 3 * PAGE), ENOMEM);
	CHECK_OK(munlockall());
	CHECK_OK(mlockall(MCL_FUTURE));
	CHECK_OK(munlockall());
	limit.rlim_cur = 0;
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK_ERRNO(mlock(p, PAGE), EPERM);
	CHECK_ERRNO(mlockall(MCL_CURRENT), EPERM);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), EPERM);
	_exit(check_failed());
}

static void locks(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		locks_child();
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void pages_file(void)
{
	char name[] = "/tmp/mm_advise_XXXXXX", *p;
	int fd = mkstemp(name);

	unlink(name);
	CHECK_OK(ftruncate(fd, 4 * PAGE));
	CHECK_EQ(pwrite(fd, "q", 1, PAGE), 1);
	p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK_OK(syscall(SYS_remap_file_pages, p, PAGE, 0, 1, 0));
	CHECK_EQ(p[0], 'q');
	CHECK_ERRNO(syscall(SYS_remap_file_pages, p, PAGE, PROT_READ, 1, 0), EINVAL);
	CHECK_OK(madvise(p, 4 * PAGE, MADV_WILLNEED));
	CHECK_OK(munmap(p, 4 * PAGE));
	p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
	p[PAGE] = 'w';
	CHECK_OK(madvise(p, 4 * PAGE, MADV_DONTNEED));
	CHECK_EQ(p[PAGE], 'q');
	CHECK_ERRNO(madvise(p, PAGE, MADV_FREE), EINVAL);
	CHECK_OK(munmap(p, 4 * PAGE));
	close(fd);
}

/* Advice on the vDSO: where it is refused and where it is not, clocks and children go on. */
static void vdso(void)
{
	char *p = (char *)getauxval(AT_SYSINFO_EHDR);
	struct timespec ts;
	int status;

	if (!p)
		return;
	for (int advice = 0; advice < 26; advice++) {
		pid_t pid;

		madvise(p, PAGE, advice);
		pid = fork();
		if (pid == 0)
			_exit(clock_gettime(CLOCK_MONOTONIC, &ts) ? 1 : 7);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 7 << 8);
	}
	CHECK_OK(madvise(p, PAGE, MADV_NORMAL));
	CHECK_OK(madvise(p, PAGE, MADV_DONTNEED));
	CHECK_OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	CHECK_EQ(p[1], 'E');
}

/* ---- guard pages (Linux 6.13) ---- */

#define GUARD   102
#define UNGUARD 103

static sigjmp_buf struck;
static volatile int code;

static void on_strike(int signo, siginfo_t *info, void *uc)
{
	code = info->si_code;
	siglongjmp(struck, 1);
}

/* The si_code with which a touch of the page ends; 0: it does not. */
static int touch(volatile char *p)
{
	if (sigsetjmp(struck, 1))
		return code;
	*p = *p;
	return 0;
}

static void guards(void)
{
	struct sigaction strike = {.sa_sigaction = on_strike, .sa_flags = SA_SIGINFO}, old;
	char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *s = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;
	int fds[2], status;
	pid_t pid;

	if (madvise(p, PAGE, GUARD) && errno == EINVAL)
		return;
	CHECK_OK(sigaction(SIGSEGV, &strike, &old));
	CHECK_OK(pipe(fds));
	memset(p + PAGE, 1, 7 * PAGE);
	CHECK_OK(madvise(p + 2 * PAGE, 2 * PAGE, GUARD));
	CHECK_OK(madvise(p + 2 * PAGE, PAGE, GUARD));
	CHECK_EQ(touch(p), SEGV_MAPERR);
	CHECK_EQ(touch(p + 2 * PAGE), SEGV_MAPERR);
	CHECK_EQ(touch(p + 3 * PAGE), SEGV_MAPERR);
	CHECK_EQ(touch(p + 4 * PAGE), 0);
	CHECK_ERRNO(write(fds[1], p + 2 * PAGE, 1), EFAULT);
	CHECK_EQ(write(fds[1], p + 4 * PAGE, 1), 1);
	CHECK_ERRNO(read(fds[0], p + 2 * PAGE, 1), EFAULT);
	/* They stay where contents go, and where the protection changes. */
	CHECK_OK(madvise(p, 8 * PAGE, MADV_DONTNEED));
	CHECK_OK(mprotect(p, 8 * PAGE, PROT_READ));
	CHECK_OK(mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE));
	CHECK_EQ(touch(p + 2 * PAGE), SEGV_MAPERR);
	CHECK_EQ(touch(p + 4 * PAGE), 0);
	CHECK_ERRNO(madvise(p, 8 * PAGE, MADV_POPULATE_READ), EFAULT);
	/* A child has them, and may take away its own. */
	pid = fork();
	if (!pid) {
		CHECK_EQ(touch(p + 2 * PAGE), SEGV_MAPERR);
		CHECK_OK(madvise(p, 8 * PAGE, UNGUARD));
		CHECK_EQ(touch(p + 2 * PAGE), 0);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(touch(p + 2 * PAGE), SEGV_MAPERR);
	/* They move along. */
	q = mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(touch(q + 2 * PAGE), SEGV_MAPERR);
	CHECK_EQ(touch(q + 12 * PAGE), 0);
	CHECK_OK(madvise(q, 16 * PAGE, UNGUARD));
	CHECK_EQ(touch(q + 2 * PAGE), 0);
	CHECK_EQ(q[2 * PAGE], 0);
	/* Not in locked memory, but out of it. */
	CHECK_OK(madvise(q, PAGE, GUARD));
	if (!mlock(q + PAGE, PAGE)) {
		CHECK_ERRNO(madvise(q + PAGE, PAGE, GUARD), EINVAL);
		CHECK_OK(madvise(q + PAGE, PAGE, UNGUARD));
		CHECK_ERRNO(mlock(q, PAGE), ENOMEM);
		CHECK_OK(munlock(q, 2 * PAGE));
	}
	/* Over a hole: what is there, and the error. */
	CHECK_OK(munmap(q + 4 * PAGE, PAGE));
	CHECK_ERRNO(madvise(q, 8 * PAGE, GUARD), ENOMEM);
	CHECK_EQ(touch(q + 6 * PAGE), SEGV_MAPERR);
	/* A new mapping has none. */
	CHECK(mmap(q, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == q);
	CHECK_EQ(touch(q + 6 * PAGE), 0);
	CHECK_OK(madvise(s, PAGE, GUARD));
	CHECK_EQ(touch(s), SEGV_MAPERR);
	CHECK_EQ(touch(s + PAGE), 0);
	CHECK_OK(sigaction(SIGSEGV, &old, NULL));
}

int main(void)
{
	advices();
	guards();
	vdso();
	sync_errors();
	in_core();
	locks();
	pages_file();
	return check_done();
}

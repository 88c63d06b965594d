/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mseal: its arguments, what it forbids and what it does not, what has changed before an error, seals over splits,
 * merges, fork and exec, in smaps. Skipped where the host has no mseal (before Linux 6.10). static
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"
#include "text.h"

#define PAGE     4096UL
#define RW       (PROT_READ | PROT_WRITE)
#define NR_MSEAL 462
#define ANON     (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static long seal(const void *p, unsigned long len)
{
	return syscall(NR_MSEAL, p, len, 0UL);
}

/* A range with unmapped pages around it. */
static char *island(size_t pages, int prot)
{
	char *p = mmap(NULL, (pages + 2) * PAGE, prot, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	munmap(p, PAGE);
	munmap(p + (pages + 1) * PAGE, PAGE);
	return p + PAGE;
}

/* The mappings in [p, p + pages) as "pages:perm[s] " words, an s for sealed. */
static const char *shape(const char *p, size_t pages)
{
	static char out[1024];
	unsigned long start, end, from = (uintptr_t)p, to = from + pages * PAGE;
	char perm[8], *line;
	int n = 0, inside = 0;

	read_file("/proc/self/smaps");
	out[0] = 0;
	for (line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perm) == 3) {
			inside = start < to && end > from;
			if (start < from)
				start = from;
			if (end > to)
				end = to;
			if (inside)
				n += snprintf(out + n, sizeof out - (size_t)n, "%lu:%s", (end - start) / PAGE,
					      perm);
		} else if (inside && !strncmp(line, "VmFlags:", 8)) {
			char *stop = strchr(line, '\n'), *word = strstr(line, " sl");

			n += snprintf(out + n, sizeof out - (size_t)n, "%s ", word && word < stop ? "s" : "");
		}
	}
	return out;
}

static void arguments(void)
{
	char *p = island(4, RW);
	unsigned long flags;

	CHECK_OK(munmap(p + 2 * PAGE, PAGE));
	for (flags = 1; flags; flags <<= 1)
		CHECK_ERRNO(syscall(NR_MSEAL, p, PAGE, flags), EINVAL);
	CHECK_ERRNO(syscall(NR_MSEAL, p, 0UL, 1UL), EINVAL);
	CHECK_ERRNO(seal(p + 1, PAGE), EINVAL);
	CHECK_ERRNO(seal(p + 1, 0), EINVAL);
	CHECK_ERRNO(seal(p, -1UL), EINVAL);  /* rounds up to 0 */
	CHECK_ERRNO(seal(p, -PAGE), EINVAL); /* wraps */
	CHECK_ERRNO(seal((void *)-PAGE, 2 * PAGE), EINVAL);
	CHECK_OK(seal(p, 0));
	CHECK_OK(seal(p + 2 * PAGE, 0)); /* nothing is there, and nothing is asked */
	CHECK_OK(seal(NULL, 0));
	CHECK_OK(seal((void *)-PAGE, 0));
	CHECK_ERRNO(seal((void *)-PAGE, PAGE), EINVAL);
	CHECK_ERRNO(seal((void *)(-2 * PAGE), PAGE), ENOMEM);
	CHECK_ERRNO(seal(NULL, PAGE), ENOMEM);
	/* A gap at the end, in the middle, at the start: nothing is sealed. */
	CHECK_ERRNO(seal(p, 3 * PAGE), ENOMEM);
	CHECK_ERRNO(seal(p, 4 * PAGE), ENOMEM);
	CHECK_ERRNO(seal(p + 2 * PAGE, 2 * PAGE), ENOMEM);
	CHECK_ERRNO(seal(p, 1UL << 46), ENOMEM);
	CHECK_STR(shape(p, 4), "2:rw-p 1:rw-p ");
	CHECK_OK(seal(p, 1)); /* the whole page */
	CHECK_STR(shape(p, 4), "1:rw-ps 1:rw-p 1:rw-p ");
	CHECK_OK(seal(p, 2 * PAGE));
	CHECK_OK(seal(p, 2 * PAGE)); /* again */
	CHECK_STR(shape(p, 4), "2:rw-ps 1:rw-p ");
	p[0] = p[2 * PAGE - 1] = 1;
}

static void unmapping(void)
{
	char *p = island(6, RW);

	memset(p, 7, 6 * PAGE);
	CHECK_OK(seal(p + 2 * PAGE, 2 * PAGE));
	CHECK_ERRNO(munmap(p + 2 * PAGE, 2 * PAGE), EPERM);
	CHECK_ERRNO(munmap(p + 3 * PAGE, PAGE), EPERM);
	CHECK_ERRNO(munmap(p, 3 * PAGE), EPERM);
	CHECK_ERRNO(munmap(p + 3 * PAGE, 2 * PAGE), EPERM);
	CHECK_ERRNO(munmap(p, 6 * PAGE), EPERM);
	/* All or nothing. */
	CHECK_EQ(p[0] + p[6 * PAGE - 1], 14);
	CHECK_ERRNO(munmap(p + 1, PAGE), EINVAL);
	CHECK_ERRNO(munmap(p + 2 * PAGE, 0), EINVAL);
	CHECK(mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mmap(p + PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mmap(p, 6 * PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
	      errno == EEXIST);
	CHECK(mmap(p + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
	      errno == EPERM);
	CHECK_EQ(p[0] + p[2 * PAGE] + p[6 * PAGE - 1], 21);
	CHECK_OK(munmap(p, 2 * PAGE));
	CHECK_OK(munmap(p + 4 * PAGE, 2 * PAGE));
	CHECK_STR(shape(p, 6), "2:rw-ps ");
	/* What comes beside it is not sealed, and not merged with it. */
	CHECK(mmap(p + 4 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + 4 * PAGE);
	CHECK_STR(shape(p, 6), "2:rw-ps 1:rw-p ");
	CHECK_OK(munmap(p + 4 * PAGE, PAGE));
}

static void protecting(void)
{
	char *p = island(6, RW);

	memset(p, 7, 6 * PAGE);
	CHECK_OK(seal(p + 2 * PAGE, 2 * PAGE));
	CHECK_ERRNO(mprotect(p + 2 * PAGE, PAGE, PROT_READ), EPERM);
	CHECK_ERRNO(mprotect(p + 2 * PAGE, PAGE, RW), EPERM); /* what it is already */
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, p + 2 * PAGE, PAGE, PROT_READ, -1), EPERM);
	CHECK_OK(mprotect(p + 2 * PAGE, 0, PROT_READ));
	/* What lies before has changed. */
	CHECK_ERRNO(mprotect(p + PAGE, 4 * PAGE, PROT_READ), EPERM);
	CHECK_STR(shape(p, 6), "1:rw-p 1:r--p 2:rw-ps 2:rw-p ");
	CHECK_ERRNO(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ), EPERM);
	CHECK_STR(shape(p, 6), "1:rw-p 1:r--p 2:rw-ps 2:rw-p ");
	CHECK_ERRNO(mprotect(p + 2 * PAGE, PAGE, PROT_READ | 0x40), EINVAL);
	p[2 * PAGE] = 8;
}

/* A mapping of a file that may not be written: EACCES is asked first. */
static void protecting_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	CHECK_OK(seal(p, PAGE));
	CHECK_ERRNO(mprotect(p, PAGE, RW), EACCES);
	CHECK_ERRNO(mprotect(p, PAGE, PROT_NONE), EPERM);
	close(fd);
}

static void moving(void)
{
	char *p = island(6, RW), *q = island(8, RW);

	memset(p, 7, 6 * PAGE);
	CHECK_OK(seal(p + 2 * PAGE, 2 * PAGE));
	CHECK(mremap(p + 2 * PAGE, 2 * PAGE, PAGE, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p + 2 * PAGE, 2 * PAGE, 2 * PAGE, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p + 3 * PAGE, PAGE, 4 * PAGE, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p + 2 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == MAP_FAILED &&
	      errno == EPERM);
	CHECK(mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) == MAP_FAILED &&
	      errno == EPERM);
	CHECK(mremap(p + 2 * PAGE, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EPERM);
	/* Arguments come first. */
	CHECK(mremap(p + 2 * PAGE, PAGE, 0, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(p + 2 * PAGE, PAGE, PAGE, 64) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_FIXED, q) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(p + 2 * PAGE + 1, PAGE, PAGE, 0) == MAP_FAILED && errno == EINVAL);
	/* Over it. */
	CHECK(mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * PAGE) == MAP_FAILED &&
	      errno == EPERM);
	CHECK(mremap(q, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == MAP_FAILED &&
	      errno == EPERM);
	CHECK_EQ(p[0], 7);
	/* A tail that is sealed is not cut off. */
	CHECK(mremap(p, 4 * PAGE, PAGE, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mremap(p + PAGE, 2 * PAGE, PAGE, 0) == MAP_FAILED && errno == EPERM);
	CHECK_EQ(p[PAGE], 7);
	/* What stands in its way cannot grow. */
	CHECK(mremap(p + PAGE, PAGE, 2 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mremap(p + 4 * PAGE, 2 * PAGE, PAGE, 0) == p + 4 * PAGE);
	CHECK(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	CHECK_EQ(q[0], 7);
}

static const int discards[] = {MADV_DONTNEED, MADV_FREE,       MADV_REMOVE,
			       MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTNEED_LOCKED};
#define NDISCARDS (sizeof discards / sizeof *discards)

static void advising(void)
{
	char *p = island(4, RW), *shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *file;
	int fd = open("/proc/self/exe", O_RDONLY), zero = open("/dev/zero", O_RDWR);
	size_t i;

	memset(p, 7, 4 * PAGE);
	shared[0] = 1;
	CHECK_OK(mprotect(p + PAGE, PAGE, PROT_READ));
	CHECK_OK(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
	CHECK_OK(seal(p, 3 * PAGE));
	for (i = 0; i < NDISCARDS; i++) {
		CHECK_ERRNO(madvise(p + PAGE, PAGE, discards[i]), EPERM);
		CHECK_ERRNO(madvise(p + 2 * PAGE, PAGE, discards[i]), EPERM);
		CHECK_OK(madvise(p + PAGE, 0, discards[i]));
	}
	CHECK_EQ(p[PAGE], 7);
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_NORMAL));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_RANDOM));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_WILLNEED));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_DONTDUMP));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_DODUMP));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_DOFORK));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_KEEPONFORK));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_COLD));
	CHECK_EQ(p[PAGE], 7);
	/* Who may write may as well discard. */
	CHECK_OK(madvise(p, PAGE, MADV_DONTFORK));
	CHECK_OK(madvise(p, PAGE, MADV_DOFORK));
	CHECK_OK(madvise(p, PAGE, MADV_DONTNEED));
	CHECK_EQ(p[0], 0);
	/* What comes before has happened. */
	p[0] = 7;
	CHECK_ERRNO(madvise(p, 3 * PAGE, MADV_DONTNEED), EPERM);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[PAGE], 7);

	/* Files' mappings, private ones too, and shared memory. */
	CHECK_OK(mprotect(shared, PAGE, PROT_READ));
	CHECK_OK(seal(shared, PAGE));
	CHECK_OK(madvise(shared, PAGE, MADV_DONTNEED));
	CHECK_OK(madvise(shared, PAGE, MADV_DONTFORK));
	CHECK_EQ(shared[0], 1);
	file = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	CHECK(file != MAP_FAILED);
	file[1] = 'x';
	CHECK_OK(mprotect(file, PAGE, PROT_READ));
	CHECK_OK(seal(file, PAGE));
	CHECK_OK(madvise(file, PAGE, MADV_DONTNEED));
	CHECK_EQ(file[1], 'E'); /* "\177ELF" */
	CHECK_ERRNO(madvise(file, PAGE, MADV_FREE), EINVAL);
	/* A private mapping of /dev/zero is anonymous memory. */
	file = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, zero, 0);
	CHECK(file != MAP_FAILED);
	CHECK_OK(seal(file, PAGE));
	CHECK_ERRNO(madvise(file, PAGE, MADV_DONTNEED), EPERM);
	close(fd);
	close(zero);
}

/* What a seal has no say in. */
static void allowed(void)
{
	char *p = island(2, RW), byte = 9;
	int fd = open("/proc/self/mem", O_RDWR);

	p[0] = 1;
	CHECK_OK(mprotect(p, PAGE, PROT_READ));
	CHECK_OK(seal(p, PAGE));
	CHECK_OK(mlock(p, PAGE));
	CHECK_OK(munlock(p, PAGE));
	CHECK_OK(msync(p, PAGE, MS_ASYNC));
	if (fd >= 0 && pwrite(fd, &byte, 1, (off_t)(uintptr_t)p) == 1)
		CHECK_EQ(*(volatile char *)p, 9);
	close(fd);
}

static void merging(void)
{
	char *p = island(6, RW);

	CHECK_OK(seal(p, 2 * PAGE));
	CHECK_OK(seal(p + 4 * PAGE, 2 * PAGE));
	CHECK_STR(shape(p, 6), "2:rw-ps 2:rw-p 2:rw-ps ");
	CHECK_OK(seal(p + PAGE, 3 * PAGE));
	CHECK_STR(shape(p, 6), "6:rw-ps ");
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_RANDOM));
	CHECK_STR(shape(p, 6), "1:rw-ps 1:rw-ps 4:rw-ps ");
	CHECK_OK(madvise(p, 6 * PAGE, MADV_RANDOM));
	CHECK_STR(shape(p, 6), "6:rw-ps ");
}

static void breaks(void)
{
	char *start = sbrk(0), *aligned = (char *)(((uintptr_t)start + PAGE - 1) & -PAGE);

	CHECK_OK(brk(aligned + 4 * PAGE));
	CHECK_OK(seal(aligned + PAGE, PAGE));
	CHECK_EQ(syscall(SYS_brk, aligned), (uintptr_t)(aligned + 4 * PAGE)); /* refused: what it was */
	CHECK_EQ(syscall(SYS_brk, aligned + 2 * PAGE), (uintptr_t)(aligned + 2 * PAGE));
	CHECK_EQ(syscall(SYS_brk, aligned + 3 * PAGE), (uintptr_t)(aligned + 3 * PAGE));
	aligned[3 * PAGE - 1] = 1;
}

/* A sealed stack grows all the same, sealed. */
static void growing(void)
{
	char *p = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0), *stack;

	CHECK(p != MAP_FAILED);
	CHECK_OK(munmap(p, 16 * PAGE));
	stack = mmap(p + 14 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
	CHECK(stack == p + 14 * PAGE);
	CHECK_OK(seal(stack, 2 * PAGE));
	stack[-1] = 1;
	CHECK_STR(shape(p + 10 * PAGE, 6), "3:rw-ps ");
	CHECK_ERRNO(munmap(stack - PAGE, PAGE), EPERM);
	CHECK_ERRNO(munmap(stack, PAGE), EPERM);
}

static void forking(void)
{
	char *p = island(6, RW);
	int status;
	pid_t pid;

	memset(p, 7, 6 * PAGE);
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_DONTFORK));
	CHECK_OK(madvise(p + 3 * PAGE, PAGE, MADV_WIPEONFORK));
	CHECK_OK(seal(p, 6 * PAGE));
	CHECK_OK(madvise(p + 4 * PAGE, PAGE, MADV_DONTFORK)); /* said after the seal */
	CHECK_OK(madvise(p + 5 * PAGE, PAGE, MADV_WIPEONFORK));
	CHECK_OK(madvise(p + 5 * PAGE, PAGE, MADV_KEEPONFORK));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		CHECK_STR(shape(p, 6), "1:rw-ps 1:rw-ps 1:rw-ps 1:rw-ps ");
		CHECK_EQ(p[0], 7);
		CHECK_EQ(p[2 * PAGE], 7);
		CHECK_EQ(p[3 * PAGE], 0);
		CHECK_EQ(p[5 * PAGE], 7);
		CHECK_ERRNO(munmap(p, PAGE), EPERM);
		CHECK_ERRNO(munmap(p, 6 * PAGE), EPERM);
		CHECK(mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + PAGE);
		p[PAGE] = 1;
		p[0] = 2;
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(p[0] + p[PAGE], 14);
}

/* Twice: the seals of a child are its own, a grandchild's too. */
static void forking_deeper(void)
{
	char *p = island(2, RW);
	int status;
	pid_t pid;

	CHECK_OK(madvise(p, PAGE, MADV_WIPEONFORK));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		p[0] = 5;
		CHECK_OK(seal(p, PAGE));
		pid = fork();
		if (!pid) {
			CHECK_EQ(p[0], 0);
			CHECK_ERRNO(munmap(p, PAGE), EPERM);
			_exit(check_failed());
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		_exit(check_failed() || status);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_OK(munmap(p, 2 * PAGE));
}

/* Code that makes calls, sealed after some and before others. */
static void calling(void)
{
	unsigned long at = (unsigned long)(uintptr_t)syscall & -PAGE;
	pid_t parent = getppid(), pid;
	int i, status;

	for (i = 0; i < 64; i++)
		CHECK_EQ(syscall(SYS_getppid), parent);
	CHECK_OK(seal((void *)at, PAGE));
	for (i = 0; i < 64; i++)
		CHECK_EQ(syscall(SYS_getppid), parent);
	CHECK_ERRNO(munmap((void *)at, PAGE), EPERM);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		parent = getppid();
		for (i = 0; i < 64; i++)
			CHECK_EQ(syscall(SYS_getppid), parent);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* Executed again with a sealed program image: the new one is not. */
static void executing(char *self)
{
	extern char __executable_start[];
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		CHECK_OK(seal(__executable_start, PAGE));
		CHECK_ERRNO(mprotect(__executable_start, PAGE, PROT_READ), EPERM);
		if (check_failed())
			_exit(1);
		execl(self, self, "again", NULL);
		_exit(2);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static int executed(void)
{
	extern char __executable_start[];

	CHECK_OK(mprotect(__executable_start, PAGE, PROT_READ));
	read_file("/proc/self/smaps");
	/* Hosts may seal their own pages. */
	CHECK_OK(mremap(island(1, RW), PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	return check_failed();
}

/* The kernel's own pages may be sealed, as a whole. */
static void vdso(void)
{
	char *start = (char *)getauxval(AT_SYSINFO_EHDR);
	unsigned long from, to;
	char *line;
	int sealed;

	if (!start)
		return;
	read_file("/proc/self/smaps");
	line = strstr(text, "[vdso]");
	CHECK(line);
	while (line > text && line[-1] != '\n')
		line--;
	CHECK_EQ(sscanf(line, "%lx-%lx", &from, &to), 2);
	line = strstr(line, "VmFlags:");
	CHECK(line);
	sealed = strstr(line, " sl") && strstr(line, " sl") < strchr(line, '\n');
	if (!sealed && to - from > PAGE)
		CHECK_ERRNO(seal(start, PAGE), EINVAL);
	CHECK_OK(seal(start, to - from));
	CHECK_ERRNO(mremap(start, to - from, to - from, MREMAP_MAYMOVE | MREMAP_FIXED, island(16, RW)) ==
				    MAP_FAILED
			    ? -1
			    : 0,
		    EPERM);
}

/* A move takes all mappings of a range (Linux 6.17); a sealed one ends it. */
static void moving_many(void)
{
	char *p = island(6, RW), *q = island(6, PROT_NONE), *to = island(6, RW);

	memset(p, 7, 6 * PAGE);
	CHECK_OK(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	if (mremap(p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
		CHECK_EQ(errno, EFAULT);
		return; /* an older kernel */
	}
	CHECK_EQ(to[0] + to[2 * PAGE], 14);
	CHECK_STR(shape(p, 6), "3:rw-p ");
	CHECK_STR(shape(to, 6), "2:rw-p 1:r--p 3:rw-p ");
	/* With the gap between them; but none at the start. */
	CHECK_OK(munmap(p + 4 * PAGE, PAGE));
	CHECK(mremap(p + 3 * PAGE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	CHECK_STR(shape(q, 6), "1:rw-p 1:---p 1:rw-p 3:---p ");
	CHECK(mremap(p + 4 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == MAP_FAILED &&
	      errno == EFAULT);
	/* One that is sealed ends it; what came before has gone. */
	CHECK_OK(seal(to + 2 * PAGE, PAGE));
	CHECK(mremap(to, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == MAP_FAILED &&
	      errno == EPERM);
	CHECK_STR(shape(to, 6), "1:r--ps 3:rw-p ");
	CHECK_STR(shape(p, 6), "2:rw-p ");
}

int main(int argc, char **argv)
{
	struct utsname name;
	int major, minor;

	if (argc > 1)
		return executed();
	if (seal(NULL, 0))
		check_skip(errno == ENOSYS ? "the host has no mseal" : "the host refuses mseal");
	uname(&name);
	if (!strstr(name.release, "husk") && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
	    major * 100 + minor < 618)
		check_skip("the host's mseal is older than Linux 6.18's");
	arguments();
	unmapping();
	protecting();
	protecting_file();
	moving();
	moving_many();
	advising();
	allowed();
	merging();
	breaks();
	growing();
	forking();
	forking_deeper();
	calling();
	executing(argv[0]);
	vdso();
	return check_done();
}

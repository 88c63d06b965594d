/* SPDX-License-Identifier: Apache-2.0 */
/* mprotect, and brk: errors, splits and merges as /proc/self/maps shows them, the columns of that file. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"
#include "text.h"

#define PAGE 4096UL
#define RW   (PROT_READ | PROT_WRITE)

/* The mappings in [p, p + len) as "pages:perm " words, from maps. */
static const char *shape(const char *p, size_t len)
{
	static char out[1024];
	unsigned long start, end, from = (uintptr_t)p, to = from + len;
	char perm[8], *line;
	int n = 0;

	read_file("/proc/self/maps");
	out[0] = 0;
	for (line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perm) != 3 || start >= to || end <= from)
			continue;
		if (start < from)
			start = from;
		if (end > to)
			end = to;
		n += snprintf(out + n, sizeof out - (size_t)n, "%lu:%s ", (end - start) / PAGE, perm);
	}
	return out;
}

/* A range with unmapped pages around it, so that nothing merges with strangers. */
static char *island(size_t pages, int prot)
{
	char *p = mmap(NULL, (pages + 2) * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	munmap(p, PAGE);
	munmap(p + (pages + 1) * PAGE, PAGE);
	return p + PAGE;
}

static void splits(void)
{
	char *p = island(8, RW);

	CHECK_STR(shape(p, 8 * PAGE), "8:rw-p ");
	CHECK_OK(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ));
	CHECK_STR(shape(p, 8 * PAGE), "2:rw-p 2:r--p 4:rw-p ");
	CHECK_OK(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_NONE));
	CHECK_STR(shape(p, 8 * PAGE), "2:rw-p 1:r--p 3:---p 2:rw-p ");
	CHECK_OK(mprotect(p, 8 * PAGE, PROT_READ | PROT_EXEC));
	CHECK_STR(shape(p, 8 * PAGE), "8:r-xp ");
	CHECK_OK(mprotect(p, PAGE, PROT_EXEC));
	CHECK_STR(shape(p, 8 * PAGE), "1:--xp 7:r-xp ");
	CHECK_OK(mprotect(p, 8 * PAGE, RW));
	CHECK_STR(shape(p, 8 * PAGE), "8:rw-p ");
	CHECK_OK(munmap(p + 3 * PAGE, 2 * PAGE));
	CHECK_STR(shape(p, 8 * PAGE), "3:rw-p 3:rw-p ");
	CHECK(mmap(p + 3 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      p + 3 * PAGE);
	CHECK_STR(shape(p, 8 * PAGE), "8:rw-p ");
	CHECK(mmap(p + 3 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      p + 3 * PAGE);
	CHECK_STR(shape(p, 8 * PAGE), "3:rw-p 1:r--s 4:rw-p ");
	CHECK_OK(munmap(p, 8 * PAGE));
	CHECK_STR(shape(p, 8 * PAGE), "");
}

static void errors(void)
{
	char *p = island(4, RW);

	CHECK_ERRNO(mprotect(p + 1, PAGE, PROT_READ), EINVAL);
	CHECK_OK(mprotect(p, 0, PROT_READ));
	CHECK_ERRNO(mprotect(p, PAGE, 0x100), EINVAL);
	CHECK_ERRNO(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
	CHECK_ERRNO(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
	CHECK_ERRNO(mprotect(p, -PAGE, PROT_READ), ENOMEM);
	CHECK_ERRNO(mprotect(p - PAGE, PAGE, PROT_READ), ENOMEM);
	/* A hole: what lies before it is changed. */
	CHECK_OK(munmap(p + 2 * PAGE, PAGE));
	CHECK_ERRNO(mprotect(p, 4 * PAGE, PROT_READ), ENOMEM);
	CHECK_STR(shape(p, 4 * PAGE), "2:r--p 1:rw-p ");
	CHECK_OK(munmap(p, 4 * PAGE));
}

/* Without a key it is mprotect. */
static void keys(void)
{
	char *p = island(2, RW);

	CHECK_OK(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, -1));
	CHECK_STR(shape(p, 2 * PAGE), "1:r--p 1:rw-p ");
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, p, PAGE, RW, 9999), EINVAL);
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, p + 1, PAGE, RW, -1), EINVAL);
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, p - PAGE, PAGE, RW, -1), ENOMEM);
	CHECK_STR(shape(p, 2 * PAGE), "1:r--p 1:rw-p ");
	CHECK_OK(munmap(p, 2 * PAGE));
}

static void takes_effect(void)
{
	/* mov $42, %eax; ret */
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
	char *p = island(1, RW);
	int (*call)(void);

	memcpy(p, code, sizeof code);
	CHECK_OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	memcpy(&call, &p, sizeof call);
	CHECK_EQ(call(), 42);
	CHECK_OK(munmap(p, PAGE));
}

static const char *line_of(const char *what)
{
	char *end, *line = strstr(text, what);

	if (!line)
		return "";
	while (line > text && line[-1] != '\n')
		line--;
	end = strchr(line, '\n');
	if (end)
		*end = 0;
	return line;
}

static void columns(void)
{
	char name[] = "/tmp/mm_protect XXXXXX", *p, expect[64];
	int fd = mkstemp(name);
	const char *line;

	CHECK_OK(ftruncate(fd, 3 * PAGE));
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
	CHECK(p != MAP_FAILED);
	read_file("/proc/self/maps");
	line = line_of(name);
	snprintf(expect, sizeof expect, "%08lx-%08lx r--s 00001000 ", (uintptr_t)p, (uintptr_t)p + 2 * PAGE);
	CHECK(!strncmp(line, expect, strlen(expect)));
	CHECK(strlen(line) > 73 && !strcmp(line + 73, name));
	unlink(name);
	read_file("/proc/self/maps");
	line = line_of(name);
	CHECK(strstr(line, " (deleted)") != NULL);
	CHECK_OK(munmap(p, 2 * PAGE));
	close(fd);
	read_file("/proc/self/maps");
	line = line_of("[stack]");
	CHECK(strlen(line) == 73 + 7);
	CHECK(strstr(line, " rw-p 00000000 00:00 0 ") != NULL);
	read_file("/proc/self/smaps");
	line = line_of("[stack]");
	CHECK(!strncmp(line + strlen(line) + 1, "Size:   ", 8));
}

static char *raw_brk(void *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void heap(void)
{
	char *start = raw_brk(NULL), *aligned = (char *)(((uintptr_t)start + PAGE - 1) & -PAGE);
	struct rlimit old, limit;

	CHECK(raw_brk(aligned + 4 * PAGE) == aligned + 4 * PAGE);
	memset(start, 1, (size_t)(aligned + 4 * PAGE - start));
	CHECK(raw_brk(aligned + 4 * PAGE + 10) == aligned + 4 * PAGE + 10);
	aligned[4 * PAGE] = 1;
	CHECK(raw_brk(aligned + PAGE) == aligned + PAGE);
	CHECK(raw_brk(aligned + 3 * PAGE) == aligned + 3 * PAGE);
	CHECK_EQ(aligned[2 * PAGE], 0); /* fresh again */
	CHECK(raw_brk((void *)16) == aligned + 3 * PAGE);
	CHECK(raw_brk((void *)(1UL << 60)) == aligned + 3 * PAGE);
	read_file("/proc/self/maps");
	CHECK(*line_of("[heap]"));
	getrlimit(RLIMIT_DATA, &old);
	limit = old;
	limit.rlim_cur = 1;
	CHECK_OK(setrlimit(RLIMIT_DATA, &limit));
	CHECK(raw_brk(aligned + 64 * PAGE) == aligned + 3 * PAGE);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK_OK(setrlimit(RLIMIT_DATA, &old));
	CHECK(raw_brk(start) == start);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	splits();
	errors();
	keys();
	takes_effect();
	columns();
	heap();
	return check_done();
}

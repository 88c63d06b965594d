/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the kernel process for more memory than it may give away: files in memory, each larger than half of the
 * machine's. Each must fail with ENOSPC, at once, and give back what it took. And holes that a shared mapping could fill
 * without the kernel process: no such mapping is given, and a mapped file does not grow so far.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <sys/mman.h>

static void hog(const char *name, int fd)
{
	off_t much = (off_t)sysconf(_SC_PHYS_PAGES) * 4096 / 8 * 5;

	attempts++;
	if (fd < 0 || (fallocate(fd, 0, 0, much) && errno == ENOSPC && !fallocate(fd, 0, 0, 1 << 20)))
		goto out;
	escaped++;
	printf("not ok - fallocate of %lld bytes in %s: %s\n", (long long)much, name, strerror(errno));
out:
	close(fd);
}

static void hog_by_holes(int fd)
{
	off_t much = (off_t)sysconf(_SC_PHYS_PAGES) * 4096 / 8 * 5;

	attempts += 2;
	if (ftruncate(fd, much) ||
	    mmap(NULL, (size_t)much, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED ||
	    errno != ENOMEM) {
		escaped++;
		printf("not ok - a shared mapping of %lld bytes of holes\n", (long long)much);
	}
	if (ftruncate(fd, 4096) ||
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ||
	    !ftruncate(fd, much) || errno != ENOSPC) {
		escaped++;
		printf("not ok - a mapped file grew to %lld bytes\n", (long long)much);
	}
	close(fd);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	hog("a memfd", memfd_create("hog", 0));
	hog("/tmp", open("/tmp/hog", O_RDWR | O_CREAT | O_EXCL, 0600));
	hog("/dev/shm", open("/dev/shm/hog", O_RDWR | O_CREAT | O_EXCL, 0600));
	hog_by_holes(memfd_create("holes", 0));
	return verdict("memory hogs");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the kernel process for more memory than it may give away: files in memory, each larger than half of the
 * machine's. Each must fail with ENOSPC, at once, and give back what it took.
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

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	hog("a memfd", memfd_create("hog", 0));
	hog("/tmp", open("/tmp/hog", O_RDWR | O_CREAT | O_EXCL, 0600));
	hog("/dev/shm", open("/dev/shm/hog", O_RDWR | O_CREAT | O_EXCL, 0600));
	return verdict("memory hogs");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the host's /proc/PID/pagemap of a guest process (Documentation/admin-guide/mm/pagemap.rst), where it lets husk. */
#include "host/pagemap.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_PAGES 256
#define PRESENT   (1UL << 63)
#define SWAPPED   (1UL << 62)

bool host_pages(struct hostpid pid, u64 addr, u32 n, bool *there)
{
	u64 entries[MAX_PAGES];
	char path[64];
	ssize_t got;
	int fd;

	if (pid.pid <= 0 || n > MAX_PAGES)
		return false;
	snprintf(path, sizeof path, "/proc/%d/pagemap", pid.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = pread(fd, entries, n * sizeof entries[0], (off_t)(addr / PAGE_SIZE * sizeof entries[0]));
	close(fd);
	if (got != (ssize_t)(n * sizeof entries[0]))
		return false;
	for (u32 i = 0; i < n; i++)
		there[i] = entries[i] & (PRESENT | SWAPPED);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the host's /proc/PID/smaps of a guest process, where the host lets husk. */
#include "host/smaps.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *read_all(int fd)
{
	size_t used = 0, size = 65536;
	char *text = malloc(size);

	while (text) {
		ssize_t n = read(fd, text + used, size - used - 1);
		char *bigger;

		if (n <= 0)
			break;
		used += (size_t)n;
		if (size - used > 4096)
			continue;
		bigger = realloc(text, size * 2);
		if (!bigger)
			break;
		text = bigger;
		size *= 2;
	}
	if (text)
		text[used] = 0;
	return text;
}

char *host_smaps(struct hostpid pid)
{
	char path[64], *text;
	int fd;

	if (pid.pid <= 0)
		return NULL;
	snprintf(path, sizeof path, "/proc/%d/smaps", pid.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = read_all(fd);
	close(fd);
	return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A file of /proc as one string. */
#ifndef HUSK_TESTS_GUEST_TEXT_H
#define HUSK_TESTS_GUEST_TEXT_H

#include <fcntl.h>
#include <unistd.h>

#include "check.h"

static char text[1 << 18];

static inline void read_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	ssize_t n;
	size_t used = 0;

	CHECK(fd >= 0);
	while ((n = read(fd, text + used, sizeof text - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = 0;
	close(fd);
}

#endif

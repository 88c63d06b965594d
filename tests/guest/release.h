/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says that it is, for tests of what is new. */
#ifndef HUSK_TESTS_GUEST_RELEASE_H
#define HUSK_TESTS_GUEST_RELEASE_H

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "check.h"

/* Whether this is that version, or a later one; husk does as the latest. */
static int is_linux(int major, int minor)
{
	struct utsname u;
	int a = 0, b = 0;

	CHECK_OK(uname(&u));
	CHECK_EQ(sscanf(u.release, "%d.%d", &a, &b), 2);
	return strstr(u.release, "husk") || a > major || (a == major && b >= minor);
}

#endif

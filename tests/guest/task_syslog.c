/* SPDX-License-Identifier: Apache-2.0 */
/* syslog(2): who may, and what its actions answer; nothing here changes a log. */
#include "check.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static long act(int action, void *buffer, int size)
{
	return syscall(SYS_syslog, action, buffer, size);
}

int main(void)
{
	static char text[1 << 16];
	long size;

	if (act(10, NULL, 0) < 0) {
		/* Without CAP_SYSLOG everything is refused, before anything is looked at. */
		for (int action = 0; action < 12; action++)
			if (action != 3)
				CHECK_ERRNO(act(action, NULL, -1), EPERM);
		return check_done();
	}
	CHECK(act(10, NULL, 0) >= 4096);
	CHECK_OK(act(0, NULL, 0));
	CHECK_OK(act(1, NULL, 0));
	CHECK_ERRNO(act(2, NULL, 5), EINVAL);
	CHECK_ERRNO(act(2, text, -1), EINVAL);
	CHECK_EQ(act(2, text, 0), 0);
	CHECK_ERRNO(act(3, NULL, 5), EINVAL);
	CHECK_ERRNO(act(3, text, -1), EINVAL);
	CHECK_EQ(act(3, text, 0), 0);
	CHECK_ERRNO(act(4, NULL, 5), EINVAL);
	CHECK_ERRNO(act(8, NULL, 0), EINVAL);
	CHECK_ERRNO(act(8, NULL, 9), EINVAL);
	CHECK_OK(act(9, NULL, 0));
	CHECK_ERRNO(act(11, NULL, 0), EINVAL);
	CHECK_ERRNO(act(-1, NULL, 0), EINVAL);
	size = act(3, text, sizeof text);
	CHECK(size >= 0);
	/* Whole lines, each with its level. */
	CHECK(!size || (text[0] == '<' && text[size - 1] == '\n'));
	CHECK(act(3, text, 100) <= 100);
	return check_done();
}

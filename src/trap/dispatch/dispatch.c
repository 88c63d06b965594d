/* SPDX-License-Identifier: Apache-2.0 */
/* What the host offers of Syscall User Dispatch. */
#include "trap/dispatch/dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#define DISPATCH_OFF 0

/* Exclusive mode is not tried: it would catch the very call that ends it. Where user dispatch can be turned off, it is
 * there. */
int dispatch_find(enum dispatch_mode *mode, char *why, size_t size)
{
	if (prctl(HUSK_PR_SET_DISPATCH, DISPATCH_INCLUSIVE, HUSK_STUB_BASE, HUSK_STUB_SIZE, 0) == 0) {
		prctl(HUSK_PR_SET_DISPATCH, DISPATCH_OFF, 0, 0, 0);
		*mode = DISPATCH_INCLUSIVE;
		return 0;
	}
	if (prctl(HUSK_PR_SET_DISPATCH, DISPATCH_OFF, 0, 0, 0) < 0) {
		snprintf(why, size,
			 "the host has no Syscall User Dispatch (%s; it came with Linux 5.11); use "
			 "--trap=seccomp",
			 strerror(errno));
		return -errno;
	}
	*mode = DISPATCH_EXCLUSIVE;
	return 0;
}

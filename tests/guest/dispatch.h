/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of Syscall User Dispatch share: its constants, which older headers do not have, and the call. */
#ifndef GUEST_DISPATCH_H
#define GUEST_DISPATCH_H

#include <sys/prctl.h>

#include "check.h"

#define SET_DISPATCH 59 /* PR_SET_SYSCALL_USER_DISPATCH */
#define OFF          0UL
#define EXCLUSIVE    1UL
#define INCLUSIVE    2UL /* Linux 6.17 */
#define ALLOW        0
#define BLOCK        1

__attribute__((unused)) static int dispatch(unsigned long mode, const void *start, unsigned long len,
					    volatile void *selector)
{
	return prctl(SET_DISPATCH, mode, start, len, selector);
}

/* The first thing in main(). */
__attribute__((unused)) static void dispatch_needed(void)
{
	if (prctl(SET_DISPATCH, OFF, 0UL, 0UL, 0UL))
		check_skip("the host has no Syscall User Dispatch");
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of descriptors behind an answer, so that the stub may answer what programs ask next about them.
 *
 * Two descriptors are named in the turn's line, where the answer needs nothing of it (slot.arg[3], the flags in arg[4]), and
 * slot.known says what holds: until the thread's next turn, while nobody else's thread runs. The kernel takes it back,
 * by exchanging the byte, before it lets another one go.
 *
 * Which descriptors it has closed the stub says by taking their bits away: before anything else is looked at of the next
 * turn, or when it is taken back, the kernel closes them.
 */
#ifndef HUSK_CHANNEL_KNOWN_H
#define HUSK_CHANNEL_KNOWN_H

#include "base/types.h"

#define KNOWN_CLOSE_0 1u  /* the first is open, and to close it is nobody's business but the table's */
#define KNOWN_CLOSE_1 2u  /* the second */
#define KNOWN_FLAGS   4u  /* of the first: what F_GETFL and */
#define KNOWN_CLOEXEC 8u  /* F_GETFD give */
#define KNOWN_LISTED  16u /* the first is a directory: getdents64 has no more names */

/* What stands for the two in one word. */
static inline u64 known_pair(int first, int second)
{
	return (u32)first | (u64)(u32)second << 32;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same in the registers of every 64-bit program: selectors (arch/x86/include/asm/segment.h) and flags. */
#ifndef HUSK_CHANNEL_USER_STATE_H
#define HUSK_CHANNEL_USER_STATE_H

#define USER_CS    0x33
#define USER_DS    0x2b  /* the stack's, too */
#define USER_FLAGS 0x202 /* at first: interrupts, and the bit that is always set */

#endif

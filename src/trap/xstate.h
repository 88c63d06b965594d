/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vector state as the host's signal frames and its NT_X86_XSTATE register set hold it: the legacy area of 512 bytes,
 * whose bytes from 464 on describe the rest, the XSAVE header of 64, the components (Intel SDM volume 1, 13.4;
 * arch/x86/include/uapi/asm/sigcontext.h).
 */
#ifndef HUSK_TRAP_XSTATE_H
#define HUSK_TRAP_XSTATE_H

#include <stddef.h>

#include "base/types.h"

#define XSTATE_MAX      4096
#define XSTATE_SW_BYTES 464 /* what software says of the area: 48 bytes in the legacy part */
#define XSTATE_LEGACY   512

struct xstate_layout {
	size_t size;         /* bytes in all */
	u64 features;        /* components that there are */
	u8 init[XSTATE_MAX]; /* of a fresh program */
};

/* Learns the layout from a signal frame's 48 software bytes @sw: 0, or -EPROTO. */
int xstate_learn(struct xstate_layout *x, const void *sw);

/* Makes @to (x->size bytes) of the guest's @from, @size bytes: what the host would refuse, reserved bits and unknown
 * components, is cleared (Linux refuses it by SIGSEGV; arch/x86/kernel/fpu/signal.c). 0 or -EINVAL. */
int xstate_clean(const struct xstate_layout *x, void *to, const void *from, size_t size);

#endif

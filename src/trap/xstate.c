/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of vector state, and what of it guests may set. */
#include "trap/xstate.h"

#include <errno.h>
#include <string.h>

#define MXCSR_MASK        0xffffU
#define MXCSR_OFFSET      24
#define XSAVE_HEADER_SIZE 64
#define FP_XSTATE_MAGIC1  0x46505853

int xstate_learn(struct xstate_layout *x, const void *sw)
{
	struct {
		u32 magic1, extended_size;
		u64 xfeatures;
		u32 xstate_size, pad[7];
	} bytes;

	memcpy(&bytes, sw, sizeof bytes);
	x->size = XSTATE_LEGACY;
	if (bytes.magic1 == FP_XSTATE_MAGIC1) {
		x->size = bytes.xstate_size;
		x->features = bytes.xfeatures;
	}
	if (x->size > sizeof x->init || x->size < XSTATE_LEGACY)
		return -EPROTO;
	memset(x->init, 0, sizeof x->init);
	memcpy(x->init + XSTATE_SW_BYTES, &bytes, sizeof bytes);
	x->init[0] = 0x7f; /* x87 control word 0x37f */
	x->init[1] = 0x03;
	x->init[MXCSR_OFFSET] = 0x80; /* MXCSR 0x1f80 */
	x->init[MXCSR_OFFSET + 1] = 0x1f;
	/* With the legacy components named as present, their values above are loaded. */
	if (x->size > XSTATE_LEGACY)
		x->init[XSTATE_LEGACY] = 3;
	return 0;
}

int xstate_clean(const struct xstate_layout *x, void *to, const void *from, size_t size)
{
	char state[XSTATE_MAX];
	u32 mxcsr;
	u64 present;

	if (size > x->size || size < XSTATE_LEGACY)
		return -EINVAL;
	memcpy(state, x->init, x->size);
	memcpy(state, from, size);
	memcpy(state + XSTATE_SW_BYTES, x->init + XSTATE_SW_BYTES, XSTATE_LEGACY - XSTATE_SW_BYTES);
	memcpy(&mxcsr, state + MXCSR_OFFSET, 4);
	mxcsr &= MXCSR_MASK;
	memcpy(state + MXCSR_OFFSET, &mxcsr, 4);
	if (x->size > XSTATE_LEGACY) {
		memcpy(&present, state + XSTATE_LEGACY, 8);
		present &= x->features;
		if (size == XSTATE_LEGACY)
			present = 3;
		memset(state + XSTATE_LEGACY, 0, XSAVE_HEADER_SIZE);
		memcpy(state + XSTATE_LEGACY, &present, 8);
	}
	memcpy(to, state, x->size);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ladders: what is left of most filters for a call that they look at. Steps of which each compares some bits of one 64-bit
 * word of struct seccomp_data; one way out of a step is a verdict, the other the next step. Such a thing needs no
 * interpreter: it is walked in place, without an indirect jump.
 *
 *	arg0 == 8?  yes: ALLOW   no: arg0 == 0x20000?  yes: ALLOW   no: ERRNO
 */
#ifndef HUSK_BPF_LADDER_H
#define HUSK_BPF_LADDER_H

#include "bpf/plan.h"

#define BPF_RUNGS_MOST 9 /* the last one included, which everything reaches that comes so far */

struct bpf_rung {
	u64 mask, value;
	u32 verdict;
	u16 off;    /* of the word, a multiple of 8 */
	bool equal; /* the verdict holds if the bits are equal, else if they are not */
};

/* Writes the ladder that begins at @node to @out, which has room for BPF_RUNGS_MOST: how many rungs; 0 when it is none. */
u32 bpf_ladder_make(const struct bpf_pool *pool, u32 node, struct bpf_rung *out);

static inline u32 bpf_ladder_run(const struct bpf_rung *r, const struct seccomp_data *d)
{
	for (;; r++) {
		u64 word = *(const u64 *)(const void *)((const u8 *)d + r->off);

		if (((word & r->mask) == r->value) == r->equal)
			return r->verdict;
	}
}

#endif

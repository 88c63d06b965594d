/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ladders: what is left of most filters for a call that they look at. Steps of which each compares some bits of one 64-bit
 * word of struct seccomp_data; one way out of a step is a verdict, the other the next step, and both of the last one are
 * verdicts. Such a thing needs no interpreter: it is walked in place, without an indirect jump.
 *
 *	arg0 == 8?  yes: ALLOW   no: arg0 == 0x20000?  yes: ALLOW   no: ERRNO
 */
#ifndef HUSK_BPF_LADDER_H
#define HUSK_BPF_LADDER_H

#include "bpf/plan.h"

#define BPF_RUNGS_MOST 8
#define BPF_RUNG_NEXT  ~0u /* in place of a verdict */

struct bpf_rung {
	u64 mask, value;
	union {
		struct {
			u32 other, equal; /* what follows: a verdict or NEXT */
		};
		u32 way[2]; /* the same, by whether the bits are equal */
	};
	u16 off; /* of the word, a multiple of 8 */
};

/* Writes the ladder that begins at @node to @out, which has room for BPF_RUNGS_MOST: how many rungs; 0 when it is none. */
u32 bpf_ladder_make(const struct bpf_pool *pool, u32 node, struct bpf_rung *out);

static inline u64 bpf_rung_word(const struct bpf_rung *r, const struct seccomp_data *d)
{
	return *(const u64 *)(const void *)((const u8 *)d + r->off) & r->mask;
}

/* One step, without a jump. */
static inline u32 bpf_rung_look(const struct bpf_rung *r, const struct seccomp_data *d)
{
	return r->way[bpf_rung_word(r, d) == r->value];
}

static inline u32 bpf_ladder_run(const struct bpf_rung *r, const struct seccomp_data *d)
{
	for (;; r++) {
		bool equal = bpf_rung_word(r, d) == r->value;

		if (equal && r->equal != BPF_RUNG_NEXT)
			return r->equal;
		if (!equal && r->other != BPF_RUNG_NEXT)
			return r->other;
	}
}

#endif

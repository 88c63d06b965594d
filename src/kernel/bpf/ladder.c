// SPDX-License-Identifier: Apache-2.0
/* Finds ladders in plans. */
#include "bpf/ladder.h"

/* The comparison of one node as one of a 64-bit word. False: it is none for equality. */
static bool rung_of(const struct bpf_node *n, struct bpf_rung *r, bool *swapped)
{
	u64 mask, value;

	if (n->op == NODE_TEST64) {
		*r = (struct bpf_rung){.mask = n->wide_mask, .value = n->wide_k, .off = n->field.off};
		*swapped = false;
		return true;
	}
	if (n->op != NODE_TEST || n->field.size != 4 || n->field.shift || n->src != REG_NONE)
		return false;
	if (n->code == BPF_JEQ) {
		mask = n->field.mask;
		value = n->k;
	} else if (n->code == BPF_JSET) { /* any of the bits: not equal to 0 */
		mask = n->field.mask & n->k;
		value = 0;
	} else {
		return false;
	}
	*swapped = n->code == BPF_JSET;
	*r = (struct bpf_rung){.mask = n->field.off & 4 ? mask << 32 : mask,
			       .value = n->field.off & 4 ? value << 32 : value,
			       .off = (n->field.off & ~7u)};
	return true;
}

static u32 verdict_of(const struct bpf_node *n)
{
	return n->op == NODE_RET_K && n->k != BPF_RUNG_NEXT ? n->k : BPF_RUNG_NEXT;
}

u32 bpf_ladder_make(const struct bpf_pool *pool, u32 node, struct bpf_rung *out)
{
	for (u32 count = 0; count < BPF_RUNGS_MOST; count++) {
		const struct bpf_node *n = &pool->nodes[node], *yes, *no;
		struct bpf_rung *r = &out[count];
		bool swapped;

		if (!rung_of(n, r, &swapped))
			return 0;
		yes = &pool->nodes[swapped ? n->f : n->t];
		no = &pool->nodes[swapped ? n->t : n->f];
		r->equal = verdict_of(yes);
		r->other = verdict_of(no);
		if (r->equal != BPF_RUNG_NEXT && r->other != BPF_RUNG_NEXT)
			return count + 1;
		if (r->equal == r->other)
			return 0;
		node = (u32)((r->equal == BPF_RUNG_NEXT ? yes : no) - pool->nodes);
	}
	return 0;
}

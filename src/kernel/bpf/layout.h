/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of a plan's nodes in code, and which of them become one search.
 *
 * A run of tests of one field against constants, each reached only by the failure of the one before, is a
 * table from values to targets. It is kept as ranges, so that neighbours with one target are one entry.
 */
#ifndef HUSK_BPF_LAYOUT_H
#define HUSK_BPF_LAYOUT_H

#include "bpf/plan.h"

#define SWITCH_LEAST 9 /* shorter runs are tried one after another: that can be predicted */

/* From @low up to the next range's the target is @target. The first begins at 0. */
struct bpf_range {
	u32 low, target;
};

/* A node that begins a search. Values are compared as they lie in memory: packet fields unswapped. */
struct bpf_switch {
	u32 node, first, count; /* of layout.ranges */
};

struct bpf_layout {
	u32 *order, count; /* the nodes that need code, successors behind */
	u32 *role;         /* by node: ROLE_..., or ROLE_SWITCH + number of its switch */
	struct bpf_switch *switches;
	struct bpf_range *ranges;
	u32 switch_count, range_count;
};

enum {
	ROLE_DEAD, /* not reached */
	ROLE_PLAIN,
	ROLE_INNER, /* done by the switch in front of it */
	ROLE_SWITCH,
};

/* -ENOMEM. */
int bpf_layout_make(struct bpf_layout *l, const struct bpf_pool *pool, const u32 *roots, unsigned root_count);
void bpf_layout_free(struct bpf_layout *l);

/* @value of a field of @size bytes as memory holds it: swapped for packets. */
u32 bpf_raw(enum bpf_kind kind, u8 size, u32 value);

#endif

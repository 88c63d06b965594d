// SPDX-License-Identifier: Apache-2.0
/* Puts operations in rows, and finds those rows that one function does (ops.h). */
#include "bpf/fuse.h"
#include "bpf/ops.h"

#define ROW_MOST 5

/* ---- the order ---- */

static bool returns(const struct bpf_pool *pool, u32 node)
{
	return pool->nodes[node].op == NODE_RET_K || pool->nodes[node].op == NODE_RET_A;
}

/*
 * Which of two nodes stands behind @id. Filters try equalities one after another, so the way on is the one that does not
 * hold, unless it leads out. Packets are long enough.
 */
static u32 next_in_row(const struct bpf_pool *pool, const struct bpf_layout *layout, u32 id)
{
	const struct bpf_node *n = &pool->nodes[id];

	if (layout->role[id] >= ROLE_SWITCH)
		return NO_NODE;
	if (n->f == NO_NODE || n->op == NODE_LONG || (returns(pool, n->f) && !returns(pool, n->t)))
		return n->t;
	return n->f;
}

void bpf_rows_order(const struct bpf_pool *pool, const struct bpf_layout *layout, u32 *order, u32 *place)
{
	u32 count = 0;

	for (u32 i = 0; i < layout->count; i++)
		place[layout->order[i]] = NO_NODE;
	for (u32 i = 0; i < layout->count; i++) {
		u32 id = layout->order[i];

		while (id != NO_NODE && layout->role[id] != ROLE_INNER && place[id] == NO_NODE) {
			place[id] = count;
			order[count++] = id;
			id = next_in_row(pool, layout, id);
		}
	}
}

/* ---- rows as one ---- */

enum way { WAY_NONE, WAY_TRUE, WAY_FALSE };

struct row {
	u8 label; /* of the whole */
	struct {
		u8 label, way;
	} steps[ROW_MOST]; /* the last has no way */
};

/* clang-format off */
#define S(name) {L_##name, WAY_TRUE},
#define T(name) {L_##name, WAY_TRUE},
#define F(name) {L_##name, WAY_FALSE},
#define L(name) {L_##name, WAY_NONE},
#define E(name) {L_##name, WAY_NONE},
static const struct row rows[] = {
#define ROW(name, ...) {L_##name, {__VA_ARGS__}},
	BPF_FUSED(ROW)
#undef ROW
};
#undef S
#undef T
#undef F
#undef L
#undef E
/* clang-format on */

/* How many of @count operations @row does, or 0. */
static u32 matches(const struct row *row, const struct bpf_op *ops, const u8 *labels, u32 count)
{
	u32 i;

	for (i = 0; i < count && i < ROW_MOST; i++) {
		u8 way = row->steps[i].way;

		if (labels[i] != row->steps[i].label)
			return 0;
		if (way == WAY_NONE)
			return i + 1;
		if ((way == WAY_TRUE ? ops[i].t : ops[i].f) != sizeof *ops)
			return 0;
	}
	return 0;
}

void bpf_rows_fuse(const struct bpf_op *ops, u8 *labels, u32 count)
{
	/* Forwards, so that what stands behind an operation still has its own label. */
	for (u32 i = 0; i < count; i++) {
		u32 best = 0, label = labels[i];

		for (u32 j = 0; j < ARRAY_SIZE(rows); j++) {
			u32 length = matches(&rows[j], ops + i, labels + i, count - i);

			if (length > best) {
				best = length;
				label = rows[j].label;
			}
		}
		labels[i] = (u8)label;
	}
}

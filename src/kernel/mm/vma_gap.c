/* SPDX-License-Identifier: Apache-2.0 */
/* Free gaps in the VMA store: going down the tree where the largest gap says that there is room (vma_tree.h). */
#include "base/bug.h"
#include "mm/vma.h"
#include "mm/vma_tree.h"

#define ENTRIES VMA_NODE_ENTRIES

/* A search for @len free bytes in [low, high), at a multiple of @align; the place goes to @found. */
struct vma_search {
	u64 len, low, high, align, found;
};

/* The entries below which there is a gap of @len bytes. */
static u32 wide_gaps(const struct vma_node *n, u64 len)
{
	return ~vma_words_below(n->gap, len) & ((1u << ENTRIES) - 1);
}

/* The free room before @v, as far as the search goes. */
static bool fits(const struct vma *v, struct vma_search *q, bool down)
{
	u64 low = max(v->prev ? v->prev->end : 0, q->low), high = min(vma_start_gap(v), q->high), at;

	if (high <= low || high - low < q->len)
		return false;
	at = down ? align_down(high - q->len, q->align) : align_up(low, q->align);
	if (at < low || at > high - q->len)
		return false;
	q->found = at;
	return true;
}

/*
 * What can be left out: an entry whose gaps are all too small; those before which something starts at the search's end
 * already; those behind which something starts at its beginning or below.
 */
static bool search_down(const struct vma_node *n, int level, struct vma_search *q)
{
	u32 wide = wide_gaps(n, q->len);

	while (wide) {
		int i = 31 - __builtin_clz(wide);

		wide ^= 1u << i;
		if (i + 1 < ENTRIES && n->key[i + 1] <= q->low)
			return false;
		if (i && n->key[i - 1] >= q->high)
			continue;
		if (level ? search_down(n->child[i], level - 1, q) : fits(n->vma[i], q, true))
			return true;
	}
	return false;
}

static bool search_up(const struct vma_node *n, int level, struct vma_search *q)
{
	u32 wide = wide_gaps(n, q->len);

	for (; wide; wide &= wide - 1) {
		int i = __builtin_ctz(wide);

		if (i && n->key[i - 1] >= q->high)
			return false;
		if (i + 1 < ENTRIES && n->key[i + 1] <= q->low)
			continue;
		if (level ? search_up(n->child[i], level - 1, q) : fits(n->vma[i], q, false))
			return true;
	}
	return false;
}

/* The room behind the last VMA, cut to the search: false when it is too small. */
static bool room_at_end(const struct vma_store *s, const struct vma_search *q, u64 *low)
{
	*low = max(s->tail ? s->tail->end : 0, q->low);
	return q->high > *low && q->high - *low >= q->len;
}

u64 vma_gap_down(struct vma_store *s, u64 len, u64 low, u64 high, u64 align)
{
	struct vma_search q = {.len = len, .low = low, .high = high, .align = align};
	u64 end;

	if (room_at_end(s, &q, &end) && align_down(high - len, align) >= end)
		return align_down(high - len, align);
	return s->root && search_down(s->root, s->depth - 1, &q) ? q.found : 0;
}

u64 vma_gap_up(struct vma_store *s, u64 len, u64 low, u64 high, u64 align)
{
	struct vma_search q = {.len = len, .low = low, .high = high, .align = align};
	u64 end;

	if (s->root && search_up(s->root, s->depth - 1, &q))
		return q.found;
	if (!room_at_end(s, &q, &end))
		return 0;
	end = align_up(end, align);
	return end <= high - len ? end : 0;
}

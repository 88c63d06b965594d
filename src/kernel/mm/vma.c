/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMA store: lookup, insertion, split, merge, free gaps, snapshots.
 *
 * Every change goes through unaccount() ... account() of the VMAs that it touches, so that the page counts
 * always fit the tree. What needs memory is done first (splits), what cannot fail follows, and merging comes
 * last: a failed change merges again what it had split, and so leaves the store as it was.
 */
#include "mm/vma.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/bug.h"

static struct vma *vma_of(struct rb_node *n)
{
	return rb_entry_or_null(n, struct vma, node);
}

static void count_pages(struct vma_store *s, const struct vma *v, u64 by)
{
	u64 pages = vma_pages(v) * by;

	s->total += pages;
	if ((v->flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC)
		s->exec += pages;
	if (v->flags & VM_GROWSDOWN)
		s->stack += pages;
	if (vma_flags_data(v->flags))
		s->data += pages;
	if (v->flags & VM_LOCKED)
		s->locked += pages;
	if (v->flags & VM_SEALED)
		s->sealed += pages;
}

static void account(struct vma_store *s, const struct vma *v)
{
	count_pages(s, v, 1);
}

static void unaccount(struct vma_store *s, const struct vma *v)
{
	count_pages(s, v, -1UL);
}

void vma_store_init(struct vma_store *s, int max_count)
{
	*s = (struct vma_store){.max_count = max_count};
}

static void free_vma(struct vma *v)
{
	vma_object_put(v->object);
	free(v);
}

static void unlink_vma(struct vma_store *s, struct vma *v)
{
	unaccount(s, v);
	rb_erase(&s->root, &v->node);
	s->count--;
	if (s->last == v)
		s->last = NULL;
	if (s->appended == v)
		s->appended = NULL;
	free_vma(v);
}

/* Children first; the tree is not deeper than twice the logarithm of its size. */
static void free_tree(struct rb_node *n)
{
	if (!n)
		return;
	free_tree(n->left);
	free_tree(n->right);
	free_vma(rb_entry(n, struct vma, node));
}

void vma_store_clear(struct vma_store *s)
{
	struct rb_node *tree = s->root.node;

	vma_store_init(s, s->max_count);
	free_tree(tree);
}

struct vma *vma_first(const struct vma_store *s)
{
	return vma_of(rb_first(&s->root));
}

struct vma *vma_next(const struct vma *v)
{
	return vma_of(rb_next(&v->node));
}

struct vma *vma_prev(const struct vma *v)
{
	return vma_of(rb_prev(&v->node));
}

struct vma *vma_find(struct vma_store *s, u64 addr)
{
	struct rb_node *n = s->root.node;
	struct vma *best = NULL;

	if (s->last && addr >= s->last->start && addr < s->last->end)
		return s->last;
	while (n) {
		struct vma *v = rb_entry(n, struct vma, node);

		if (v->end > addr) {
			best = v;
			if (v->start <= addr)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (best)
		s->last = best;
	return best;
}

struct vma *vma_lookup(struct vma_store *s, u64 addr)
{
	struct vma *v = vma_find(s, addr);

	return v && v->start <= addr ? v : NULL;
}

struct vma *vma_intersect(struct vma_store *s, u64 start, u64 end)
{
	struct vma *v = vma_find(s, start);

	return v && v->start < end ? v : NULL;
}

static void link_vma(struct vma_store *s, struct vma *new)
{
	struct rb_node **link = &s->root.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = new->start < rb_entry(parent, struct vma, node)->start ? &parent->left
									      : &parent->right;
	}
	rb_insert(&s->root, &new->node, parent, link);
	s->count++;
	account(s, new);
	s->appended = NULL;
}

static bool can_merge(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->flags == b->flags && !(a->flags & VM_SPECIAL) &&
	       (a->object ? a->object->identity : NULL) == (b->object ? b->object->identity : NULL) &&
	       a->pgoff + vma_pages(a) == b->pgoff && a->label == b->label;
}

/* Merges neighbours from the one before @start to the one behind @end. */
static void merge_range(struct vma_store *s, u64 start, u64 end)
{
	struct vma *v = vma_find(s, start ? start - 1 : 0), *next;

	for (; v && v->start <= end && (next = vma_next(v)); v = next) {
		while (can_merge(v, next)) {
			u64 new_end = next->end;

			unlink_vma(s, next);
			unaccount(s, v);
			v->end = new_end;
			account(s, v);
			next = vma_next(v);
			if (!next)
				return;
		}
	}
}

/* Cuts @v in two at @addr. */
static int split_vma(struct vma_store *s, struct vma *v, u64 addr)
{
	struct vma *new;

	if (s->count >= s->max_count)
		return -ENOMEM;
	new = malloc(sizeof *new);
	if (!new)
		return -ENOMEM;
	*new = *v;
	vma_object_get(new->object);
	new->start = addr;
	new->pgoff += (addr - v->start) >> PAGE_SHIFT;
	unaccount(s, v);
	v->end = addr;
	account(s, v);
	link_vma(s, new);
	return 0;
}

static int split_at(struct vma_store *s, u64 addr)
{
	struct vma *v = vma_lookup(s, addr);

	return v && v->start < addr ? split_vma(s, v, addr) : 0;
}

/* Makes sure that no VMA crosses @start or @end. */
static int isolate(struct vma_store *s, u64 start, u64 end)
{
	int error = split_at(s, start);

	if (!error)
		error = split_at(s, end);
	if (error)
		merge_range(s, start, end);
	return error;
}

int vma_insert(struct vma_store *s, u64 start, u64 end, u64 flags, u64 pgoff, struct vma_object *object,
	       const char *label)
{
	struct vma *new;

	BUG_ON(start >= end || vma_intersect(s, start, end));
	new = malloc(sizeof *new);
	if (!new)
		return -ENOMEM;
	*new = (struct vma){
		.start = start,
		.end = end,
		.flags = flags,
		.pgoff = pgoff,
		.object = vma_object_get(object),
		.label = label,
	};
	link_vma(s, new);
	merge_range(s, start, end);
	return 0;
}

int vma_append(struct vma_store *s, const struct vma *v, u64 flags)
{
	struct rb_node *last = s->appended ? &s->appended->node : rb_last(&s->root);
	struct vma *tail = vma_of(last), *new;

	BUG_ON(tail && tail->end > v->start);
	new = malloc(sizeof *new);
	if (!new)
		return -ENOMEM;
	*new = *v;
	new->flags = flags;
	if (tail && can_merge(tail, new)) {
		unaccount(s, tail);
		tail->end = new->end;
		account(s, tail);
		free(new);
		return 0;
	}
	vma_object_get(new->object);
	rb_insert(&s->root, &new->node, last, last ? &last->right : &s->root.node);
	s->count++;
	account(s, new);
	s->appended = new;
	return 0;
}

/* A gap has grown around [start, end): searches for as much must look at it again. */
static void gap_freed(struct vma_store *s, u64 start)
{
	struct vma *next, *prev;
	u64 low, high;

	if (!s->search_base)
		return;
	next = vma_find(s, start);
	prev = next ? vma_prev(next) : vma_of(rb_last(&s->root));
	low = prev ? prev->end : 0;
	high = next ? next->start : ~0UL;
	if (high > s->search_top)
		s->search_len = max(s->search_len, high - low + 1);
}

int vma_remove(struct vma_store *s, u64 start, u64 end)
{
	struct vma *v = vma_lookup(s, start), *next;
	int error, max_count;

	/* Linux: only a hole that leaves one VMA more minds the limit. */
	if (v && v->start < start && v->end > end && s->count >= s->max_count)
		return -ENOMEM;
	max_count = s->max_count;
	s->max_count = INT_MAX;
	error = isolate(s, start, end);
	s->max_count = max_count;
	if (error)
		return error;
	for (v = vma_intersect(s, start, end); v && v->start < end; v = next) {
		next = vma_next(v);
		unlink_vma(s, v);
	}
	gap_freed(s, start);
	return 0;
}

int vma_change(struct vma_store *s, u64 start, u64 end, u64 clear, u64 set)
{
	struct vma *v;
	int error = isolate(s, start, end);

	if (error)
		return error;
	for (v = vma_intersect(s, start, end); v && v->start < end; v = vma_next(v)) {
		unaccount(s, v);
		v->flags = (v->flags & ~clear) | set;
		account(s, v);
	}
	merge_range(s, start, end);
	return 0;
}

void vma_extend_down(struct vma_store *s, struct vma *v, u64 start)
{
	BUG_ON(start >= v->start || vma_intersect(s, start, v->start));
	unaccount(s, v);
	v->pgoff -= (v->start - start) >> PAGE_SHIFT;
	v->start = start;
	account(s, v);
	merge_range(s, start, v->end);
}

u64 vma_mapped(struct vma_store *s, u64 start, u64 end, u64 flags)
{
	struct vma *v;
	u64 sum = 0;

	for (v = vma_intersect(s, start, end); v && v->start < end; v = vma_next(v))
		if (!flags || (v->flags & flags))
			sum += min(v->end, end) - max(v->start, start);
	return sum;
}

bool vma_find_sealed(struct vma_store *s, u64 start, u64 end)
{
	struct vma *v;

	for (v = vma_intersect(s, start, end); v && v->start < end; v = vma_next(v))
		if (v->flags & VM_SEALED)
			return true;
	return false;
}

u64 vma_start_gap(const struct vma *v)
{
	u64 gap = v->flags & VM_GROWSDOWN ? VMA_GUARD_GAP : v->flags & VM_ROOM ? VMA_ROOM : 0;

	return v->start > gap ? v->start - gap : 0;
}

/* The place in the free room [low, high) nearest to its end, or 0. */
static u64 fit_down(u64 low, u64 high, u64 len, u64 align)
{
	u64 addr;

	if (high <= low || high - low < len)
		return 0;
	addr = align_down(high - len, align);
	return addr >= low ? addr : 0;
}

u64 vma_gap_down(struct vma_store *s, u64 len, u64 low, u64 high, u64 align)
{
	bool quick = s->search_base == high && len >= s->search_len;
	u64 top = quick ? s->search_top : high;
	u64 skipped = quick ? s->search_len : 0; /* all gaps seen are smaller than this */
	struct vma *next = vma_find(s, top), *prev;
	u64 addr = 0;

	if (next && next->start < top)
		top = next->start;
	for (;;) {
		u64 end = next ? min(vma_start_gap(next), top) : top;

		prev = next ? vma_prev(next) : vma_of(rb_last(&s->root));
		addr = fit_down(prev ? max(prev->end, low) : low, end, len, align);
		if (addr || !prev || prev->end <= low)
			break;
		if (top > prev->end)
			skipped = max(skipped, top - prev->end + 1);
		next = prev;
		top = prev->start;
	}
	/* An aligned search may skip what a later one wants: only plain ones are remembered. */
	if (addr && align == PAGE_SIZE) {
		s->search_base = high;
		s->search_top = top;
		s->search_len = max(skipped, 1UL);
	}
	return addr;
}

u64 vma_gap_up(struct vma_store *s, u64 len, u64 low, u64 high, u64 align)
{
	struct vma *v;

	low = align_up(low, align);
	for (v = vma_find(s, low); low <= high && high - low >= len; v = vma_next(v)) {
		u64 end = v ? min(vma_start_gap(v), high) : high;

		if (end > low && end - low >= len)
			return low;
		if (!v)
			break;
		low = align_up(max(low, v->end), align);
	}
	return 0;
}

int vma_snapshot_take(struct vma_store *s, u64 start, u64 end, struct vma_snapshot *out)
{
	struct vma *v, *first = vma_intersect(s, start, end);
	int n = 0;

	*out = (struct vma_snapshot){.start = start, .end = end};
	for (v = first; v && v->start < end; v = vma_next(v))
		n++;
	if (!n)
		return 0;
	out->copies = calloc(n, sizeof *out->copies);
	if (!out->copies)
		return -ENOMEM;
	for (v = first; v && v->start < end; v = vma_next(v)) {
		struct vma *c = &out->copies[out->count++];

		*c = *v;
		vma_object_get(c->object);
		if (c->start < start) {
			c->pgoff += (start - c->start) >> PAGE_SHIFT;
			c->start = start;
		}
		c->end = min(c->end, end);
	}
	return 0;
}

int vma_snapshot_restore(struct vma_store *s, const struct vma_snapshot *snap)
{
	int max = s->max_count, error, i;

	if (snap->start == snap->end)
		return 0;
	s->max_count = INT_MAX; /* what was there before may be there again */
	error = vma_remove(s, snap->start, snap->end);
	for (i = 0; i < snap->count && !error; i++) {
		const struct vma *c = &snap->copies[i];

		error = vma_insert(s, c->start, c->end, c->flags, c->pgoff, c->object, c->label);
	}
	s->max_count = max;
	return error;
}

void vma_snapshot_drop(struct vma_snapshot *snap)
{
	int i;

	for (i = 0; i < snap->count; i++)
		vma_object_put(snap->copies[i].object);
	free(snap->copies);
	snap->copies = NULL;
	snap->count = 0;
}

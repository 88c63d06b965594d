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
#include "mm/vma_tree.h"

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
	vma_tree_erase(s, v);
	s->count--;
	if (s->last == v)
		s->last = NULL;
	free_vma(v);
}

void vma_store_clear(struct vma_store *s)
{
	struct vma *v, *next;

	for (v = s->first; v; v = next) {
		next = v->next;
		free_vma(v);
	}
	vma_tree_free(s);
	vma_store_init(s, s->max_count);
}

struct vma *vma_find(struct vma_store *s, u64 addr)
{
	struct vma *v;

	if (s->last && addr >= s->last->start && addr < s->last->end)
		return s->last;
	v = vma_tree_floor(s, addr);
	if (!v)
		v = s->first;
	else if (v->end <= addr)
		v = v->next;
	if (v)
		s->last = v;
	return v;
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

/* Memory for one VMA more, and room for it in the tree. NULL: none. */
static struct vma *alloc_vma(struct vma_store *s)
{
	return vma_tree_reserve(s) ? NULL : malloc(sizeof(struct vma));
}

static void link_vma(struct vma_store *s, struct vma *new)
{
	vma_tree_insert(s, new);
	s->count++;
	account(s, new);
}

static bool can_merge(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->flags == b->flags && !(a->flags & VM_SPECIAL) &&
	       (a->object ? a->object->identity : NULL) == (b->object ? b->object->identity : NULL) &&
	       a->pgoff + vma_pages(a) == b->pgoff && a->label == b->label;
}

/* Makes one of @v and all that follows, up to what begins at @end, as far as they can be one. */
static void merge_from(struct vma_store *s, struct vma *v, u64 end)
{
	struct vma *next;

	for (; v && v->start <= end && (next = v->next); v = next) {
		while (next && can_merge(v, next)) {
			unaccount(s, v);
			v->end = next->end;
			account(s, v);
			unlink_vma(s, next);
			next = v->next;
		}
	}
}

/* As merge_from(), with what lies before @v. */
static void merge_around(struct vma_store *s, struct vma *v, u64 end)
{
	merge_from(s, v->prev ? v->prev : v, end);
}

/* Cuts @v in two at @addr; the upper part goes to *upper. */
static int split_vma(struct vma_store *s, struct vma *v, u64 addr, struct vma **upper)
{
	struct vma *new;

	if (s->count >= s->max_count)
		return -ENOMEM;
	new = alloc_vma(s);
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
	*upper = new;
	return 0;
}

/* Makes sure that no VMA crosses @start or @end. The first between them goes to *first; NULL: none. */
static int isolate(struct vma_store *s, u64 start, u64 end, struct vma **first)
{
	struct vma *v = vma_intersect(s, start, end), *last, *rest;
	int error = 0;

	*first = NULL;
	if (!v)
		return 0;
	if (v->start < start)
		error = split_vma(s, v, start, &v);
	if (error)
		return error;
	last = v->end >= end ? v : vma_lookup(s, end);
	if (last && last->start < end && last->end > end)
		error = split_vma(s, last, end, &rest);
	if (error)
		merge_around(s, v, start);
	else
		*first = v;
	return error;
}

int vma_insert(struct vma_store *s, u64 start, u64 end, u64 flags, u64 pgoff, struct vma_object *object,
	       const char *label)
{
	struct vma *new;

	BUG_ON(start >= end || vma_intersect(s, start, end));
	new = alloc_vma(s);
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
	merge_around(s, new, start);
	return 0;
}

int vma_append(struct vma_store *s, const struct vma *v, u64 flags)
{
	struct vma *tail = s->tail, *new;

	BUG_ON(tail && tail->end > v->start);
	new = alloc_vma(s);
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
	link_vma(s, new);
	return 0;
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
	error = isolate(s, start, end, &v);
	s->max_count = max_count;
	if (error)
		return error;
	for (; v && v->start < end; v = next) {
		next = v->next;
		unlink_vma(s, v);
	}
	return 0;
}

int vma_change(struct vma_store *s, u64 start, u64 end, u64 clear, u64 set)
{
	struct vma *first, *v;
	int error = isolate(s, start, end, &first);

	for (v = first; v && v->start < end; v = v->next) {
		bool guard = v->flags & VM_GROWSDOWN;

		unaccount(s, v);
		v->flags = (v->flags & ~clear) | set;
		account(s, v);
		if (guard != !!(v->flags & VM_GROWSDOWN))
			vma_tree_gap_changed(s, v);
	}
	if (first)
		merge_around(s, first, end);
	return error;
}

void vma_extend_down(struct vma_store *s, struct vma *v, u64 start)
{
	u64 was = v->start;

	BUG_ON(start >= was || vma_intersect(s, start, was));
	unaccount(s, v);
	v->pgoff -= (v->start - start) >> PAGE_SHIFT;
	v->start = start;
	account(s, v);
	vma_tree_moved(s, v, was);
	merge_around(s, v, v->end);
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
	return vma_tree_search_down(s, &q) ? q.found : 0;
}

u64 vma_gap_up(struct vma_store *s, u64 len, u64 low, u64 high, u64 align)
{
	struct vma_search q = {.len = len, .low = low, .high = high, .align = align};
	u64 end;

	if (vma_tree_search_up(s, &q))
		return q.found;
	if (!room_at_end(s, &q, &end))
		return 0;
	end = align_up(end, align);
	return end <= high - len ? end : 0;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMA store: lookup, insertion, split, merge. Free gaps are vma_gap.c's, snapshots vma_snapshot.c's.
 *
 * A change finds its place once and does there what it takes: it grows or shrinks a neighbour where it can, and takes or
 * gives a VMA only where it must. Memory for VMAs is kept in slabs by the store, so that one that goes serves the next
 * one that comes; the slabs are freed with the store. What needs memory is done first, what cannot fail follows.
 */
#include "mm/vma.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/bug.h"
#include "mm/vma_tree.h"

#define SLAB_VMAS  64 /* the first is not used: its next is the next slab */
#define GUARD_BITS (VM_GROWSDOWN | VM_ROOM)

static void count_pages(struct vma_store *s, u64 flags, u64 pages)
{
	s->total += pages;
	if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC)
		s->exec += pages;
	if (flags & VM_GROWSDOWN)
		s->stack += pages;
	if (vma_flags_data(flags))
		s->data += pages;
	if (flags & VM_LOCKED)
		s->locked += pages;
	if (flags & VM_SEALED)
		s->sealed += pages;
}

static void account(struct vma_store *s, u64 flags, u64 bytes)
{
	count_pages(s, flags, bytes >> PAGE_SHIFT);
}

static void unaccount(struct vma_store *s, u64 flags, u64 bytes)
{
	count_pages(s, flags, -(bytes >> PAGE_SHIFT));
}

void vma_store_init(struct vma_store *s, int max_count)
{
	*s = (struct vma_store){.max_count = max_count};
}

/* ---- memory ---- */

static int slab_new(struct vma_store *s)
{
	struct vma *slab = aligned_alloc(64, SLAB_VMAS * sizeof *slab);

	if (!slab)
		return -ENOMEM;
	slab->next = s->slabs;
	s->slabs = slab;
	for (int i = SLAB_VMAS - 1; i; i--) {
		slab[i].next = s->free;
		s->free = &slab[i];
	}
	s->nfree += SLAB_VMAS - 1;
	return 0;
}

/* Memory for @n (one or two) VMAs more, and room for them at @places in the tree: 0 or -ENOMEM. */
static int reserve(struct vma_store *s, int n, int places)
{
	if (s->nfree < n && slab_new(s))
		return -ENOMEM;
	return vma_tree_reserve(s, places);
}

/* After reserve(). */
static struct vma *take_vma(struct vma_store *s, const struct vma *like)
{
	struct vma *v = s->free;

	s->free = v->next;
	s->nfree--;
	s->count++;
	*v = *like;
	vma_object_get(v->object);
	return v;
}

/* Out of the tree it is already. */
static void give_vma(struct vma_store *s, struct vma *v)
{
	vma_object_put(v->object);
	if (s->last == v)
		s->last = NULL;
	v->next = s->free;
	s->free = v;
	s->nfree++;
	s->count--;
}

void vma_store_clear(struct vma_store *s)
{
	struct vma *v, *slab;

	for (v = s->first; v; v = v->next)
		vma_object_put(v->object);
	vma_tree_free(s);
	while ((slab = s->slabs)) {
		s->slabs = slab->next;
		free(slab);
	}
	vma_store_init(s, s->max_count);
}

/* ---- looking up ---- */

struct vma *vma_find(struct vma_store *s, u64 addr)
{
	struct vma_path p;
	struct vma *v;

	if (s->last && addr >= s->last->start && addr < s->last->end)
		return s->last;
	v = vma_tree_find(s, addr, &p);
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

/* ---- changing ---- */

static bool can_merge(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->flags == b->flags && !(a->flags & VM_SPECIAL) &&
	       (a->object ? a->object->identity : NULL) == (b->object ? b->object->identity : NULL) &&
	       a->pgoff + vma_pages(a) == b->pgoff && a->label == b->label;
}

/* Up or down. */
static void move_start(struct vma *v, u64 start)
{
	v->pgoff += (u64)((s64)(start - v->start) >> PAGE_SHIFT);
	v->start = start;
}

/* The part of @v from @start to @end. */
static struct vma part_of(const struct vma *v, u64 start, u64 end)
{
	struct vma part = *v;

	move_start(&part, start);
	part.end = end;
	return part;
}

/* Takes out the VMA at @p, whose pages are another's already: see vma_tree_erase(). */
static bool erase(struct vma_store *s, struct vma_path *p)
{
	struct vma *v = p->node[0]->vma[p->at[0]];
	bool there = vma_tree_erase(s, p);

	give_vma(s, v);
	return there;
}

int vma_insert(struct vma_store *s, u64 start, u64 end, u64 flags, u64 pgoff, struct vma_object *object,
	       const char *label)
{
	struct vma new = {
		.start = start,
		.end = end,
		.flags = flags,
		.pgoff = pgoff,
		.object = object,
		.label = label,
	};
	struct vma_path p;
	struct vma *prev = vma_tree_find(s, start, &p), *next = prev ? prev->next : s->first;

	BUG_ON(start >= end || (prev && prev->end > start) || (next && next->start < end));
	if (prev && can_merge(prev, &new)) {
		bool both = next && can_merge(&new, next);

		prev->end = both ? next->end : end;
		if (vma_tree_next(s, &p)) {
			if (both)
				erase(s, &p);
			else
				vma_tree_update(s, &p);
		}
	} else if (next && can_merge(&new, next)) {
		move_start(next, start);
		vma_tree_next(s, &p);
		vma_tree_update(s, &p);
	} else {
		if (reserve(s, 1, 1))
			return -ENOMEM;
		vma_tree_insert(s, &p, take_vma(s, &new));
	}
	account(s, flags, end - start);
	s->odd += !vma_plain(&new);
	return 0;
}

int vma_append(struct vma_store *s, const struct vma *v, u64 flags)
{
	BUG_ON(s->tail && s->tail->end > v->start);
	return vma_insert(s, v->start, v->end, flags, v->pgoff, v->object, v->label);
}

/* A hole in the middle of @v, which stands at @p. */
static int punch(struct vma_store *s, struct vma_path *p, struct vma *v, u64 start, u64 end)
{
	struct vma upper = part_of(v, end, v->end);

	if (s->count >= s->max_count || reserve(s, 1, 1))
		return -ENOMEM;
	v->end = start;
	vma_tree_insert(s, p, take_vma(s, &upper));
	unaccount(s, v->flags, end - start);
	return 0;
}

int vma_remove(struct vma_store *s, u64 start, u64 end)
{
	struct vma_path p;
	struct vma *v = vma_tree_find(s, start, &p), *next;
	bool cut = false, there;

	/* Linux: only a hole that leaves one VMA more minds the limit. */
	if (v && v->start < start && v->end > end)
		return punch(s, &p, v, start, end);
	if (!v || v->start < start) {
		cut = v && v->end > start;
		if (cut) {
			unaccount(s, v->flags, v->end - start);
			v->end = start;
		}
		v = vma_tree_next(s, &p);
	}
	while (v && v->end <= end) {
		next = v->next;
		unaccount(s, v->flags, v->end - v->start);
		there = erase(s, &p);
		v = next;
		cut = false;
		if (!v || v->start >= end)
			return 0;
		if (!there)
			vma_tree_find(s, v->start, &p);
	}
	if (v && v->start < end) {
		unaccount(s, v->flags, end - v->start);
		move_start(v, end);
		cut = true;
	}
	if (v && cut)
		vma_tree_update(s, &p);
	return 0;
}

/* All of @v, which stands at @p, gets @flags; where neighbours are alike then, they become one. */
static void change_whole(struct vma_store *s, struct vma_path *p, struct vma *v, u64 flags)
{
	struct vma *prev = v->prev, *next = v->next;
	bool guarded = (v->flags ^ flags) & GUARD_BITS;

	v->flags = flags;
	if (next && can_merge(v, next)) {
		struct vma_path after = *p;

		v->end = next->end;
		vma_tree_next(s, &after);
		/* Where nodes have joined the way to @v is another. */
		if (!erase(s, &after))
			vma_tree_find(s, v->start, p);
	}
	if (prev && can_merge(prev, v)) {
		prev->end = v->end;
		erase(s, p);
	} else if (guarded) {
		vma_tree_update(s, p);
	}
}

/* The first part of @v, up to @end: it goes to what lies before, or becomes one of its own. */
static int change_head(struct vma_store *s, struct vma_path *p, struct vma *v, u64 end, u64 flags)
{
	struct vma rest = part_of(v, end, v->end), head = part_of(v, v->start, end);

	head.flags = flags;
	if (v->prev && can_merge(v->prev, &head)) {
		v->prev->end = end;
		move_start(v, end);
		vma_tree_update(s, p);
		return 0;
	}
	if (s->count >= s->max_count || reserve(s, 1, 1))
		return -ENOMEM;
	if ((v->flags ^ flags) & GUARD_BITS) {
		v->flags = flags;
		vma_tree_update(s, p);
	}
	v->flags = flags;
	v->end = end;
	vma_tree_insert(s, p, take_vma(s, &rest));
	return 0;
}

static int change_tail(struct vma_store *s, struct vma_path *p, struct vma *v, u64 start, u64 flags)
{
	struct vma tail = part_of(v, start, v->end);

	tail.flags = flags;
	if (v->next && can_merge(&tail, v->next)) {
		v->end = start;
		move_start(v->next, start);
		vma_tree_next(s, p);
		vma_tree_update(s, p);
		return 0;
	}
	if (s->count >= s->max_count || reserve(s, 1, 1))
		return -ENOMEM;
	v->end = start;
	vma_tree_insert(s, p, take_vma(s, &tail));
	return 0;
}

static int change_middle(struct vma_store *s, struct vma_path *p, struct vma *v, u64 start, u64 end,
			 u64 flags)
{
	struct vma middle = part_of(v, start, end), rest = part_of(v, end, v->end);

	if (s->count + 1 >= s->max_count || reserve(s, 2, 1))
		return -ENOMEM;
	middle.flags = flags;
	v->end = start;
	vma_tree_insert(s, p, take_vma(s, &middle));
	vma_tree_insert(s, p, take_vma(s, &rest));
	return 0;
}

/* A part of @v, which stands at @p. */
static int change_part(struct vma_store *s, struct vma_path *p, struct vma *v, u64 start, u64 end, u64 flags)
{
	u64 was = v->flags;
	int error = 0;

	if (flags == was)
		return 0;
	if (start == v->start && end == v->end)
		change_whole(s, p, v, flags);
	else if (start == v->start)
		error = change_head(s, p, v, end, flags);
	else if (end == v->end)
		error = change_tail(s, p, v, start, flags);
	else
		error = change_middle(s, p, v, start, end, flags);
	if (error)
		return error;
	unaccount(s, was, end - start);
	account(s, flags, end - start);
	s->odd += (flags & ~VM_PLAIN_FLAGS) != 0;
	return 0;
}

/* Several VMAs, with or without holes: where it cannot be done nothing has changed. */
static int change_parts(struct vma_store *s, u64 start, u64 end, u64 clear, u64 set)
{
	struct vma *v = vma_intersect(s, start, end), *last = vma_lookup(s, end - 1);
	int splits = (v && v->start < start) + (last && last->end > end);
	struct vma_path p;
	u64 at, to;

	if (splits && (s->count + splits > s->max_count || reserve(s, 2, 2)))
		return -ENOMEM;
	for (at = start; at < end && (v = vma_intersect(s, at, end)); at = to) {
		at = max(at, v->start);
		to = min(v->end, end);
		vma_tree_find(s, at, &p);
		BUG_ON(change_part(s, &p, v, at, to, (v->flags & ~clear) | set));
	}
	return 0;
}

int vma_change(struct vma_store *s, u64 start, u64 end, u64 clear, u64 set)
{
	struct vma_path p;
	struct vma *v = vma_tree_find(s, start, &p);

	if (v && v->end >= end)
		return change_part(s, &p, v, start, end, (v->flags & ~clear) | set);
	return change_parts(s, start, end, clear, set);
}

void vma_extend_down(struct vma_store *s, struct vma *v, u64 start)
{
	struct vma_path p;
	struct vma *prev = v->prev;

	BUG_ON(start >= v->start || (prev && prev->end > start) || vma_tree_find(s, v->start, &p) != v);
	account(s, v->flags, v->start - start);
	s->odd++;
	move_start(v, start);
	if (prev && can_merge(prev, v)) {
		prev->end = v->end;
		erase(s, &p);
	} else {
		vma_tree_update(s, &p);
	}
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

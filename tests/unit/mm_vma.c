/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMA store against a model: an array with one entry per page. Thousands of random insertions, removals,
 * changes, extensions, snapshots and searches; after each the store must be what the array says, with its
 * counts and limits.
 *
 * `mm_vma [seed]`.
 *
 * links: src/kernel/mm/vma.c src/kernel/mm/vma_gap.c src/kernel/mm/vma_snapshot.c src/kernel/mm/vma_tree.c src/base/bug.c
 */
#include "mm/vma_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define MAX_PAGES 3000
#define BASE      (1UL << 30) /* address of page 0 */
#define OBJECTS   3

struct page {
	bool mapped;
	u64 flags, pgoff; /* pgoff of this page */
	struct vma_object *object;
};

static struct page model[MAX_PAGES], saved[MAX_PAGES];
static struct vma_store store;
static struct vma_object objects[OBJECTS];
static int freed, pages;

static u64 address(int page)
{
	return BASE + (u64)page * PAGE_SIZE;
}

static void object_free(struct vma_object *o)
{
	(void)o;
	freed++;
}

static u64 random_flags(void)
{
	static const u64 choices[] = {
		VM_READ,
		VM_READ | VM_WRITE,
		VM_READ | VM_EXEC,
		0,
		VM_READ | VM_WRITE | VM_LOCKED,
		VM_READ | VM_WRITE | VM_GROWSDOWN,
	};

	return choices[rnd(ARRAY_SIZE(choices))];
}

static bool same(const struct page *a, const struct page *b)
{
	return a->mapped && b->mapped && a->flags == b->flags && a->object == b->object &&
	       a->pgoff + 1 == b->pgoff;
}

/* How many VMAs the model's pages make. */
static int model_count(void)
{
	int i, n = 0;

	for (i = 0; i < pages; i++)
		n += model[i].mapped && (i == 0 || !same(&model[i - 1], &model[i]));
	return n;
}

static void validate_counts(void)
{
	u64 total = 0, data = 0, stack = 0, exec = 0, locked = 0;
	int i;

	for (i = 0; i < pages; i++) {
		u64 f = model[i].flags;

		if (!model[i].mapped)
			continue;
		total++;
		data += (f & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
		stack += !!(f & VM_GROWSDOWN);
		exec += (f & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC;
		locked += !!(f & VM_LOCKED);
	}
	EXPECT(store.total == total);
	EXPECT(store.data == data);
	EXPECT(store.stack == stack);
	EXPECT(store.exec == exec);
	EXPECT(store.locked == locked);
}

/* ---- the tree's own promises ---- */

static struct vma *walked;

/* Checks the node: its largest gap. What its parent says of it: @low, a lower bound; @high, where the next begins. */
static u64 check_node(const struct vma_node *n, int level, u64 low, u64 high)
{
	u64 largest = 0;
	int i, count = 0;

	while (count < VMA_NODE_ENTRIES && n->key[count] != VMA_NO_KEY)
		count++;
	EXPECT(count > 0);
	for (i = count; i < VMA_NODE_ENTRIES; i++)
		EXPECT(n->key[i] == VMA_NO_KEY && !n->gap[i]);
	for (i = 0; i < count; i++) {
		u64 end = i + 1 < count ? n->key[i + 1] : high, gap;

		EXPECT(n->key[i] >= low && n->key[i] < end);
		if (level) {
			gap = check_node(n->child[i], level - 1, n->key[i], end);
		} else {
			struct vma *v = n->vma[i];
			u64 from = v->prev ? v->prev->end : 0, to = vma_start_gap(v);

			EXPECT(v == walked && v->start == n->key[i]);
			EXPECT(v->next ? v->next->prev == v : store.tail == v);
			walked = v->next;
			gap = to > from ? to - from : 0;
		}
		EXPECT(gap == n->gap[i]);
		largest = max(largest, gap);
	}
	return largest;
}

static void validate_tree(void)
{
	walked = store.first;
	EXPECT(!store.root == !store.depth && !store.root == !store.first);
	if (store.root)
		check_node(store.root, store.depth - 1, 0, VMA_NO_KEY);
	EXPECT(!walked);
	EXPECT(store.root || !store.tail);
}

static void validate(void)
{
	struct vma *v, *prev = NULL;
	int i, n = 0, refs[OBJECTS] = {0};

	for (v = vma_first(&store); v; prev = v, v = vma_next(v)) {
		n++;
		EXPECT(v->start < v->end);
		EXPECT(!prev || prev->end <= v->start);
		EXPECT(vma_prev(v) == prev);
		for (i = 0; i < OBJECTS; i++)
			refs[i] += v->object == &objects[i];
		for (i = (int)((v->start - BASE) / PAGE_SIZE); address(i) < v->end; i++) {
			EXPECT(model[i].mapped);
			EXPECT(model[i].flags == v->flags);
			EXPECT(model[i].object == v->object);
			EXPECT(model[i].pgoff == v->pgoff + (address(i) - v->start) / PAGE_SIZE);
		}
	}
	for (i = 0; i < pages; i++)
		EXPECT(!!vma_lookup(&store, address(i)) == model[i].mapped);
	EXPECT(n == store.count);
	EXPECT(n == model_count());
	for (i = 0; i < OBJECTS; i++)
		EXPECT(objects[i].refs == refs[i] + 1);
	EXPECT(freed == 0);
	validate_counts();
	validate_tree();
}

/* A random range [*a, *b) of pages. */
static void random_range(int *a, int *b)
{
	*a = (int)rnd(pages);
	*b = *a + 1 + (int)rnd(pages - *a > 12 ? 12 : pages - *a);
}

static bool range_free(int a, int b)
{
	for (; a < b; a++)
		if (model[a].mapped)
			return false;
	return true;
}

static void do_insert(void)
{
	struct vma_object *object = rnd(2) ? &objects[rnd(OBJECTS)] : NULL;
	u64 flags = random_flags(), pgoff;
	int a, b, i;

	random_range(&a, &b);
	if (!range_free(a, b))
		return;
	/* Offsets that go on from page to page, and some that don't. */
	pgoff = object ? (u64)a + rnd(2) * 100 : address(a) >> PAGE_SHIFT;
	EXPECT(vma_insert(&store, address(a), address(b), flags, pgoff, object, NULL) == 0);
	for (i = a; i < b; i++)
		model[i] = (struct page){true, flags, pgoff + (u64)(i - a), object};
}

/* Whether cutting [a, b) free needs a split that the limit forbids. */
static bool hole_refused(int a, int b)
{
	return a > 0 && b < pages && same(&model[a - 1], &model[a]) && same(&model[b - 1], &model[b]) &&
	       vma_lookup(&store, address(a)) == vma_lookup(&store, address(b)) &&
	       store.count >= store.max_count;
}

static void do_remove(void)
{
	int a, b, i, error;
	bool refused;

	random_range(&a, &b);
	refused = hole_refused(a, b);
	error = vma_remove(&store, address(a), address(b));
	EXPECT(error == (refused ? -ENOMEM : 0));
	for (i = a; i < b && !error; i++)
		model[i] = (struct page){0};
}

static void do_change(void)
{
	u64 set = random_flags(), clear = VM_ACCESS_FLAGS | VM_LOCKED | VM_GROWSDOWN;
	int a, b, i, error;

	random_range(&a, &b);
	error = vma_change(&store, address(a), address(b), clear, set);
	EXPECT(error == 0 || (error == -ENOMEM && store.count + 2 > store.max_count));
	for (i = a; i < b && !error; i++)
		if (model[i].mapped)
			model[i].flags = (model[i].flags & ~clear) | set;
}

static void do_extend(void)
{
	struct vma *v = vma_find(&store, address((int)rnd(pages)));
	int a, b, i;

	if (!v)
		return;
	b = (int)((v->start - BASE) / PAGE_SIZE);
	a = b - 1 - (int)rnd(3);
	if (a < 0 || !range_free(a, b))
		return;
	vma_extend_down(&store, v, address(a));
	for (i = b - 1; i >= a; i--) {
		model[i] = model[i + 1];
		model[i].pgoff--;
	}
}

/* A snapshot, some changes inside, and back. */
static void do_snapshot(void)
{
	struct vma_snapshot snap;
	int a, b, i;

	random_range(&a, &b);
	memcpy(saved, model, sizeof model);
	EXPECT(vma_snapshot_take(&store, address(a), address(b), &snap) == 0);
	if (!vma_remove(&store, address(a), address(b))) {
		for (i = a; i < b; i++)
			model[i] = (struct page){0};
		if (rnd(2)) {
			u64 flags = random_flags();

			EXPECT(vma_insert(&store, address(a), address(b), flags, 7, NULL, NULL) == 0);
		}
		EXPECT(vma_snapshot_restore(&store, &snap) == 0);
		memcpy(model, saved, sizeof model);
	}
	vma_snapshot_drop(&snap);
}

/* Whether @len pages from @a on are free, and not of the guard below what grows downwards. */
static bool place_fits(int a, int len)
{
	int i;

	if (a < 0 || a + len > pages || !range_free(a, a + len))
		return false;
	for (i = a + len; i < pages && !model[i].mapped; i++)
		;
	return i == pages || !(model[i].flags & VM_GROWSDOWN) ||
	       a + len <= i - (int)(VMA_GUARD_GAP / PAGE_SIZE);
}

static void do_search(void)
{
	int len = 1 + (int)rnd(10), a;
	u64 got = vma_gap_down(&store, (u64)len * PAGE_SIZE, BASE, address(pages), PAGE_SIZE);

	for (a = pages - len; a >= 0 && !place_fits(a, len); a--)
		;
	EXPECT(got == (a >= 0 ? address(a) : 0));
	got = vma_gap_up(&store, (u64)len * PAGE_SIZE, BASE, address(pages), PAGE_SIZE);
	for (a = 0; a + len <= pages && !place_fits(a, len); a++)
		;
	EXPECT(got == (a + len <= pages ? address(a) : 0));
	got = vma_gap_down(&store, (u64)len * PAGE_SIZE, BASE, address(pages), 4 * PAGE_SIZE);
	for (a = (pages - len) & ~3; a >= 0 && !place_fits(a, len); a -= 4)
		;
	EXPECT(got == (a >= 0 ? address(a) : 0));
}

/* A copy by appending is the same, but for locked pages, which it has none of. */
static void do_copy(void)
{
	struct vma_store copy, old;
	struct page kept[MAX_PAGES];
	struct vma *v;
	int i;

	memcpy(kept, model, sizeof kept);
	vma_store_init(&copy, store.max_count);
	for (v = vma_first(&store); v; v = vma_next(v))
		EXPECT(vma_append(&copy, v, v->flags & ~VM_LOCKED) == 0);
	for (i = 0; i < pages; i++)
		model[i].flags &= ~VM_LOCKED;
	old = store;
	store = copy;
	vma_store_clear(&old);
	validate();
	if (rnd(2))
		return;
	/* And back. */
	for (i = 0; i < pages; i++)
		if (kept[i].mapped && kept[i].flags != model[i].flags)
			EXPECT(vma_change(&store, address(i), address(i + 1), 0, VM_LOCKED) == 0 ||
			       (kept[i].flags &= ~VM_LOCKED));
	memcpy(model, kept, sizeof model);
}

static void do_mapped(void)
{
	int a, b, i;
	u64 n = 0;

	random_range(&a, &b);
	for (i = a; i < b; i++)
		n += model[i].mapped && (model[i].flags & VM_LOCKED);
	EXPECT(vma_mapped(&store, address(a), address(b), VM_LOCKED) == n * PAGE_SIZE);
}

/* One page each, as many as there is room for, from below, from above or in between; and all away again. */
static void do_fill(int order)
{
	int i, count = pages / 2;

	for (i = 0; i < count; i++) {
		int a = 2 * (order == 0 ? i : order == 1 ? count - 1 - i : i * 7 % count);

		if (model[a].mapped)
			continue;
		EXPECT(vma_insert(&store, address(a), address(a + 1), VM_READ, 1, NULL, NULL) == 0);
		model[a] = (struct page){true, VM_READ, 1, NULL};
	}
	validate();
	for (i = 0; i < count; i++) {
		int a = 2 * (order == 0 ? i : order == 1 ? count - 1 - i : i * 11 % count);

		if (!model[a].mapped || rnd(50) == 0)
			continue;
		EXPECT(vma_remove(&store, address(a), address(a + 1)) == 0);
		model[a] = (struct page){0};
		if (i % 64 == 0)
			validate();
	}
	validate();
	EXPECT(vma_remove(&store, address(0), address(pages)) == 0);
	memset(model, 0, sizeof model);
	validate();
}

static void run(int of_pages, int limit, int steps)
{
	static void (*const actions[])(void) = {
		do_insert, do_insert,   do_insert, do_remove, do_change, do_change,
		do_extend, do_snapshot, do_search, do_mapped, do_copy,
	};
	int order;

	pages = of_pages;
	vma_store_init(&store, limit);
	for (order = 0; order < 3 && limit >= pages / 2; order++)
		do_fill(order);
	for (step = 0; step < steps && failures < 20; step++) {
		actions[rnd(ARRAY_SIZE(actions) - (pages > 100 && rnd(20)))]();
		validate();
	}
	vma_store_clear(&store);
	memset(model, 0, sizeof model);
	validate();
	printf("%s mm_vma: %d pages, %d steps\n", failures ? "not ok" : "ok", pages, step);
}

int main(int argc, char **argv)
{
	int i;

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	for (i = 0; i < OBJECTS; i++)
		objects[i] = (struct vma_object){.refs = 1, .identity = &objects[i], .free = object_free};
	run(64, 20, 60000);
	run(600, 400, 8000);
	run(MAX_PAGES, 2000, 2000);
	return failures != 0;
}

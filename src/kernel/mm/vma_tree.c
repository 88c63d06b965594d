/* SPDX-License-Identifier: Apache-2.0 */
/* The tree under the VMA store: see vma_tree.h. Levels are counted from the leaves, which are level 0. */
#include "mm/vma_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

#define ENTRIES   VMA_NODE_ENTRIES
#define FEW       (ENTRIES / 4)     /* fewer than this and a node looks for a neighbour to join */
#define WELL      (ENTRIES * 3 / 4) /* as many may be together afterwards */
#define MAX_DEPTH 16
#define NO_KEY    (~0UL)
#define SPARES    8

struct path {
	struct vma_node *node[MAX_DEPTH];
	int at[MAX_DEPTH];
};

/* ---- nodes ---- */

static void node_clear(struct vma_node *n)
{
	n->n = 0;
	for (int i = 0; i < ENTRIES; i++)
		n->key[i] = NO_KEY;
}

int vma_tree_reserve(struct vma_store *s)
{
	/* A split of each level, and a root above. */
	while (s->nspare < s->depth + 1) {
		struct vma_node *n = aligned_alloc(64, align_up(sizeof *n, 64UL));

		if (!n)
			return -ENOMEM;
		n->child[0] = s->spare;
		s->spare = n;
		s->nspare++;
	}
	return 0;
}

static struct vma_node *node_take(struct vma_store *s)
{
	struct vma_node *n = s->spare;

	BUG_ON(!n);
	s->spare = n->child[0];
	s->nspare--;
	node_clear(n);
	return n;
}

static void node_give(struct vma_store *s, struct vma_node *n)
{
	if (s->nspare >= SPARES) {
		free(n);
		return;
	}
	n->child[0] = s->spare;
	s->spare = n;
	s->nspare++;
}

/* The entry for @addr: the last whose key is not above it, the first when all are. */
static int entry_of(const struct vma_node *n, u64 addr)
{
	int i = 0;

	for (int step = ENTRIES / 2; step; step /= 2)
		i += n->key[i + step] <= addr ? step : 0;
	return i;
}

/* Without branches: which gap is the largest cannot be foreseen. */
static u64 largest_gap(const struct vma_node *n)
{
	u64 gap = 0;

	for (int i = 0; i < n->n; i++)
		gap = __builtin_expect_with_probability(n->gap[i] > gap, 1, 0.5) ? n->gap[i] : gap;
	return gap;
}

/* Copies @count entries. */
static void copy_entries(struct vma_node *to, int at, const struct vma_node *from, int first, int count)
{
	memmove(&to->key[at], &from->key[first], (size_t)count * sizeof to->key[0]);
	memmove(&to->gap[at], &from->gap[first], (size_t)count * sizeof to->gap[0]);
	memmove(&to->child[at], &from->child[first], (size_t)count * sizeof to->child[0]);
}

/* The two below move a few entries in one pass: three calls of memmove() cost more. */
static void open_entry(struct vma_node *n, int at, u64 key, u64 gap, void *what)
{
	for (int i = n->n++; i > at; i--) {
		n->key[i] = n->key[i - 1];
		n->gap[i] = n->gap[i - 1];
		n->child[i] = n->child[i - 1];
	}
	n->key[at] = key;
	n->gap[at] = gap;
	n->child[at] = what;
}

static void close_entry(struct vma_node *n, int at)
{
	for (n->n--; at < n->n; at++) {
		n->key[at] = n->key[at + 1];
		n->gap[at] = n->gap[at + 1];
		n->child[at] = n->child[at + 1];
	}
	n->key[at] = NO_KEY;
}

static void find_path(const struct vma_store *s, u64 addr, struct path *p)
{
	struct vma_node *n = s->root;

	for (int level = s->depth - 1; level >= 0; level--) {
		p->node[level] = n;
		p->at[level] = entry_of(n, addr);
		n = n->child[p->at[level]];
	}
}

struct vma *vma_tree_floor(const struct vma_store *s, u64 addr)
{
	const struct vma_node *n = s->root;
	int at;

	if (!n)
		return NULL;
	addr = min(addr, NO_KEY - 1);
	for (int level = s->depth - 1; level > 0; level--)
		n = n->child[entry_of(n, addr)];
	at = entry_of(n, addr);
	/* Keys of nodes are bounds: the first VMA here may start above @addr. */
	return n->key[at] <= addr ? n->vma[at] : n->vma[at]->prev;
}

static u64 gap_before(const struct vma *v)
{
	u64 start = vma_start_gap(v), end = v->prev ? v->prev->end : 0;

	return start > end ? start - end : 0;
}

/* A gap in the node at @level was @old and is @new: the largest gaps above, as far as it makes a difference. */
static void carry_gap(struct vma_store *s, struct path *p, int level, u64 old, u64 new)
{
	for (; level < s->depth - 1; level++) {
		u64 *above = &p->node[level + 1]->gap[p->at[level + 1]], was = *above;

		if (new < was) {
			if (old < was)
				return;
			new = largest_gap(p->node[level]);
		}
		if (new == was)
			return;
		*above = new;
		old = was;
	}
}

/* As carry_gap(), after more has changed. */
static void carry_gaps(struct vma_store *s, struct path *p, int level)
{
	carry_gap(s, p, level, ~0UL, largest_gap(p->node[level]));
}

static void set_gap(struct vma_store *s, struct path *p, int at, u64 gap)
{
	u64 *mine = &p->node[0]->gap[at], was = *mine;

	*mine = gap;
	carry_gap(s, p, 0, was, gap);
}

/* The first VMA below the entry has another, lower start. */
static void lower_keys(struct vma_store *s, struct path *p, u64 start)
{
	for (int level = 1; level < s->depth && !p->at[level - 1]; level++)
		p->node[level]->key[p->at[level]] = min(p->node[level]->key[p->at[level]], start);
}

/* ---- going in ---- */

/* Where a full node of @level is cut: in the middle, or, when entries come in order, at the end where they come. */
static int cut_of(const struct vma_store *s, const struct path *p, const struct vma *v, int level)
{
	if (v == s->tail)
		return level ? ENTRIES - 1 : ENTRIES;
	if (v == s->first)
		return level ? 1 : 0;
	return ENTRIES / 2;
}

/* Makes room in the full node of @level, into which @v is to go at p->at[0]. */
static void split(struct vma_store *s, struct path *p, const struct vma *v, int level)
{
	struct vma_node *left = p->node[level], *right = node_take(s), *parent;
	int cut = cut_of(s, p, v, level), at;

	if (level == s->depth - 1) {
		BUG_ON(s->depth == MAX_DEPTH);
		parent = node_take(s);
		open_entry(parent, 0, left->key[0], largest_gap(left), left);
		s->root = p->node[level + 1] = parent;
		p->at[level + 1] = 0;
		s->depth++;
	} else if (p->node[level + 1]->n == ENTRIES) {
		split(s, p, v, level + 1);
	}
	parent = p->node[level + 1];
	at = p->at[level + 1];
	copy_entries(right, 0, left, cut, ENTRIES - cut);
	right->n = ENTRIES - cut;
	left->n = cut;
	for (int i = cut; i < ENTRIES; i++)
		left->key[i] = NO_KEY;
	parent->gap[at] = largest_gap(left);
	open_entry(parent, at + 1, right->n ? right->key[0] : v->start, largest_gap(right), right);
	if (p->at[level] > cut || (p->at[level] == cut && (level || cut == ENTRIES))) {
		p->node[level] = right;
		p->at[level] -= cut;
		p->at[level + 1]++;
	}
}

static void list_in(struct vma_store *s, struct vma *v, struct vma *prev)
{
	v->prev = prev;
	v->next = prev ? prev->next : s->first;
	if (v->next)
		v->next->prev = v;
	else
		s->tail = v;
	if (prev)
		prev->next = v;
	else
		s->first = v;
}

void vma_tree_insert(struct vma_store *s, struct vma *v)
{
	struct vma_node *leaf;
	struct path p;
	int at;

	if (!s->depth) {
		s->root = node_take(s);
		s->depth = 1;
		list_in(s, v, NULL);
		open_entry(s->root, 0, v->start, gap_before(v), v);
		return;
	}
	find_path(s, v->start, &p);
	leaf = p.node[0];
	at = p.at[0] += leaf->key[p.at[0]] < v->start;
	list_in(s, v, at ? leaf->vma[at - 1] : leaf->vma[0]->prev);
	if (leaf->n == ENTRIES)
		split(s, &p, v, 0);
	leaf = p.node[0];
	at = p.at[0];
	open_entry(leaf, at, v->start, gap_before(v), v);
	lower_keys(s, &p, v->start);
	carry_gap(s, &p, 0, 0, leaf->gap[at]);
	if (at + 1 < leaf->n)
		set_gap(s, &p, at + 1, gap_before(v->next));
	else
		vma_tree_gap_changed(s, v->next);
}

/* ---- going out ---- */

static void take_out(struct vma_store *s, struct vma_node *parent, int at)
{
	node_give(s, parent->child[at]);
	close_entry(parent, at);
}

/* Joins entry @at + 1 of @parent to entry @at, when both are few. */
static bool join(struct vma_store *s, struct vma_node *parent, int at)
{
	struct vma_node *left, *right;

	if (at < 0 || at + 1 >= parent->n)
		return false;
	left = parent->child[at];
	right = parent->child[at + 1];
	if (left->n + right->n > WELL)
		return false;
	copy_entries(left, left->n, right, 0, right->n);
	left->n += right->n;
	take_out(s, parent, at + 1);
	parent->gap[at] = largest_gap(left);
	return true;
}

/* The node of level 0 has lost an entry: it and those above may go, or join others. */
static void settle(struct vma_store *s, struct path *p)
{
	int level;

	for (level = 0; level < s->depth - 1; level++) {
		struct vma_node *n = p->node[level], *parent = p->node[level + 1];
		int at = p->at[level + 1];

		if (!n->n) {
			take_out(s, parent, at);
		} else if (n->n >= FEW || !(join(s, parent, at) || join(s, parent, at - 1))) {
			carry_gaps(s, p, level);
			return;
		}
	}
	while (s->depth > 1 && s->root->n == 1) {
		struct vma_node *child = s->root->child[0];

		node_give(s, s->root);
		s->root = child;
		s->depth--;
	}
	if (!s->root->n) {
		node_give(s, s->root);
		s->root = NULL;
		s->depth = 0;
	}
}

void vma_tree_erase(struct vma_store *s, struct vma *v)
{
	struct vma *next = v->next, *prev = v->prev;
	struct vma_node *leaf;
	bool beside;
	struct path p;

	find_path(s, v->start, &p);
	leaf = p.node[0];
	BUG_ON(leaf->vma[p.at[0]] != v);
	if (prev)
		prev->next = next;
	else
		s->first = next;
	if (next)
		next->prev = prev;
	else
		s->tail = prev;
	beside = p.at[0] + 1 < leaf->n;
	close_entry(leaf, p.at[0]);
	if (beside)
		leaf->gap[p.at[0]] = gap_before(next);
	settle(s, &p);
	/* Where the VMA before was made to end where @v ended, nothing has changed for the next. */
	if (!beside && next && (prev ? prev->end : 0) != v->end)
		vma_tree_gap_changed(s, next);
}

void vma_tree_moved(struct vma_store *s, struct vma *v, u64 was)
{
	struct path p;

	find_path(s, was, &p);
	BUG_ON(p.node[0]->vma[p.at[0]] != v);
	p.node[0]->key[p.at[0]] = v->start;
	lower_keys(s, &p, v->start);
	set_gap(s, &p, p.at[0], gap_before(v));
}

void vma_tree_gap_changed(struct vma_store *s, struct vma *v)
{
	if (v)
		vma_tree_moved(s, v, v->start);
}

static void free_level(struct vma_node *n, int level)
{
	for (int i = 0; level && i < n->n; i++)
		free_level(n->child[i], level - 1);
	free(n);
}

void vma_tree_free(struct vma_store *s)
{
	if (s->root)
		free_level(s->root, s->depth - 1);
	while (s->spare) {
		struct vma_node *n = s->spare;

		s->spare = n->child[0];
		free(n);
	}
	s->root = NULL;
	s->depth = s->nspare = 0;
	s->first = s->tail = NULL;
}

/* ---- searching ---- */

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
	for (int i = n->n - 1; i >= 0; i--) {
		if (i + 1 < n->n && n->key[i + 1] <= q->low)
			return false;
		if (n->gap[i] < q->len || (i && n->key[i - 1] >= q->high))
			continue;
		if (level ? search_down(n->child[i], level - 1, q) : fits(n->vma[i], q, true))
			return true;
	}
	return false;
}

static bool search_up(const struct vma_node *n, int level, struct vma_search *q)
{
	for (int i = 0; i < n->n; i++) {
		if (i && n->key[i - 1] >= q->high)
			return false;
		if (n->gap[i] < q->len || (i + 1 < n->n && n->key[i + 1] <= q->low))
			continue;
		if (level ? search_up(n->child[i], level - 1, q) : fits(n->vma[i], q, false))
			return true;
	}
	return false;
}

bool vma_tree_search_down(const struct vma_store *s, struct vma_search *q)
{
	return s->root && search_down(s->root, s->depth - 1, q);
}

bool vma_tree_search_up(const struct vma_store *s, struct vma_search *q)
{
	return s->root && search_up(s->root, s->depth - 1, q);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The tree under the VMA store: see vma_tree.h. Levels are counted from the leaves, which are level 0. */
#include "mm/vma_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

#define ENTRIES VMA_NODE_ENTRIES
#define FEW     (ENTRIES / 4)     /* fewer than this and a node looks for a neighbour to join */
#define WELL    (ENTRIES * 3 / 4) /* as many may be together afterwards */
#define NO_KEY  VMA_NO_KEY
#define SPARES  12

/* ---- nodes ---- */

static void node_clear(struct vma_node *n)
{
	for (int i = 0; i < ENTRIES; i++) {
		n->key[i] = NO_KEY;
		n->gap[i] = 0;
	}
}

int vma_tree_reserve(struct vma_store *s, int places)
{
	/* At each place a split of every level, and a root above: after that there is room for two beside each other. */
	while (s->nspare < places * (s->depth + 1) + places - 1) {
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

static int count_of(const struct vma_node *n)
{
	return __builtin_ctz(~vma_words_below(n->key, NO_KEY));
}

/* How many keys are not above @addr, which is below NO_KEY. */
static int keys_to(const struct vma_node *n, u64 addr)
{
	return __builtin_ctz(~vma_words_below(n->key, addr + 1));
}

static u64 largest_gap(const struct vma_node *n)
{
	u64 a = 0, b = 0;

	for (int i = 0; i < ENTRIES; i += 2) {
		a = __builtin_expect_with_probability(n->gap[i] > a, 1, 0.5) ? n->gap[i] : a;
		b = __builtin_expect_with_probability(n->gap[i + 1] > b, 1, 0.5) ? n->gap[i + 1] : b;
	}
	return max(a, b);
}

static bool has_entry(const struct vma_node *n, int at)
{
	return at < ENTRIES && n->key[at] != NO_KEY;
}

static bool is_full(const struct vma_node *n)
{
	return has_entry(n, ENTRIES - 1);
}

/* Copies @count entries. */
static void copy_entries(struct vma_node *to, int at, const struct vma_node *from, int first, int count)
{
	memcpy(&to->key[at], &from->key[first], (size_t)count * sizeof to->key[0]);
	memcpy(&to->gap[at], &from->gap[first], (size_t)count * sizeof to->gap[0]);
	memcpy(&to->child[at], &from->child[first], (size_t)count * sizeof to->child[0]);
}

static void drop_entries(struct vma_node *n, int from)
{
	for (int i = from; i < ENTRIES; i++) {
		n->key[i] = NO_KEY;
		n->gap[i] = 0;
	}
}

/* The two below move a few entries in one pass: three calls of memmove() cost more. */
static void open_entry(struct vma_node *n, int at, u64 key, u64 gap, void *what)
{
	for (int i = count_of(n); i > at; i--) {
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
	for (; has_entry(n, at + 1); at++) {
		n->key[at] = n->key[at + 1];
		n->gap[at] = n->gap[at + 1];
		n->child[at] = n->child[at + 1];
	}
	n->key[at] = NO_KEY;
	n->gap[at] = 0;
}

/* ---- ways ---- */

struct vma *vma_tree_find(const struct vma_store *s, u64 addr, struct vma_path *p)
{
	struct vma_node *n = s->root;
	int at;

	if (!n)
		return NULL;
	addr = min(addr, NO_KEY - 1);
	for (int level = s->depth - 1; level > 0; level--) {
		at = keys_to(n, addr);
		at -= at > 0;
		p->node[level] = n;
		p->at[level] = at;
		n = n->child[at];
	}
	at = keys_to(n, addr) - 1;
	p->node[0] = n;
	p->at[0] = at;
	/* Keys of nodes are bounds: the first VMA here may start above @addr. */
	return at >= 0 ? n->vma[at] : n->vma[0]->prev;
}

struct vma *vma_tree_next(const struct vma_store *s, struct vma_path *p)
{
	int level = 0;

	if (!s->root)
		return NULL;
	while (!has_entry(p->node[level], p->at[level] + 1))
		if (++level == s->depth)
			return NULL;
	p->at[level]++;
	for (; level; level--) {
		p->node[level - 1] = p->node[level]->child[p->at[level]];
		p->at[level - 1] = 0;
	}
	return p->node[0]->vma[p->at[0]];
}

static u64 gap_before(const struct vma *v)
{
	u64 start = vma_start_gap(v), end = v->prev ? v->prev->end : 0;

	return start > end ? start - end : 0;
}

/* A gap in the node at @level was @old and is @new: the largest gaps above, as far as it makes a difference. */
static void carry_gap(struct vma_store *s, struct vma_path *p, int level, u64 old, u64 new)
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
static void carry_gaps(struct vma_store *s, struct vma_path *p, int level)
{
	carry_gap(s, p, level, ~0UL, largest_gap(p->node[level]));
}

static void set_gap(struct vma_store *s, struct vma_path *p, u64 gap)
{
	u64 *mine = &p->node[0]->gap[p->at[0]], was = *mine;

	if (gap == was)
		return;
	*mine = gap;
	carry_gap(s, p, 0, was, gap);
}

/* The first VMA below the entry has another, lower start. */
static void lower_keys(struct vma_store *s, struct vma_path *p, u64 start)
{
	for (int level = 1; level < s->depth && !p->at[level - 1]; level++)
		p->node[level]->key[p->at[level]] = min(p->node[level]->key[p->at[level]], start);
}

/* The last VMA of a leaf starts higher, or there is another: what bounds the leaf behind, at @after, must stay above. */
static void step_behind(const struct vma_store *s, const struct vma_path *p, struct vma_path *after)
{
	struct vma *next;

	*after = *p;
	next = vma_tree_next(s, after);
	for (int level = 1; level < s->depth && !after->at[level - 1]; level++)
		after->node[level]->key[after->at[level]] = next->start;
}

void vma_tree_update(struct vma_store *s, struct vma_path *p)
{
	struct vma_node *leaf = p->node[0];
	int at = p->at[0];
	struct vma *v = leaf->vma[at];
	u64 was = leaf->key[at];
	struct vma_path after;

	leaf->key[at] = v->start;
	if (v->start < was)
		lower_keys(s, p, v->start);
	else if (v->start > was && v->next && !has_entry(leaf, at + 1))
		step_behind(s, p, &after);
	set_gap(s, p, gap_before(v));
}

/* ---- going in ---- */

/* Where a full node of @level is cut: in the middle, or, when entries come in order, at the end where they come. */
static int cut_of(const struct vma_store *s, const struct vma *v, int level)
{
	if (v == s->tail)
		return level ? ENTRIES - 1 : ENTRIES;
	if (v == s->first)
		return level ? 1 : 0;
	return ENTRIES / 2;
}

/* Makes room in the full node of @level, into which @v is to go at p->at[0]. */
static void split(struct vma_store *s, struct vma_path *p, const struct vma *v, int level)
{
	struct vma_node *left = p->node[level], *right = node_take(s), *parent;
	int cut = cut_of(s, v, level), at;

	if (level == s->depth - 1) {
		BUG_ON(s->depth == VMA_TREE_DEPTH);
		parent = node_take(s);
		open_entry(parent, 0, left->key[0], largest_gap(left), left);
		s->root = p->node[level + 1] = parent;
		p->at[level + 1] = 0;
		s->depth++;
	} else if (is_full(p->node[level + 1])) {
		split(s, p, v, level + 1);
	}
	parent = p->node[level + 1];
	at = p->at[level + 1];
	copy_entries(right, 0, left, cut, ENTRIES - cut);
	drop_entries(left, cut);
	parent->gap[at] = largest_gap(left);
	open_entry(parent, at + 1, cut < ENTRIES ? right->key[0] : v->start, largest_gap(right), right);
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

/* The first one. */
static void plant(struct vma_store *s, struct vma_path *p, struct vma *v)
{
	s->root = p->node[0] = node_take(s);
	p->at[0] = 0;
	s->depth = 1;
	list_in(s, v, NULL);
	open_entry(s->root, 0, v->start, gap_before(v), v);
}

void vma_tree_insert(struct vma_store *s, struct vma_path *p, struct vma *v)
{
	struct vma_node *leaf;
	struct vma_path after;
	u64 gap, was, rest;
	int at;

	if (!s->depth) {
		plant(s, p, v);
		return;
	}
	leaf = p->node[0];
	at = ++p->at[0];
	list_in(s, v, at ? leaf->vma[at - 1] : leaf->vma[0]->prev);
	if (is_full(leaf)) {
		split(s, p, v, 0);
		leaf = p->node[0];
		at = p->at[0];
	}
	gap = gap_before(v);
	open_entry(leaf, at, v->start, gap, v);
	lower_keys(s, p, v->start);
	if (has_entry(leaf, at + 1)) {
		/* One gap has become two. */
		was = leaf->gap[at + 1];
		rest = leaf->gap[at + 1] = gap_before(v->next);
		carry_gap(s, p, 0, was, max(gap, rest));
		return;
	}
	carry_gap(s, p, 0, 0, gap);
	if (v->next) {
		step_behind(s, p, &after);
		set_gap(s, &after, gap_before(v->next));
	}
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
	int nleft, nright;

	if (at < 0 || !has_entry(parent, at + 1))
		return false;
	left = parent->child[at];
	right = parent->child[at + 1];
	nleft = count_of(left);
	nright = count_of(right);
	if (nleft + nright > WELL)
		return false;
	copy_entries(left, nleft, right, 0, nright);
	take_out(s, parent, at + 1);
	parent->gap[at] = largest_gap(left);
	return true;
}

static void lower_root(struct vma_store *s)
{
	while (s->depth > 1 && !has_entry(s->root, 1)) {
		struct vma_node *child = s->root->child[0];

		node_give(s, s->root);
		s->root = child;
		s->depth--;
	}
	if (!has_entry(s->root, 0)) {
		node_give(s, s->root);
		s->root = NULL;
		s->depth = 0;
	}
}

/* The node of level 0 has lost an entry, and with it gaps of @old bytes at most for one of @new: it and those above may go,
 * or join others. True: none did, and @p holds. */
static bool settle(struct vma_store *s, struct vma_path *p, u64 old, u64 new)
{
	int level;

	for (level = 0; level < s->depth - 1; level++) {
		struct vma_node *n = p->node[level], *parent = p->node[level + 1];
		int at = p->at[level + 1];

		if (!has_entry(n, 0)) {
			take_out(s, parent, at);
		} else if (has_entry(n, FEW - 1) || !(join(s, parent, at) || join(s, parent, at - 1))) {
			if (level)
				carry_gaps(s, p, level);
			else
				carry_gap(s, p, 0, old, new);
			return !level;
		}
	}
	lower_root(s);
	return level == 0 && s->root;
}

bool vma_tree_erase(struct vma_store *s, struct vma_path *p)
{
	struct vma_node *leaf = p->node[0];
	int at = p->at[0];
	struct vma *v = leaf->vma[at], *next = v->next, *prev = v->prev;
	struct vma_path after;
	u64 old = leaf->gap[at], new = 0;
	bool beside;

	if (prev)
		prev->next = next;
	else
		s->first = next;
	if (next)
		next->prev = prev;
	else
		s->tail = prev;
	close_entry(leaf, at);
	beside = has_entry(leaf, at);
	if (beside) {
		old = max(old, leaf->gap[at]);
		new = leaf->gap[at] = gap_before(next);
	} else if (next && (prev ? prev->end : 0) != v->end) {
		/* Where the VMA before was made to end where @v ended, nothing has changed for the next. */
		after = *p;
		after.at[0]--;
		vma_tree_next(s, &after);
		set_gap(s, &after, gap_before(next));
	}
	return settle(s, p, old, new) && beside;
}

static void free_level(struct vma_node *n, int level)
{
	for (int i = 0; level && has_entry(n, i); i++)
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

// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of a chain's link: made when a filter is added, from its own residues and the table below it, so that the work is
 * bounded by the new program alone.
 *
 * A chain of thousands of filters that all look at arguments would take much memory for what is left of each for each number.
 * Links above CHAIN_ROOM have one entry for all numbers: run every program as a whole, as Linux does.
 */
#include "bpf/chain.h"

#include "base/bug.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What the plans of one program may cost; the numbers that are left then run the whole program. */
#define PLAN_BUDGET (1u << 20)  /* instructions looked at */
#define POOL_MOST   (64u << 10) /* nodes */

/* What tables and code of a chain may take; links beyond it have none of their own. */
#define CHAIN_ROOM (4u << 20)

/* From so many numbers with a residue of one comparison on a table has glances. */
#define GLANCE_LEAST 32

_Static_assert(sizeof(struct bpf_table) + BPF_TABLE_SIZE * sizeof(struct bpf_rung) < 65536,
	       "bpf_table.first");

/* Own results of one program: per architecture and number a constant, or one more than the root of its code. */
struct own {
	u32 constant;
	u32 root;
};

struct builder {
	const struct bpf_program *program;
	struct bpf_pool pool;
	struct bpf_planner *planner;
	u32 *roots; /* nodes */
	unsigned root_count;
	u32 budget;
	struct own *own;                 /* arch_count tables */
	const struct bpf_rung **ladders; /* by root; NULL: it is none */
	bool exact;                      /* what the code returns is a verdict as it stands */
};

static void take_root(struct builder *b, struct own *own, u32 node)
{
	const struct bpf_node *n = &b->pool.nodes[node];

	if (n->op == NODE_RET_K) {
		*own = (struct own){.constant = n->k};
		return;
	}
	/* Equal residues are one node; most numbers share the latest. */
	for (unsigned i = b->root_count; i-- > 0 && b->root_count - i < 64;) {
		if (b->roots[i] == node) {
			own->root = i + 1;
			return;
		}
	}
	b->roots[b->root_count++] = node;
	own->root = b->root_count;
}

static int plan_number(struct builder *b, u32 arch, u32 nr, struct own *own)
{
	struct bpf_known known = {.nr = &nr, .arch = &arch, .budget = &b->budget};
	u32 node;
	int error;

	*own = (struct own){.root = 1};
	if (!b->budget || b->pool.n > POOL_MOST)
		return 0;
	error = bpf_plan(b->planner, &known, &node);
	if (error)
		return error == -E2BIG ? 0 : error;
	take_root(b, own, node);
	return 0;
}

/* A program that never asks for the number is planned once for all. */
static bool asks_number(const struct bpf_program *p)
{
	for (unsigned i = 0; i < p->size; i++)
		if (p->classic[i].code == (BPF_LD | BPF_W | BPF_ABS) &&
		    p->classic[i].k == offsetof(struct seccomp_data, nr))
			return true;
	return false;
}

static int plan_table(struct builder *b, u32 arch, struct own *own)
{
	bool once = !asks_number(b->program);
	int error = 0;

	for (u32 nr = 0; nr < BPF_TABLE_SIZE && !error; nr++) {
		if (once && nr)
			own[nr] = own[0];
		else
			error = plan_number(b, arch, nr, &own[nr]);
	}
	return error;
}

static int plan_all(struct builder *b, const u32 *arches, unsigned arch_count)
{
	int error;

	b->planner = bpf_planner_new(b->program, &b->pool);
	b->own = calloc(arch_count + 1, BPF_TABLE_SIZE * sizeof *b->own);
	b->roots = malloc((1 + arch_count * BPF_TABLE_SIZE) * sizeof *b->roots);
	if (!b->planner || !b->own || !b->roots)
		return -ENOMEM;
	b->budget = PLAN_BUDGET;
	b->root_count = 1;
	error = bpf_plan_program(b->planner, &b->roots[0]);
	for (unsigned a = 0; a < arch_count && !error; a++)
		error = plan_table(b, arches[a], &b->own[a * BPF_TABLE_SIZE]);
	return error;
}

/* The residue of the number before is this one's too. */
static bool same_as_last(const struct bpf_table *t, const struct bpf_residue *r, u32 used)
{
	const struct bpf_residue *last = used ? &t->own[used - 1] : NULL;

	return last && t->residues[t->count - 1] == last && last->ops == r->ops && last->own == r->own &&
	       last->older == r->older && last->older_own == r->older_own;
}

/* The chain's entry for one number, from this filter's result and the older ones' entry. */
static void combine(struct bpf_chain *c, struct bpf_table *t, u32 nr, const struct own *own,
		    const struct builder *b, const struct bpf_table *below, u32 *used)
{
	u32 older = below ? below->words[nr] : SECCOMP_RET_ALLOW;
	u32 constant = own->root ? 0 : bpf_stronger(SECCOMP_RET_ALLOW, own->constant);
	bool older_constant = older < BPF_RESIDUE_MARK;
	struct bpf_residue *r;

	if (!own->root && older_constant)
		t->words[nr] = bpf_stronger(constant, older);
	else
		t->words[nr] = BPF_RESIDUE_MARK | t->count;
	if (t->words[nr] < BPF_RESIDUE_MARK)
		return;
	if (!own->root && constant == SECCOMP_RET_ALLOW && !older_constant) {
		t->residues[t->count++] = below->residues[older & ~BPF_RESIDUE_MARK];
		return;
	}
	r = &t->own[*used];
	*r = (struct bpf_residue){.own = constant,
				  .older = older_constant ? NULL : below->residues[older & ~BPF_RESIDUE_MARK],
				  .older_own = older_constant ? older : SECCOMP_RET_ALLOW};
	if (own->root) {
		r->ops = bpf_code_ops(&c->code, own->root - 1);
		r->function = bpf_code_function(&c->code, own->root - 1);
		if (!r->older && r->older_own == SECCOMP_RET_ALLOW) {
			r->ladder = b->ladders[own->root - 1];
			r->direct = r->ladder || !b->exact ? NULL : r->function;
		}
	}
	if (same_as_last(t, r, *used)) {
		t->words[nr] = BPF_RESIDUE_MARK | (t->count - 1);
		return;
	}
	t->words[nr] = BPF_RESIDUE_MARK | t->count;
	t->residues[t->count++] = r;
	++*used;
}

/* What is looked at first for a number that has @word. */
static struct bpf_rung glance_of(const struct bpf_table *t, u32 word)
{
	const struct bpf_rung *ladder =
		word < BPF_RESIDUE_MARK ? NULL : t->residues[word & ~BPF_RESIDUE_MARK]->ladder;
	struct bpf_rung r = ladder ? *ladder : (struct bpf_rung){.equal = word, .other = word};

	r.equal = r.equal == BPF_RUNG_NEXT ? word : r.equal;
	r.other = r.other == BPF_RUNG_NEXT ? word : r.other;
	return r;
}

static bool rungs_equal(const struct bpf_rung *a, const struct bpf_rung *b)
{
	return a->mask == b->mask && a->value == b->value && a->off == b->off && a->equal == b->equal &&
	       a->other == b->other;
}

/* Whether glances pay: what nobody can foresee then, or what costs no more than a table of words. */
static bool wants_glances(const struct bpf_table *t)
{
	u32 residues = 0, short_ones = 0;

	for (u32 nr = 0; nr < BPF_TABLE_SIZE; nr++) {
		const struct bpf_rung *r;

		if (t->words[nr] < BPF_RESIDUE_MARK)
			continue;
		r = t->residues[t->words[nr] & ~BPF_RESIDUE_MARK]->ladder;
		residues++;
		short_ones += r && r->equal != BPF_RUNG_NEXT && r->other != BPF_RUNG_NEXT;
	}
	return short_ones >= GLANCE_LEAST || (residues && short_ones == residues);
}

/* Numbers that are alike share theirs; most are like one of the latest. */
static int fill_glances(struct bpf_table **table)
{
	struct bpf_table *t = *table;

	if (!wants_glances(t))
		return 0;
	t = realloc(t, sizeof *t + BPF_TABLE_SIZE * sizeof *t->glances);
	if (!t)
		return -ENOMEM;
	*table = t;
	for (u32 nr = 0; nr < BPF_TABLE_SIZE; nr++) {
		struct bpf_rung r = glance_of(t, t->words[nr]);
		u32 i = t->glance_count, least = i > 8 ? i - 8 : 0;

		while (i > least && !rungs_equal(&t->glances[i - 1], &r))
			i--;
		if (i == least) {
			i = ++t->glance_count;
			t->glances[i - 1] = r;
		}
		t->first[nr] = (u16)((const u8 *)&t->glances[i - 1] - (const u8 *)t);
	}
	return 0;
}

/* Gives back what is not used; most links leave no residues at all. */
static void trim_table(struct bpf_table **table, u32 used)
{
	struct bpf_table *t = realloc(*table, sizeof *t + (*table)->glance_count * sizeof *t->glances);
	struct bpf_residue *own = used ? malloc(used * sizeof *own) : NULL;
	const struct bpf_residue **residues;

	t = t ? t : *table;
	*table = t;

	if (own || !used) {
		for (u32 i = 0; i < t->count; i++)
			if (t->residues[i] >= t->own && t->residues[i] < t->own + used)
				t->residues[i] = own + (t->residues[i] - t->own);
		if (used)
			memcpy(own, t->own, used * sizeof *own);
		free(t->own);
		t->own = own;
	}
	residues = realloc(t->residues, t->count * sizeof *residues);
	if (residues || !t->count)
		t->residues = residues;
}

static int fill_table(struct bpf_chain *c, unsigned which, const struct own *own, const struct builder *b)
{
	struct bpf_table *t = c->tables[which];
	const struct bpf_table *below = c->older ? bpf_chain_table(c->older, c->arches[which]) : NULL;
	u32 used = 0;

	BUG_ON(c->older && !below); /* all links have the same tables */
	t->residues = malloc(BPF_TABLE_SIZE * sizeof(struct bpf_residue *));
	t->own = malloc(BPF_TABLE_SIZE * sizeof *t->own);
	if (!t->residues || !t->own)
		return -ENOMEM;
	for (u32 nr = 0; nr < BPF_TABLE_SIZE; nr++) {
		if (bpf_passes_all(c->arches[which], nr))
			t->words[nr] = SECCOMP_RET_ALLOW;
		else
			combine(c, t, nr, &own[nr], b, below, &used);
	}
	if (fill_glances(&c->tables[which]))
		return -ENOMEM;
	trim_table(&c->tables[which], used);
	t = c->tables[which];
	c->bytes +=
		used * sizeof *t->own + t->count * sizeof *t->residues + t->glance_count * sizeof *t->glances;
	return 0;
}

/* All numbers lead to the one residue that says: everything, one after the other. */
static int fill_whole(struct bpf_chain *c, struct bpf_table *t, u32 arch)
{
	t->residues = malloc(sizeof *t->residues);
	t->own = calloc(1, sizeof *t->own);
	if (!t->residues || !t->own)
		return -ENOMEM;
	t->own->whole = c;
	t->residues[0] = t->own;
	t->count = 1;
	for (u32 nr = 0; nr < BPF_TABLE_SIZE; nr++)
		t->words[nr] = bpf_passes_all(arch, nr) ? SECCOMP_RET_ALLOW : BPF_RESIDUE_MARK;
	return 0;
}

/* As a table has it. False: it looks like the mark of a residue. */
static bool take_verdict(u32 *verdict)
{
	if (*verdict == BPF_RUNG_NEXT)
		return true;
	*verdict = bpf_stronger(SECCOMP_RET_ALLOW, *verdict);
	return *verdict < BPF_RESIDUE_MARK;
}

/* The ladder at @node, or 0. Machine code is as fast as one of several rungs. */
static u32 table_ladder(const struct bpf_chain *c, const struct bpf_pool *pool, u32 node,
			struct bpf_rung *rungs)
{
	u32 count = bpf_ladder_make(pool, node, rungs);

	for (u32 i = 0; i < count; i++)
		if (!take_verdict(&rungs[i].equal) || !take_verdict(&rungs[i].other))
			return 0;
	return c->code.image && count > 1 ? 0 : count;
}

/* The residues that are ladders; the whole program, the first root, is not asked for by the tables. */
static int find_ladders(struct bpf_chain *c, struct builder *b)
{
	struct bpf_rung rungs[BPF_RUNGS_MOST];
	u32 used = 0, room = 0;

	b->ladders = calloc(b->root_count, sizeof *b->ladders);
	if (!b->ladders)
		return -ENOMEM;
	if (b->root_count == 1)
		return 0;
	for (unsigned i = 1; i < b->root_count; i++)
		room += table_ladder(c, &b->pool, b->roots[i], rungs);
	c->rungs = malloc((room + 1) * sizeof *c->rungs);
	if (!c->rungs)
		return -ENOMEM;
	for (unsigned i = 1; i < b->root_count; i++) {
		u32 count = table_ladder(c, &b->pool, b->roots[i], rungs);
		struct bpf_rung *r = memcpy(c->rungs + used, rungs, count * sizeof *rungs);

		if (count)
			b->ladders[i] = r;
		used += count;
	}
	c->bytes += (size_t)used * sizeof *c->rungs;
	return 0;
}

/* Whether every end of the program is a verdict that bpf_stronger() leaves as it is: one that a filter would write. */
static bool is_exact(const struct bpf_pool *pool)
{
	for (u32 i = 0; i < pool->n; i++) {
		const struct bpf_node *n = &pool->nodes[i];

		if (n->op == NODE_RET_A ||
		    (n->op == NODE_RET_K && bpf_stronger(SECCOMP_RET_ALLOW, n->k) != n->k))
			return false;
	}
	return true;
}

static int fill(struct bpf_chain *c, struct builder *b, struct bpf_arena *arena)
{
	int error = plan_all(b, c->arches, c->plain ? 0 : c->arch_count);

	if (!error)
		error = bpf_code_make(&c->code, &b->pool, b->roots, b->root_count, arena);
	if (!error)
		error = find_ladders(c, b);
	c->bytes += c->code.bytes;
	b->exact = is_exact(&b->pool);
	for (unsigned i = 0; i < c->arch_count && !error; i++)
		error = c->plain ? fill_whole(c, c->tables[i], c->arches[i])
				 : fill_table(c, i, &b->own[i * BPF_TABLE_SIZE], b);
	return error;
}

int bpf_chain_fill(struct bpf_chain *c, const struct bpf_program *p, struct bpf_arena *arena)
{
	struct builder b = {.program = p};
	int error = 0;

	c->bytes = c->older ? c->older->bytes : 0;
	c->plain = c->bytes > CHAIN_ROOM;
	bpf_pool_init(&b.pool, BPF_KIND_SECCOMP);
	for (unsigned i = 0; i < c->arch_count && !error; i++) {
		c->tables[i] = calloc(1, sizeof *c->tables[i]);
		error = c->tables[i] ? 0 : -ENOMEM;
	}
	if (!error)
		error = fill(c, &b, arena);
	bpf_planner_free(b.planner);
	bpf_pool_free(&b.pool);
	free(b.roots);
	free(b.own);
	free(b.ladders);
	return error;
}

void bpf_chain_unfill(struct bpf_chain *c)
{
	for (unsigned i = 0; i < c->arch_count && c->tables[i]; i++) {
		free(c->tables[i]->residues);
		free(c->tables[i]->own);
		free(c->tables[i]);
	}
	free(c->rungs);
	bpf_code_free(&c->code);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Chains: their tables are made when a filter is added, from its own residues and the table below it, so that
 * the work is bounded by the new program alone.
 */
#include "bpf/chain.h"

#include "base/bug.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>

/* What the plans of one program may cost; the numbers that are left then run the whole program. */
#define PLAN_BUDGET (2u << 20)  /* instructions looked at */
#define POOL_MOST   (64u << 10) /* nodes */

#define NR_URETPROBE 335
#define NR_UPROBE    336

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
	const struct bpf_rung **ladders; /* by root; NULL: it is none, or there is machine code */
};

static bool passes_all(u32 arch, u32 nr)
{
	return arch == AUDIT_ARCH_X86_64 && (nr == NR_URETPROBE || nr == NR_UPROBE);
}

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
		for (u32 nr = 0; nr < BPF_TABLE_SIZE && !error; nr++)
			error = plan_number(b, arches[a], nr, &b->own[a * BPF_TABLE_SIZE + nr]);
	return error;
}

/* The chain's entry for one number, from this filter's result and the older ones' entry. */
static void combine(struct bpf_chain *c, struct bpf_table *t, u32 nr, const struct own *own,
		    const struct bpf_rung **ladders, const struct bpf_table *below, u32 *used)
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
	t->words[nr] = BPF_RESIDUE_MARK | t->count;
	r = &t->own[(*used)++];
	*r = (struct bpf_residue){.own = constant,
				  .older = older_constant ? NULL : below->residues[older & ~BPF_RESIDUE_MARK],
				  .older_own = older_constant ? older : SECCOMP_RET_ALLOW};
	if (own->root) {
		r->ops = bpf_code_ops(&c->code, own->root - 1);
		r->function = bpf_code_function(&c->code, own->root - 1);
		r->tables = c->code.tables;
		r->alone = !r->older && r->older_own == SECCOMP_RET_ALLOW;
		r->ladder = r->alone ? ladders[own->root - 1] : NULL;
	}
	t->residues[t->count++] = r;
}

static int fill_table(struct bpf_chain *c, unsigned which, const struct own *own,
		      const struct bpf_rung **ladders)
{
	struct bpf_table *t = &c->tables[which];
	const struct bpf_table *below = c->older ? bpf_chain_table(c->older, c->arches[which]) : NULL;
	u32 used = 0;

	BUG_ON(c->older && !below); /* all links have the same tables */
	t->residues = malloc(BPF_TABLE_SIZE * sizeof(struct bpf_residue *));
	t->own = malloc(BPF_TABLE_SIZE * sizeof *t->own);
	if (!t->residues || !t->own)
		return -ENOMEM;
	for (u32 nr = 0; nr < BPF_TABLE_SIZE; nr++) {
		if (passes_all(c->arches[which], nr))
			t->words[nr] = SECCOMP_RET_ALLOW;
		else
			combine(c, t, nr, &own[nr], ladders, below, &used);
	}
	return 0;
}

/* Most links leave no residues at all. */
static void trim_table(struct bpf_table *t)
{
	if (t->count)
		return;
	free(t->residues);
	free(t->own);
	t->residues = NULL;
	t->own = NULL;
}

static void chain_free(struct bpf_chain *c)
{
	for (unsigned i = 0; i < c->arch_count && c->tables; i++) {
		free(c->tables[i].residues);
		free(c->tables[i].own);
	}
	free(c->tables);
	free(c->rungs);
	bpf_code_free(&c->code);
	bpf_program_free(c->program);
	free(c);
}

/* The residues that are ladders; the whole program, the first root, is not asked for by the tables. */
static int find_ladders(struct bpf_chain *c, struct builder *b)
{
	u32 used = 0;

	b->ladders = calloc(b->root_count, sizeof *b->ladders);
	if (!b->ladders)
		return -ENOMEM;
	/* Machine code is as fast. */
	if (c->code.image || b->root_count == 1)
		return 0;
	c->rungs = malloc((size_t)b->root_count * BPF_RUNGS_MOST * sizeof *c->rungs);
	if (!c->rungs)
		return -ENOMEM;
	for (unsigned i = 1; i < b->root_count; i++) {
		struct bpf_rung *r = c->rungs + used;
		u32 count = bpf_ladder_make(&b->pool, b->roots[i], r);

		for (u32 n = 0; n < count; n++)
			r[n].verdict = bpf_stronger(SECCOMP_RET_ALLOW, r[n].verdict);
		if (count)
			b->ladders[i] = r;
		used += count;
	}
	return 0;
}

static int chain_fill(struct bpf_chain *c, struct builder *b, struct bpf_arena *arena)
{
	int error = plan_all(b, c->arches, c->arch_count);

	if (!error)
		error = bpf_code_make(&c->code, &b->pool, b->roots, b->root_count, arena);
	if (!error)
		error = find_ladders(c, b);
	for (unsigned i = 0; i < c->arch_count && !error; i++) {
		error = fill_table(c, i, &b->own[i * BPF_TABLE_SIZE], b->ladders);
		if (!error)
			trim_table(&c->tables[i]);
	}
	return error;
}

int bpf_chain_add(struct bpf_chain *older, struct bpf_program *p, const u32 *arches, unsigned arch_count,
		  struct bpf_arena *arena, struct bpf_chain **out)
{
	struct builder b = {.program = p};
	unsigned path = p->converted + 4 + (older ? older->path : 0);
	struct bpf_chain *c;
	int error;

	/* An older filter counts four more than the newest. */
	if (path - 4 > BPF_PATH_MOST)
		return -ENOMEM;
	c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->refs = 1;
	c->older = older;
	c->path = path;
	c->depth = 1 + (older ? older->depth : 0);
	c->arch_count = arch_count;
	memcpy(c->arches, arches, arch_count * sizeof *arches);
	c->tables = calloc(arch_count + 1, sizeof *c->tables);
	bpf_pool_init(&b.pool, BPF_KIND_SECCOMP);
	error = c->tables ? chain_fill(c, &b, arena) : -ENOMEM;
	bpf_planner_free(b.planner);
	bpf_pool_free(&b.pool);
	free(b.roots);
	free(b.own);
	free(b.ladders);
	if (error) {
		chain_free(c);
		return error;
	}
	c->program = p;
	bpf_chain_get(older);
	*out = c;
	return 0;
}

struct bpf_chain *bpf_chain_get(struct bpf_chain *c)
{
	if (c)
		c->refs++;
	return c;
}

void bpf_chain_put(struct bpf_chain *c)
{
	while (c && !--c->refs) {
		struct bpf_chain *older = c->older;

		if (c->user_gone)
			c->user_gone(c->user);
		chain_free(c);
		c = older;
	}
}

bool bpf_chain_is_under(const struct bpf_chain *older, const struct bpf_chain *c)
{
	if (!older)
		return true;
	while (c && c != older)
		c = c->older;
	return c;
}

u32 bpf_chain_run_plain(const struct bpf_chain *c, const struct seccomp_data *d,
			const struct bpf_chain **match)
{
	const struct bpf_chain *winner = NULL;
	u32 verdict = SECCOMP_RET_ALLOW;

	if (passes_all(d->arch, (u32)d->nr))
		c = NULL;
	for (; c; c = c->older) {
		u32 one = bpf_program_run(c->program, d);

		if (bpf_stronger(verdict, one) != verdict) {
			verdict = one;
			winner = c;
		}
	}
	if (match)
		*match = winner;
	return verdict;
}

static u32 run_one(bpf_function *function, const struct bpf_op *ops, const u32 *tables,
		   const struct seccomp_data *d)
{
	return function ? function(d, sizeof *d) : bpf_run(ops, d, sizeof *d, tables);
}

u32 bpf_chain_run_whole(const struct bpf_chain *c, const struct seccomp_data *d)
{
	u32 verdict = SECCOMP_RET_ALLOW;

	if (passes_all(d->arch, (u32)d->nr))
		return verdict;
	for (; c; c = c->older)
		verdict = bpf_stronger(verdict, run_one(bpf_code_function(&c->code, 0),
							bpf_code_ops(&c->code, 0), c->code.tables, d));
	return verdict;
}

u32 bpf_residue_run_all(const struct bpf_residue *r, const struct seccomp_data *d)
{
	u32 verdict = SECCOMP_RET_ALLOW;

	for (;; r = r->older) {
		u32 one = r->ops ? run_one(r->function, r->ops, r->tables, d) : r->own;

		verdict = bpf_stronger(verdict, one);
		if (!r->older)
			return bpf_stronger(verdict, r->older_own);
	}
}

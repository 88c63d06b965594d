// SPDX-License-Identifier: Apache-2.0
/*
 * Plans: abstract interpretation of a converted program (walk.c), and what remains of it, which is done here.
 *
 * Backwards, steps become nodes: what nobody needs is left out, a known result is loaded at its place of use, a test of
 * a field needs no register, and a test both of whose ways lead to the same node is none. What a packet's load knows of
 * its length is a node (NEED) of its own, and the load itself may go.
 */
#include "bpf/steps.h"

#include <errno.h>
#include <stdlib.h>

struct bpf_planner *bpf_planner_new(const struct bpf_program *p, struct bpf_pool *pool)
{
	struct bpf_planner *planner = calloc(1, sizeof *planner);
	unsigned n = p->converted;

	if (!planner)
		return NULL;
	planner->program = p;
	planner->pool = pool;
	planner->pending = calloc(n, sizeof *planner->pending);
	planner->store = malloc((n + 1) * sizeof *planner->store);
	planner->spare = malloc((n + 1) * sizeof *planner->spare);
	planner->steps = malloc(n * sizeof *planner->steps);
	planner->node = malloc(n * sizeof *planner->node);
	if (planner->pending && planner->store && planner->spare && planner->steps && planner->node)
		return planner;
	bpf_planner_free(planner);
	return NULL;
}

void bpf_planner_free(struct bpf_planner *planner)
{
	if (!planner)
		return;
	free(planner->pending);
	free(planner->store);
	free(planner->spare);
	free(planner->steps);
	free(planner->node);
	free(planner);
}

static u32 add_test(struct bpf_planner *p, const struct step *s, struct bpf_node *n)
{
	const struct bpf_node *nodes = p->pool->nodes;

	n->f = p->node[s->f];
	if (n->t == n->f)
		return n->t;
	n->live |= nodes[n->f].live;
	n->op = NODE_TEST;
	if (s->src == REG_NONE && s->value.kind == SYM_FIELD && !s->value.shift) {
		n->reg = REG_NONE;
		n->field = (struct bpf_field){s->value.value, s->value.mask, s->value.size, 0};
		if (n->code == BPF_JSET) {
			n->k &= n->field.mask;
			n->field.mask = s->value.size == 4 ? ~0u : (1u << s->value.size * 8) - 1;
		}
	} else {
		n->live |= LIVE_REG(n->reg);
		if (n->src != REG_NONE)
			n->live |= LIVE_REG(n->src);
	}
	return bpf_pool_add(p->pool, n);
}

static u32 add_define(struct bpf_planner *p, const struct step *s, struct bpf_node *n)
{
	if (!(n->live & LIVE_REG(s->reg)))
		return n->t;
	n->live &= ~LIVE_REG(s->reg);
	if (s->value.kind != SYM_ANY) {
		n->src = REG_NONE;
		n->code = 0;
		n->op = s->value.kind == SYM_CONST ? NODE_SET : NODE_FIELD;
		n->k = s->value.kind == SYM_CONST ? s->value.value : 0;
		if (n->op == NODE_FIELD)
			n->field = (struct bpf_field){s->value.value, s->value.mask, s->value.size,
						      s->value.shift};
		return bpf_pool_add(p->pool, n);
	}
	if (s->op == NODE_ALU)
		n->live |= LIVE_REG(s->reg);
	if (s->op == NODE_FETCH)
		n->live |= LIVE_MEM(s->k);
	if (s->src != REG_NONE)
		n->live |= LIVE_REG(s->src);
	return bpf_pool_add(p->pool, n);
}

static u32 add_need(struct bpf_planner *p, u32 next, u32 need)
{
	struct bpf_node n = {
		.op = NODE_NEED, .reg = REG_NONE, .src = REG_NONE, .k = need, .t = next, .f = NO_NODE};

	if (!need || next == NO_NODE)
		return next;
	n.live = p->pool->nodes[next].live;
	return bpf_pool_add(p->pool, &n);
}

static u32 add_exit(struct bpf_planner *p, const struct step *s)
{
	struct bpf_node n = {.op = NODE_RET_A, .reg = REG_NONE, .src = REG_NONE, .t = NO_NODE, .f = NO_NODE};

	if (s->value.kind == SYM_CONST) {
		n.op = NODE_RET_K;
		n.k = s->value.value;
	} else {
		n.live = LIVE_REG(REG_A);
	}
	return bpf_pool_add(p->pool, &n);
}

static u32 add_step(struct bpf_planner *p, const struct step *s)
{
	struct bpf_node n = {
		.op = s->op, .reg = s->reg, .src = s->src, .code = s->code, .k = s->k, .f = NO_NODE};

	if (s->kind == STEP_EXIT)
		return add_exit(p, s);
	n.t = p->node[s->t];
	n.live = p->pool->nodes[n.t].live;
	switch (s->kind) {
	case STEP_TEST:
		return add_test(p, s, &n);
	case STEP_DEFINE:
		return add_need(p, add_define(p, s, &n), s->need);
	case STEP_STORE:
		if (!(n.live & LIVE_MEM(s->k)))
			return n.t;
		n.op = NODE_STORE;
		n.live = (n.live & ~LIVE_MEM(s->k)) | LIVE_REG(s->reg);
		return bpf_pool_add(p->pool, &n);
	case STEP_IND:
		n.op = NODE_IND;
		n.code = 0;
		n.field.size = s->code;
		n.live = (n.live & ~LIVE_REG(REG_A)) | LIVE_REG(REG_X);
		return bpf_pool_add(p->pool, &n);
	default:
		return n.t;
	}
}

int bpf_plan(struct bpf_planner *p, const struct bpf_known *known, u32 *root)
{
	int error;

	p->known = known;
	error = bpf_walk(p);
	if (error)
		return error;
	for (unsigned i = p->step_count; i-- > 0;) {
		u32 node = add_step(p, &p->steps[i]);

		if (node == NO_NODE)
			return -ENOMEM;
		p->node[p->steps[i].at] = node;
	}
	*root = p->node[0];
	return 0;
}

/* The length from which no absolute load of usual size can fail. */
static u32 enough_bytes(const struct bpf_program *p)
{
	u32 most = 0;

	for (unsigned i = 0; i < p->size; i++) {
		u16 code = p->classic[i].code;

		if ((BPF_CLASS(code) == BPF_LD && BPF_MODE(code) == BPF_ABS) ||
		    code == (BPF_LDX | BPF_B | BPF_MSH)) {
			u32 size = BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;

			if (p->classic[i].k <= 124)
				most = max(most, p->classic[i].k + size);
		}
	}
	return min(most, 127u);
}

int bpf_plan_program(struct bpf_planner *p, u32 *root)
{
	struct bpf_node n = {.op = NODE_LONG, .reg = REG_NONE, .src = REG_NONE};
	struct bpf_known known = {0};
	int error = bpf_plan(p, &known, root);

	if (error || p->program->kind == BPF_KIND_SECCOMP)
		return error;
	known.size = n.k = enough_bytes(p->program);
	n.f = *root;
	error = bpf_plan(p, &known, &n.t);
	if (error || n.t == n.f)
		return error;
	n.live = p->pool->nodes[n.t].live | p->pool->nodes[n.f].live;
	*root = bpf_pool_add(p->pool, &n);
	return *root == NO_NODE ? -ENOMEM : 0;
}

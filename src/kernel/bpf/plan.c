// SPDX-License-Identifier: Apache-2.0
/*
 * Plans: abstract interpretation of a converted program, and what remains of it.
 *
 * Forwards, each instruction that can be reached becomes a step: decided jumps lead on, results that are known
 * (a constant; a field of the data with a mask and a shift) are noted, and where paths meet only what holds on
 * all of them is kept. Backwards, steps become nodes: what nobody needs is left out, a known result is loaded
 * at its place of use, a test of a field needs no register, and a test both of whose ways lead to the same node
 * is none. Programs jump forward only, so each pass is one walk.
 *
 * Packets: a load that may fail ends the program with 0, so what it adds to the knowledge about the packet's
 * length is a node (NEED) of its own, and the load itself may go.
 */
#include "bpf/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum sym_kind {
	SYM_ANY,
	SYM_CONST, /* value */
	SYM_FIELD,
};

struct sym {
	u8 kind, size;
	s8 shift;
	u32 value; /* of a field: its offset */
	u32 mask;
};

/* What is known before an instruction. */
struct facts {
	struct sym reg[3], mem[BPF_MEMWORDS];
	u32 size; /* bytes that the packet has at least */
};

enum step_kind {
	STEP_JUMP, /* or nothing to do */
	STEP_EXIT,
	STEP_TEST,
	STEP_DEFINE, /* reg := value, or if that is not known what op says */
	STEP_STORE,
	STEP_IND,
};

struct step {
	u8 kind, op, code, reg, src;
	u16 at, t, f; /* instructions */
	u32 k, need;
	struct sym value; /* of the result; of a test's left side */
};

struct bpf_planner {
	const struct bpf_program *program;
	struct bpf_pool *pool;
	const struct bpf_known *known;
	struct facts now;
	u16 *pending; /* for each instruction: one more than the place in store of what is known there; else 0 */
	struct facts *store;
	u16 *spare; /* free places of store */
	unsigned store_used, spare_count, waiting;
	struct step *steps;
	unsigned step_count;
	u32 *node; /* for each instruction */
};

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

/* ---- what is known ---- */

static struct sym sym_const(u32 value)
{
	return (struct sym){.kind = SYM_CONST, .value = value};
}

static bool sym_equal(const struct sym *a, const struct sym *b)
{
	return a->kind == b->kind && a->size == b->size && a->shift == b->shift && a->value == b->value &&
	       a->mask == b->mask;
}

static void sym_meet(struct sym *a, const struct sym *b)
{
	if (!sym_equal(a, b))
		*a = (struct sym){SYM_ANY};
}

static void facts_meet(struct facts *a, const struct facts *b)
{
	for (unsigned i = 0; i < ARRAY_SIZE(a->reg); i++)
		sym_meet(&a->reg[i], &b->reg[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(a->mem); i++)
		sym_meet(&a->mem[i], &b->mem[i]);
	a->size = min(a->size, b->size);
}

static struct sym sym_load(const struct bpf_planner *p, u32 off, u8 size)
{
	if (p->program->kind == BPF_KIND_SECCOMP) {
		if (p->known->nr && off == offsetof(struct seccomp_data, nr))
			return sym_const(*p->known->nr);
		if (p->known->arch && off == offsetof(struct seccomp_data, arch))
			return sym_const(*p->known->arch);
	}
	return (struct sym){SYM_FIELD, size, 0, off, size == 4 ? ~0u : (1u << size * 8) - 1};
}

u32 bpf_compute(u8 code, u32 a, u32 b)
{
	switch (code) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	default: /* BPF_NEG */
		return -a;
	}
}

static struct sym sym_alu(u8 code, struct sym a, struct sym b)
{
	if (a.kind == SYM_CONST && (b.kind == SYM_CONST || code == BPF_NEG))
		return sym_const(bpf_compute(code, a.value, b.value));
	if (a.kind != SYM_FIELD || b.kind != SYM_CONST)
		return (struct sym){SYM_ANY};
	if (code == BPF_AND) {
		a.mask &= a.shift >= 0 ? b.value >> a.shift : b.value << -a.shift;
		return a.mask ? a : sym_const(0);
	}
	if ((code == BPF_LSH || code == BPF_RSH) && !a.shift) {
		a.shift = (s8)(code == BPF_LSH ? b.value & 31 : -(b.value & 31));
		return a;
	}
	return (struct sym){SYM_ANY};
}

/* 1: the test holds, 0: not, -1: nobody knows. */
static int sym_test(u8 code, struct sym a, struct sym b)
{
	if (b.kind != SYM_CONST)
		return -1;
	if (a.kind == SYM_CONST)
		return bpf_holds(code, a.value, b.value);
	if (a.kind == SYM_FIELD && !a.shift && code == BPF_JEQ && (b.value & ~a.mask))
		return 0;
	if (a.kind == SYM_FIELD && !a.shift && code == BPF_JSET && !(b.value & a.mask))
		return 0;
	return -1;
}

/* ---- forwards ---- */

static u8 reg_of(u8 internal)
{
	return internal == BPF_ACC ? REG_A : internal == BPF_INDEX ? REG_X : REG_T;
}

static struct step *step_add(struct bpf_planner *p, u8 kind, unsigned at)
{
	struct step *s = &p->steps[p->step_count++];

	*s = (struct step){.kind = kind, .src = REG_NONE, .at = (u16)at, .t = (u16)(at + 1)};
	return s;
}

/* What is known now is also known at @target. */
static void flow_to(struct bpf_planner *p, unsigned target)
{
	u16 *slot = &p->pending[target];

	if (*slot) {
		facts_meet(&p->store[*slot - 1], &p->now);
		return;
	}
	*slot = (u16)(1 + (p->spare_count ? p->spare[--p->spare_count] : p->store_used++));
	p->store[*slot - 1] = p->now;
	p->waiting++;
}

/* Joins what is known at @at from jumps; @live: the instruction before falls through. */
static bool flow_into(struct bpf_planner *p, unsigned at, bool live)
{
	u16 slot = p->pending[at];

	if (!slot)
		return live;
	if (live)
		facts_meet(&p->now, &p->store[slot - 1]);
	else
		p->now = p->store[slot - 1];
	p->pending[at] = 0;
	p->spare[p->spare_count++] = (u16)(slot - 1);
	p->waiting--;
	return true;
}

static void define(struct bpf_planner *p, struct step *s, u8 reg, struct sym value)
{
	/* The register has it already: nothing is done, and an earlier step's work stays needed. */
	if (value.kind != SYM_ANY && !s->need && sym_equal(&value, &p->now.reg[reg])) {
		s->kind = STEP_JUMP;
		return;
	}
	s->reg = reg;
	s->value = value;
	p->now.reg[reg] = value;
}

static void do_alu(struct bpf_planner *p, const struct bpf_insn *i, unsigned at)
{
	u8 reg = reg_of(i->dst_reg), src = BPF_SRC(i->code) == BPF_X ? reg_of(i->src_reg) : REG_NONE;
	struct sym b = src == REG_NONE ? sym_const((u32)i->imm) : p->now.reg[src];
	struct step *s;

	if (BPF_OP(i->code) == BPF_MOV && src != REG_NONE &&
	    (i->dst_reg == BPF_CTX || i->dst_reg == i->src_reg)) {
		step_add(p, STEP_JUMP, at); /* the context is always at hand, and registers have 32 bits */
		return;
	}
	s = step_add(p, STEP_DEFINE, at);
	s->code = BPF_OP(i->code);
	s->op = s->code == BPF_MOV ? NODE_MOVE : NODE_ALU;
	s->src = b.kind == SYM_CONST ? REG_NONE : src;
	s->k = b.value;
	if (s->code == BPF_MOV)
		define(p, s, reg, b);
	else if (s->code == BPF_XOR && src == reg)
		define(p, s, reg, sym_const(0));
	else
		define(p, s, reg, sym_alu(s->code, p->now.reg[reg], b));
}

static void do_packet_load(struct bpf_planner *p, u32 off, u8 size, unsigned at)
{
	u64 need = (u64)off + size;
	struct step *s;

	if (need > 0x7fffffff) { /* no packet is that long */
		s = step_add(p, STEP_EXIT, at);
		s->value = sym_const(0);
		return;
	}
	s = step_add(p, STEP_DEFINE, at);
	if (p->now.size < need)
		s->need = p->now.size = (u32)need;
	define(p, s, REG_A, sym_load(p, off, size));
}

/* True if the program goes on behind it. */
static bool do_load(struct bpf_planner *p, const struct bpf_insn *i, unsigned at)
{
	u8 size = BPF_SIZE(i->code) == BPF_W ? 4 : BPF_SIZE(i->code) == BPF_H ? 2 : 1;
	struct sym x = p->now.reg[REG_X];
	struct step *s;

	if (BPF_CLASS(i->code) == BPF_LDX) {
		s = step_add(p, STEP_DEFINE, at);
		if (i->src_reg == BPF_REG_10) {
			s->op = NODE_FETCH;
			s->k = (u32)(-i->off / 4 - 1);
			define(p, s, reg_of(i->dst_reg), p->now.mem[s->k]);
		} else if (p->program->kind == BPF_KIND_PACKET) {
			s->op = NODE_LEN;
			define(p, s, reg_of(i->dst_reg), (struct sym){SYM_ANY});
		} else {
			define(p, s, reg_of(i->dst_reg), sym_load(p, (u32)i->off, 4));
		}
		return true;
	}
	if (BPF_MODE(i->code) == BPF_ABS || x.kind == SYM_CONST) {
		do_packet_load(p, (u32)i->imm + (BPF_MODE(i->code) == BPF_ABS ? 0 : x.value), size, at);
		return p->steps[p->step_count - 1].kind != STEP_EXIT;
	}
	s = step_add(p, STEP_IND, at);
	s->code = size;
	s->k = (u32)i->imm;
	define(p, s, REG_A, (struct sym){SYM_ANY});
	return true;
}

static void do_store(struct bpf_planner *p, const struct bpf_insn *i, unsigned at)
{
	struct step *s = step_add(p, STEP_STORE, at);

	s->reg = reg_of(i->src_reg);
	s->k = (u32)(-i->off / 4 - 1);
	p->now.mem[s->k] = p->now.reg[s->reg];
}

/* The target if it is known (the instruction behind for a test that is not decided falls through), else 0. */
static unsigned do_branch(struct bpf_planner *p, const struct bpf_insn *i, unsigned at)
{
	unsigned t = at + 1 + (unsigned)i->off, f = at + 1, swap;
	u8 code = BPF_OP(i->code), src = BPF_SRC(i->code) == BPF_X ? reg_of(i->src_reg) : REG_NONE;
	struct sym a = p->now.reg[reg_of(i->dst_reg)];
	struct sym b = src == REG_NONE ? sym_const((u32)i->imm) : p->now.reg[src];
	struct step *s;
	int holds;

	if (code == BPF_JNE || code == BPF_JLT || code == BPF_JLE) {
		code = code == BPF_JNE ? BPF_JEQ : code == BPF_JLT ? BPF_JGE : BPF_JGT;
		swap = t;
		t = f;
		f = swap;
	}
	holds = sym_test(code, a, b);
	s = step_add(p, holds < 0 ? STEP_TEST : STEP_JUMP, at);
	s->t = (u16)(holds == 0 ? f : t);
	if (holds >= 0)
		return s->t;
	s->f = (u16)f;
	s->code = code;
	s->reg = reg_of(i->dst_reg);
	s->value = a;
	s->src = b.kind == SYM_CONST ? REG_NONE : src;
	s->k = b.value;
	if (a.kind == SYM_CONST && (code == BPF_JEQ || code == BPF_JSET)) {
		s->value = b; /* the constant to the right */
		s->reg = src;
		s->src = REG_NONE;
		s->k = a.value;
	}
	flow_to(p, t == at + 1 ? f : t);
	return at + 1;
}

/* One instruction: where the walk goes on, or 0 where the program ends. */
static unsigned do_insn(struct bpf_planner *p, unsigned at)
{
	const struct bpf_insn *i = &p->program->insns[at];

	switch (BPF_CLASS(i->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		do_alu(p, i, at);
		return at + 1;
	case BPF_LD:
	case BPF_LDX:
		return do_load(p, i, at) ? at + 1 : 0;
	case BPF_STX:
		do_store(p, i, at);
		return at + 1;
	default:
		if (BPF_OP(i->code) == BPF_EXIT) {
			step_add(p, STEP_EXIT, at)->value = p->now.reg[REG_A];
			return 0;
		}
		if (BPF_OP(i->code) == BPF_JA)
			return step_add(p, STEP_JUMP, at)->t = (u16)(at + 1 + (unsigned)i->off);
		return do_branch(p, i, at);
	}
}

static int walk_forwards(struct bpf_planner *p)
{
	bool live = true;
	unsigned at = 0, next;

	p->step_count = p->store_used = p->spare_count = p->waiting = 0;
	memset(&p->now, 0, sizeof p->now);
	p->now.size = p->known->size;
	while (at < p->program->converted) {
		if (p->waiting)
			live = flow_into(p, at, live);
		if (!live) {
			at++;
			if (!p->waiting)
				break;
			continue;
		}
		if (p->known->budget && !(*p->known->budget)--) {
			*p->known->budget = 0;
			memset(p->pending, 0, p->program->converted * sizeof *p->pending);
			return -E2BIG;
		}
		next = do_insn(p, at);
		if (next == at + 1) {
			at = next;
		} else if (!next || p->waiting) {
			if (next)
				flow_to(p, next);
			live = false;
			at++;
			if (!p->waiting)
				break;
		} else {
			at = next; /* nothing in between can be reached */
		}
	}
	return 0;
}

/* ---- backwards ---- */

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
	error = walk_forwards(p);
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

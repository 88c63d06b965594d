// SPDX-License-Identifier: Apache-2.0
/*
 * Plans, forwards: each instruction that can be reached becomes a step. Decided jumps lead on, results that are known (a
 * constant; a field of the data with a mask and a shift) are noted, and where paths meet only what holds on all of them
 * is kept. Programs jump forward only, so this is one walk.
 *
 * Packets: a load that may fail ends the program with 0, so what it adds to the knowledge about the packet's length is
 * kept apart from the load, which may turn out to be needless.
 */
#include "bpf/steps.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

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

int bpf_walk(struct bpf_planner *p)
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

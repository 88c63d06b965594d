// SPDX-License-Identifier: Apache-2.0
/*
 * Reads emitted code before it can run, and believes nothing of the compiler: only known instructions; jumps
 * forward, onto instructions; memory read only in the constants' table, in the scratch words, and in the data
 * where enough of it is there on every path; memory written only in the scratch words; the stack pointer, the
 * data's address and its size never changed; divided by what cannot be 0, with edx 0 before; the end not reached but
 * by ret or jmp.
 *
 * Since jumps go forward, one walk knows for each instruction what holds before it: how many bytes the data has
 * at least, whether rdx is a known number or an index already compared with the end, which registers' lower halves are
 * not 0, and what the flags say.
 */
#include "bpf/jit.h"
#include "bpf/x86.h"

#include <stdlib.h>
#include <string.h>

enum rdx_kind {
	RDX_ANY,
	RDX_CONST,   /* rdx_value */
	RDX_CHECKED, /* rdx_value bytes are there behind it */
};

enum flags_kind {
	FLAGS_ANY,
	FLAGS_SIZE, /* of rsi compared with flags_value */
	FLAGS_END,  /* of rdx + flags_value compared with rsi */
	FLAGS_ZERO, /* of register flags_value, its lower half */
};

struct known {
	bool reached, start; /* of an instruction that is reached; of any */
	bool narrow;         /* the upper half of rdx is 0 */
	u8 rdx, flags, r9;   /* r9: bytes behind rdx that it points to, 0: not known */
	u32 size, rdx_value, flags_value;
	u16 nonzero; /* a bit for each register */
};

struct verifier {
	const struct bpf_emitted *e;
	struct known *at; /* by byte of code, one more for the end */
};

static void meet(struct known *to, const struct known *from)
{
	if (!to->reached) {
		bool start = to->start;

		*to = *from;
		to->start = start;
		return;
	}
	to->size = min(to->size, from->size);
	if (to->rdx != from->rdx || to->rdx_value != from->rdx_value)
		to->rdx = RDX_ANY;
	to->narrow &= from->narrow;
	to->nonzero &= from->nonzero;
	if (to->r9 != from->r9)
		to->r9 = 0;
	to->flags = FLAGS_ANY;
}

/* The constant that an instruction at @at reads, if its whole place is in the table. */
static bool read_constant(const struct verifier *v, u32 at, const struct x86_insn *i, u32 *value)
{
	s64 place = (s64)at + i->size + i->disp - v->e->constants;
	u32 bytes = i->wide ? 8 : 4;

	if (place < 0 || place + bytes > v->e->constant_size)
		return false;
	memcpy(value, v->e->constant_data + place, sizeof *value);
	return true;
}

static u32 load_size(const struct x86_insn *i)
{
	return i->op == X86_MOVZX8 ? 1 : i->op == X86_MOVZX16 ? 2 : i->wide ? 8 : 4;
}

static const char *check_memory(const struct verifier *v, u32 at, const struct x86_insn *i,
				const struct known *k)
{
	bool load = i->op == X86_MOV || i->op == X86_MOVZX8 || i->op == X86_MOVZX16;
	u32 value;

	switch (i->form) {
	case FORM_RIP:
		if (i->op == X86_STORE || i->op == X86_LEA || i->op == X86_MOVZX8 || i->op == X86_MOVZX16)
			return "touches the constants otherwise than by reading words";
		return read_constant(v, at, i, &value) ? NULL : "reads beyond its constants";
	case FORM_STACK:
		if ((i->op != X86_MOV && i->op != X86_STORE) || i->wide)
			return "works on the stack";
		return i->disp <= -4 && i->disp >= -64 && !(i->disp & 3) ? NULL : "leaves the scratch words";
	case FORM_DATA:
		if (!load)
			return "works on the data";
		return i->disp >= 0 && (u32)i->disp + load_size(i) <= k->size ? NULL
									      : "reads beyond the data";
	case FORM_INDEX:
		if (!load)
			return "works on the data";
		if (k->rdx == RDX_CHECKED && load_size(i) <= k->rdx_value)
			return NULL;
		if (k->rdx == RDX_CONST && (u64)k->rdx_value + load_size(i) <= k->size)
			return NULL;
		return "reads at an index that was not checked";
	case FORM_BASE:
		return i->op == X86_LEA ? NULL : "reads at a register";
	default:
		return i->op == X86_STORE || i->op == X86_LEA ? "has a register where memory belongs" : NULL;
	}
}

/* A division may not fault: neither by 0, nor by a result that is too long. */
static const char *check_division(const struct x86_insn *i, const struct known *k)
{
	if (i->op != X86_DIV)
		return NULL;
	if (i->wide || k->rdx != RDX_CONST || k->rdx_value || !k->narrow)
		return "divides more than eax";
	return k->nonzero & 1u << i->reg ? NULL : "divides by what may be 0";
}

/* What is written: general work registers, and never the arguments or the stack pointer. */
static const char *check_target(const struct x86_insn *i)
{
	if (i->op == X86_STORE || i->op == X86_CMP || i->op == X86_TEST || i->op == X86_CMP_IMM ||
	    i->op >= X86_JCC || i->op == X86_DIV)
		return NULL;
	if (i->reg == X86_AX || i->reg == X86_CX || i->reg == X86_DX || i->reg == X86_R8 || i->reg == X86_R9)
		return NULL;
	return "writes a register that is not its own";
}

/* reg := a known number, by one instruction and in 32 bits. */
static bool is_constant(const struct verifier *v, u32 at, const struct x86_insn *i, u32 *value)
{
	if (i->wide)
		return false;
	if (i->op == X86_MOV && i->form == FORM_RIP)
		return read_constant(v, at, i, value);
	*value = 0;
	return i->op == X86_XOR && i->form == FORM_REG && i->reg == i->rm;
}

/* What holds behind an instruction that is no jump. */
static void step(const struct verifier *v, u32 at, const struct x86_insn *i, struct known *k)
{
	bool writes = !(i->op == X86_STORE || i->op == X86_CMP || i->op == X86_TEST || i->op == X86_CMP_IMM);
	bool constant;
	u32 value = 0;

	k->flags = i->op == X86_MOV || i->op == X86_LEA || i->op == X86_STORE ? k->flags : FLAGS_ANY;
	if (i->op == X86_CMP_IMM && i->wide && i->reg == X86_SI) {
		k->flags = FLAGS_SIZE;
		k->flags_value = i->imm;
	} else if (i->op == X86_CMP && i->wide && i->reg == X86_SI && i->form == FORM_RIP) {
		k->flags = FLAGS_SIZE;
		read_constant(v, at, i, &value);
		k->flags_value = value;
	} else if (i->op == X86_CMP && i->wide && i->reg == X86_R9 && i->form == FORM_REG &&
		   i->rm == X86_SI && k->r9) {
		k->flags = FLAGS_END;
		k->flags_value = k->r9;
	} else if (i->op == X86_TEST && !i->wide && i->form == FORM_REG && i->reg == i->rm) {
		k->flags = FLAGS_ZERO;
		k->flags_value = i->reg;
	} else if (writes && k->flags == FLAGS_ZERO && i->reg == k->flags_value) {
		k->flags = FLAGS_ANY;
	}
	constant = is_constant(v, at, i, &value);
	if (writes)
		k->nonzero &= (u16) ~(1u << i->reg);
	if (i->op == X86_DIV)
		k->nonzero &= (u16) ~(1u << X86_AX | 1u << X86_DX);
	if (constant && value)
		k->nonzero |= (u16)(1u << i->reg);
	if (writes && i->reg == X86_R9)
		k->r9 = i->op == X86_LEA && i->wide && k->narrow && i->rm == X86_DX && i->disp > 0
				? (u8)i->disp
				: 0;
	if ((writes && i->reg == X86_DX) || i->op == X86_DIV) {
		k->rdx = constant ? RDX_CONST : RDX_ANY;
		k->rdx_value = value;
		k->r9 = 0;
		k->narrow = !i->wide && i->op != X86_ROL16;
		k->flags = k->flags == FLAGS_END ? FLAGS_ANY : k->flags;
	}
}

/* What the condition of a jump tells, on the way where it holds and on the other. */
static void learn(const struct x86_insn *i, struct known *taken, struct known *through)
{
	struct known *enough = i->cc == CC_AE ? taken : i->cc == CC_B ? through : NULL;

	if (through->flags == FLAGS_SIZE && enough)
		enough->size = max(enough->size, enough->flags_value);
	if (through->flags == FLAGS_ZERO && (i->cc == CC_E || i->cc == CC_NE))
		(i->cc == CC_E ? through : taken)->nonzero |= (u16)(1u << through->flags_value);
	if (through->flags == FLAGS_END && i->cc == CC_A) {
		through->rdx = RDX_CHECKED;
		through->rdx_value = through->flags_value;
	}
}

static const char *walk(struct verifier *v, u32 *where)
{
	const struct bpf_emitted *e = v->e;
	struct x86_insn i;
	const char *fault;

	for (u32 at = 0; at < e->size; at += i.size) {
		struct known *now = &v->at[at], through;

		*where = at;
		if (!x86_decode(e->code + at, e->size - at, &i))
			return "is no instruction of the compiler's";
		now->start = true;
		if (!now->reached)
			continue; /* dead, but decodable */
		fault = check_memory(v, at, &i, now);
		if (!fault)
			fault = check_division(&i, now);
		if (!fault)
			fault = check_target(&i);
		if (fault)
			return fault;
		through = *now;
		if (i.op == X86_JCC || i.op == X86_JMP) {
			struct known taken = *now;

			if (i.disp < 0 || (u32)i.disp >= e->size - at - i.size)
				return "jumps backwards or out";
			if (i.op == X86_JCC)
				learn(&i, &taken, &through);
			meet(&v->at[at + i.size + (u32)i.disp], &taken);
		} else {
			step(v, at, &i, &through);
		}
		if (i.op != X86_RET && i.op != X86_JMP)
			meet(&v->at[at + i.size], &through);
	}
	return NULL;
}

const char *bpf_verify(const struct bpf_emitted *e, u32 *at)
{
	struct verifier v = {e, calloc(e->size + 16, sizeof *v.at)};
	const struct known entry = {.reached = true, .size = e->data_size};
	const char *fault = v.at ? NULL : "cannot be checked: out of memory";

	*at = 0;
	for (unsigned i = 0; !fault && i < e->entry_count; i++) {
		*at = e->entries[i];
		if (e->entries[i] >= e->size)
			fault = "is an entry beyond the end";
		else
			v.at[e->entries[i]] = entry; /* jumps only add what holds less; see meet() */
	}
	if (!fault)
		fault = walk(&v, at);
	for (u32 i = 0; !fault && i <= e->size; i++) {
		*at = i;
		if (v.at[i].reached && (i == e->size || !v.at[i].start))
			fault = "is reached inside an instruction or behind the last";
	}
	free(v.at);
	return fault;
}

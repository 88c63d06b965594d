/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine code written from its end to its beginning: jumps go forward only, so every target is known when its
 * jump is written, and the short form is taken where it reaches.
 */
#ifndef HUSK_BPF_EMIT_H
#define HUSK_BPF_EMIT_H

#include "bpf/x86.h"

/* A use of the constants' table. */
struct emit_fixup {
	u32 end;      /* distance from the end of code to the end of the instruction */
	u32 constant; /* bytes into the table */
};

struct emitter {
	u8 *buffer;                /* owned */
	u32 room, at;              /* code is buffer[at .. room) */
	struct emit_fixup *fixups; /* owned */
	u32 fixup_count, fixup_room;
	u32 *constants; /* owned: the table, in words */
	u32 constant_count, constant_room;
	u32 *buckets; /* owned: word + 1 of the constants' hash table */
	u32 bucket_count;
	bool failed; /* memory ran out */
};

#define EMIT_OPERAND_REG 0x100 /* | register */

int emitter_init(struct emitter *e, u32 nodes);
void emitter_free(struct emitter *e);

/* Where the code written so far begins, as distance from its end: what jumps take as target. */
static inline u32 emit_here(const struct emitter *e)
{
	return e->room - e->at;
}

void emit_ret(struct emitter *e);
void emit_jmp(struct emitter *e, u32 target);
void emit_jcc(struct emitter *e, enum x86_cc cc, u32 target);
/* @op: MOV, ADD, OR, AND, SUB, XOR, CMP, TEST, IMUL. */
void emit_reg(struct emitter *e, enum x86_op op, u8 reg, u8 rm);
void emit_constant(struct emitter *e, enum x86_op op, u8 reg, u32 k);
void emit_constant64(struct emitter *e, enum x86_op op, u8 reg, u64 k);
/* @op: MOV, MOVZX8, MOVZX16; from [rdi + disp], -128 .. 127, or [rdi + rdx]. */
void emit_data(struct emitter *e, enum x86_op op, u8 reg, u8 disp, bool wide);
void emit_index(struct emitter *e, enum x86_op op, u8 reg);
/* @op: MOV, STORE; [rsp + disp]. */
void emit_stack(struct emitter *e, enum x86_op op, u8 reg, s8 disp);
/* reg := base + disp. */
void emit_lea(struct emitter *e, u8 reg, u8 base, u8 disp, bool wide);
/* @op: SHL, SHR (by @count); SHL_CL, SHR_CL, NEG, DIV, BSWAP, ROL16. */
void emit_unary(struct emitter *e, enum x86_op op, u8 reg, u8 count);
/* rsi against a small number, against a word of the table, and r9 against rsi. */
void emit_compare_size(struct emitter *e, u32 size);
void emit_compare_end(struct emitter *e);

#endif

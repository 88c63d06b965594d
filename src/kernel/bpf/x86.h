/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions that the compiler emits, as its reader sees them. Whatever else may stand in memory is no
 * instruction here.
 */
#ifndef HUSK_BPF_X86_H
#define HUSK_BPF_X86_H

#include "base/text.h"
#include "base/types.h"

enum x86_reg {
	X86_AX,
	X86_CX,
	X86_DX,
	X86_SI = 6,
	X86_DI,
	X86_R8,
	X86_R9,
};

/* Conditions, as in the opcodes of jumps. */
enum x86_cc {
	CC_B = 2,
	CC_AE,
	CC_E,
	CC_NE,
	CC_BE,
	CC_A,
};

enum x86_op {
	X86_MOV,
	X86_MOVZX8,
	X86_MOVZX16,
	X86_ADD,
	X86_OR,
	X86_AND,
	X86_SUB,
	X86_XOR,
	X86_CMP,
	X86_TEST,
	X86_IMUL,
	X86_STORE, /* mov to memory */
	X86_LEA,
	X86_BSWAP,
	X86_ROL16, /* by 8 bits: swaps two bytes */
	X86_SHL,
	X86_SHR,
	X86_SHL_CL,
	X86_SHR_CL,
	X86_NEG,
	X86_DIV,
	X86_CMP_IMM,
	X86_JCC,
	X86_JMP,
	X86_RET,
	NR_X86_OPS,
};

enum x86_form {
	FORM_NONE,
	FORM_REG,   /* second operand: register rm */
	FORM_RIP,   /* constant at disp behind the instruction */
	FORM_DATA,  /* [rdi + disp] */
	FORM_INDEX, /* [rdi + rdx] */
	FORM_STACK, /* [rsp + disp] */
	FORM_BASE,  /* [rm + disp], of lea */
	FORM_IMM,   /* imm */
};

struct x86_insn {
	u8 op, form, size; /* size: bytes of the instruction */
	u8 reg, rm, cc;
	bool wide; /* 64 bits */
	s32 disp;  /* also of jumps, from the instruction's end */
	u8 imm;
};

/* False: not one of the above. */
bool x86_decode(const u8 *code, u32 size, struct x86_insn *out);
void x86_print(const struct x86_insn *i, struct text *out);

#endif

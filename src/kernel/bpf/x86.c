// SPDX-License-Identifier: Apache-2.0
/* Reads the few x86-64 instructions that the compiler emits, for verify.c and for people. */
#include "bpf/x86.h"

#include <string.h>

struct reader {
	const u8 *code;
	u32 size, at;
	u8 rex;
	bool bad;
};

static u8 next_byte(struct reader *r)
{
	if (r->at >= r->size) {
		r->bad = true;
		return 0;
	}
	return r->code[r->at++];
}

static s32 next_s32(struct reader *r)
{
	u32 v = next_byte(r);

	v |= (u32)next_byte(r) << 8;
	v |= (u32)next_byte(r) << 16;
	v |= (u32)next_byte(r) << 24;
	return (s32)v;
}

/* The ModRM byte and what it brings along. */
static void read_operand(struct reader *r, struct x86_insn *i)
{
	u8 modrm = next_byte(r), mod = modrm >> 6, rm = modrm & 7, sib;

	i->reg = (u8)((modrm >> 3 & 7) | (r->rex & 4 ? 8 : 0));
	if (mod == 3) {
		i->form = FORM_REG;
		i->rm = (u8)(rm | (r->rex & 1 ? 8 : 0));
		return;
	}
	if (r->rex & 3) { /* no extended base or index */
		r->bad = true;
	} else if (mod == 0 && rm == 5) {
		i->form = FORM_RIP;
		i->disp = next_s32(r);
	} else if (rm == 4) {
		sib = next_byte(r);
		if (mod == 0 && sib == 0x17) {
			i->form = FORM_INDEX;
		} else if (mod == 1 && sib == 0x24) {
			i->form = FORM_STACK;
			i->disp = (s8)next_byte(r);
		} else {
			r->bad = true;
		}
	} else if (mod == 1) {
		i->form = rm == X86_DI ? FORM_DATA : FORM_BASE;
		i->rm = rm;
		i->disp = (s8)next_byte(r);
	} else {
		r->bad = true;
	}
}

/* Operations on a register and an operand, by opcode. */
static int plain_op(u8 opcode)
{
	switch (opcode) {
	case 0x8b:
		return X86_MOV;
	case 0x03:
		return X86_ADD;
	case 0x0b:
		return X86_OR;
	case 0x23:
		return X86_AND;
	case 0x2b:
		return X86_SUB;
	case 0x33:
		return X86_XOR;
	case 0x3b:
		return X86_CMP;
	case 0x85:
		return X86_TEST;
	case 0x89:
		return X86_STORE;
	case 0x8d:
		return X86_LEA;
	default:
		return -1;
	}
}

static void read_two_byte(struct reader *r, struct x86_insn *i)
{
	u8 opcode = next_byte(r);

	if (opcode == 0xb6 || opcode == 0xb7 || opcode == 0xaf) {
		i->op = opcode == 0xaf ? X86_IMUL : opcode == 0xb6 ? X86_MOVZX8 : X86_MOVZX16;
		read_operand(r, i);
	} else if ((opcode & 0xf8) == 0xc8) {
		i->op = X86_BSWAP;
		i->reg = (u8)((opcode & 7) | (r->rex & 1 ? 8 : 0));
	} else if ((opcode & 0xf0) == 0x80) {
		i->op = X86_JCC;
		i->cc = opcode & 0xf;
		i->disp = next_s32(r);
	} else {
		r->bad = true;
	}
}

/* Opcodes whose ModRM byte chooses the operation; the operand is a register. */
static void read_group(struct reader *r, struct x86_insn *i, u8 opcode)
{
	static const struct {
		u8 opcode, digit, op;
	} groups[] = {
		{0xc1, 4, X86_SHL}, {0xc1, 5, X86_SHR}, {0xd3, 4, X86_SHL_CL},  {0xd3, 5, X86_SHR_CL},
		{0xf7, 3, X86_NEG}, {0xf7, 6, X86_DIV}, {0x83, 7, X86_CMP_IMM},
	};
	u8 digit;

	read_operand(r, i);
	digit = i->reg & 7;
	i->reg = i->rm;
	r->bad |= i->form != FORM_REG || (r->rex & 4);
	for (unsigned g = 0; g < ARRAY_SIZE(groups); g++) {
		if (groups[g].opcode != opcode || groups[g].digit != digit)
			continue;
		i->op = groups[g].op;
		i->form = FORM_NONE;
		if (opcode == 0xc1 || opcode == 0x83) {
			i->form = FORM_IMM;
			i->imm = next_byte(r);
		}
		return;
	}
	r->bad = true;
}

static void read_rol16(struct reader *r, struct x86_insn *i)
{
	u8 opcode = next_byte(r);

	if ((opcode & 0xf0) == 0x40) {
		r->rex = opcode;
		opcode = next_byte(r);
	}
	r->bad |= opcode != 0xc1;
	read_operand(r, i);
	r->bad |= i->form != FORM_REG || (i->reg & 7) || next_byte(r) != 8;
	i->op = X86_ROL16;
	i->reg = i->rm;
	i->form = FORM_NONE;
}

bool x86_decode(const u8 *code, u32 size, struct x86_insn *i)
{
	struct reader r = {code, size};
	u8 opcode = next_byte(&r);

	memset(i, 0, sizeof *i);
	if ((opcode & 0xf0) == 0x40) {
		r.rex = opcode;
		opcode = next_byte(&r);
	}
	i->wide = r.rex & 8;
	if (plain_op(opcode) >= 0) {
		i->op = (u8)plain_op(opcode);
		read_operand(&r, i);
	} else if (opcode == 0x0f) {
		read_two_byte(&r, i);
	} else if (opcode == 0x66 && !r.rex) {
		read_rol16(&r, i);
	} else if (opcode == 0xc1 || opcode == 0xd3 || opcode == 0xf7 || opcode == 0x83) {
		read_group(&r, i, opcode);
	} else if ((opcode & 0xf0) == 0x70) {
		i->op = X86_JCC;
		i->cc = opcode & 0xf;
		i->disp = (s8)next_byte(&r);
	} else if (opcode == 0xeb || opcode == 0xe9) {
		i->op = X86_JMP;
		i->disp = opcode == 0xeb ? (s8)next_byte(&r) : next_s32(&r);
	} else if (opcode == 0xc3) {
		i->op = X86_RET;
	} else {
		r.bad = true;
	}
	i->size = (u8)r.at;
	return !r.bad;
}

static const char *reg_name(u8 reg, bool wide)
{
	static const char *const narrow_names[] = {"eax", "ecx", "edx", "ebx", "esp",
						   "ebp", "esi", "edi", "r8d", "r9d"};
	static const char *const wide_names[] = {"rax", "rcx", "rdx", "rbx", "rsp",
						 "rbp", "rsi", "rdi", "r8",  "r9"};

	return reg >= ARRAY_SIZE(wide_names) ? "?" : wide ? wide_names[reg] : narrow_names[reg];
}

static void print_operand(const struct x86_insn *i, struct text *out)
{
	switch (i->form) {
	case FORM_REG:
		text_add(out, "%s", reg_name(i->rm, i->wide));
		break;
	case FORM_RIP:
		text_add(out, "[constant]");
		break;
	case FORM_DATA:
		text_add(out, "[rdi+%d]", i->disp);
		break;
	case FORM_INDEX:
		text_add(out, "[rdi+rdx]");
		break;
	case FORM_STACK:
		text_add(out, "[rsp%+d]", i->disp);
		break;
	case FORM_BASE:
		text_add(out, "[%s%+d]", reg_name(i->rm, true), i->disp);
		break;
	case FORM_IMM:
		text_add(out, "%u", i->imm);
		break;
	}
}

void x86_print(const struct x86_insn *i, struct text *out)
{
	static const char *const names[NR_X86_OPS] = {
		"mov",     "movzx byte", "movzx word", "add", "or",    "and",   "sub", "xor", "cmp",
		"test",    "imul",       "mov",        "lea", "bswap", "rol16", "shl", "shr", "shl cl,",
		"shr cl,", "neg",        "div",        "cmp", "j",     "jmp",   "ret",
	};
	static const char *const conditions[16] = {"o", "no", "b", "ae", "e", "ne", "be", "a"};

	if (i->op == X86_JCC) {
		text_add(out, "j%s", conditions[i->cc] ? conditions[i->cc] : "?");
		return;
	}
	text_add(out, "%s", names[i->op]);
	if (i->op == X86_RET || i->op == X86_JMP)
		return;
	if (i->op == X86_STORE) {
		text_add(out, " ");
		print_operand(i, out);
		text_add(out, ", %s", reg_name(i->reg, i->wide));
		return;
	}
	text_add(out, " %s", reg_name(i->reg, i->wide));
	if (i->form == FORM_NONE)
		return;
	text_add(out, ", ");
	print_operand(i, out);
}

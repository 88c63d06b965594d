// SPDX-License-Identifier: Apache-2.0
/*
 * The plain interpreter: the internal ISA, one instruction after another, each jumping to the next one's code.
 *
 * It is complete but for calls and atomics, which classic programs have no use for, and it is simple, so that
 * run.c and the JIT have something to be compared with. Programs come from the converter alone: jumps go
 * forward, stack offsets lie within 64 bytes.
 */
#include "bpf/bpf.h"

#include "base/bug.h"

#include <endian.h>
#include <string.h>

/* The number that lies at @offset of the packet, or false. */
static bool packet_load(const struct bpf_packet *packet, u32 offset, u8 size, u32 *value)
{
	const u8 *p = packet->data + offset;
	u32 bytes = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;

	if ((u64)offset + bytes > packet->size)
		return false;
	*value = bytes == 4   ? (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]
		 : bytes == 2 ? (u32)p[0] << 8 | p[1]
			      : p[0];
	return true;
}

static u64 swap_to_big(u64 v, s32 bits)
{
	return bits == 16 ? htobe16((u16)v) : bits == 32 ? htobe32((u32)v) : htobe64(v);
}

static u64 cut_to_little(u64 v, s32 bits)
{
	return bits == 16 ? (u16)v : bits == 32 ? (u32)v : v;
}

#define DST  r[i->dst_reg]
#define SRC  r[i->src_reg]
#define IMM  (u64)(s64) i->imm
#define NEXT goto *labels[(++i)->code]

/* An operation in its four forms. */
#define ALU(NAME, expression)                      \
	NAME##_K:                                  \
	{                                          \
		u64 a = DST, b = IMM;              \
		DST = (expression);                \
	}                                          \
	NEXT;                                      \
	NAME##_X:                                  \
	{                                          \
		u64 a = DST, b = SRC;              \
		DST = (expression);                \
	}                                          \
	NEXT;                                      \
	NAME##32_K:                                \
	{                                          \
		u32 a = (u32)DST, b = (u32)i->imm; \
		DST = (u32)(expression);           \
	}                                          \
	NEXT;                                      \
	NAME##32_X:                                \
	{                                          \
		u32 a = (u32)DST, b = (u32)SRC;    \
		DST = (u32)(expression);           \
	}                                          \
	NEXT;

#define JUMP(NAME, type, type32, op)                               \
	NAME##_K : i += (type)DST op(type) IMM ? i->off : 0;       \
	NEXT;                                                      \
	NAME##_X : i += (type)DST op(type) SRC ? i->off : 0;       \
	NEXT;                                                      \
	NAME##32_K : i += (type32)DST op(type32) IMM ? i->off : 0; \
	NEXT;                                                      \
	NAME##32_X : i += (type32)DST op(type32) SRC ? i->off : 0; \
	NEXT;

#define MEMORY(NAME, type)                                \
	LDX_##NAME:                                       \
	{                                                 \
		type v;                                   \
		memcpy(&v, (u8 *)SRC + i->off, sizeof v); \
		DST = v;                                  \
	}                                                 \
	NEXT;                                             \
	ST_##NAME:                                        \
	{                                                 \
		type v = (type)IMM;                       \
		memcpy((u8 *)DST + i->off, &v, sizeof v); \
	}                                                 \
	NEXT;                                             \
	STX_##NAME:                                       \
	{                                                 \
		type v = (type)SRC;                       \
		memcpy((u8 *)DST + i->off, &v, sizeof v); \
	}                                                 \
	NEXT;

#define PACKET(SIZE)                                                                                     \
	LD_ABS_##SIZE : if (!packet_load(context, (u32)i->imm, BPF_##SIZE, &value)) return 0;            \
	r[BPF_ACC] = value;                                                                              \
	NEXT;                                                                                            \
	LD_IND_##SIZE : if (!packet_load(context, (u32)i->imm + (u32)SRC, BPF_##SIZE, &value)) return 0; \
	r[BPF_ACC] = value;                                                                              \
	NEXT;

#define ALU_LABELS(NAME, op)                                                              \
	[BPF_ALU64 | (op) | BPF_K] = &&NAME##_K, [BPF_ALU64 | (op) | BPF_X] = &&NAME##_X, \
			    [BPF_ALU | (op) | BPF_K] = &&NAME##32_K, [BPF_ALU | (op) | BPF_X] = &&NAME##32_X
#define JUMP_LABELS(NAME)                                                                         \
	[BPF_JMP | BPF_##NAME | BPF_K] = &&NAME##_K, [BPF_JMP | BPF_##NAME | BPF_X] = &&NAME##_X, \
				[BPF_JMP32 | BPF_##NAME | BPF_K] = &&NAME##32_K,                  \
				[BPF_JMP32 | BPF_##NAME | BPF_X] = &&NAME##32_X
#define MEMORY_LABELS(NAME)                                                                             \
	[BPF_LDX | BPF_MEM | BPF_##NAME] = &&LDX_##NAME, [BPF_ST | BPF_MEM | BPF_##NAME] = &&ST_##NAME, \
			     [BPF_STX | BPF_MEM | BPF_##NAME] = &&STX_##NAME
#define PACKET_LABELS(SIZE) \
	[BPF_LD | BPF_ABS | BPF_##SIZE] = &&LD_ABS_##SIZE, [BPF_LD | BPF_IND | BPF_##SIZE] = &&LD_IND_##SIZE

#pragma GCC diagnostic ignored "-Woverride-init" /* of the labels that stand for no instruction */

/* clang-format off */ /* it breaks the macros up */
u32 bpf_interpret(const struct bpf_insn *i, const void *context)
{
	static const void *const labels[256] = {
		[0 ... 255] = &&unknown,
		ALU_LABELS(ADD, BPF_ADD),
		ALU_LABELS(SUB, BPF_SUB),
		ALU_LABELS(MUL, BPF_MUL),
		ALU_LABELS(DIV, BPF_DIV),
		ALU_LABELS(MOD, BPF_MOD),
		ALU_LABELS(AND, BPF_AND),
		ALU_LABELS(OR, BPF_OR),
		ALU_LABELS(XOR, BPF_XOR),
		ALU_LABELS(LSH, BPF_LSH),
		ALU_LABELS(RSH, BPF_RSH),
		ALU_LABELS(ARSH, BPF_ARSH),
		ALU_LABELS(MOV, BPF_MOV),
		[BPF_ALU64 | BPF_NEG] = &&NEG,
		[BPF_ALU | BPF_NEG] = &&NEG32,
		[BPF_ALU | BPF_END | BPF_TO_LE] = &&TO_LITTLE,
		[BPF_ALU | BPF_END | BPF_TO_BE] = &&TO_BIG,
		JUMP_LABELS(JEQ),
		JUMP_LABELS(JNE),
		JUMP_LABELS(JGT),
		JUMP_LABELS(JGE),
		JUMP_LABELS(JLT),
		JUMP_LABELS(JLE),
		JUMP_LABELS(JSGT),
		JUMP_LABELS(JSGE),
		JUMP_LABELS(JSLT),
		JUMP_LABELS(JSLE),
		JUMP_LABELS(JSET),
		[BPF_JMP | BPF_JA] = &&JA,
		[BPF_JMP | BPF_EXIT] = &&EXIT,
		MEMORY_LABELS(B),
		MEMORY_LABELS(H),
		MEMORY_LABELS(W),
		MEMORY_LABELS(DW),
		PACKET_LABELS(B),
		PACKET_LABELS(H),
		PACKET_LABELS(W),
	};
	u32 stack[BPF_MEMWORDS];
	u64 r[11] = {0};
	u32 value;

	r[BPF_REG_1] = (u64)context;
	r[BPF_REG_10] = (u64)(stack + BPF_MEMWORDS);
	goto *labels[i->code];

	ALU(ADD, a + b)
	ALU(SUB, a - b)
	ALU(MUL, a * b)
	ALU(DIV, b ? a / b : 0)
	ALU(MOD, b ? a % b : a)
	ALU(AND, a & b)
	ALU(OR, a | b)
	ALU(XOR, a ^ b)
	ALU(LSH, a << (b & (sizeof a * 8 - 1)))
	ALU(RSH, a >> (b & (sizeof a * 8 - 1)))
	ALU(ARSH, sizeof a == 8 ? (u64)((s64)a >> (b & 63)) : (u64)(u32)((s32)a >> (b & 31)))
	ALU(MOV, ((void)a, b))
NEG:
	DST = -DST;
	NEXT;
NEG32:
	DST = (u32)-(u32)DST;
	NEXT;
TO_LITTLE:
	DST = cut_to_little(DST, i->imm);
	NEXT;
TO_BIG:
	DST = swap_to_big(DST, i->imm);
	NEXT;
	JUMP(JEQ, u64, u32, ==)
	JUMP(JNE, u64, u32, !=)
	JUMP(JGT, u64, u32, >)
	JUMP(JGE, u64, u32, >=)
	JUMP(JLT, u64, u32, <)
	JUMP(JLE, u64, u32, <=)
	JUMP(JSGT, s64, s32, >)
	JUMP(JSGE, s64, s32, >=)
	JUMP(JSLT, s64, s32, <)
	JUMP(JSLE, s64, s32, <=)
	JUMP(JSET, u64, u32, &)
JA:
	i += i->off;
	NEXT;
	MEMORY(B, u8)
	MEMORY(H, u16)
	MEMORY(W, u32)
	MEMORY(DW, u64)
	PACKET(B)
	PACKET(H)
	PACKET(W)
EXIT:
	return (u32)r[BPF_ACC];
unknown:
	BUG("internal BPF opcode %#x", i->code);
}
/* clang-format on */

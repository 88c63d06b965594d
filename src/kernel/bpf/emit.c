// SPDX-License-Identifier: Apache-2.0
/* Encodings of the instructions that jit.c uses, written backwards, and the table of constants. */
#include "bpf/emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int emitter_init(struct emitter *e, u32 nodes)
{
	*e = (struct emitter){0};
	e->room = 64 + nodes * 64;
	e->constant_room = 64 + nodes * 6;
	e->fixup_room = e->constant_room;
	e->bucket_count = 64;
	while (e->bucket_count < 2 * e->constant_room)
		e->bucket_count *= 2;
	e->buffer = malloc(e->room);
	e->fixups = malloc(e->fixup_room * sizeof *e->fixups);
	e->constants = malloc(e->constant_room * sizeof *e->constants);
	e->buckets = calloc(e->bucket_count, sizeof *e->buckets);
	e->at = e->room;
	if (e->buffer && e->fixups && e->constants && e->buckets)
		return 0;
	emitter_free(e);
	return -ENOMEM;
}

void emitter_free(struct emitter *e)
{
	free(e->buffer);
	free(e->fixups);
	free(e->constants);
	free(e->buckets);
	*e = (struct emitter){0};
}

static void put(struct emitter *e, const u8 *bytes, u32 count)
{
	if (e->at < count) {
		e->failed = true;
		return;
	}
	e->at -= count;
	memcpy(e->buffer + e->at, bytes, count);
}

/* An opcode of one or two bytes (0x0f..) behind its REX prefix, if it needs one. */
static u32 put_opcode(u8 *out, u32 opcode, bool wide, u8 reg, u8 rm)
{
	u8 rex = (u8)(0x40 | (wide ? 8 : 0) | (reg & 8 ? 4 : 0) | (rm & 8 ? 1 : 0));
	u32 n = 0;

	if (rex != 0x40)
		out[n++] = rex;
	if (opcode > 0xff)
		out[n++] = (u8)(opcode >> 8);
	out[n++] = (u8)opcode;
	return n;
}

static u32 opcode_of(enum x86_op op)
{
	static const u16 opcodes[NR_X86_OPS] = {
		[X86_MOV] = 0x8b,    [X86_MOVZX8] = 0x0fb6, [X86_MOVZX16] = 0x0fb7, [X86_ADD] = 0x03,
		[X86_OR] = 0x0b,     [X86_AND] = 0x23,      [X86_SUB] = 0x2b,       [X86_XOR] = 0x33,
		[X86_CMP] = 0x3b,    [X86_TEST] = 0x85,     [X86_IMUL] = 0x0faf,    [X86_STORE] = 0x89,
		[X86_LEA] = 0x8d,    [X86_SHL] = 0xc1,      [X86_SHR] = 0xc1,       [X86_SHL_CL] = 0xd3,
		[X86_SHR_CL] = 0xd3, [X86_NEG] = 0xf7,      [X86_DIV] = 0xf7,
	};

	return opcodes[op];
}

void emit_ret(struct emitter *e)
{
	put(e, (const u8[]){0xc3}, 1);
}

static void put_distance(struct emitter *e, u32 distance)
{
	put(e, (const u8[]){(u8)distance, (u8)(distance >> 8), (u8)(distance >> 16), (u8)(distance >> 24)},
	    4);
}

void emit_jmp(struct emitter *e, u32 target)
{
	u32 distance = emit_here(e) - target;

	if (distance < 128) {
		put(e, (const u8[]){0xeb, (u8)distance}, 2);
		return;
	}
	put_distance(e, distance);
	put(e, (const u8[]){0xe9}, 1);
}

void emit_jcc(struct emitter *e, enum x86_cc cc, u32 target)
{
	u32 distance = emit_here(e) - target;

	if (distance < 128) {
		put(e, (const u8[]){(u8)(0x70 | cc), (u8)distance}, 2);
		return;
	}
	put_distance(e, distance);
	put(e, (const u8[]){0x0f, (u8)(0x80 | cc)}, 2);
}

void emit_reg(struct emitter *e, enum x86_op op, u8 reg, u8 rm)
{
	u8 bytes[8];
	u32 n = put_opcode(bytes, opcode_of(op), false, reg, rm);

	bytes[n++] = (u8)(0xc0 | (reg & 7) << 3 | (rm & 7));
	put(e, bytes, n);
}

/* The place of one or two words in the table. */
static u32 constant_place(struct emitter *e, u64 k, u32 words)
{
	u32 hash = (u32)((k + words) * 0x9e3779b97f4a7c15 >> 40);
	u32 at = e->constant_count;

	for (u32 i = 0;; i++) {
		u32 *bucket = &e->buckets[(hash + i) & (e->bucket_count - 1)], w = *bucket - 1;

		if (!*bucket) {
			if (at + 3 > e->constant_room) {
				e->failed = true;
				return 0;
			}
			if (words == 2 && at % 2)
				e->constants[at++] = 0;
			*bucket = at + 1;
			break;
		}
		if (words == 1 && e->constants[w] == (u32)k)
			return w * 4;
		if (words == 2 && w % 2 == 0 && w + 1 < e->constant_count && e->constants[w] == (u32)k &&
		    e->constants[w + 1] == (u32)(k >> 32))
			return w * 4;
	}
	e->constants[at] = (u32)k;
	if (words == 2)
		e->constants[at + 1] = (u32)(k >> 32);
	e->constant_count = at + words;
	return at * 4;
}

static void put_constant(struct emitter *e, enum x86_op op, u8 reg, u32 place, bool wide)
{
	u8 bytes[8];
	u32 n = put_opcode(bytes, opcode_of(op), wide, reg, 0);

	if (e->fixup_count == e->fixup_room) {
		e->failed = true;
		return;
	}
	e->fixups[e->fixup_count++] = (struct emit_fixup){emit_here(e), place};
	bytes[n++] = (u8)((reg & 7) << 3 | 5);
	put_distance(e, 0);
	put(e, bytes, n);
}

void emit_constant(struct emitter *e, enum x86_op op, u8 reg, u32 k)
{
	put_constant(e, op, reg, constant_place(e, k, 1), false);
}

void emit_constant64(struct emitter *e, enum x86_op op, u8 reg, u64 k)
{
	put_constant(e, op, reg, constant_place(e, k, 2), true);
}

void emit_data(struct emitter *e, enum x86_op op, u8 reg, u8 disp, bool wide)
{
	u8 bytes[8];
	u32 n = put_opcode(bytes, opcode_of(op), wide, reg, 0);

	bytes[n++] = (u8)(0x40 | (reg & 7) << 3 | X86_DI);
	bytes[n++] = disp;
	put(e, bytes, n);
}

void emit_index(struct emitter *e, enum x86_op op, u8 reg)
{
	u8 bytes[8];
	u32 n = put_opcode(bytes, opcode_of(op), false, reg, 0);

	bytes[n++] = (u8)((reg & 7) << 3 | 4);
	bytes[n++] = 0x17;
	put(e, bytes, n);
}

void emit_stack(struct emitter *e, enum x86_op op, u8 reg, s8 disp)
{
	u8 bytes[8];
	u32 n = put_opcode(bytes, opcode_of(op), false, reg, 0);

	bytes[n++] = (u8)(0x40 | (reg & 7) << 3 | 4);
	bytes[n++] = 0x24;
	bytes[n++] = (u8)disp;
	put(e, bytes, n);
}

void emit_lea(struct emitter *e, u8 reg, u8 base, u8 disp, bool wide)
{
	u8 bytes[8];
	u32 n = put_opcode(bytes, opcode_of(X86_LEA), wide, reg, base);

	bytes[n++] = (u8)(0x40 | (reg & 7) << 3 | (base & 7));
	bytes[n++] = disp;
	put(e, bytes, n);
}

void emit_unary(struct emitter *e, enum x86_op op, u8 reg, u8 count)
{
	static const u8 digits[NR_X86_OPS] = {[X86_SHL] = 4,    [X86_SHR] = 5, [X86_SHL_CL] = 4,
					      [X86_SHR_CL] = 5, [X86_NEG] = 3, [X86_DIV] = 6};
	u8 bytes[8];
	u32 n = 0;

	if (op == X86_BSWAP) {
		n = put_opcode(bytes, 0x0fc8u | (reg & 7), false, 0, reg);
	} else if (op == X86_ROL16) {
		bytes[n++] = 0x66;
		n += put_opcode(bytes + n, 0xc1, false, 0, reg);
		bytes[n++] = (u8)(0xc0 | (reg & 7));
		bytes[n++] = 8;
	} else {
		n = put_opcode(bytes, opcode_of(op), false, 0, reg);
		bytes[n++] = (u8)(0xc0 | digits[op] << 3 | (reg & 7));
		if (op == X86_SHL || op == X86_SHR)
			bytes[n++] = count;
	}
	put(e, bytes, n);
}

void emit_compare_size(struct emitter *e, u32 size)
{
	if (size < 128)
		put(e, (const u8[]){0x48, 0x83, 0xfe, (u8)size}, 4);
	else
		emit_constant64(e, X86_CMP, X86_SI, size);
}

void emit_compare_end(struct emitter *e)
{
	put(e, (const u8[]){0x4c, 0x3b, 0xce}, 3); /* cmp r9, rsi */
}

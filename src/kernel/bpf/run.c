// SPDX-License-Identifier: Apache-2.0
/*
 * The threaded interpreter of plans: each operation holds the address of its code, and jumps to the next one's
 * itself, so that the processor predicts every jump by what came before it. One operation loads, masks, compares
 * and branches. A and X are registers; packet fields that are only compared for equality are never swapped.
 *
 * Nothing is checked here but packet lengths: lower.c made the operations of a checked program.
 */
#include "bpf/code.h"
#include "bpf/ops.h"

#include <string.h>

static inline u8 load_8(const u8 *p)
{
	return *p;
}

static inline u16 load_16(const u8 *p)
{
	u16 v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline u32 load_W32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline u64 load_64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline u32 load_B16(const u8 *p)
{
	return __builtin_bswap16(load_16(p));
}

static inline u32 load_B32(const u8 *p)
{
	return __builtin_bswap32(load_W32(p));
}
#define load_32 load_W32

static inline u64 wide(const u32 *low)
{
	return low[0] | (u64)low[1] << 32;
}

static u32 run(const struct bpf_op *op, const u8 *data, u64 size, const u32 *tables,
	       const void *const **labels);

/*
 * A search: number of ranges, then their lower ends, then the distances to their operations. Of its own, and going on in
 * a run of its own (no register is needed behind a search: layout.c), so that it costs the others no registers.
 */
__attribute__((noinline)) static u32 find(const struct bpf_op *op, const u8 *data, u64 size,
					  const u32 *tables, u32 value)
{
	const u32 *table = tables + op->extra;
	u32 count = *table++, at = 0;

	for (u32 n = count; n > 1;) {
		u32 half = n / 2;

		at += table[at + half] <= value ? half : 0;
		n -= half;
	}
	op = (const struct bpf_op *)((const char *)op + (s32)table[count + at]);
	return run(op, data, size, tables, NULL);
}

/* A run of equalities of one field: their number, then for each the value and the distance; behind them the other. */
__attribute__((noinline)) static u32 scan(const struct bpf_op *op, const u8 *data, u64 size,
					  const u32 *tables, u64 value)
{
	const u32 *entry = tables + op->extra, *end = entry + 1 + 3 * *entry;

	for (entry++; entry < end && wide(entry) != value; entry += 3)
		continue;
	op = (const struct bpf_op *)((const char *)op + (s32)(entry < end ? entry[2] : *end));
	return run(op, data, size, tables, NULL);
}

/* clang-format off */
#define GO(distance)                                                            \
	do {                                                                    \
		op = (const struct bpf_op *)((const char *)op + (distance));    \
		goto *op->label;                                                \
	} while (0)
#define NEXT GO(op->t)
#define TEST(condition)          \
	do {                     \
		if (condition)   \
			GO(op->t); \
		GO(op->f);       \
	} while (0)
#define FIELD(size) (load_##size(data + op->off) & op->mask)
#define FIELD_TO(reg, size) reg = FIELD(size) << (op->extra & 31) >> (op->extra >> 8); NEXT
/* Loads at X + k: wraps at 32 bits, as the offset in Linux does. */
#define IND(bytes)                                   \
	at = X + op->off;                            \
	if (at + (bytes) > size)                     \
		return 0

static u32 run(const struct bpf_op *op, const u8 *data, u64 size, const u32 *tables, const void *const **labels)
{
	static const void *const addresses[] = {
#define LABEL(name) &&name,
		BPF_OPS(LABEL)
#undef LABEL
	};
	u32 M[BPF_MEMWORDS];
	u32 A = 0, X = 0, T = 0, v;
	u64 at;

	if (!op) {
		*labels = addresses;
		return 0;
	}
	goto *op->label;

RET_K: return op->k;
RET_A: return A;
EQ_8: TEST(load_8(data + op->off) == op->k);
EQ_16: TEST(load_16(data + op->off) == op->k);
EQ_32: TEST(load_32(data + op->off) == op->k);
EQ_64: TEST(load_64(data + op->off) == wide(&op->k));
EQM_8: TEST(FIELD(8) == op->k);
EQM_16: TEST(FIELD(16) == op->k);
EQM_32: TEST(FIELD(32) == op->k);
EQM_64: TEST((load_64(data + op->off) & wide(tables + op->extra)) == wide(&op->k));
SET_8: TEST(load_8(data + op->off) & op->k);
SET_16: TEST(load_16(data + op->off) & op->k);
SET_32: TEST(load_32(data + op->off) & op->k);
GT_8: TEST(FIELD(8) > op->k);
GT_B16: TEST(FIELD(B16) > op->k);
GT_B32: TEST(FIELD(B32) > op->k);
GT_W32: TEST(FIELD(W32) > op->k);
GE_8: TEST(FIELD(8) >= op->k);
GE_B16: TEST(FIELD(B16) >= op->k);
GE_B32: TEST(FIELD(B32) >= op->k);
GE_W32: TEST(FIELD(W32) >= op->k);
FIND_8: return find(op, data, size, tables, FIELD(8));
FIND_16: return find(op, data, size, tables, FIELD(16));
FIND_32: return find(op, data, size, tables, FIELD(32));
INDEX_8: v = FIELD(8); GO(v < op->k ? (s32)tables[op->extra + v] : op->f);
INDEX_32: v = FIELD(32); GO(v < op->k ? (s32)tables[op->extra + v] : op->f);
SCAN_8: return scan(op, data, size, tables, load_8(data + op->off));
SCAN_16: return scan(op, data, size, tables, load_16(data + op->off));
SCAN_32: return scan(op, data, size, tables, load_32(data + op->off));
SCAN_64: return scan(op, data, size, tables, load_64(data + op->off));
EQ_AK: TEST(A == op->k);
GT_AK: TEST(A > op->k);
GE_AK: TEST(A >= op->k);
SET_AK: TEST(A & op->k);
EQ_AX: TEST(A == X);
GT_AX: TEST(A > X);
GE_AX: TEST(A >= X);
SET_AX: TEST(A & X);
EQ_XK: TEST(X == op->k);
SET_XK: TEST(X & op->k);
IND_8: IND(1); A = load_8(data + at); NEXT;
IND_16: IND(2); A = load_B16(data + at); NEXT;
IND_32: IND(4); A = load_B32(data + at); NEXT;
IND_EQ_8: IND(1); TEST(load_8(data + at) == op->k);
IND_EQ_16: IND(2); TEST(load_16(data + at) == op->k);
IND_EQ_32: IND(4); TEST(load_32(data + at) == op->k);
LONG: TEST(size >= op->k);
NEED: if (size < op->k) return 0; NEXT;
CONST_A: A = op->k; NEXT;
CONST_X: X = op->k; NEXT;
CONST_T: T = op->k; NEXT;
LEN_A: A = (u32)size; NEXT;
LEN_X: X = (u32)size; NEXT;
FIELD_8_A: FIELD_TO(A, 8);
FIELD_B16_A: FIELD_TO(A, B16);
FIELD_B32_A: FIELD_TO(A, B32);
FIELD_W32_A: FIELD_TO(A, W32);
FIELD_8_X: FIELD_TO(X, 8);
FIELD_B16_X: FIELD_TO(X, B16);
FIELD_B32_X: FIELD_TO(X, B32);
FIELD_W32_X: FIELD_TO(X, W32);
FIELD_8_T: FIELD_TO(T, 8);
FIELD_B16_T: FIELD_TO(T, B16);
FIELD_B32_T: FIELD_TO(T, B32);
FIELD_W32_T: FIELD_TO(T, W32);
MOVE_AX: A = X; NEXT;
MOVE_XA: X = A; NEXT;
MOVE_AT: A = T; NEXT;
MOVE_TA: T = A; NEXT;
STORE_A: M[op->k] = A; NEXT;
STORE_X: M[op->k] = X; NEXT;
FETCH_A: A = M[op->k]; NEXT;
FETCH_X: X = M[op->k]; NEXT;
NEG: A = -A; NEXT;
#define ALU(NAME, expression)                                          \
	NAME##_K: { u32 a = A, b = op->k; A = (expression); } NEXT; \
	NAME##_X: { u32 a = A, b = X; A = (expression); } NEXT;
	BPF_ALU_OPS(ALU)
#undef ALU
}
/* clang-format on */

u32 bpf_run(const struct bpf_op *op, const void *data, u64 size, const u32 *tables)
{
	return run(op, data, size, tables, NULL);
}

const void *const *bpf_labels(void)
{
	const void *const *labels;

	run(NULL, NULL, 0, NULL, &labels);
	return labels;
}

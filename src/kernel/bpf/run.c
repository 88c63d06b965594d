// SPDX-License-Identifier: Apache-2.0
/*
 * The threaded interpreter of plans: each operation is a function that ends by jumping to the next one's, so that the
 * processor predicts every jump by what came before it. A and X are registers; packet fields that are only compared
 * for equality are never swapped. Functions of rows of operations (ops.h) are made of the same pieces as those of one.
 *
 * Nothing is checked here but packet lengths: lower.c made the operations of a checked program.
 */
#include "bpf/code.h"
#include "bpf/ops.h"

#include <string.h>

#define TEMPORARY BPF_MEMWORDS /* of M: T */

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
#define load_32 load_W32

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

static inline u64 wide(const u32 *low)
{
	return low[0] | (u64)low[1] << 32;
}

/* What stands behind the operations. */
static inline const u32 *table_of(const struct bpf_op *op, u32 distance)
{
	return (const u32 *)(const void *)((const char *)op + distance);
}

/* Where a search finds @value: number of ranges, then their lower ends, then the distances to their operations. */
static inline s32 find(const u32 *table, u32 value)
{
	u32 count = *table++, at = 0;

	for (u32 n = count; n > 1;) {
		u32 half = n / 2;

		at += table[at + half] <= value ? half : 0;
		n -= half;
	}
	return (s32)table[count + at];
}

/* A run of equalities of one field: their number, then for each the value and the distance; behind them the other. */
static inline s32 scan(const u32 *table, u64 value)
{
	const u32 *entry = table, *end = entry + 1 + 3 * *entry;

	for (entry++; entry < end && wide(entry) != value; entry += 3)
		continue;
	return (s32)(entry < end ? entry[2] : *end);
}

/* A field is shifted by a factor of 2^(32 + shift), which needs no register of its own for the count. */
static inline u32 shifted(u32 value, u64 factor)
{
	return (u32)(value * factor >> 32);
}

/* clang-format off */
#if __has_attribute(musttail)
#define TAIL __attribute__((musttail))
#else
#define TAIL
#endif
#define GO(distance)                                                              \
	do {                                                                      \
		op = (const struct bpf_op *)((const char *)op + (distance));      \
		TAIL return op->run(op, data, size, X, A, M);                     \
	} while (0)

/* ---- what each operation does ---- */

#define FIELD(bits) (load_##bits(data + op->off) & op->mask)
/* Loads at X + k: wraps at 32 bits, as the offset in Linux does. */
#define AT(bytes)                                \
	u64 at = (u32)(X + op->off);             \
	if (__builtin_expect(at + (bytes) > size, 0)) \
		return 0

#define S_NEED       if (size < op->k) return 0
#define S_IND_8      AT(1); A = load_8(data + at)
#define S_IND_16     AT(2); A = load_B16(data + at)
#define S_IND_32     AT(4); A = load_B32(data + at)
#define S_CONST_A    A = op->k
#define S_CONST_X    X = op->k
#define S_CONST_T    M[TEMPORARY] = op->k
#define S_LEN_A      A = (u32)size
#define S_LEN_X      X = (u32)size
#define S_FIELD_8_A   A = shifted(FIELD(8), op->wide)
#define S_FIELD_B16_A A = shifted(FIELD(B16), op->wide)
#define S_FIELD_B32_A A = shifted(FIELD(B32), op->wide)
#define S_FIELD_W32_A A = shifted(FIELD(W32), op->wide)
#define S_FIELD_8_X   X = shifted(FIELD(8), op->wide)
#define S_FIELD_B16_X X = shifted(FIELD(B16), op->wide)
#define S_FIELD_B32_X X = shifted(FIELD(B32), op->wide)
#define S_FIELD_W32_X X = shifted(FIELD(W32), op->wide)
#define S_FIELD_8_T   M[TEMPORARY] = shifted(FIELD(8), op->wide)
#define S_FIELD_B16_T M[TEMPORARY] = shifted(FIELD(B16), op->wide)
#define S_FIELD_B32_T M[TEMPORARY] = shifted(FIELD(B32), op->wide)
#define S_FIELD_W32_T M[TEMPORARY] = shifted(FIELD(W32), op->wide)
#define S_MOVE_AX    A = X
#define S_MOVE_XA    X = A
#define S_MOVE_AT    A = M[TEMPORARY]
#define S_MOVE_TA    M[TEMPORARY] = A
#define S_STORE_A    M[op->k] = A
#define S_STORE_X    M[op->k] = X
#define S_FETCH_A    A = M[op->k]
#define S_FETCH_X    X = M[op->k]
#define S_NEG        A = -A
#define S_SHIFT_K    A = shifted(A, op->wide)
#define S_ADD_K      A += op->k
#define S_SUB_K      A -= op->k
#define S_MUL_K      A *= op->k
#define S_DIV_K      A /= op->k
#define S_MOD_K      A %= op->k
#define S_AND_K      A &= op->k
#define S_OR_K       A |= op->k
#define S_XOR_K      A ^= op->k
#define S_ADD_X      A += X
#define S_SUB_X      A -= X
#define S_MUL_X      A *= X
#define S_DIV_X      A /= X
#define S_MOD_X      A %= X
#define S_AND_X      A &= X
#define S_OR_X       A |= X
#define S_XOR_X      A ^= X
#define S_LSH_X      A <<= X & 31
#define S_RSH_X      A >>= X & 31

#define C_LONG      (size >= op->k)
#define C_IS        (FIELD(32) == op->k)
#define C_IS_8      (FIELD(8) == op->k)
#define C_IS_16     (FIELD(16) == op->k)
#define C_IS_64     (load_64(data + op->off) == op->wide)
#define C_ISM_64    ((load_64(data + op->off) & wide(table_of(op, op->mask))) == op->wide)
#define C_GT_8      (FIELD(8) > op->k)
#define C_GT_B16    (FIELD(B16) > op->k)
#define C_GT_B32    (FIELD(B32) > op->k)
#define C_GT_W32    (FIELD(W32) > op->k)
#define C_GE_8      (FIELD(8) >= op->k)
#define C_GE_B16    (FIELD(B16) >= op->k)
#define C_GE_B32    (FIELD(B32) >= op->k)
#define C_GE_W32    (FIELD(W32) >= op->k)
#define C_EQ_AK     (A == op->k)
#define C_GT_AK     (A > op->k)
#define C_GE_AK     (A >= op->k)
#define C_SET_AK    (A & op->k)
#define C_EQ_AX     (A == X)
#define C_GT_AX     (A > X)
#define C_GE_AX     (A >= X)
#define C_SET_AX    (A & X)
#define C_EQ_XK     (X == op->k)
#define C_SET_XK    (X & op->k)
#define C_IND_IS_8  ({ AT(1); load_8(data + at) == op->k; })
#define C_IND_IS_16 ({ AT(2); load_16(data + at) == op->k; })
#define C_IND_IS_32 ({ AT(4); load_32(data + at) == op->k; })

/* ---- the functions ---- */

#define STEP(name) \
	static u32 do_##name(const struct bpf_op *op, const u8 *data, u64 size, u32 X, u32 A, u32 *M)
#define S(step) { S_##step; } op++;
#define T(test) if (!(C_##test)) GO(op->f); op++;
#define F(test) if (C_##test) GO(op->t); op++;
#define L(step) { S_##step; } GO(op->t);
#define E(test) if (C_##test) GO(op->t); GO(op->f);

#define STRAIGHT(name)   STEP(name) { L(name) }
#define TEST(name)       STEP(name) { E(name) }
#define FUSED(name, row) STEP(name) { row }
BPF_STRAIGHT(STRAIGHT)
BPF_TESTS(TEST)
BPF_FUSED(FUSED)

STEP(RET_K) { return op->k; }
STEP(RET_A) { return A; }
STEP(FIND_8) { GO(find(table_of(op, op->extra), FIELD(8))); }
STEP(FIND_16) { GO(find(table_of(op, op->extra), FIELD(16))); }
STEP(FIND_32) { GO(find(table_of(op, op->extra), FIELD(32))); }
STEP(INDEX_8) { u32 v = FIELD(8); GO(v < op->k ? (s32)table_of(op, op->extra)[v] : op->f); }
STEP(INDEX_32) { u32 v = FIELD(32); GO(v < op->k ? (s32)table_of(op, op->extra)[v] : op->f); }
STEP(SCAN_8) { GO(scan(table_of(op, op->extra), load_8(data + op->off))); }
STEP(SCAN_16) { GO(scan(table_of(op, op->extra), load_16(data + op->off))); }
STEP(SCAN_32) { GO(scan(table_of(op, op->extra), load_32(data + op->off))); }
STEP(SCAN_64) { GO(scan(table_of(op, op->extra), load_64(data + op->off))); }

/* In front of programs that use M: a call, and no jump, for the words are its own. */
STEP(FRAME)
{
	u32 words[BPF_MEMWORDS + 1];

	op = (const struct bpf_op *)((const char *)op + op->t);
	return op->run(op, data, size, X, A, words);
}

bpf_step *const bpf_steps[NR_BPF_LABELS] = {
#define LABEL(name, ...) [L_##name] = do_##name,
	BPF_STRAIGHT(LABEL) BPF_TESTS(LABEL) BPF_ENDS(LABEL) BPF_FUSED(LABEL)
#undef LABEL
};
/* clang-format on */

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter's operations. Names end in what they work on: field sizes are of memory (8, 16, 32 bits; B
 * for big endian, W for the host's order), comparisons of equality take memory as it lies.
 *
 * There are operations that go on to one other (STRAIGHT), such with two ways (TESTS), and such that end a run or find
 * their way by themselves (ENDS). What often stands in a row is done by one operation in place of several (FUSED), which
 * saves jumps that depend on memory. A row is written with its steps:
 *
 *	S(op)  a straight one, and on            L(op)  a straight one as the last
 *	T(op)  a test that holds, and on         E(op)  a test as the last: both ways lead away
 *	F(op)  a test that does not hold, and on; the other way of T and F leads away
 */
#ifndef HUSK_BPF_OPS_H
#define HUSK_BPF_OPS_H

/* clang-format off */
#define BPF_STRAIGHT(X) \
	X(NEED) X(IND_8) X(IND_16) X(IND_32) \
	X(CONST_A) X(CONST_X) X(CONST_T) X(LEN_A) X(LEN_X) \
	X(FIELD_8_A) X(FIELD_B16_A) X(FIELD_B32_A) X(FIELD_W32_A) \
	X(FIELD_8_X) X(FIELD_B16_X) X(FIELD_B32_X) X(FIELD_W32_X) \
	X(FIELD_8_T) X(FIELD_B16_T) X(FIELD_B32_T) X(FIELD_W32_T) \
	X(MOVE_AX) X(MOVE_XA) X(MOVE_AT) X(MOVE_TA) \
	X(STORE_A) X(STORE_X) X(FETCH_A) X(FETCH_X) X(NEG) X(SHIFT_K) \
	X(ADD_K) X(SUB_K) X(MUL_K) X(DIV_K) X(MOD_K) X(AND_K) X(OR_K) X(XOR_K) \
	X(ADD_X) X(SUB_X) X(MUL_X) X(DIV_X) X(MOD_X) X(AND_X) X(OR_X) X(XOR_X) X(LSH_X) X(RSH_X)

#define BPF_TESTS(X) \
	X(LONG) X(IS) X(IS_8) X(IS_16) X(IS_64) X(ISM_64) \
	X(GT_8) X(GT_B16) X(GT_B32) X(GT_W32) X(GE_8) X(GE_B16) X(GE_B32) X(GE_W32) \
	X(EQ_AK) X(GT_AK) X(GE_AK) X(SET_AK) X(EQ_AX) X(GT_AX) X(GE_AX) X(SET_AX) X(EQ_XK) X(SET_XK) \
	X(IND_IS_8) X(IND_IS_16) X(IND_IS_32)

#define BPF_ENDS(X) \
	X(RET_K) X(RET_A) X(FRAME) \
	X(FIND_8) X(FIND_16) X(FIND_32) X(INDEX_8) X(INDEX_32) X(SCAN_8) X(SCAN_16) X(SCAN_32) X(SCAN_64)

/* A run of comparisons, with something in front of it. */
#define BPF_FUSED_RUNS(X, P, FIRST) \
	X(P##F, FIRST F(IS) E(IS)) X(P##T, FIRST T(IS) E(IS)) \
	X(P##FF, FIRST F(IS) F(IS) E(IS)) X(P##FT, FIRST F(IS) T(IS) E(IS)) \
	X(P##TF, FIRST T(IS) F(IS) E(IS)) X(P##TT, FIRST T(IS) T(IS) E(IS)) \
	X(P##FFF, FIRST F(IS) F(IS) F(IS) E(IS)) X(P##FFT, FIRST F(IS) F(IS) T(IS) E(IS)) \
	X(P##FTF, FIRST F(IS) T(IS) F(IS) E(IS)) X(P##FTT, FIRST F(IS) T(IS) T(IS) E(IS)) \
	X(P##TFF, FIRST T(IS) F(IS) F(IS) E(IS)) X(P##TFT, FIRST T(IS) F(IS) T(IS) E(IS)) \
	X(P##TTF, FIRST T(IS) T(IS) F(IS) E(IS)) X(P##TTT, FIRST T(IS) T(IS) T(IS) E(IS))

/* Behind a header of variable length: its length, and one or two fields of what follows. */
#define BPF_FUSED_PORTS(X, P, FIRST) \
	X(P##_PORTS, FIRST S(FIELD_8_X) F(IND_IS_16) E(IND_IS_16)) X(P##_PORT, FIRST S(FIELD_8_X) E(IND_IS_16))

#define BPF_FUSED(X) \
	BPF_FUSED_RUNS(X, RUN_, ) BPF_FUSED_RUNS(X, LONG_, T(LONG)) X(LONG_IS, T(LONG) E(IS)) \
	BPF_FUSED_PORTS(X, AT, ) BPF_FUSED_PORTS(X, IS_AT, T(IS)) X(TWO_PORTS, F(IND_IS_16) E(IND_IS_16)) \
	X(FIELD_SUB_STORE, S(FIELD_B16_A) S(SUB_X) L(STORE_A)) X(FIELD_SUB, S(FIELD_B16_A) L(SUB_X)) \
	X(IND_AND, S(IND_8) L(AND_K)) X(IND_AND_SHIFT, S(IND_8) S(AND_K) L(SHIFT_K)) \
	X(STORE_IND, S(STORE_A) L(IND_8)) X(AND_SHIFT, S(AND_K) L(SHIFT_K)) \
	X(AND_TEST, S(AND_K) E(EQ_AK)) X(SUB_TEST, S(SUB_X) E(EQ_AK)) X(ADD_TEST, S(ADD_X) E(EQ_AK)) \
	X(TAX_FETCH, S(MOVE_XA) L(FETCH_A)) \
	X(TAX_FETCH_SUB, S(MOVE_XA) S(FETCH_A) L(SUB_X)) X(TAX_FETCH_ADD, S(MOVE_XA) S(FETCH_A) L(ADD_X)) \
	X(TAX_FETCH_SUB_TEST, S(MOVE_XA) S(FETCH_A) S(SUB_X) E(EQ_AK)) \
	X(TAX_FETCH_TEST, S(MOVE_XA) S(FETCH_A) E(EQ_AX))

enum bpf_label {
#define LABEL(name, ...) L_##name,
	BPF_STRAIGHT(LABEL) BPF_TESTS(LABEL) BPF_ENDS(LABEL) BPF_FUSED(LABEL)
#undef LABEL
	NR_BPF_LABELS,
};
/* clang-format on */

#endif

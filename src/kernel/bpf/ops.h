/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter's operations. Names end in what they work on: field sizes are of memory (8, 16, 32 bits; B
 * for big endian, W for the host's order), comparisons of equality take memory as it lies.
 */
#ifndef HUSK_BPF_OPS_H
#define HUSK_BPF_OPS_H

/* clang-format off */
#define BPF_ALU_OPS(X) \
	X(ADD, a + b) X(SUB, a - b) X(MUL, a * b) X(DIV, a / b) X(MOD, a % b) X(AND, a & b) X(OR, a | b) \
	X(XOR, a ^ b) X(LSH, a << (b & 31)) X(RSH, a >> (b & 31))

#define BPF_OPS(X) \
	X(RET_K) X(RET_A) \
	X(EQ_8) X(EQ_16) X(EQ_32) X(EQ_64) X(EQM_8) X(EQM_16) X(EQM_32) X(EQM_64) \
	X(SET_8) X(SET_16) X(SET_32) \
	X(GT_8) X(GT_B16) X(GT_B32) X(GT_W32) X(GE_8) X(GE_B16) X(GE_B32) X(GE_W32) \
	X(FIND_8) X(FIND_16) X(FIND_32) X(INDEX_8) X(INDEX_32) X(SCAN_8) X(SCAN_16) X(SCAN_32) X(SCAN_64) \
	X(EQ_AK) X(GT_AK) X(GE_AK) X(SET_AK) X(EQ_AX) X(GT_AX) X(GE_AX) X(SET_AX) X(EQ_XK) X(SET_XK) \
	X(IND_8) X(IND_16) X(IND_32) X(IND_EQ_8) X(IND_EQ_16) X(IND_EQ_32) \
	X(LONG) X(NEED) \
	X(CONST_A) X(CONST_X) X(CONST_T) X(LEN_A) X(LEN_X) \
	X(FIELD_8_A) X(FIELD_B16_A) X(FIELD_B32_A) X(FIELD_W32_A) \
	X(FIELD_8_X) X(FIELD_B16_X) X(FIELD_B32_X) X(FIELD_W32_X) \
	X(FIELD_8_T) X(FIELD_B16_T) X(FIELD_B32_T) X(FIELD_W32_T) \
	X(MOVE_AX) X(MOVE_XA) X(MOVE_AT) X(MOVE_TA) \
	X(STORE_A) X(STORE_X) X(FETCH_A) X(FETCH_X) X(NEG) \
	X(ADD_K) X(SUB_K) X(MUL_K) X(DIV_K) X(MOD_K) X(AND_K) X(OR_K) X(XOR_K) X(LSH_K) X(RSH_K) \
	X(ADD_X) X(SUB_X) X(MUL_X) X(DIV_X) X(MOD_X) X(AND_X) X(OR_X) X(XOR_X) X(LSH_X) X(RSH_X)

enum bpf_label {
#define LABEL(name) L_##name,
	BPF_OPS(LABEL)
#undef LABEL
	NR_BPF_LABELS,
};
/* clang-format on */

#endif

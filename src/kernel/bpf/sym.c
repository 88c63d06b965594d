// SPDX-License-Identifier: Apache-2.0
/* Arithmetic and tests on values of which something is known. */
#include "bpf/sym.h"

bool sym_equal(const struct sym *a, const struct sym *b)
{
	return a->kind == b->kind && a->size == b->size && a->shift == b->shift && a->value == b->value &&
	       a->mask == b->mask;
}

void sym_meet(struct sym *a, const struct sym *b)
{
	if (!sym_equal(a, b))
		*a = (struct sym){SYM_ANY};
}

u32 bpf_compute(u8 code, u32 a, u32 b)
{
	switch (code) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	default: /* BPF_NEG */
		return -a;
	}
}

struct sym sym_alu(u8 code, struct sym a, struct sym b)
{
	if (a.kind == SYM_CONST && (b.kind == SYM_CONST || code == BPF_NEG))
		return sym_const(bpf_compute(code, a.value, b.value));
	if (a.kind != SYM_FIELD || b.kind != SYM_CONST)
		return (struct sym){SYM_ANY};
	if (code == BPF_AND) {
		a.mask &= a.shift >= 0 ? b.value >> a.shift : b.value << -a.shift;
		return a.mask ? a : sym_const(0);
	}
	if ((code == BPF_LSH || code == BPF_RSH) && !a.shift) {
		a.shift = (s8)(code == BPF_LSH ? b.value & 31 : -(b.value & 31));
		return a;
	}
	return (struct sym){SYM_ANY};
}

int sym_test(u8 code, struct sym a, struct sym b)
{
	if (b.kind != SYM_CONST)
		return -1;
	if (a.kind == SYM_CONST)
		return bpf_holds(code, a.value, b.value);
	if (a.kind == SYM_FIELD && !a.shift && code == BPF_JEQ && (b.value & ~a.mask))
		return 0;
	if (a.kind == SYM_FIELD && !a.shift && code == BPF_JSET && !(b.value & a.mask))
		return 0;
	return -1;
}

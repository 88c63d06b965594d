/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a register's value while a program is planned: a constant, a field of the data, or nothing. */
#ifndef HUSK_BPF_SYM_H
#define HUSK_BPF_SYM_H

#include "bpf/plan.h"

enum sym_kind {
	SYM_ANY,
	SYM_CONST, /* value */
	SYM_FIELD,
};

struct sym {
	u8 kind, size;
	s8 shift;
	u32 value; /* of a field: its offset */
	u32 mask;
};

static inline struct sym sym_const(u32 value)
{
	return (struct sym){.kind = SYM_CONST, .value = value};
}

bool sym_equal(const struct sym *a, const struct sym *b);
/* What holds of both, in *@a. */
void sym_meet(struct sym *a, const struct sym *b);
/* The result of an operation (BPF_ADD, ...); a divisor that is known is not 0. */
struct sym sym_alu(u8 code, struct sym a, struct sym b);
/* 1: the test (BPF_JEQ, ...) holds, 0: it does not, -1: nobody knows. */
int sym_test(u8 code, struct sym a, struct sym b);

#endif

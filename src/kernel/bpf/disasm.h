/* SPDX-License-Identifier: Apache-2.0 */
/* Programs as text, for people: classic, internal, and plans. */
#ifndef HUSK_BPF_DISASM_H
#define HUSK_BPF_DISASM_H

#include "bpf/plan.h"

#include "base/text.h"

/* Names that the room does not know: of a call number; nullable, may answer NULL. */
typedef const char *bpf_call_name(u32 nr);

/* What is known before an instruction on all paths. */
struct bpf_held {
	s16 field; /* the offset of struct seccomp_data that A holds, or -1; -2: not reached */
	u32 arch;  /* that was compared with, or 0 */
};

/* For each instruction of a checked seccomp program. */
void bpf_held_fields(const struct sock_filter *f, unsigned size, struct bpf_held *held);

/* One classic instruction without a newline; @index is its place, to name jump targets. @held nullable. */
void bpf_print_classic(const struct sock_filter *f, unsigned index, enum bpf_kind kind,
		       const struct bpf_held *held, bpf_call_name *call_name, struct text *out);
void bpf_print_insn(const struct bpf_insn *i, unsigned index, struct text *out);
/* "ERRNO(1)", "ALLOW", "0x12345678". */
void bpf_print_verdict(u32 verdict, struct text *out);
/* " (EPERM)" behind a verdict that is an error, if it has a name. */
void bpf_print_errno(u32 verdict, struct text *out);
/* "nr", "arch", "arg 0, low half", ...; of packets "4 bytes at 12". */
void bpf_print_field(enum bpf_kind kind, u32 offset, u8 size, struct text *out);
/* "x86-64", or NULL. */
const char *bpf_arch_name(u32 arch);
/* What a node and those behind it do, indented, a line a condition. At most @lines lines. */
void bpf_print_plan(const struct bpf_pool *pool, u32 root, unsigned indent, unsigned *lines,
		    struct text *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF programs: checked as Linux checks them, converted, and run as they were written.
 *
 *	sock_filter[] --bpf_program_create()--> struct bpf_program --code.h--> optimised code, interpreted or JIT
 *	                                                     |
 *	                                                     +--bpf_program_run(): one instruction after another
 *
 * The room includes nothing of husk's but base, so that it can be tested, fuzzed and used alone. chain.h
 * stacks seccomp programs; code.h is what makes them fast.
 */
#ifndef HUSK_BPF_BPF_H
#define HUSK_BPF_BPF_H

#include "base/types.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* The registers of the internal ISA that converted programs use; R10 is the frame pointer. */
enum {
	BPF_ACC = BPF_REG_0, /* classic A */
	BPF_TMP = BPF_REG_2,
	BPF_CTX = BPF_REG_6,
	BPF_INDEX = BPF_REG_7, /* classic X */
};

#define BPF_DATA_SIZE 64 /* of struct seccomp_data */

enum bpf_kind {
	BPF_KIND_SECCOMP, /* over struct seccomp_data, in the host's byte order; the restricted list of opcodes */
	BPF_KIND_PACKET, /* over a linear buffer, big endian */
};

/* What a packet program runs on; the context of the internal ISA. A seccomp program's is the seccomp_data. */
struct bpf_packet {
	const u8 *data;
	u64 size; /* below 2 GiB */
};

/* Why a program was refused. */
struct bpf_refusal {
	int at;           /* the classic instruction; -1: the program as a whole */
	const char *why;  /* a sentence without its full stop; static */
	const char *what; /* the name of the ancillary load, or NULL; static */
};

struct bpf_program {
	enum bpf_kind kind;
	unsigned size, converted; /* instructions: classic, internal */
	struct sock_filter *classic;
	struct bpf_insn *insns;
};

/*
 * Linux's checks (net/core/filter.c, bpf_check_classic(); kernel/seccomp.c, seccomp_check_filter()): 0 or
 * -EINVAL, with *@why (nullable) filled.
 */
int bpf_check(const struct sock_filter *classic, size_t size, enum bpf_kind kind, struct bpf_refusal *why);

/* The name of what a packet load at @offset would ask the kernel for ("protocol"), or NULL for ordinary bytes. */
const char *bpf_ancillary_name(u32 offset);

/*
 * Checks, copies and converts. The caller owns *@out. @why as above.
 * -EINVAL, -ENOMEM.
 */
int bpf_program_create(const struct sock_filter *classic, size_t size, enum bpf_kind kind,
		       struct bpf_program **out, struct bpf_refusal *why);
void bpf_program_free(struct bpf_program *p); /* nullable */

/*
 * How many internal instructions a checked program becomes: for seccomp programs exactly as many as in Linux,
 * whose limit on a chain counts them. @out (nullable) receives them.
 */
unsigned bpf_convert(const struct sock_filter *classic, unsigned size, enum bpf_kind kind,
		     struct bpf_insn *out);

/*
 * The plain interpreter of the internal ISA. @context: struct seccomp_data or struct bpf_packet. The others
 * are compared with it.
 */
u32 bpf_interpret(const struct bpf_insn *insns, const void *context);

static inline u32 bpf_program_run(const struct bpf_program *p, const void *context)
{
	return bpf_interpret(p->insns, context);
}

#endif

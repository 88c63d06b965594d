// SPDX-License-Identifier: Apache-2.0
/*
 * What Linux takes as a classic program and what not, with the reason for people.
 *
 * Linux looks at the opcodes and operands first, then at the last instruction, then at the scratch memory, and
 * at last (seccomp only) at the shorter list of opcodes. All of it is EINVAL, so only the reason depends on the
 * order. Unreachable code is legal, but is checked like all other.
 */
#include "bpf/bpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum rule {
	RULE_REFUSED, /* no such opcode */
	RULE_NONE,
	RULE_DIVISOR,
	RULE_SHIFT,
	RULE_SCRATCH,
	RULE_JUMP,
	RULE_BRANCH,
	RULE_LOAD, /* from an absolute offset */
};

struct opcode {
	u8 rule;
	bool seccomp; /* allowed there too */
};

#define ALU_BOTH(op, rule_k, in_seccomp) \
	[BPF_ALU | (op) | BPF_K] = {rule_k, in_seccomp}, [BPF_ALU | (op) | BPF_X] = {RULE_NONE, in_seccomp}
#define BRANCH_BOTH(op) \
	[BPF_JMP | (op) | BPF_K] = {RULE_BRANCH, true}, [BPF_JMP | (op) | BPF_X] = {RULE_BRANCH, true}

static const struct opcode opcodes[256] = {
	ALU_BOTH(BPF_ADD, RULE_NONE, true),
	ALU_BOTH(BPF_SUB, RULE_NONE, true),
	ALU_BOTH(BPF_MUL, RULE_NONE, true),
	ALU_BOTH(BPF_DIV, RULE_DIVISOR, true),
	ALU_BOTH(BPF_MOD, RULE_DIVISOR, false),
	ALU_BOTH(BPF_AND, RULE_NONE, true),
	ALU_BOTH(BPF_OR, RULE_NONE, true),
	ALU_BOTH(BPF_XOR, RULE_NONE, true),
	ALU_BOTH(BPF_LSH, RULE_SHIFT, true),
	ALU_BOTH(BPF_RSH, RULE_SHIFT, true),
	[BPF_ALU | BPF_NEG] = {RULE_NONE, true},
	[BPF_LD | BPF_W | BPF_ABS] = {RULE_LOAD, true},
	[BPF_LD | BPF_H | BPF_ABS] = {RULE_LOAD, false},
	[BPF_LD | BPF_B | BPF_ABS] = {RULE_LOAD, false},
	[BPF_LD | BPF_W | BPF_IND] = {RULE_NONE, false},
	[BPF_LD | BPF_H | BPF_IND] = {RULE_NONE, false},
	[BPF_LD | BPF_B | BPF_IND] = {RULE_NONE, false},
	[BPF_LD | BPF_W | BPF_LEN] = {RULE_NONE, true},
	[BPF_LD | BPF_IMM] = {RULE_NONE, true},
	[BPF_LD | BPF_MEM] = {RULE_SCRATCH, true},
	[BPF_LDX | BPF_W | BPF_LEN] = {RULE_NONE, true},
	[BPF_LDX | BPF_B | BPF_MSH] = {RULE_NONE, false},
	[BPF_LDX | BPF_IMM] = {RULE_NONE, true},
	[BPF_LDX | BPF_MEM] = {RULE_SCRATCH, true},
	[BPF_ST] = {RULE_SCRATCH, true},
	[BPF_STX] = {RULE_SCRATCH, true},
	[BPF_MISC | BPF_TAX] = {RULE_NONE, true},
	[BPF_MISC | BPF_TXA] = {RULE_NONE, true},
	[BPF_RET | BPF_K] = {RULE_NONE, true},
	[BPF_RET | BPF_A] = {RULE_NONE, true},
	[BPF_JMP | BPF_JA] = {RULE_JUMP, true},
	BRANCH_BOTH(BPF_JEQ),
	BRANCH_BOTH(BPF_JGT),
	BRANCH_BOTH(BPF_JGE),
	BRANCH_BOTH(BPF_JSET),
};

/* SKF_AD_PROTOCOL, ..., four apart. */
static const char *const ancillary[] = {
	"protocol",
	"packet type",
	"interface index",
	"netlink attribute",
	"nested netlink attribute",
	"packet mark",
	"receive queue",
	"device type",
	"receive hash",
	"processor",
	"exclusive or with X",
	"VLAN tag",
	"VLAN tag present",
	"payload offset",
	"random number",
	"VLAN protocol",
};

const char *bpf_ancillary_name(u32 offset)
{
	u32 ad = offset - (u32)SKF_AD_OFF;

	if (offset >= (u32)SKF_AD_OFF)
		return ad % 4 == 0 && ad / 4 < ARRAY_SIZE(ancillary) ? ancillary[ad / 4]
								     : "unknown ancillary value";
	if (offset >= (u32)SKF_NET_OFF)
		return "network header";
	if (offset >= (u32)SKF_LL_OFF)
		return "link layer header";
	return (s32)offset < 0 ? "negative offset" : NULL;
}

static int refuse(struct bpf_refusal *why, int at, const char *sentence)
{
	if (why)
		*why = (struct bpf_refusal){at, sentence, NULL};
	return -EINVAL;
}

/* The sentence against one instruction, or NULL. */
static const char *operand_fault(const struct sock_filter *f, u32 left, enum bpf_kind kind)
{
	switch (opcodes[f->code].rule) {
	case RULE_DIVISOR:
		return f->k ? NULL : "divides by the constant 0";
	case RULE_SHIFT:
		return f->k < 32 ? NULL : "shifts by 32 bits or more";
	case RULE_SCRATCH:
		return f->k < BPF_MEMWORDS ? NULL : "names a scratch word beyond M[15]";
	case RULE_JUMP:
		return f->k < left ? NULL : "jumps beyond the end";
	case RULE_BRANCH:
		return f->jt < left && f->jf < left ? NULL : "branches beyond the end";
	case RULE_LOAD:
		if (kind == BPF_KIND_SECCOMP && f->k >= (u32)SKF_AD_OFF)
			return "loads from beyond struct seccomp_data";
		/* Linux: takes these from the socket buffer. Here: refused, because a linear buffer has none. */
		return kind == BPF_KIND_PACKET && bpf_ancillary_name(f->k)
			       ? "loads what a linear buffer does not have"
			       : NULL;
	default:
		return NULL;
	}
}

/* Scratch words must have been written on every path to a read; dead code counts as it stands in Linux. */
static int check_scratch(const struct sock_filter *f, unsigned size, struct bpf_refusal *why)
{
	u16 *masks = malloc(size * sizeof *masks);
	u16 valid = 0;
	int error = 0;

	if (!masks)
		return -ENOMEM;
	memset(masks, 0xff, size * sizeof *masks);
	for (unsigned i = 0; i < size && !error; i++) {
		valid &= masks[i];
		if (f[i].code == BPF_ST || f[i].code == BPF_STX) {
			valid |= (u16)(1 << f[i].k);
		} else if (f[i].code == (BPF_LD | BPF_MEM) || f[i].code == (BPF_LDX | BPF_MEM)) {
			if (!(valid & (1 << f[i].k)))
				error = refuse(why, (int)i,
					       "reads a scratch word that not every path has set");
		} else if (f[i].code == (BPF_JMP | BPF_JA)) {
			masks[i + 1 + f[i].k] &= valid;
			valid = 0xffff;
		} else if (opcodes[f[i].code].rule == RULE_BRANCH) {
			masks[i + 1 + f[i].jt] &= valid;
			masks[i + 1 + f[i].jf] &= valid;
			valid = 0xffff;
		}
	}
	free(masks);
	return error;
}

static int check_seccomp(const struct sock_filter *f, unsigned size, struct bpf_refusal *why)
{
	for (unsigned i = 0; i < size; i++) {
		if (!opcodes[f[i].code].seccomp)
			return refuse(why, (int)i, "is no instruction of seccomp programs");
		if (opcodes[f[i].code].rule != RULE_LOAD)
			continue;
		if (f[i].k >= BPF_DATA_SIZE)
			return refuse(why, (int)i, "loads from beyond struct seccomp_data");
		if (f[i].k & 3)
			return refuse(why, (int)i, "loads from an offset that is no multiple of 4");
	}
	return 0;
}

int bpf_check(const struct sock_filter *f, size_t size, enum bpf_kind kind, struct bpf_refusal *why)
{
	int error;

	if (!size)
		return refuse(why, -1, "the program is empty");
	if (size > BPF_MAXINSNS)
		return refuse(why, -1, "the program has more than 4096 instructions");
	for (unsigned i = 0; i < size; i++) {
		const char *fault;

		if (f[i].code > 0xff || opcodes[f[i].code].rule == RULE_REFUSED)
			return refuse(why, (int)i, "is no instruction of classic BPF");
		fault = operand_fault(&f[i], (u32)(size - i - 1), kind);
		if (fault) {
			refuse(why, (int)i, fault);
			if (why && opcodes[f[i].code].rule == RULE_LOAD)
				why->what = bpf_ancillary_name(f[i].k);
			return -EINVAL;
		}
	}
	if (f[size - 1].code != (BPF_RET | BPF_K) && f[size - 1].code != (BPF_RET | BPF_A))
		return refuse(why, (int)size - 1, "is the last one and does not return");
	error = check_scratch(f, (unsigned)size, why);
	if (!error && kind == BPF_KIND_SECCOMP)
		error = check_seccomp(f, (unsigned)size, why);
	return error;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Classic programs become programs of the internal ISA: ten 64-bit registers, jumps that fall through when they
 * are not taken, a stack instead of scratch words (Starovoitov, "net: filter: rework/optimize internal BPF
 * interpreter's instruction set", 2014; today's encoding, linux/bpf.h).
 *
 * Linux limits a chain of seccomp filters by the length of what its own converter makes, so for them this one
 * makes the same instructions, one for one. Packet loads stay one instruction each (Linux writes them out
 * against its socket buffers), and a packet's length is a field of the context.
 */
#include "bpf/bpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Everything falls out of one walk; the first only counts and finds out where each instruction begins. */
struct conversion {
	struct bpf_insn *out; /* NULL: count */
	unsigned n;           /* written, or counted */
	const u16 *starts;    /* of each classic instruction; NULL: count */
};

static struct bpf_insn insn(u8 code, u8 dst, u8 src, s16 off, u32 imm)
{
	return (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = (s32)imm};
}

static void emit(struct conversion *c, struct bpf_insn i)
{
	if (c->out)
		c->out[c->n] = i;
	c->n++;
}

static void emit_jump(struct conversion *c, struct bpf_insn i, unsigned target)
{
	if (c->out)
		i.off = (s16)(c->starts[target] - c->n - 1);
	emit(c, i);
}

static void convert_branch(struct conversion *c, const struct sock_filter *f, unsigned at)
{
	u8 op = BPF_OP(f->code), src = BPF_SRC(f->code);
	struct bpf_insn i = insn(0, BPF_ACC, 0, 0, 0);

	if (src == BPF_K && (s32)f->k < 0) {
		/* Immediates are sign-extended, and A is not. */
		emit(c, insn(BPF_ALU | BPF_MOV | BPF_K, BPF_TMP, 0, 0, f->k));
		src = BPF_X;
		i.src_reg = BPF_TMP;
	} else if (src == BPF_K) {
		i.imm = (s32)f->k;
	} else {
		i.src_reg = BPF_INDEX;
	}
	if (f->jf && !f->jt && op != BPF_JSET) {
		i.code = BPF_JMP | src | (op == BPF_JEQ ? BPF_JNE : op == BPF_JGT ? BPF_JLE : BPF_JLT);
		emit_jump(c, i, at + f->jf + 1);
		return;
	}
	i.code = BPF_JMP | src | op;
	emit_jump(c, i, at + f->jt + 1);
	if (f->jf)
		emit_jump(c, insn(BPF_JMP | BPF_JA, 0, 0, 0, 0), at + f->jf + 1);
}

static void convert_alu(struct conversion *c, const struct sock_filter *f)
{
	u8 op = BPF_OP(f->code);

	if (BPF_SRC(f->code) == BPF_X && (op == BPF_DIV || op == BPF_MOD)) {
		/* Dividing by 0 ends a classic program with 0. */
		emit(c, insn(BPF_ALU | BPF_MOV | BPF_X, BPF_INDEX, BPF_INDEX, 0, 0));
		emit(c, insn(BPF_JMP | BPF_JNE | BPF_K, BPF_INDEX, 0, 2, 0));
		emit(c, insn(BPF_ALU | BPF_XOR | BPF_X, BPF_ACC, BPF_ACC, 0, 0));
		emit(c, insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
	}
	emit(c, insn((u8)f->code, BPF_ACC, BPF_SRC(f->code) == BPF_X ? BPF_INDEX : 0, 0, f->k));
}

static void convert_msh(struct conversion *c, const struct sock_filter *f)
{
	emit(c, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_TMP, BPF_ACC, 0, 0));
	emit(c, insn(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, f->k));
	emit(c, insn(BPF_ALU | BPF_AND | BPF_K, BPF_ACC, 0, 0, 0xf));
	emit(c, insn(BPF_ALU | BPF_LSH | BPF_K, BPF_ACC, 0, 0, 2));
	emit(c, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_INDEX, BPF_ACC, 0, 0));
	emit(c, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_ACC, BPF_TMP, 0, 0));
}

static void convert_load(struct conversion *c, const struct sock_filter *f, enum bpf_kind kind)
{
	u8 dst = BPF_CLASS(f->code) == BPF_LD ? BPF_ACC : BPF_INDEX;

	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		emit(c, insn(BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, f->k));
		break;
	case BPF_MEM:
		emit(c, insn(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_10, (s16)(-4 * (s32)f->k - 4), 0));
		break;
	case BPF_LEN:
		if (kind == BPF_KIND_SECCOMP)
			emit(c, insn(BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, BPF_DATA_SIZE));
		else
			emit(c, insn(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_CTX,
				     offsetof(struct bpf_packet, size), 0));
		break;
	case BPF_MSH:
		convert_msh(c, f);
		break;
	default: /* ABS, IND */
		if (kind == BPF_KIND_SECCOMP)
			emit(c, insn(BPF_LDX | BPF_MEM | BPF_W, BPF_ACC, BPF_CTX, (s16)f->k, 0));
		else
			emit(c, insn((u8)f->code, 0, BPF_MODE(f->code) == BPF_IND ? BPF_INDEX : 0, 0, f->k));
	}
}

static void convert_one(struct conversion *c, const struct sock_filter *f, unsigned at, enum bpf_kind kind)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
		convert_load(c, f, kind);
		break;
	case BPF_ST:
	case BPF_STX:
		emit(c,
		     insn(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10,
			  BPF_CLASS(f->code) == BPF_ST ? BPF_ACC : BPF_INDEX, (s16)(-4 * (s32)f->k - 4), 0));
		break;
	case BPF_ALU:
		convert_alu(c, f);
		break;
	case BPF_JMP:
		if (BPF_OP(f->code) == BPF_JA)
			emit_jump(c, insn(BPF_JMP | BPF_JA, 0, 0, 0, 0), at + f->k + 1);
		else
			convert_branch(c, f, at);
		break;
	case BPF_MISC:
		if (f->code == (BPF_MISC | BPF_TAX))
			emit(c, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_INDEX, BPF_ACC, 0, 0));
		else
			emit(c, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_ACC, BPF_INDEX, 0, 0));
		break;
	case BPF_RET:
		if (BPF_RVAL(f->code) == BPF_K)
			emit(c, insn(BPF_ALU | BPF_MOV | BPF_K, BPF_ACC, 0, 0, f->k));
		emit(c, insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
		break;
	}
}

static void convert_all(struct conversion *c, const struct sock_filter *f, unsigned size, enum bpf_kind kind,
			u16 *starts)
{
	c->n = 0;
	emit(c, insn(BPF_ALU | BPF_XOR | BPF_X, BPF_ACC, BPF_ACC, 0, 0));
	emit(c, insn(BPF_ALU | BPF_XOR | BPF_X, BPF_INDEX, BPF_INDEX, 0, 0));
	emit(c, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_CTX, BPF_REG_1, 0, 0));
	for (unsigned i = 0; i < size; i++) {
		if (starts)
			starts[i] = (u16)c->n;
		convert_one(c, &f[i], i, kind);
	}
}

unsigned bpf_convert(const struct sock_filter *f, unsigned size, enum bpf_kind kind, struct bpf_insn *out)
{
	u16 starts[BPF_MAXINSNS];
	struct conversion c = {0};

	convert_all(&c, f, size, kind, starts);
	if (out) {
		c.out = out;
		c.starts = starts;
		convert_all(&c, f, size, kind, NULL);
	}
	return c.n;
}

int bpf_program_create(const struct sock_filter *classic, size_t size, enum bpf_kind kind,
		       struct bpf_program **out, struct bpf_refusal *why)
{
	int error = bpf_check(classic, size, kind, why);
	struct bpf_program *p;
	unsigned converted;

	if (error)
		return error;
	converted = bpf_convert(classic, (unsigned)size, kind, NULL);
	p = malloc(sizeof *p + size * sizeof *classic + converted * sizeof *p->insns);
	if (!p)
		return -ENOMEM;
	p->kind = kind;
	p->size = (unsigned)size;
	p->converted = converted;
	p->insns = (struct bpf_insn *)(p + 1);
	p->classic = (struct sock_filter *)(p->insns + converted);
	memcpy(p->classic, classic, size * sizeof *classic);
	bpf_convert(classic, p->size, kind, p->insns);
	*out = p;
	return 0;
}

void bpf_program_free(struct bpf_program *p)
{
	free(p);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random classic programs, for tests and fuzzers: mostly valid ones, made of what real filters are made of,
 * and some with a damaged instruction. The same seed gives the same programs.
 */
#ifndef TESTS_BPF_RANDOM_H
#define TESTS_BPF_RANDOM_H

#include "bpf/bpf.h"

#include <linux/audit.h>
#include <string.h>

struct random {
	u64 state;
};

static inline u32 random_u32(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (u32)(r->state >> 32);
}

static inline u32 random_below(struct random *r, u32 n)
{
	return random_u32(r) % n;
}

/* Numbers that filters compare with, and their neighbours. */
static inline u32 random_value(struct random *r)
{
	static const u32 values[] = {0,
				     1,
				     2,
				     22,
				     39,
				     59,
				     64,
				     100,
				     135,
				     231,
				     435,
				     AUDIT_ARCH_X86_64,
				     AUDIT_ARCH_I386,
				     0x40000000,
				     0x7fffffff,
				     0x80000000,
				     0xffffffff,
				     0xff,
				     0xffff,
				     0x800,
				     0x86dd};

	switch (random_below(r, 4)) {
	case 0:
		return random_u32(r);
	case 1:
		return random_below(r, 500);
	default:
		return values[random_below(r, ARRAY_SIZE(values))] + (random_below(r, 8) ? 0 : 1);
	}
}

static inline u32 random_verdict(struct random *r)
{
	static const u32 verdicts[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP,
				       SECCOMP_RET_LOG,   SECCOMP_RET_TRACE, SECCOMP_RET_KILL_THREAD,
				       0x12340000,        0xffff0000};

	return verdicts[random_below(r, ARRAY_SIZE(verdicts))] |
	       (random_below(r, 3) ? 0 : random_u32(r) & 0xffff);
}

static inline u32 random_offset(struct random *r, enum bpf_kind kind)
{
	if (kind == BPF_KIND_SECCOMP)
		return random_below(r, 3) ? 4 * random_below(r, 16) : 0;
	return random_below(r, 16)  ? random_below(r, 70)
	       : random_below(r, 3) ? random_below(r, 300)
				    : random_u32(r);
}

static inline struct sock_filter random_load(struct random *r, enum bpf_kind kind)
{
	static const u16 sizes[] = {BPF_B, BPF_H, BPF_W};
	u16 size = kind == BPF_KIND_PACKET ? sizes[random_below(r, 3)] : BPF_W;

	switch (kind == BPF_KIND_PACKET ? random_below(r, 8) : 3) {
	case 0:
		return (struct sock_filter){BPF_LDX | BPF_B | BPF_MSH, 0, 0, random_below(r, 60)};
	case 1:
	case 2:
		return (struct sock_filter){BPF_LD | BPF_IND | size, 0, 0,
					    random_below(r, 8) ? random_below(r, 100) : random_u32(r)};
	default:
		return (struct sock_filter){BPF_LD | BPF_ABS | size, 0, 0, random_offset(r, kind)};
	}
}

static inline struct sock_filter random_alu(struct random *r, enum bpf_kind kind)
{
	static const u16 ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND, BPF_AND, BPF_AND,
				  BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH, BPF_RSH, BPF_NEG, BPF_MOD};
	u16 op = ops[random_below(r, kind == BPF_KIND_PACKET ? 14 : 13)];
	bool x = op != BPF_NEG && !random_below(r, 3);
	u32 k = random_value(r);

	if (op == BPF_LSH || op == BPF_RSH)
		k %= 32;
	if ((op == BPF_DIV || op == BPF_MOD) && !k)
		k = 3;
	return (struct sock_filter){BPF_ALU | op | (x ? BPF_X : BPF_K), 0, 0, k};
}

/* A jump from @at of a program of @size, to somewhere near or to its end. */
static inline u8 random_distance(struct random *r, unsigned at, unsigned size)
{
	unsigned left = size - at - 1, d;

	if (!left)
		return 0;
	d = random_below(r, 3) ? random_below(r, min(left, 4u)) : random_below(r, left);
	return (u8)min(d, 255u);
}

static inline struct sock_filter random_jump(struct random *r, unsigned at, unsigned size)
{
	static const u16 ops[] = {BPF_JEQ, BPF_JEQ, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};

	if (!random_below(r, 12))
		return (struct sock_filter){BPF_JMP | BPF_JA, 0, 0, random_distance(r, at, size)};
	return (struct sock_filter){BPF_JMP | ops[random_below(r, 6)] | (random_below(r, 8) ? BPF_K : BPF_X),
				    random_distance(r, at, size), random_distance(r, at, size),
				    random_value(r)};
}

static inline struct sock_filter random_move(struct random *r, u16 *set)
{
	u32 cell = random_below(r, BPF_MEMWORDS);

	switch (random_below(r, 8)) {
	case 0:
		return (struct sock_filter){BPF_LD | BPF_IMM, 0, 0, random_value(r)};
	case 1:
		return (struct sock_filter){BPF_LDX | BPF_IMM, 0, 0, random_value(r)};
	case 2:
		return (struct sock_filter){BPF_MISC | BPF_TXA, 0, 0, 0};
	case 3:
		return (struct sock_filter){random_below(r, 2) ? BPF_LD | BPF_LEN : BPF_LDX | BPF_LEN, 0, 0,
					    0};
	case 4:
		*set |= (u16)(1 << cell);
		return (struct sock_filter){random_below(r, 2) ? BPF_ST : BPF_STX, 0, 0, cell};
	case 5:
		for (u32 i = 0; i < BPF_MEMWORDS; i++, cell = (cell + 1) % BPF_MEMWORDS)
			if (*set & 1 << cell)
				return (struct sock_filter){random_below(r, 2) ? BPF_LD | BPF_MEM
									       : BPF_LDX | BPF_MEM,
							    0, 0, cell};
		/* fall through */
	default:
		return (struct sock_filter){BPF_MISC | BPF_TAX, 0, 0, 0};
	}
}

/* A run of equalities on one field, as libseccomp writes it. */
static inline unsigned random_run(struct random *r, struct sock_filter *f, unsigned at, unsigned size)
{
	unsigned length = 3 + random_below(r, 12);
	u32 k = random_below(r, 400);

	for (unsigned i = 0; i < length && at + 1 < size; i++, at++) {
		f[at] = (struct sock_filter){BPF_JMP | BPF_JEQ | BPF_K, random_distance(r, at, size), 0, k};
		k += random_below(r, 3) ? 1 : random_below(r, 50);
	}
	return at;
}

/* Up to @most instructions into @f; their number. */
static inline unsigned random_program(struct random *r, enum bpf_kind kind, struct sock_filter *f,
				      unsigned most)
{
	unsigned size = 1 + random_below(r, random_below(r, 4) ? min(most, 40u) : most), at = 0;
	u16 set = 0;

	while (at + 1 < size) {
		u32 what = random_below(r, 20);

		if (what < 6)
			f[at++] = random_load(r, kind);
		else if (what < 9)
			f[at++] = random_alu(r, kind);
		else if (what < 14)
			f[at] = random_jump(r, at, size), at++;
		else if (what < 17)
			f[at++] = random_move(r, &set);
		else if (what < 19)
			at = random_run(r, f, at, size);
		else
			f[at++] = (struct sock_filter){random_below(r, 4) ? BPF_RET | BPF_K : BPF_RET | BPF_A,
						       0, 0, random_verdict(r)};
	}
	for (unsigned i = size > 6 ? size - 5 : size - 1; i < size; i++)
		if (i == size - 1 || random_below(r, 2))
			f[i] = (struct sock_filter){random_below(r, 8) ? BPF_RET | BPF_K : BPF_RET | BPF_A, 0,
						    0, random_verdict(r)};
	return size;
}

/* Changes something that may or may not make the program invalid. */
static inline void random_damage(struct random *r, struct sock_filter *f, unsigned size)
{
	struct sock_filter *one = &f[random_below(r, size)];

	switch (random_below(r, 6)) {
	case 0:
		one->code = (u16)random_below(r, 256);
		break;
	case 1:
		one->code = (u16)random_u32(r);
		break;
	case 2:
		one->k = random_u32(r);
		break;
	case 3:
		one->jt = (u8)random_u32(r);
		break;
	case 4:
		one->jf = (u8)random_u32(r);
		break;
	default:
		*one = (struct sock_filter){(u16)random_below(r, 256), (u8)random_below(r, 4),
					    (u8)random_below(r, 4), random_value(r)};
	}
}

/* Data that makes programs take their branches: their own constants, here and there. */
static inline void random_data(struct random *r, const struct sock_filter *f, unsigned size,
			       struct seccomp_data *d)
{
	u32 *words = (u32 *)d;

	for (unsigned i = 0; i < sizeof *d / 4; i++)
		words[i] = random_below(r, 3) ? f[random_below(r, size)].k : random_value(r);
	if (random_below(r, 4))
		d->arch = AUDIT_ARCH_X86_64;
	if (random_below(r, 2))
		d->nr = (int)random_below(r, 500);
}

static inline u32 random_packet(struct random *r, const struct sock_filter *f, unsigned size, u8 *packet,
				u32 most)
{
	u32 n = random_below(r, 4) ? 40 + random_below(r, most - 40) : random_below(r, most);

	for (u32 i = 0; i < n; i++)
		packet[i] = (u8)random_value(r);
	for (unsigned i = 0; i < 8 && n > 8; i++) {
		u32 k = __builtin_bswap32(f[random_below(r, size)].k), at = random_below(r, n - 4);

		memcpy(packet + at, (u8 *)&k + (random_below(r, 2) ? 2 : 0), 2);
	}
	return n;
}

#endif

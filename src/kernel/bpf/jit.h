/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x86-64 compiler of plans.
 *
 *	rdi  data		eax  A		edx, r9  scratch
 *	rsi  size of a packet	ecx  X		r8d      the converter's temporary
 *	M[i] lies below the stack pointer, at rsp - 4 - 4i
 *
 * No frame, no calls, no stores but to M[], forward jumps alone. What a guest may choose is never part of an
 * instruction: constants, masks and far offsets lie in the constants' table, which is not executable; left are
 * shift counts, scratch indices and offsets below 128. verify.c reads the result before it is sealed, and
 * believes nothing of it.
 */
#ifndef HUSK_BPF_JIT_H
#define HUSK_BPF_JIT_H

#include "bpf/code.h"
#include "bpf/layout.h"

#include "base/text.h"

struct bpf_image;

/* -ENOSPC: no room, stay with the interpreter; -ENOMEM. The caller owns *@out; the arena must outlive it. */
int bpf_jit(struct bpf_image **out, const struct bpf_pool *pool, const struct bpf_layout *layout,
	    const u32 *roots, unsigned root_count, struct bpf_arena *arena);
void bpf_image_free(struct bpf_image *image); /* nullable */
bpf_function *bpf_image_entry(const struct bpf_image *image, unsigned root);
u32 bpf_image_size(const struct bpf_image *image);
/* One line an instruction. */
void bpf_image_print(const struct bpf_image *image, struct text *out);

/* What verify.c is shown. */
struct bpf_emitted {
	const u8 *code;
	u32 size;
	s64 constants; /* where the constants' table lies, counted from the code's first byte */
	const u8 *constant_data;
	u32 constant_size;
	u32 data_size; /* bytes that may be read without a check: 64, or 0 */
	const u32 *entries;
	unsigned entry_count;
};

/* A sealed image as verify.c was shown it; its memory can be read. For tests. */
void bpf_image_emitted(const struct bpf_image *image, enum bpf_kind kind, struct bpf_emitted *out);

/* NULL, or what is wrong with the instruction at *@at. Out of memory is wrong too. */
const char *bpf_verify(const struct bpf_emitted *e, u32 *at);

#endif

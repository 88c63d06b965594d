/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimised code of a plan: operations for the threaded interpreter (lower.c, fuse.c, run.c) and, where there is an
 * arena, machine code (jit.c). One piece of code may have many entries: a chain's residues share theirs.
 */
#ifndef HUSK_BPF_CODE_H
#define HUSK_BPF_CODE_H

#include "bpf/plan.h"

struct bpf_arena;
struct bpf_image;

/* Machine code of a program. @size: of a packet, below 2 GiB; not looked at in seccomp programs. */
typedef u32 bpf_function(const void *data, u64 size);

struct bpf_op;

/* What an operation does, and all that follow it: the verdict. @M: scratch words, for programs that have any. */
typedef u32 bpf_step(const struct bpf_op *op, const u8 *data, u64 size, u32 X, u32 A, u32 *M);

/* One operation of the interpreter (ops.h). t and f are distances in bytes from this operation. */
struct bpf_op {
	bpf_step *run;
	s32 t, f;
	u32 off, mask;
	union {
		struct {
			u32 k, extra;
		};
		u64 wide; /* a 64-bit value; the factor of a shift */
	};
};

struct bpf_code {
	struct bpf_op
		*ops; /* owned, with the tables of searches behind them; NULL when nothing was lowered */
	u32 *entries; /* owned: by root, its first operation */
	size_t bytes; /* of all that */
	unsigned root_count;
	struct bpf_image *image; /* owned; NULL: not compiled */
};

/*
 * Operations for the nodes that can be reached from @roots; with @arena (nullable) machine code as well, if
 * there is room in it. -ENOMEM.
 */
int bpf_code_make(struct bpf_code *code, const struct bpf_pool *pool, const u32 *roots, unsigned root_count,
		  struct bpf_arena *arena);
void bpf_code_free(struct bpf_code *code);

/* Both answer NULL for code that was not made. */
static inline const struct bpf_op *bpf_code_ops(const struct bpf_code *code, unsigned root)
{
	return code->ops ? &code->ops[code->entries[root]] : NULL;
}
bpf_function *bpf_code_function(const struct bpf_code *code, unsigned root);

/* @data: struct seccomp_data, or @size bytes of a packet. */
static inline u32 bpf_run(const struct bpf_op *op, const void *data, u64 size)
{
	return op->run(op, data, size, 0, 0, NULL);
}

/* A whole program, ready to be run. */
struct bpf_compiled {
	struct bpf_code code;
	bpf_function *function; /* nullable */
	const struct bpf_op *ops;
};
int bpf_compile(struct bpf_compiled *c, const struct bpf_program *p, struct bpf_arena *arena);
void bpf_compiled_free(struct bpf_compiled *c);

static inline u32 bpf_compiled_run(const struct bpf_compiled *c, const void *data, u64 size)
{
	return c->function ? c->function(data, size) : bpf_run(c->ops, data, size);
}

/* For lower.c: by enum bpf_label. */
extern bpf_step *const bpf_steps[];

#endif

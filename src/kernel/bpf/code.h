/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimised code of a plan: operations for the threaded interpreter (lower.c, run.c) and, where there is an
 * arena, machine code (jit.c). One piece of code may have many entries: a chain's residues share theirs.
 */
#ifndef HUSK_BPF_CODE_H
#define HUSK_BPF_CODE_H

#include "bpf/plan.h"

struct bpf_arena;
struct bpf_image;

/* Machine code of a program. @size: of a packet, below 2 GiB; not looked at in seccomp programs. */
typedef u32 bpf_function(const void *data, u64 size);

/* One operation of the interpreter. t and f are distances in bytes from this operation. */
struct bpf_op {
	const void *label;
	s32 t, f;
	u32 k, mask;
	u32 off, extra;
};

struct bpf_code {
	struct bpf_op *ops; /* owned; NULL when nothing was lowered */
	u32 *tables;        /* owned: the interpreter's search tables */
	u32 *entries;       /* owned: by root, its first operation */
	u32 op_count, table_size;
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
u32 bpf_run(const struct bpf_op *op, const void *data, u64 size, const u32 *tables);

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
	return c->function ? c->function(data, size) : bpf_run(c->ops, data, size, c->code.tables);
}

/* For lower.c: the interpreter's labels, by enum bpf_label. */
const void *const *bpf_labels(void);

#endif

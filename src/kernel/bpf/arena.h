/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for machine code, never writable and executable at once.
 *
 * Two memory files: one of code, mapped readable and executable, one of constants, mapped readable alone. Both
 * mappings are made once, side by side at a random place with guard pages around, before the process locks
 * itself down; afterwards only pwrite() changes what they show, and nothing is ever mapped again. The code file
 * grows as it is used and is filled with int3; what lies behind its end cannot be executed at all.
 *
 *	| guard | constants (r--) | guard | code (r-x): int3 … image … int3 | not yet there | guard |
 *
 * The room's only host calls are here.
 */
#ifndef HUSK_BPF_ARENA_H
#define HUSK_BPF_ARENA_H

#include "base/types.h"

struct bpf_arena;

/* -ENOMEM, -EACCES or -EPERM where executable mappings are refused, ... */
int bpf_arena_create(struct bpf_arena **out);
/* All images must be gone. Nullable. */
void bpf_arena_destroy(struct bpf_arena *a);

/* A piece of code and its constants. */
struct bpf_span {
	const u8 *code, *constants; /* where they will be */
	u32 code_size, constant_size;
};

/* Picks a place for both at random: 0 or -ENOSPC. */
int bpf_arena_take(struct bpf_arena *a, u32 code_size, u32 constant_size, struct bpf_span *span);
/* Writes what bpf_arena_take() made room for: 0 or -errno. */
int bpf_arena_fill(struct bpf_arena *a, const struct bpf_span *span, const void *code, const void *constants);
/* Back to int3. */
void bpf_arena_drop(struct bpf_arena *a, const struct bpf_span *span);

/* Whether @p lies in a mapping of the arena, for whoever looks at faults. */
bool bpf_arena_contains(const struct bpf_arena *a, const void *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a program once everything that is known has been worked out: a graph of nodes.
 *
 * plan.c walks a converted program forwards with what is known about each register (a constant, a field of the
 * data, anything), then backwards, and adds to the pool a node for each step that still has to be done. Equal
 * nodes are one node, so that the residues of five hundred calls share what they have in common. A node's
 * successors have smaller numbers than itself: the graph has no cycles, and code laid out by falling numbers
 * jumps forward only.
 */
#ifndef HUSK_BPF_PLAN_H
#define HUSK_BPF_PLAN_H

#include "bpf/bpf.h"

enum bpf_node_op {
	NODE_RET_K,
	NODE_RET_A,
	NODE_TEST,   /* field (if size) or register, against k or a register */
	NODE_TEST64, /* two words at once: (field & wide_mask) == wide_k */
	NODE_IND_TEST,
	NODE_LONG,  /* the packet has at least k bytes? */
	NODE_NEED,  /* shorter than k bytes: return 0 */
	NODE_SET,   /* reg := k */
	NODE_FIELD, /* reg := field */
	NODE_MOVE,  /* reg := src */
	NODE_ALU,   /* reg := reg code k, or src */
	NODE_IND,   /* A := the packet's size bytes at X + k, else return 0 */
	NODE_LEN,   /* reg := the packet's length */
	NODE_STORE, /* M[k] := reg */
	NODE_FETCH, /* reg := M[k] */
};

enum bpf_reg {
	REG_A,
	REG_X,
	REG_T,
	REG_NONE,
};

/* ((bytes at off) & mask), shifted left by shift bits, or right by -shift. */
struct bpf_field {
	u32 off, mask;
	u8 size; /* 1, 2, 4; of a TEST64 8; 0: no field */
	s8 shift;
};

#define NO_NODE ~0u

struct bpf_node {
	u8 op;
	u8 reg, src; /* src REG_NONE: the constant k */
	u8 code;     /* of TEST: BPF_JEQ, JGT, JGE, JSET; of ALU: BPF_ADD, ... */
	struct bpf_field field;
	u32 k;
	u32 t, f; /* the next node: if true, if false; or just t */
	u32 live; /* bit 0: A is needed from here on; 1: X; 2: T; 3..18: M[] */
	u64 wide_k, wide_mask;
};

#define LIVE_REG(r) (1u << (r))
#define LIVE_MEM(i) (8u << (i))

struct bpf_pool {
	enum bpf_kind kind;
	struct bpf_node *nodes;
	u32 *next, *buckets; /* the hash chains; NO_NODE ends one */
	u32 n, room, bucket_count;
	bool failed; /* memory ran out */
};

void bpf_pool_init(struct bpf_pool *pool, enum bpf_kind kind);
void bpf_pool_free(struct bpf_pool *pool);
/* The number of the node equal to *@node, which is added if there is none. NO_NODE: out of memory. */
u32 bpf_pool_add(struct bpf_pool *pool, const struct bpf_node *node);

/* Work space for plans of one program. */
struct bpf_planner;
/* @p and @pool are borrowed until bpf_planner_free(). NULL: out of memory. */
struct bpf_planner *bpf_planner_new(const struct bpf_program *p, struct bpf_pool *pool);
void bpf_planner_free(struct bpf_planner *planner); /* nullable */

/* What is known of the data before the program runs; nullable members. */
struct bpf_known {
	const u32 *nr, *arch;
	u32 size;    /* bytes that the packet surely has */
	u32 *budget; /* instructions that may still be looked at; counted down */
};

/* Adds what is left of the program and returns its first node in *@root. -ENOMEM, -E2BIG: the budget is used up. */
int bpf_plan(struct bpf_planner *planner, const struct bpf_known *known, u32 *root);

/* A whole program: for packets two variants, one without checks for those that are long enough. */
int bpf_plan_program(struct bpf_planner *planner, u32 *root);

/* Whether (@a @code @b), of a node's comparison. */
static inline bool bpf_holds(u8 code, u32 a, u32 b)
{
	return code == BPF_JEQ ? a == b : code == BPF_JGT ? a > b : code == BPF_JGE ? a >= b : (a & b) != 0;
}

/* The result of an ALU operation; the divisor is not 0. */
u32 bpf_compute(u8 code, u32 a, u32 b);

#endif

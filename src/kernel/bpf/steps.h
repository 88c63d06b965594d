/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two halves of planning (plan.h): walk.c goes forwards and writes steps, plan.c goes backwards and makes nodes of
 * them. A step is what still has to be done for one instruction.
 */
#ifndef HUSK_BPF_STEPS_H
#define HUSK_BPF_STEPS_H

#include "bpf/sym.h"

/* What is known before an instruction. */
struct facts {
	struct sym reg[3], mem[BPF_MEMWORDS];
	u32 size; /* bytes that the packet has at least */
};

enum step_kind {
	STEP_JUMP, /* or nothing to do */
	STEP_EXIT,
	STEP_TEST,
	STEP_DEFINE, /* reg := value, or if that is not known what op says */
	STEP_STORE,
	STEP_IND,
};

struct step {
	u8 kind, op, code, reg, src;
	u16 at, t, f; /* instructions */
	u32 k, need;
	struct sym value; /* of the result; of a test's left side */
};

struct bpf_planner {
	const struct bpf_program *program;
	struct bpf_pool *pool;
	const struct bpf_known *known;
	struct facts now;
	u16 *pending; /* for each instruction: one more than the place in store of what is known there; else 0 */
	struct facts *store;
	u16 *spare; /* free places of store */
	unsigned store_used, spare_count, waiting;
	struct step *steps;
	unsigned step_count;
	u32 *node; /* for each instruction */
};

/* Writes the steps of all that can be reached: 0 or -E2BIG, when the budget of planner->known is used up. */
int bpf_walk(struct bpf_planner *planner);

#endif

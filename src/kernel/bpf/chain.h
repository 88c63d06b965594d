/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of seccomp programs, newest first, as a task has them.
 *
 * A chain is a list that only grows at its head, and is shared: a fork takes a reference, a new filter points
 * to the chain it was put on. Each link carries, for the architectures it was told of, a table by call number:
 * the verdict of the *whole* chain where it depends on nothing but the number, else a residue: what is left of
 * the programs for this number, newest first. So a call costs one load, or one run of a few instructions.
 *
 * The strongest action wins (lowest as a signed number); of equal ones the newest filter's data. ALLOW carries
 * no data. uretprobe and uprobe of x86-64 pass every filter.
 */
#ifndef HUSK_BPF_CHAIN_H
#define HUSK_BPF_CHAIN_H

#include "bpf/code.h"
#include "bpf/ladder.h"

#include <linux/audit.h>

#define BPF_TABLE_SIZE 512   /* call numbers with an entry; others run the programs */
#define BPF_ARCHES     3     /* tables of a link at most */
#define BPF_PATH_MOST  32768 /* converted instructions of a chain, four more for each older filter */

/* What is left for one number. */
struct bpf_residue {
	/* Nullable: the same as the code of a program that is alone, and as fast. */
	const struct bpf_rung *ladder;
	bpf_function *
		direct; /* nullable: of a program that is alone, has no ladder and returns verdicts as they stand */
	bpf_function *function;          /* nullable: interpreted */
	const struct bpf_op *ops;        /* NULL: the constant own */
	const struct bpf_residue *older; /* nullable */
	/* Nullable: all programs from this link on, whatever else stands here. */
	const struct bpf_chain *whole;
	u32 own, older_own; /* older_own: of the older filters if that is constant, else ALLOW */
};

struct bpf_table {
	/*
	 * Where many numbers have a residue, nobody can foresee which of two kinds the next call is. Then every number has
	 * a glance: the first rung of its ladder, or one that compares nothing. What follows is a verdict or what its word
	 * says. By number, where the glance stands, in bytes from the beginning of the table; 0: there are none.
	 */
	u16 first[BPF_TABLE_SIZE];
	u32 words[BPF_TABLE_SIZE]; /* a verdict, or RESIDUE_MARK | index into residues */
	const struct bpf_residue **residues;
	struct bpf_residue *own; /* owned: those of this link, some of residues */
	u32 count, glance_count;
	struct bpf_rung glances[];
};

#define BPF_RESIDUE_MARK 0xffff0000u

struct bpf_chain {
	unsigned refs;
	struct bpf_chain *older;     /* counted, nullable */
	struct bpf_program *program; /* owned */
	struct bpf_code code;        /* its first root is the whole program */
	struct bpf_rung *rungs;      /* owned: of all ladders */
	u32 arches[BPF_ARCHES];
	unsigned arch_count;
	struct bpf_table *tables[BPF_ARCHES]; /* owned; as many as arches */
	size_t bytes;                         /* of tables and code, those of older links too */
	bool plain;                           /* the tables only say: run everything */
	unsigned path;                        /* what counts against BPF_PATH_MOST */
	unsigned depth;                       /* filters, this one included */
	void *user;                           /* the caller's, NULL at first */
	void (*user_gone)(void *user); /* nullable: called when the last reference to the link has gone */
};

/*
 * Puts @p on top of @older (nullable; a reference is taken). @p is the chain's on success. @arches: AUDIT_ARCH_*
 * whose calls get tables, BPF_ARCHES at most; @arena nullable.
 * -ENOMEM: also when the path is too long.
 */
int bpf_chain_add(struct bpf_chain *older, struct bpf_program *p, const u32 *arches, unsigned arch_count,
		  struct bpf_arena *arena, struct bpf_chain **out);
struct bpf_chain *bpf_chain_get(struct bpf_chain *c); /* nullable */
void bpf_chain_put(struct bpf_chain *c);              /* nullable */

/* Inside the room (table.c): makes code and tables of @c, whose links below are there: 0 or -ENOMEM, with what there is to be
 * unfilled all the same. */
int bpf_chain_fill(struct bpf_chain *c, const struct bpf_program *p, struct bpf_arena *arena);
void bpf_chain_unfill(struct bpf_chain *c);

/* Calls that no filter sees: uretprobe and uprobe. */
static inline bool bpf_passes_all(u32 arch, u32 nr)
{
	return arch == AUDIT_ARCH_X86_64 && (nr == 335 || nr == 336);
}

/* True if @older is @c or under it; NULL is under everything. */
bool bpf_chain_is_under(const struct bpf_chain *older, const struct bpf_chain *c);

/* The verdict by the plain interpreter alone, and in *@match (nullable) whose it is: NULL for ALLOW. */
u32 bpf_chain_run_plain(const struct bpf_chain *c, const struct seccomp_data *d,
			const struct bpf_chain **match);
/* Without the tables. */
u32 bpf_chain_run_whole(const struct bpf_chain *c, const struct seccomp_data *d);

/* For residues with older ones, or without code. */
u32 bpf_residue_rest(const struct bpf_residue *r, const struct seccomp_data *d);

/* Of two verdicts: the first is the newer filter's. */
static inline u32 bpf_stronger(u32 newer, u32 older)
{
	return (s32)(older & SECCOMP_RET_ACTION_FULL) < (s32)(newer & SECCOMP_RET_ACTION_FULL) ? older
											       : newer;
}

/* What is left of the programs for a number. */
static inline __attribute__((always_inline)) u32 bpf_residue_run(const struct bpf_residue *r,
								 const struct seccomp_data *d)
{
	if (r->direct)
		return r->direct(d, sizeof *d);
	if (r->ladder)
		return bpf_ladder_run(r->ladder, d);
	return bpf_residue_rest(r, d);
}

/* The table for calls of @arch, or NULL. */
static inline const struct bpf_table *bpf_chain_table(const struct bpf_chain *c, u32 arch)
{
	for (unsigned i = 0; i < c->arch_count; i++)
		if (c->arches[i] == arch)
			return c->tables[i];
	return NULL;
}

/* True if the verdict on call @nr < BPF_TABLE_SIZE depends on nothing else; it is *@verdict then. */
static inline bool bpf_table_constant(const struct bpf_table *t, u32 nr, u32 *verdict)
{
	*verdict = t->words[nr];
	return *verdict < BPF_RESIDUE_MARK;
}

/* The verdict on @d by the table of its architecture. A caller that looks at bpf_table_constant() first need not always fill @d. */
static inline __attribute__((always_inline)) u32
bpf_table_run(const struct bpf_chain *c, const struct bpf_table *t, u32 nr, const struct seccomp_data *d)
{
	u32 glance, verdict;

	if (__builtin_expect(nr >= BPF_TABLE_SIZE, 0))
		return bpf_chain_run_whole(c, d);
	glance = t->first[nr];
	/* The way that has more to do goes straight on. */
	if (__builtin_expect(glance, 1)) {
		verdict = bpf_rung_look((const struct bpf_rung *)(const void *)((const u8 *)t + glance), d);
		if (__builtin_expect(verdict < BPF_RESIDUE_MARK, 1))
			return verdict;
	} else {
		verdict = t->words[nr];
		if (verdict < BPF_RESIDUE_MARK)
			return verdict;
	}
	return bpf_residue_run(t->residues[verdict & ~BPF_RESIDUE_MARK], d);
}

static inline u32 bpf_chain_run(const struct bpf_chain *c, const struct seccomp_data *d)
{
	const struct bpf_table *t = bpf_chain_table(c, d->arch);

	return t ? bpf_table_run(c, t, (u32)d->nr, d) : bpf_chain_run_whole(c, d);
}

#endif

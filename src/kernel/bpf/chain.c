// SPDX-License-Identifier: Apache-2.0
/* Chains: their links, and the ways to ask all of their filters. */
#include "bpf/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void chain_free(struct bpf_chain *c)
{
	bpf_chain_unfill(c);
	bpf_program_free(c->program);
	free(c);
}

int bpf_chain_add(struct bpf_chain *older, struct bpf_program *p, const u32 *arches, unsigned arch_count,
		  struct bpf_arena *arena, struct bpf_chain **out)
{
	unsigned path = p->converted + 4 + (older ? older->path : 0);
	struct bpf_chain *c;
	int error;

	/* An older filter counts four more than the newest. */
	if (path - 4 > BPF_PATH_MOST)
		return -ENOMEM;
	c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->refs = 1;
	c->older = older;
	c->path = path;
	c->depth = 1 + (older ? older->depth : 0);
	c->arch_count = arch_count;
	memcpy(c->arches, arches, arch_count * sizeof *arches);
	error = bpf_chain_fill(c, p, arena);
	if (error) {
		chain_free(c);
		return error;
	}
	c->program = p;
	bpf_chain_get(older);
	*out = c;
	return 0;
}

struct bpf_chain *bpf_chain_get(struct bpf_chain *c)
{
	if (c)
		c->refs++;
	return c;
}

void bpf_chain_put(struct bpf_chain *c)
{
	while (c && !--c->refs) {
		struct bpf_chain *older = c->older;

		if (c->user_gone)
			c->user_gone(c->user);
		chain_free(c);
		c = older;
	}
}

bool bpf_chain_is_under(const struct bpf_chain *older, const struct bpf_chain *c)
{
	if (!older)
		return true;
	while (c && c != older)
		c = c->older;
	return c;
}

u32 bpf_chain_run_plain(const struct bpf_chain *c, const struct seccomp_data *d,
			const struct bpf_chain **match)
{
	const struct bpf_chain *winner = NULL;
	u32 verdict = SECCOMP_RET_ALLOW;

	if (bpf_passes_all(d->arch, (u32)d->nr))
		c = NULL;
	for (; c; c = c->older) {
		u32 one = bpf_program_run(c->program, d);

		if (bpf_stronger(verdict, one) != verdict) {
			verdict = one;
			winner = c;
		}
	}
	if (match)
		*match = winner;
	return verdict;
}

static u32 run_one(bpf_function *function, const struct bpf_op *ops, const struct seccomp_data *d)
{
	return function ? function(d, sizeof *d) : bpf_run(ops, d, sizeof *d);
}

u32 bpf_chain_run_whole(const struct bpf_chain *c, const struct seccomp_data *d)
{
	u32 verdict = SECCOMP_RET_ALLOW;

	if (bpf_passes_all(d->arch, (u32)d->nr))
		return verdict;
	for (; c; c = c->older)
		verdict = bpf_stronger(verdict,
				       run_one(bpf_code_function(&c->code, 0), bpf_code_ops(&c->code, 0), d));
	return verdict;
}

u32 bpf_residue_rest(const struct bpf_residue *r, const struct seccomp_data *d)
{
	u32 verdict = SECCOMP_RET_ALLOW;

	if (r->whole)
		return bpf_chain_run_whole(r->whole, d);
	for (;; r = r->older) {
		u32 one = r->ops ? run_one(r->function, r->ops, d) : r->own;

		verdict = bpf_stronger(verdict, one);
		if (!r->older)
			return bpf_stronger(verdict, r->older_own);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdicts FILE: the verdicts of the seccomp filter in FILE (bytes of struct sock_filter) on the calls that standard input
 * names, a line each: architecture, number, six arguments. One number a line comes out, or `differ` when the engines of husk
 * do not agree: the plain interpreter, the threaded one and machine code, each on the whole program and by tables.
 */
#include "bpf/arena.h"
#include "bpf/chain.h"

#include <stdio.h>
#include <stdlib.h>

static struct bpf_chain *chain_of(const struct sock_filter *f, size_t n, u32 arch, struct bpf_arena *arena)
{
	struct bpf_program *p;
	struct bpf_chain *c;

	if (bpf_program_create(f, n, BPF_KIND_SECCOMP, &p, NULL) ||
	    bpf_chain_add(NULL, p, &arch, 1, arena, &c))
		return NULL;
	return c;
}

int main(int argc, char **argv)
{
	static struct sock_filter f[BPF_MAXINSNS];
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
	size_t n = file ? fread(f, sizeof *f, BPF_MAXINSNS, file) : 0;
	struct bpf_chain *threaded = NULL, *compiled = NULL;
	struct bpf_arena *arena = NULL;
	struct seccomp_data d;
	u32 last = 0, verdict;

	if (!n || bpf_arena_create(&arena))
		return 1;
	while (scanf("%i %i %lli %lli %lli %lli %lli %lli", (int *)&d.arch, &d.nr, (long long *)&d.args[0],
		     (long long *)&d.args[1], (long long *)&d.args[2], (long long *)&d.args[3],
		     (long long *)&d.args[4], (long long *)&d.args[5]) == 8) {
		d.instruction_pointer = 0;
		if (!threaded || d.arch != last) {
			bpf_chain_put(threaded);
			bpf_chain_put(compiled);
			threaded = chain_of(f, n, d.arch, NULL);
			compiled = chain_of(f, n, d.arch, arena);
			last = d.arch;
		}
		if (!threaded || !compiled)
			return 1;
		verdict = bpf_chain_run_plain(threaded, &d, NULL);
		if (verdict != bpf_chain_run(threaded, &d) || verdict != bpf_chain_run_whole(threaded, &d) ||
		    verdict != bpf_chain_run(compiled, &d) || verdict != bpf_chain_run_whole(compiled, &d))
			puts("differ");
		else
			printf("%u\n", verdict);
		fflush(stdout);
	}
	bpf_chain_put(threaded);
	bpf_chain_put(compiled);
	bpf_arena_destroy(arena);
	return 0;
}

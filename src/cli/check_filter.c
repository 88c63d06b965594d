/* SPDX-License-Identifier: Apache-2.0 */
/*
 * husk check --filter: the filter that guest processes run below, as a listing that can be read against
 * trap/seccomp/filter.c. Made from the program itself, as it is given to the host: what stands here is what is in
 * force.
 */
#include "cli/check_filter.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "bpf/disasm.h"
#include "core/call_table.h"
#include "trap/registry.h"

#define ROOM 1024 /* instructions */

static const char *call_name(u32 nr)
{
	return nr < HUSK_NR_CALLS ? call_table[nr].name : NULL;
}

/* The first instruction of a rule compares an address; what follows, the number of the one call that may be made
 * there. */
static bool begins_rule(const struct sock_filter *f, size_t left)
{
	return left > 2 && f[0].code == (BPF_JMP | BPF_JEQ | BPF_K) && !f[0].jt &&
	       f[1].code == (BPF_LD | BPF_W | BPF_ABS) && f[1].k == offsetof(struct seccomp_data, nr) &&
	       f[2].code == (BPF_JMP | BPF_JEQ | BPF_K);
}

static void list(const struct sock_filter *code, size_t size, u64 stub, struct text *out)
{
	struct bpf_held held[ROOM];

	bpf_held_fields(code, (unsigned)size, held);
	text_add(out,
		 "The filter of guest processes in the seccomp and dispatch traps: %zu instructions.\n"
		 "Each host call is let through from one instruction of the stub alone; all others trap to "
		 "husk.\n",
		 size);
	for (size_t at = 0; at < size; at++) {
		if (begins_rule(&code[at], size - at)) {
			const char *name = call_name(code[at + 2].k);

			text_add(out, "\n%s, from stub+%#x\n", name ? name : "?", code[at].k - (u32)stub);
		}
		text_add(out, "%5zu  ", at);
		bpf_print_classic(&code[at], (unsigned)at, BPF_KIND_SECCOMP, &held[at], call_name, out);
		text_add(out, "\n");
	}
}

int check_filter_show(bool gated)
{
	struct sock_filter code[ROOM];
	struct text out = {0};
	u64 stub;
	size_t size = trap_guest_filter(code, ROOM, gated, &stub);
	int error = 0;

	list(code, size, stub, &out);
	if (out.failed)
		error = -ENOMEM;
	else if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout))
		error = -EIO;
	text_free(&out);
	return error;
}

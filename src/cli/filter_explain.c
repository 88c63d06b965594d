// SPDX-License-Identifier: Apache-2.0
/* What a filter does: a table of calls, its graph, its way for one call. */
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/options.h"

#include "bpf/chain.h"
#include "bpf/disasm.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS     512
#define LINES     400 /* of conditions for one call */
#define LINE_MOST 100 /* columns */

/* ---- explain ---- */

struct explanation {
	struct bpf_pool pool;
	struct bpf_planner *planner;
	u32 node[CALLS];
	bool told[CALLS];
};

/* The names of all calls that become @node; how many. */
static unsigned tell_names(struct explanation *e, u32 node, struct text *out)
{
	size_t column = 0;
	unsigned count = 0;

	for (u32 nr = 0; nr < CALLS; nr++) {
		const char *name = filter_call_name(nr);

		if (e->told[nr] || e->node[nr] != node || !name)
			continue;
		if (!column || column + strlen(name) + 1 > LINE_MOST) {
			text_add(out, column ? "\n   " : "   ");
			column = 3;
		}
		text_add(out, " %s", name);
		column += strlen(name) + 1;
		e->told[nr] = true;
		count++;
	}
	text_add(out, "\n");
	return count;
}

/* "ERRNO(1): EPERM; also for numbers that are no call" */
static void tell_verdict(const struct explanation *e, u32 node, struct text *out)
{
	u32 verdict = e->pool.nodes[node].k;
	const char *name = (verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO
				   ? strerrorname_np((int)(verdict & SECCOMP_RET_DATA))
				   : NULL;

	bpf_print_verdict(verdict, out);
	text_add(out, name ? ": %s" : ":", name);
	if (e->node[CALLS - 1] == node)
		text_add(out, "%s also for numbers that are no call", name ? ";" : "");
	text_add(out, "\n");
}

/* Verdicts that nothing but the number decides first, then the others with their conditions. */
static void tell_all(struct explanation *e, struct text *out)
{
	unsigned lines;

	for (u32 nr = 0; nr < CALLS; nr++) {
		if (e->told[nr] || !filter_call_name(nr) || e->pool.nodes[e->node[nr]].op != NODE_RET_K)
			continue;
		tell_verdict(e, e->node[nr], out);
		tell_names(e, e->node[nr], out);
	}
	for (u32 nr = 0; nr < CALLS; nr++) {
		struct text names = {0};

		if (e->told[nr] || !filter_call_name(nr))
			continue;
		text_add(out, tell_names(e, e->node[nr], &names) > 1 ? "by their arguments:\n"
								     : "by its arguments:\n");
		text_add_bytes(out, names.data, names.size);
		out->failed |= names.failed;
		text_free(&names);
		lines = LINES;
		bpf_print_plan(&e->pool, e->node[nr], 8, &lines, out);
	}
}

static int print_all(struct text *t)
{
	if (t->failed) {
		text_free(t);
		cli_error("filter", "out of memory");
		return STATUS_FAILED;
	}
	if (t->data)
		fwrite(t->data, 1, t->size, stdout);
	text_free(t);
	return 0;
}

/* A packet program has no calls: what is left of it as a whole. */
static int explain_packets(struct explanation *e, struct text *out)
{
	unsigned lines = LINES;
	int error = bpf_plan(e->planner, &(struct bpf_known){0}, &e->node[0]);

	if (!error)
		bpf_print_plan(&e->pool, e->node[0], 0, &lines, out);
	return error;
}

static int explain_calls(struct explanation *e, u32 arch, struct text *out)
{
	int error = 0;

	for (u32 nr = 0; nr < CALLS && !error; nr++)
		error = bpf_plan(e->planner, &(struct bpf_known){.nr = &nr, .arch = &arch}, &e->node[nr]);
	/* Calls that no filter stops. */
	if (!error && arch == AUDIT_ARCH_X86_64)
		e->node[335] = e->node[336] =
			bpf_pool_add(&e->pool, &(struct bpf_node){.op = NODE_RET_K,
								  .k = SECCOMP_RET_ALLOW,
								  .reg = REG_NONE,
								  .src = REG_NONE,
								  .t = NO_NODE,
								  .f = NO_NODE});
	if (!error && !e->pool.failed)
		tell_all(e, out);
	return e->pool.failed ? -ENOMEM : error;
}

int filter_explain(const struct filter_command *c, const struct filter_file *file)
{
	struct bpf_program *p = filter_program(c, file);
	struct explanation *e = calloc(1, sizeof *e);
	struct text out = {0};
	int error = -ENOMEM;

	if (!p) {
		free(e);
		return STATUS_FAILED;
	}
	if (e) {
		bpf_pool_init(&e->pool, c->kind);
		e->planner = bpf_planner_new(p, &e->pool);
		if (e->planner)
			error = c->kind == BPF_KIND_PACKET ? explain_packets(e, &out)
							   : explain_calls(e, c->arch, &out);
		bpf_planner_free(e->planner);
		bpf_pool_free(&e->pool);
	}
	free(e);
	bpf_program_free(p);
	out.failed |= error != 0;
	return print_all(&out);
}

/* ---- graph ---- */

/* What the eye looks for: where calls are let through, and where not. */
static const char *color_of(const struct sock_filter *last, enum bpf_kind kind)
{
	if (last->code != (BPF_RET | BPF_K))
		return "";
	if (kind == BPF_KIND_PACKET ? last->k : (last->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW)
		return ", style=filled, fillcolor=palegreen";
	return ", style=filled, fillcolor=mistyrose";
}

/* Instructions that begin a block: targets of jumps, and what follows one. */
static void find_blocks(const struct bpf_program *p, bool *begins)
{
	memset(begins, 0, p->size * sizeof *begins);
	begins[0] = true;
	for (unsigned i = 0; i + 1 < p->size; i++) {
		const struct sock_filter *f = &p->classic[i];

		if (BPF_CLASS(f->code) != BPF_JMP && BPF_CLASS(f->code) != BPF_RET)
			continue;
		begins[i + 1] = true;
		if (BPF_CLASS(f->code) == BPF_RET)
			continue;
		begins[i + 1 + (BPF_OP(f->code) == BPF_JA ? f->k : f->jt)] = true;
		begins[i + 1 + (BPF_OP(f->code) == BPF_JA ? f->k : f->jf)] = true;
	}
}

static void graph_edges(const struct bpf_program *p, unsigned block, unsigned last, struct text *out)
{
	const struct sock_filter *f = &p->classic[last];

	if (BPF_CLASS(f->code) == BPF_RET)
		return;
	if (BPF_CLASS(f->code) != BPF_JMP)
		text_add(out, "\tb%u -> b%u;\n", block, last + 1);
	else if (BPF_OP(f->code) == BPF_JA)
		text_add(out, "\tb%u -> b%u;\n", block, last + 1 + f->k);
	else
		text_add(out,
			 "\tb%u -> b%u [label=yes, color=darkgreen];\n\tb%u -> b%u [label=no, color=red];\n",
			 block, last + 1 + f->jt, block, last + 1 + f->jf);
}

int filter_graph(const struct filter_command *c, const struct filter_file *file)
{
	struct bpf_program *p = filter_program(c, file);
	bool begins[BPF_MAXINSNS];
	struct bpf_held held[BPF_MAXINSNS];
	struct text out = {0};

	if (!p)
		return STATUS_FAILED;
	find_blocks(p, begins);
	bpf_held_fields(p->classic, p->size, held);
	text_add(&out, "digraph filter {\n\tnode [shape=box, fontname=monospace];\n");
	for (unsigned i = 0, block = 0; i < p->size; i++) {
		bool ends = i + 1 == p->size || begins[i + 1];

		if (begins[i]) {
			block = i;
			text_add(&out, "\tb%u [label=\"", i);
		}
		text_add(&out, "%u: ", i);
		bpf_print_classic(&p->classic[i], i, c->kind, c->kind == BPF_KIND_SECCOMP ? &held[i] : NULL,
				  filter_call_name, &out);
		text_add(&out, "\\l");
		if (ends) {
			text_add(&out, "\"%s];\n", color_of(&p->classic[i], c->kind));
			graph_edges(p, block, i, &out);
		}
	}
	text_add(&out, "}\n");
	bpf_program_free(p);
	return print_all(&out);
}

/* ---- run ---- */

/* A call as the command line names it: 0, or -1 after an error was said. */
static int read_call(const struct filter_command *c, struct seccomp_data *d)
{
	char **words = c->words + 1;
	u64 number;

	*d = (struct seccomp_data){.arch = c->arch, .instruction_pointer = c->ip};
	if (!words[0])
		return cli_error("run", "wants FILE CALL [ARG]...");
	d->nr = filter_call_number(words[0]);
	if (d->nr < 0) {
		if (words[0][0] < '0' || words[0][0] > '9')
			return cli_error(words[0], "no such system call");
		if (parse_u64("CALL", words[0], 0xffffffff, &number))
			return -1;
		d->nr = (int)number;
	}
	for (unsigned i = 0; words[1 + i]; i++) {
		char *end;

		if (i == 6)
			return cli_error("run", "a call has six arguments at most");
		errno = 0;
		d->args[i] = strtoull(words[1 + i], &end, 0);
		if (errno || *end || end == words[1 + i])
			return cli_error(words[1 + i], "not a number");
	}
	return 0;
}

/* The state of the classic machine, for the walk that people see. */
struct walk {
	u32 a, x, m[BPF_MEMWORDS];
};

/* One instruction that is no return: the next one's index; @size: it divided by 0, which ends with 0. */
static unsigned walk_step(struct walk *w, const struct sock_filter *f, unsigned at,
			  const struct seccomp_data *d, unsigned size)
{
	u32 k = f->k, operand = BPF_SRC(f->code) == BPF_X ? w->x : k, value = k;

	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(f->code) == BPF_MEM)
			value = w->m[k];
		else if (BPF_MODE(f->code) == BPF_LEN)
			value = sizeof *d;
		else if (BPF_MODE(f->code) == BPF_ABS)
			memcpy(&value, (const u8 *)d + k, sizeof value);
		*(BPF_CLASS(f->code) == BPF_LD ? &w->a : &w->x) = value;
		break;
	case BPF_ST:
		w->m[k] = w->a;
		break;
	case BPF_STX:
		w->m[k] = w->x;
		break;
	case BPF_ALU:
		if (BPF_OP(f->code) == BPF_DIV && !operand)
			return size;
		w->a = bpf_compute(BPF_OP(f->code), w->a, operand);
		break;
	case BPF_JMP:
		if (BPF_OP(f->code) == BPF_JA)
			return at + 1 + k;
		return at + 1 + (bpf_holds(BPF_OP(f->code), w->a, operand) ? f->jt : f->jf);
	default:
		if (f->code == (BPF_MISC | BPF_TAX))
			w->x = w->a;
		else
			w->a = w->x;
	}
	return at + 1;
}

int filter_run(const struct filter_command *c, const struct filter_file *file)
{
	struct bpf_program *p;
	struct seccomp_data d;
	struct text out = {0};
	struct bpf_held held[BPF_MAXINSNS];
	struct walk w = {0};

	if (c->kind == BPF_KIND_PACKET) {
		cli_error("run", "takes seccomp filters alone");
		return STATUS_FAILED;
	}
	if (read_call(c, &d) || !(p = filter_program(c, file)))
		return STATUS_FAILED;
	if (bpf_passes_all(d.arch, (u32)d.nr)) {
		bpf_program_free(p);
		puts("ALLOW\n       no filter sees uretprobe and uprobe");
		return 0;
	}
	bpf_held_fields(p->classic, p->size, held);
	bpf_print_verdict(bpf_program_run(p, &d), &out);
	text_add(&out, "\n");
	for (unsigned at = 0; at < p->size;) {
		const struct sock_filter *f = &p->classic[at];

		text_add(&out, "%5u:  ", at);
		bpf_print_classic(f, at, c->kind, &held[at], filter_call_name, &out);
		if (BPF_CLASS(f->code) == BPF_RET) {
			text_add(&out, "\n");
			break;
		}
		at = walk_step(&w, f, at, &d, p->size);
		if (BPF_CLASS(f->code) == BPF_LD || BPF_CLASS(f->code) == BPF_ALU)
			text_add(&out, at == p->size ? "  [X is 0: ends with 0]" : "  [%#x]", w.a);
		text_add(&out, "\n");
	}
	bpf_program_free(p);
	return print_all(&out);
}

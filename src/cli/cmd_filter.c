// SPDX-License-Identifier: Apache-2.0
/* husk filter: looks at classic BPF programs. Subcommands are a table; each has its part in filter_*.c. */
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/options.h"

#include "abi/calls.h"
#include "bpf/code.h"
#include "bpf/arena.h"
#include "bpf/disasm.h"
#include "bpf/jit.h"

#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

#define CALL(nr, name, support, shape, args, note) [nr] = #name,
static const char *const call_names[] = {
#include "abi/syscalls.tbl"
};
#undef CALL

const char *filter_call_name(u32 nr)
{
	return nr < ARRAY_SIZE(call_names) ? call_names[nr] : NULL;
}

int filter_call_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(call_names); i++)
		if (call_names[i] && !strcmp(call_names[i], name))
			return (int)i;
	return -1;
}

/* ---- options ---- */

static int set_packet(void *target, const char *value)
{
	((struct filter_command *)target)->kind = BPF_KIND_PACKET;
	return 0;
}

static int set_internal(void *target, const char *value)
{
	((struct filter_command *)target)->internal = true;
	return 0;
}

static int set_machine(void *target, const char *value)
{
	((struct filter_command *)target)->machine = true;
	return 0;
}

static int set_arch(void *target, const char *value)
{
	struct filter_command *c = target;
	u64 number;

	if (!strcmp(value, "x86_64") || !strcmp(value, "x86-64")) {
		c->arch = AUDIT_ARCH_X86_64;
	} else if (!strcmp(value, "i386") || !strcmp(value, "x86")) {
		c->arch = AUDIT_ARCH_I386;
	} else {
		if (parse_u64("--arch", value, 0xffffffff, &number))
			return -1;
		c->arch = (u32)number;
	}
	return 0;
}

static int set_ip(void *target, const char *value)
{
	return parse_u64("--ip", value, ~0ull, &((struct filter_command *)target)->ip);
}

static const struct option_spec filter_options[] = {
	{0, "packet", NULL, "the program filters packets, not system calls", set_packet},
	{0, "internal", NULL, "disasm: the converted program as well", set_internal},
	{0, "machine", NULL, "disasm: the compiled one as well", set_machine},
	{0, "arch", "ARCH", "run, explain: x86_64, i386 or an AUDIT_ARCH number (x86_64)", set_arch},
	{0, "ip", "ADDRESS", "run: the instruction pointer (0)", set_ip},
};

/* ---- disasm and check ---- */

struct bpf_program *filter_program(const struct filter_command *c, const struct filter_file *file)
{
	struct bpf_refusal why = {-1, NULL, NULL};
	struct bpf_program *p;
	int error = bpf_program_create(file->f, file->size, c->kind, &p, &why);

	if (!error)
		return p;
	if (!why.why)
		cli_error(c->words[0], "%s", strerror(-error));
	else if (why.at < 0)
		cli_error(c->words[0], "%s", why.why);
	else
		cli_error(c->words[0], "instruction %d %s%s%s%s", why.at, why.why, why.what ? " (" : "",
			  why.what ? why.what : "", why.what ? ")" : "");
	return NULL;
}

static int print_text(struct text *t)
{
	int status = t->failed ? (cli_error("filter", "out of memory"), STATUS_FAILED) : 0;

	if (!t->failed && t->data)
		fwrite(t->data, 1, t->size, stdout);
	text_free(t);
	return status;
}

static void add_internal(const struct bpf_program *p, struct text *out)
{
	text_add(out, "\ninternal, %u instructions:\n", p->converted);
	for (unsigned i = 0; i < p->converted; i++) {
		text_add(out, "%5u:  ", i);
		bpf_print_insn(&p->insns[i], i, out);
		text_add(out, "\n");
	}
}

static int add_machine(const struct bpf_program *p, struct text *out)
{
	struct bpf_compiled compiled = {0};
	struct bpf_arena *arena;
	int error = bpf_arena_create(&arena);

	if (error)
		return cli_error("--machine", "no executable memory: %s", strerror(-error));
	error = bpf_compile(&compiled, p, arena);
	if (!error && compiled.code.image) {
		text_add(out, "\nx86-64, %u bytes:\n", bpf_image_size(compiled.code.image));
		bpf_image_print(compiled.code.image, out);
	}
	bpf_compiled_free(&compiled);
	bpf_arena_destroy(arena);
	return error ? cli_error("--machine", "%s", strerror(-error)) : 0;
}

int filter_disasm(const struct filter_command *c, const struct filter_file *file)
{
	struct bpf_program *p = filter_program(c, file);
	struct text out = {0};
	struct bpf_held held[BPF_MAXINSNS];
	int error = 0;

	if (!p)
		return STATUS_FAILED;
	bpf_held_fields(p->classic, p->size, held);
	for (unsigned i = 0; i < p->size; i++) {
		text_add(&out, "%5u:  ", i);
		bpf_print_classic(&p->classic[i], i, c->kind, c->kind == BPF_KIND_SECCOMP ? &held[i] : NULL,
				  filter_call_name, &out);
		text_add(&out, "\n");
	}
	if (c->internal)
		add_internal(p, &out);
	if (c->machine)
		error = add_machine(p, &out);
	bpf_program_free(p);
	return print_text(&out) || error ? STATUS_FAILED : 0;
}

int filter_check(const struct filter_command *c, const struct filter_file *file)
{
	struct bpf_program *p = filter_program(c, file);

	if (!p)
		return 1;
	printf("good: %u instructions, %u when converted\n", p->size, p->converted);
	bpf_program_free(p);
	return 0;
}

/* ---- the command ---- */

struct subcommand {
	const char *name, *words, *sentence;
	int (*on_file)(const struct filter_command *c, const struct filter_file *file);
	int (*alone)(const struct filter_command *c);
};

static const struct subcommand subcommands[] = {
	{"disasm", "FILE", "the program in words", filter_disasm, NULL},
	{"check", "FILE", "whether Linux takes it, else at which instruction it does not and why",
	 filter_check, NULL},
	{"run", "FILE CALL [ARG]...", "the verdict on a call, and the way through the program", filter_run,
	 NULL},
	{"explain", "FILE", "a table: calls and what becomes of them", filter_explain, NULL},
	{"graph", "FILE", "the control flow, for Graphviz' dot", filter_graph, NULL},
	{"compile", "PROFILE.json", "a Docker or OCI profile as a program, to standard output", NULL,
	 filter_compile},
	{"dump", "PID", "the filters of a running process of the host, the oldest first", NULL, filter_dump},
};

void filter_help(void)
{
	printf("usage: husk filter SUBCOMMAND [OPTIONS] FILE...\n\n"
	       "Looks at seccomp filters and other classic BPF programs. FILE holds the bytes of struct "
	       "sock_filter, "
	       "text as of\n"
	       "`tcpdump -ddd` and `bpf_asm`, or a C array as of `tcpdump -dd`; `-` is standard input.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		printf("  %-8s %-19s %s\n", subcommands[i].name, subcommands[i].words,
		       subcommands[i].sentence);
	putchar('\n');
	options_help(filter_options, ARRAY_SIZE(filter_options));
	printf("\nExit status: 0; 1 when `check` refuses the program; 125 on errors.\n");
}

void filter_words(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		printf("%s ", subcommands[i].name);
	options_words(filter_options, ARRAY_SIZE(filter_options));
}

static int run_subcommand(const struct subcommand *s, struct filter_command *c, char **argv)
{
	struct filter_file *file;
	int at = 0, parsed = options_parse(filter_options, ARRAY_SIZE(filter_options), c, argv, &at), status;

	if (parsed > 0) {
		filter_help();
		return 0;
	}
	if (parsed < 0)
		return STATUS_FAILED;
	c->words = argv + at;
	if (!c->words[0] || (c->words[1] && s->on_file != filter_run)) {
		cli_error(s->name, "wants %s", s->words);
		return STATUS_FAILED;
	}
	if (s->alone)
		return s->alone(c);
	file = malloc(sizeof *file);
	if (!file) {
		cli_error("filter", "out of memory");
		return STATUS_FAILED;
	}
	status = filter_read(c->words[0], file) ? STATUS_FAILED : s->on_file(c, file);
	free(file);
	return status;
}

int cmd_filter(char **argv)
{
	struct filter_command c = {.kind = BPF_KIND_SECCOMP, .arch = AUDIT_ARCH_X86_64};

	if (!argv[0] || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h")) {
		if (argv[0]) {
			filter_help();
			return 0;
		}
		cli_error("filter", "wants a subcommand; see `husk filter --help`");
		return STATUS_FAILED;
	}
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		if (!strcmp(argv[0], subcommands[i].name))
			return run_subcommand(&subcommands[i], &c, argv + 1);
	cli_error(argv[0], "no such subcommand; see `husk filter --help`");
	return STATUS_FAILED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `husk filter`. */
#ifndef HUSK_CLI_FILTER_H
#define HUSK_CLI_FILTER_H

#include "bpf/bpf.h"

/* What the options and the words say. */
struct filter_command {
	enum bpf_kind kind;
	bool internal, machine;
	u32 arch;
	u64 ip;
	char **words; /* behind the options */
};

/* A program as it stands in a file; "-" is standard input. */
struct filter_file {
	struct sock_filter f[BPF_MAXINSNS + 1];
	unsigned size;
};

/* Raw bytes, decimal text as of bpf_asm or tcpdump -ddd, or a C array. 0, or -1 after an error was said. */
int filter_read(const char *path, struct filter_file *out);

/* Name and number of x86-64 system calls: NULL or -1 for what is none. */
const char *filter_call_name(u32 nr);
int filter_call_number(const char *name);

/* Each does one subcommand and returns the exit status. */
int filter_disasm(const struct filter_command *c, const struct filter_file *file);
int filter_check(const struct filter_command *c, const struct filter_file *file);
int filter_run(const struct filter_command *c, const struct filter_file *file);
int filter_explain(const struct filter_command *c, const struct filter_file *file);
int filter_graph(const struct filter_command *c, const struct filter_file *file);
int filter_dump(const struct filter_command *c);
int filter_compile(const struct filter_command *c);

/* The program of @file, checked, or NULL after the reason was said. */
struct bpf_program *filter_program(const struct filter_command *c, const struct filter_file *file);

#endif

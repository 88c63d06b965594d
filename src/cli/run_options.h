/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of `husk run` say, collected for cmd_run.c. */
#ifndef HUSK_CLI_RUN_OPTIONS_H
#define HUSK_CLI_RUN_OPTIONS_H

#include "cli/options.h"
#include "trap/trap.h"

/* A NULL-terminated vector of strings that it owns. */
struct words {
	char **word;
	size_t count;
};

struct run_options {
	const char *root, *chdir, *hostname;
	const char *trap;             /* NULL: what HUSK_TRAP says */
	char *upper;                  /* owned: an absolute path; NULL: memory */
	struct sandbox_mount *mounts; /* owned, with their strings */
	size_t nmounts;
	u64 disk_limit;   /* bytes; 0: none */
	struct words env; /* K=V each: the caller's environment, as changed by the options so far */
	u64 uid, gid;
	u64 time_limit_ns;
	bool strace, stats, changes;
	const char *profile;                  /* of seccomp; NULL: none */
	int bpf_jit;                          /* enum bpf_jit */
	bool no_patch;                        /* --patch=off */
	bool tty, no_tty;                     /* neither: yes when standard input and output are a terminal */
	const char *strace_file, *stats_file; /* NULL: standard error */
	const char *result_file, *changes_file;
};

extern const struct option_spec run_option_table[];
extern const size_t run_option_count;

/* The defaults: the caller's environment and ids. 0 or -1 (said). */
int run_options_init(struct run_options *o);
void run_options_free(struct run_options *o);

#endif

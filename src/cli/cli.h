/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of husk: each takes its words behind the command's name and returns the exit status. */
#ifndef HUSK_CLI_CLI_H
#define HUSK_CLI_CLI_H

#include <stddef.h>

/* Exit statuses of husk's own (the program's is passed on; 128 + N when signal N killed it). */
enum {
	STATUS_TIME_LIMIT = 124,
	STATUS_FAILED = 125,       /* husk itself failed, or its command line is wrong */
	STATUS_NOT_EXECUTED = 126, /* PROGRAM cannot be executed */
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128,
};

int cmd_run(char **argv);
int cmd_check(char **argv);
int cmd_bench(char **argv);
int cmd_filter(char **argv);
int cmd_help(char **argv);
int cmd_version(char **argv);
int cmd_completion(char **argv);

/* One line a command: what main() runs, `husk help` prints and the completion knows. */
struct command {
	const char *name;
	int (*run)(char **argv);
	const char *usage, *sentence; /* NULL: not in the list */
	void (*help)(void);           /* its --help; nullable */
	void (*words)(void);          /* its options for the completion, separated by spaces; nullable */
};

extern const struct command command_table[];
extern const size_t command_count;

void run_help(void);
void run_words(void);
void check_help(void);
void check_words(void);
void bench_help(void);
void bench_words(void);
void filter_help(void);
void filter_words(void);

#endif

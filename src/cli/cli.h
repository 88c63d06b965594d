/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of husk: each takes its words behind the command's name and returns the exit status. */
#ifndef HUSK_CLI_CLI_H
#define HUSK_CLI_CLI_H

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
int cmd_help(char **argv);
int cmd_version(char **argv);
int cmd_completion(char **argv);

/* `husk COMMAND --help`. */
void run_help(void);
void check_help(void);
/* The words for the completion, separated by spaces. */
void check_words(void);

#endif

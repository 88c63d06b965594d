/* SPDX-License-Identifier: Apache-2.0 */
/* --help, --version and the shell completion. */
#include "cli/cli.h"
#include "cli/run_options.h"

#include <stdio.h>
#include <string.h>

void run_help(void)
{
	printf("usage: husk run [OPTIONS] [--] PROGRAM [ARG]...\n\n"
	       "Runs PROGRAM, an unmodified Linux program, on husk's own kernel. What it writes is gone at "
	       "the end;\n"
	       "standard input, output and error are the caller's.\n\n");
	options_help(run_option_table, run_option_count);
	printf("\nExit status: the program's; 128+N when signal N killed it; 124 after --time-limit; 125 "
	       "when husk\n"
	       "failed; 126 when PROGRAM cannot be executed; 127 when it is not found.\n"
	       "HUSK_TRAP in the environment stands for --trap.\n");
}

void run_words(void)
{
	options_words(run_option_table, run_option_count);
}

int cmd_help(char **argv)
{
	char left[64];

	for (size_t i = 0; argv[0] && i < command_count; i++) {
		if (strcmp(argv[0], command_table[i].name) || !command_table[i].help)
			continue;
		command_table[i].help();
		return 0;
	}
	printf("husk runs unmodified Linux programs on a kernel of its own, in user space.\n\n");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];

		if (!c->sentence)
			continue;
		snprintf(left, sizeof left, "%s %s", c->name, c->usage);
		printf("  husk %-37s %s\n", left, c->sentence);
	}
	printf("  husk %-37s %s\n", "--version", "the version");
	printf("  husk %-37s %s\n", "COMMAND --help", "more about a command");
	printf("\nFor example:  husk run -- ls -l /\n");
	return 0;
}

int cmd_version(char **argv)
{
	printf("husk %s\n", HUSK_VERSION);
	return 0;
}

int cmd_completion(char **argv)
{
	if (!argv[0] || strcmp(argv[0], "bash")) {
		cli_error("completion", "knows bash only: husk completion bash");
		return STATUS_FAILED;
	}
	printf("# bash completion of husk; made by `husk completion bash`\n"
	       "_husk()\n{\n"
	       "\tlocal word=${COMP_WORDS[COMP_CWORD]} i\n"
	       "\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W '");
	for (size_t i = 0; i < command_count; i++)
		if (command_table[i].sentence)
			printf("%s ", command_table[i].name);
	printf("--help --version' -- \"$word\")\n"
	       "\t\treturn\n\tfi\n"
	       "\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < command_count; i++) {
		if (!command_table[i].words || command_table[i].run == cmd_run)
			continue;
		printf("\t%s)\n\t\tmapfile -t COMPREPLY < <(compgen -W '", command_table[i].name);
		command_table[i].words();
		printf("--help' -- \"$word\")\n\t\treturn ;;\n");
	}
	printf("\tesac\n"
	       "\t[ \"${COMP_WORDS[1]}\" = run ] || return\n"
	       "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	       "\t\tif [ \"${COMP_WORDS[i]}\" = -- ]; then\n"
	       "\t\t\tmapfile -t COMPREPLY < <(compgen -A command -A file -- \"$word\")\n"
	       "\t\t\treturn\n\t\tfi\n\tdone\n"
	       "\tcase $word in\n"
	       "\t-*) mapfile -t COMPREPLY < <(compgen -W '");
	run_words();
	printf("--help --' -- \"$word\") ;;\n"
	       "\t*) mapfile -t COMPREPLY < <(compgen -A command -A file -- \"$word\") ;;\n"
	       "\tesac\n}\n"
	       "complete -o default -F _husk husk\n");
	return 0;
}

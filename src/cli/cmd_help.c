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

int cmd_help(char **argv)
{
	static const struct {
		const char *name;
		void (*help)(void);
	} topics[] = {{"run", run_help}, {"check", check_help}};

	for (size_t i = 0; argv[0] && i < ARRAY_SIZE(topics); i++) {
		if (strcmp(argv[0], topics[i].name))
			continue;
		topics[i].help();
		return 0;
	}
	printf("husk runs unmodified Linux programs on a kernel of its own, in user space.\n\n"
	       "  husk run [OPTIONS] [--] PROGRAM [ARG]...   run PROGRAM in a sandbox\n"
	       "  husk check [--json]                        what this host offers, and what follows\n"
	       "  husk completion bash                       a completion script for the shell\n"
	       "  husk --version                             the version\n"
	       "  husk COMMAND --help                        more about a command\n\n"
	       "For example:  husk run -- ls -l /\n");
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
	       "\t\tmapfile -t COMPREPLY < <(compgen -W 'run check completion --help --version' -- "
	       "\"$word\")\n"
	       "\t\treturn\n\tfi\n"
	       "\tif [ \"${COMP_WORDS[1]}\" = check ]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W '");
	check_words();
	printf("--help' -- \"$word\")\n"
	       "\t\treturn\n\tfi\n"
	       "\t[ \"${COMP_WORDS[1]}\" = run ] || return\n"
	       "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	       "\t\tif [ \"${COMP_WORDS[i]}\" = -- ]; then\n"
	       "\t\t\tmapfile -t COMPREPLY < <(compgen -A command -A file -- \"$word\")\n"
	       "\t\t\treturn\n\t\tfi\n\tdone\n"
	       "\tcase $word in\n"
	       "\t-*) mapfile -t COMPREPLY < <(compgen -W '");
	options_words(run_option_table, run_option_count);
	printf("--help --' -- \"$word\") ;;\n"
	       "\t*) mapfile -t COMPREPLY < <(compgen -A command -A file -- \"$word\") ;;\n"
	       "\tesac\n}\n"
	       "complete -o default -F _husk husk\n");
	return 0;
}

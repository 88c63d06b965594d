/* SPDX-License-Identifier: Apache-2.0 */
/* husk: finds the command and runs it. The only place that decides the exit status. */
#include "cli/cli.h"
#include "cli/options.h"

#include "bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct command command_table[] = {
	{"run", cmd_run, "[OPTIONS] [--] PROGRAM [ARG]...", "run PROGRAM in a sandbox", run_help, run_words},
	{"check", cmd_check, "[--json|--filter]", "what this host offers, and what follows", check_help,
	 check_words},
	{"bench", cmd_bench, "[OPTIONS] [WORKLOAD]...", "native against every trap that works here",
	 bench_help, bench_words},
	{"filter", cmd_filter, "SUBCOMMAND FILE...", "look at seccomp filters and other BPF programs",
	 filter_help, filter_words},
	{"completion", cmd_completion, "bash", "a completion script for the shell"},
	{"help", cmd_help},
	{"--help", cmd_help},
	{"-h", cmd_help},
	{"version", cmd_version},
	{"--version", cmd_version},
	{"bench-worker", bench_worker}, /* what `husk bench` runs */
};
const size_t command_count = ARRAY_SIZE(command_table);

/* Whoever starts husk with a closed standard stream must not have it filled by one of husk's own files. */
static int fill_standard_streams(void)
{
	/* O_CLOEXEC marks them as not the caller's: cmd_run() gives the guest none for them. They are open the wrong
	 * way round, so that what is written there fails, as it would have. */
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", (fd ? O_RDONLY : O_WRONLY) | O_CLOEXEC) != fd)
			return -1;
	return 0;
}

/* What a command wrote may still be in a buffer, and the disk full. Says so, unless it has failed already. */
static int finish_output(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (status)
		return status;
	cli_error("standard output", "%s", strerror(errno));
	return STATUS_FAILED;
}

int main(int argc, char **argv)
{
	if (fill_standard_streams())
		return STATUS_FAILED;
	if (argc < 2) {
		cli_error("command line", "no command; see `husk --help`");
		return STATUS_FAILED;
	}
	for (size_t i = 0; i < command_count; i++)
		if (!strcmp(argv[1], command_table[i].name))
			return finish_output(command_table[i].run(argv + 2));
	cli_error(argv[1], "no such command; see `husk --help`");
	return STATUS_FAILED;
}

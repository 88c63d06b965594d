/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command under a seccomp filter like Docker's (docker_filter.h).
 *
 *	docker_filter [--no-process-vm] COMMAND [ARG]...
 *
 * --no-process-vm also forbids process_vm_readv and process_vm_writev. Exit status: the command's; 96: no
 * filter.
 */
#include "docker_filter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int no_process_vm = argc > 1 && !strcmp(argv[1], "--no-process-vm");

	argv += 1 + no_process_vm;
	if (!argv[0]) {
		fprintf(stderr, "usage: docker_filter [--no-process-vm] COMMAND [ARG]...\n");
		return 96;
	}
	if (docker_filter_install(no_process_vm)) {
		perror("docker_filter");
		return 96;
	}
	execvp(argv[0], argv);
	perror(argv[0]);
	return 127;
}

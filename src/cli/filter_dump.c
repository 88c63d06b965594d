// SPDX-License-Identifier: Apache-2.0
/*
 * husk filter dump: the filters of a running process, by the ptrace call that checkpointing uses.
 *
 * Linux numbers them from the oldest, 0, although the call's first description says the newest (seen on 6.18).
 * It wants CAP_SYS_ADMIN, and that the caller itself is under no filter.
 */
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int say_why(const char *pid, int error)
{
	const char *why = strerror(error);

	if (error == EACCES)
		why = "the host tells filters only to a process with CAP_SYS_ADMIN that is under no filter "
		      "itself";
	else if (error == EINVAL)
		why = "the process has no filter, or the host was built without PTRACE_SECCOMP_GET_FILTER";
	cli_error(pid, "%s", why);
	return STATUS_FAILED;
}

static int dump_stopped(const struct filter_command *c, pid_t pid)
{
	struct filter_file *file = malloc(sizeof *file);
	struct filter_command each = *c;
	int status = 0;

	if (!file)
		return say_why(c->words[0], ENOMEM);
	for (unsigned long i = 0; !status; i++) {
		long n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, i, NULL);

		if (n < 0 && errno == ENOENT)
			break;
		if (n > BPF_MAXINSNS)
			n = -1, errno = EINVAL;
		if (n < 0 || ptrace(PTRACE_SECCOMP_GET_FILTER, pid, i, file->f) != n) {
			status = say_why(c->words[0], errno);
			break;
		}
		file->size = (unsigned)n;
		printf("%sfilter %lu, %ld instructions:\n", i ? "\n" : "", i, n);
		status = filter_disasm(&each, file);
	}
	free(file);
	return status;
}

int filter_dump(const struct filter_command *c)
{
	int status, signo = 0;
	u64 pid;

	if (parse_u64("PID", c->words[0], 1u << 22, &pid))
		return STATUS_FAILED;
	if (ptrace(PTRACE_SEIZE, (pid_t)pid, 0, 0) || ptrace(PTRACE_INTERRUPT, (pid_t)pid, 0, 0) ||
	    waitpid((pid_t)pid, &status, __WALL) != (pid_t)pid) {
		cli_error(c->words[0],
			  errno == EPERM ? "%s: it is another user's, or traced already, or the host "
					   "restricts tracing"
					 : "%s",
			  strerror(errno));
		return STATUS_FAILED;
	}
	/* A signal that came before our stop goes on its way. */
	if (WIFSTOPPED(status) && status >> 16 != PTRACE_EVENT_STOP)
		signo = WSTOPSIG(status);
	status = WIFSTOPPED(status) ? dump_stopped(c, (pid_t)pid) : say_why(c->words[0], ESRCH);
	ptrace(PTRACE_DETACH, (pid_t)pid, 0, signo);
	return status;
}

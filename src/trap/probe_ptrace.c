/* SPDX-License-Identifier: Apache-2.0 */
/* Trials of power over child processes: tracing them, reading their memory, making them siblings. */
#include "trap/probe_impl.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

/* A traced child, stopped before it makes one PROBE_CALL and ends: with 0 when that gave PROBE_ANSWER. Its pid, or
 * -1 after the verdict was given. */
static int start_tracee(struct probe_result *r)
{
	int status, child = probe_fork();

	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(errno);
		raise(SIGSTOP);
		_exit(syscall(PROBE_CALL) == PROBE_ANSWER ? 0 : 1);
	}
	if (child < 0) {
		probe_refused(r, "a process", errno);
		return -1;
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
		probe_refused(r, "PTRACE_TRACEME", WIFEXITED(status) ? WEXITSTATUS(status) : EPERM);
		return -1;
	}
	return child;
}

static int tracee_regs(int request, int child, struct user_regs_struct *regs)
{
	struct iovec iov = {regs, sizeof *regs};

	return (int)ptrace(request, child, NT_PRSTATUS, &iov);
}

void probe_traceme(struct probe_result *r)
{
	struct user_regs_struct regs;
	siginfo_t info;
	int child = start_tracee(r);

	if (child < 0)
		return;
	if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD))
		probe_refused(r, "PTRACE_O_EXITKILL", errno);
	else if (tracee_regs(PTRACE_GETREGSET, child, &regs) || tracee_regs(PTRACE_SETREGSET, child, &regs))
		probe_refused(r, "registers", errno);
	else if (ptrace(PTRACE_GETSIGINFO, child, 0, &info))
		probe_refused(r, "PTRACE_GETSIGINFO", errno);
	else
		probe_say(r, PROBE_YES, "a child was stopped, its registers read and set");
	kill(child, SIGKILL);
}

void probe_sysemu(struct probe_result *r)
{
	struct user_regs_struct regs;
	int status = 0, child = start_tracee(r);

	if (child < 0)
		return;
	if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_SYSEMU, child, 0, 0)) {
		probe_refused(r, "PTRACE_SYSEMU", errno);
		goto kill;
	}
	/* raise() makes calls of its own behind the stop: each is answered by 0. */
	for (;;) {
		if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
		    WSTOPSIG(status) != (SIGTRAP | 0x80) || tracee_regs(PTRACE_GETREGSET, child, &regs)) {
			probe_say(r, PROBE_WRONG, "no stop at a call");
			goto kill;
		}
		if (regs.orig_rax == PROBE_CALL)
			break;
		regs.rax = 0;
		if (tracee_regs(PTRACE_SETREGSET, child, &regs) || ptrace(PTRACE_SYSEMU, child, 0, 0)) {
			probe_refused(r, "going on", errno);
			goto kill;
		}
	}
	regs.rax = PROBE_ANSWER;
	if (tracee_regs(PTRACE_SETREGSET, child, &regs) || ptrace(PTRACE_CONT, child, 0, 0))
		probe_refused(r, "answering a call", errno);
	else if (probe_wait(child))
		probe_say(r, PROBE_WRONG, "the answer did not arrive");
	else
		probe_say(r, PROBE_YES, "a child's call was answered by its tracer");
kill:
	kill(child, SIGKILL);
}

void probe_process_vm(struct probe_result *r)
{
	u64 mine = PROBE_ANSWER, theirs = 0;
	struct iovec local = {&theirs, sizeof theirs}, remote = {&mine, sizeof mine};
	int child = probe_fork();

	if (!child)
		for (;;)
			pause();
	if (child < 0)
		probe_refused(r, "a process", errno);
	else if (syscall(SYS_process_vm_readv, child, &local, 1UL, &remote, 1UL, 0UL) != sizeof theirs)
		probe_refused(r, "reading a child's memory", errno);
	else if (theirs != PROBE_ANSWER)
		probe_say(r, PROBE_WRONG, "a child's memory reads wrong");
	else if (syscall(SYS_process_vm_writev, child, &local, 1UL, &remote, 1UL, 0UL) != sizeof theirs)
		probe_refused(r, "writing a child's memory", errno);
	else
		probe_say(r, PROBE_YES, "a child's memory was read and written");
	if (child > 0)
		kill(child, SIGKILL);
}

void probe_yama(struct probe_result *r)
{
	FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	unsigned scope;

	if (!f) {
		probe_say(r, PROBE_YES, "the host has none: tracing children is not restricted by it");
		snprintf(r->value, sizeof r->value, "none");
		return;
	}
	if (fscanf(f, "%u", &scope) != 1)
		scope = 3;
	fclose(f);
	r->number = scope;
	snprintf(r->value, sizeof r->value, "scope %u", scope);
	probe_say(r, scope < 2 ? PROBE_YES : PROBE_NO, "sysctl kernel.yama.ptrace_scope is %u: %s", scope,
		  scope < 2 ? "children may be traced" : "only administrators may trace");
}

/* A child makes a child for us, as guests' forks do. */
void probe_clone_parent(struct probe_result *r)
{
	int child = probe_fork(), status, sibling;

	if (!child) {
		long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

		if (!pid)
			syscall(SYS_exit_group, 7);
		_exit(pid > 0 ? 0 : errno);
	}
	if (child < 0) {
		probe_refused(r, "a process", errno);
		return;
	}
	status = probe_wait(child);
	if (status) {
		probe_refused(r, "clone(CLONE_PARENT)", status);
		return;
	}
	sibling = waitpid(-1, &status, 0);
	if (sibling < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
		probe_say(r, PROBE_WRONG, "the child's child is not ours");
	else
		probe_say(r, PROBE_YES, "a child's child became ours");
}

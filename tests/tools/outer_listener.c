/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command below a seccomp filter whose notifications another process listens to: the host gives only
 * one listener to a chain of filters, so that who wants its own is refused with EBUSY.
 *
 *	outer_listener COMMAND [ARG]...
 *
 * Exit status: the command's; 128 + N when signal N killed it; 96: no filter; 77: the host has no listeners
 * to give.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY_CALLS_THIS 1000000

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NOBODY_CALLS_THIS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = code};
	long listener;
	int status;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: outer_listener COMMAND [ARG]...\n");
		return 96;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		perror("outer_listener: no_new_privs");
		return 96;
	}
	listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0) {
		int error = errno;

		perror("outer_listener: listener");
		return error == EBUSY || error == EINVAL || error == ENOSYS ? 77 : 96;
	}
	pid = fork();
	if (!pid) {
		close((int)listener);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror("outer_listener");
		return 96;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

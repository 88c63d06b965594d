/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command where the host refuses a mechanism: below a filter that answers the calls which stand for it
 * with an error.
 *
 *	refuse [-e ERRNO] MECHANISM[,MECHANISM]... COMMAND [ARG]...
 *
 * ERRNO is EPERM (the default), ENOSYS, EINVAL or EACCES. Exit status: the command's; 96: no filter, or a wrong
 * word.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A call is refused when (argument & mask) == value; mask 0: always. */
static const struct rule {
	const char *mechanism;
	unsigned nr, arg, mask, value;
} rules[] = {
	{"seccomp", SYS_seccomp, 0, ~0u, SECCOMP_SET_MODE_FILTER},
	{"seccomp", SYS_prctl, 0, ~0u, PR_SET_SECCOMP},
	{"listener", SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER},
	{"ptrace", SYS_ptrace, 0, 0, 0},
	{"sysemu", SYS_ptrace, 0, ~0u, PTRACE_SYSEMU},
	{"dispatch", SYS_prctl, 0, ~0u, 59 /* PR_SET_SYSCALL_USER_DISPATCH */},
	{"memfd", SYS_memfd_create, 0, 0, 0},
	{"memfd-exec", SYS_memfd_create, 1, 0x10 /* MFD_EXEC */, 0x10},
	{"execveat", SYS_execveat, 0, 0, 0},
	{"process-vm", SYS_process_vm_readv, 0, 0, 0},
	{"process-vm", SYS_process_vm_writev, 0, 0, 0},
	{"no-new-privs", SYS_prctl, 0, ~0u, PR_SET_NO_NEW_PRIVS},
	{"mseal", 462, 0, 0, 0},
	{"landlock", 444, 0, 0, 0},
	{"userns", SYS_unshare, 0, 0x10000000, 0x10000000},
	{"userns", SYS_clone, 0, 0x10000000, 0x10000000},
};

static const struct {
	const char *name;
	unsigned number;
} errors[] = {{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"EINVAL", EINVAL}, {"EACCES", EACCES}};

#define COUNT(a)        (sizeof(a) / sizeof *(a))
#define LOAD(o)         ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (o)))
#define IF_NOT(k, skip) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (skip)))
#define RETURN(k)       ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (k)))

static struct sock_filter filter[8 * COUNT(rules) + 8];
static unsigned short size;

static void refuse(const struct rule *r, unsigned error)
{
	filter[size++] = LOAD(offsetof(struct seccomp_data, nr));
	filter[size++] = IF_NOT(r->nr, r->mask ? 4 : 1);
	if (r->mask) {
		filter[size++] = LOAD((unsigned)offsetof(struct seccomp_data, args) + 8 * r->arg);
		filter[size++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->mask);
		filter[size++] = IF_NOT(r->value, 1);
	}
	filter[size++] = RETURN(SECCOMP_RET_ERRNO | error);
}

static int refuse_all(char *mechanisms, unsigned error)
{
	for (char *word = strtok(mechanisms, ","); word; word = strtok(NULL, ",")) {
		int known = 0;

		for (size_t i = 0; i < COUNT(rules); i++) {
			if (strcmp(word, rules[i].mechanism))
				continue;
			refuse(&rules[i], error);
			known = 1;
		}
		if (!known) {
			fprintf(stderr, "refuse: no mechanism '%s'\n", word);
			return -1;
		}
	}
	filter[size++] = RETURN(SECCOMP_RET_ALLOW);
	return 0;
}

int main(int argc, char **argv)
{
	struct sock_fprog program = {.filter = filter};
	unsigned error = EPERM;

	argv++;
	if (argv[0] && argv[1] && !strcmp(argv[0], "-e")) {
		error = 0;
		for (size_t i = 0; i < COUNT(errors); i++)
			if (!strcmp(argv[1], errors[i].name))
				error = errors[i].number;
		argv += 2;
	}
	if (!argv[0] || !argv[1] || !error) {
		fprintf(stderr, "usage: refuse [-e ERRNO] MECHANISM[,MECHANISM]... COMMAND [ARG]...\n");
		return 96;
	}
	if (refuse_all(argv[0], error))
		return 96;
	program.len = size;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("refuse");
		return 96;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}

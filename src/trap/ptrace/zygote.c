/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zygote under the tracer: the stub's image, seized before it is executed and stopped before its first instruction.
 * What the stub's own start-up code does under the other traps is done here by calls that the zygote makes for us.
 */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub_symbols.h"
#include "trap/advice.h"
#include "trap/image.h"

#define OPTIONS                                                                                 \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)
#define LOWEST_ADDRESS 0x10000
#define BEHIND_CALL    (STUB_TRACED_CALL_AT + 2) /* what a filter sees of its address */

struct range {
	u64 start, end;
};

/* The child: waits until it is traced, then becomes the zygote. */
static void __attribute__((noreturn)) become_zygote(int image, const struct ptrap *t, int gate)
{
	const int fds[] = {t->guest_socket, t->transfer};
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(gate, &byte, 1) == 1)
		image_exec(image, fds, t->first_fd - HUSK_SOCKET_FD, image);
	_exit(1);
}

/* Waits until the zygote stands before its first instruction: 0, or -ECHILD. */
static int wait_exec(int pid)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
			return -ECHILD;
		/* In the midst of execveat(), which has its result still to write into a register: once more behind it. */
		if (status >> 16 == PTRACE_EVENT_EXEC)
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
		else if (status >> 16 == PTRACE_EVENT_STOP)
			return 0;
		ptrace(PTRACE_CONT, pid, 0, 0);
	}
}

static int start_process(struct ptrap *t, int image, int *out, char *why, size_t size)
{
	int gate[2], pid, err = 0;

	if (pipe(gate) < 0)
		return -errno;
	pid = fork();
	if (!pid) {
		close(gate[1]);
		become_zygote(image, t, gate[0]);
	}
	close(gate[0]);
	if (pid < 0) {
		err = -errno;
		snprintf(why, size, "cannot start a process (%s); %s", strerror(-err), advice_for(err));
	} else if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0) {
		err = -errno;
		snprintf(
			why, size,
			"the host refuses to trace a child (%s); see sysctl kernel.yama.ptrace_scope and the "
			"filter around husk",
			strerror(-err));
	} else if (write(gate[1], "", 1) != 1 || wait_exec(pid)) {
		err = -EPROTO;
		snprintf(why, size,
			 "the host forbids executing a memfd; see sysctl vm.memfd_noexec and the "
			 "filter around husk");
	}
	close(gate[1]);
	if (err && pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, __WALL);
	}
	*out = pid;
	return err;
}

/* The pieces of the host's vDSO in the zygote, in the order of addresses: how many. */
static int find_vdso(int pid, struct range *pieces, int max, u64 *code)
{
	char path[64], line[256];
	FILE *maps;
	int n = 0;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && n < max && fgets(line, sizeof line, maps)) {
		unsigned long start, end;

		if (!strstr(line, "[vvar") && !strstr(line, "[vdso]"))
			continue;
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		pieces[n++] = (struct range){start, end};
		if (strstr(line, "[vdso]"))
			*code = start;
	}
	if (maps)
		fclose(maps);
	return n;
}

/* Moves the vDSO to where every guest has it; without it guests make calls for the time. */
static void move_vdso(struct ptrap *t, struct tracee *th)
{
	struct range pieces[5];
	u64 to = HUSK_VDSO_BASE, code = 0;
	int n = find_vdso(th->tid, pieces, ARRAY_SIZE(pieces), &code);

	for (int i = 0; i < n; i++) {
		u64 size = pieces[i].end - pieces[i].start;

		if (call_now(t, th, SYS_mremap, pieces[i].start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to, 0) != (long)to)
			return;
		if (pieces[i].start == code)
			t->vdso_code = to;
		to += size;
	}
	t->vdso_start = HUSK_VDSO_BASE;
	t->vdso_end = to;
}

/*
 * The second line: should the tracer end, its tracees are killed; whatever one of them gets to do in that moment, it
 * makes no host call. While it is traced its calls are stopped before the host looks at the filter.
 */
static void install_filter(struct ptrap *t, struct tracee *th)
{
	const u64 at = HUSK_CHAN_BASE + HUSK_SCRATCH_CODE;
	struct {
		struct sock_fprog program;
		struct sock_filter code[8];
	} f = {
		.code =
			{
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ~0u, 5,
					 0), /* cancelled, where there is no SYSEMU */
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					 offsetof(struct seccomp_data, instruction_pointer)),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)BEHIND_CALL, 0, 2),
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					 offsetof(struct seccomp_data, instruction_pointer) + 4),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BEHIND_CALL >> 32, 1, 0),
				BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
				BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
			},
	};

	f.program.len = ARRAY_SIZE(f.code);
	f.program.filter = (void *)(at + sizeof f.program);
	if (call_now(t, th, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) == 0 &&
	    tracer_write(&th->space->base, at, &f, sizeof f) == sizeof f)
		call_now(t, th, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, at, 0, 0, 0);
}

static int unmap(struct ptrap *t, struct tracee *th, u64 start, u64 end)
{
	return start < end ? (int)call_now(t, th, SYS_munmap, start, end - start, 0, 0, 0, 0) : 0;
}

/* Whether the host can stop a call without making it: tried with one that harms nobody. */
static bool has_sysemu(struct tracee *th)
{
	struct guest_regs r = regs_at(STUB_TRACED_CALL_AT, 0);
	int status;

	r.rax = SYS_getpid;
	regs_set(th, &r);
	if (ptrace(PTRACE_SYSEMU, th->tid, 0, 0) < 0)
		return false;
	return waitpid(th->tid, &status, __WALL) == th->tid && WIFSTOPPED(status);
}

static int prepare(struct ptrap *t, struct tracee *th, char *why, size_t size)
{
	const u64 scratch_end = HUSK_CHAN_BASE + HUSK_SCRATCH_SIZE;
	int err;

	if (call_now(t, th, SYS_mmap, HUSK_CHAN_BASE, HUSK_SCRATCH_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0UL, 0) != (long)HUSK_CHAN_BASE) {
		snprintf(why, size, "the first guest process cannot map memory");
		return -ENOMEM;
	}
	move_vdso(t, th);
	err = unmap(t, th, LOWEST_ADDRESS, HUSK_STUB_BASE);
	if (!err)
		err = unmap(t, th, HUSK_BOOT_BASE, HUSK_VDSO_BASE);
	if (!err)
		err = unmap(t, th, t->vdso_code ? t->vdso_end : HUSK_VDSO_BASE, HUSK_CHAN_BASE);
	if (!err)
		err = unmap(t, th, scratch_end, HUSK_TASK_TOP);
	if (err) {
		snprintf(why, size, "the host refuses munmap of its own mappings");
		return err;
	}
	call_now(t, th, SYS_setpgid, 0, 0, 0, 0, 0, 0);
	install_filter(t, th);
	err = xstate_layout(t, th);
	if (err)
		snprintf(why, size, "the host's vector state has an unknown layout");
	t->sysemu = !t->config.no_sysemu && has_sysemu(th);
	return err;
}

int tracer_zygote(struct ptrap *t, char *why, size_t size)
{
	int image = image_take(&t->config, why, size), pid = 0, err;
	struct tracee *th;

	if (image < 0)
		return image;
	err = start_process(t, image, &pid, why, size);
	close(image);
	if (err)
		return err;
	t->zygote = pspace_new(t);
	th = t->zygote ? tracee_new(t->zygote) : NULL;
	if (!th) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, __WALL);
		return -ENOMEM;
	}
	t->zygote->pid = pid;
	tracee_set_tid(th, pid);
	th->state = TRACEE_HELD;
	return prepare(t, th, why, size);
}

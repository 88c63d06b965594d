/* SPDX-License-Identifier: Apache-2.0 */
/* The table of probes, and how one is run: in a child with a process group of its own, that is killed as a whole
 * when the trial has ended or its time is up. */
#include "trap/probe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const struct probe probe_table[] = {
	{"no_new_privs", "no new privileges", PROBE_TRAPS, true, probe_no_new_privs, NULL,
	 "an ordinary user can install no filter: husk cannot run"},
	{"seccomp_filter", "seccomp filters", PROBE_TRAPS, true, probe_filter_mode,
	 "guests can be contained, and trapped by filter", "neither seccomp nor dispatch can be used"},
	{"trap_delivery", "trapped calls as signals", PROBE_TRAPS, true, probe_delivery, NULL,
	 "the seccomp trap cannot be used"},
	{"user_notification", "notification listener", PROBE_TRAPS, true, probe_notification,
	 "the kernel process lets each clone through itself",
	 "clones go ungated: a hostile guest can make host processes that husk does not know"},
	{"second_listener", "a second listener", PROBE_TRAPS, false, probe_second_listener,
	 "husk keeps its gate below a supervisor that listens, too",
	 "below a supervisor that listens already, clones go ungated"},
	{"user_dispatch", "user dispatch", PROBE_TRAPS, true, probe_dispatch, NULL,
	 "the dispatch trap cannot be used (Linux 5.11)"},
	{"user_dispatch_inclusive", "user dispatch, inclusive", PROBE_TRAPS, false, probe_dispatch_inclusive,
	 NULL, NULL},
	{"ptrace", "tracing children", PROBE_TRAPS, true, probe_traceme, NULL,
	 "the ptrace trap cannot be used"},
	{"ptrace_sysemu", "PTRACE_SYSEMU", PROBE_TRAPS, true, probe_sysemu, NULL,
	 "the ptrace trap needs two stops for each call"},
	{"clone_parent", "CLONE_PARENT", PROBE_TRAPS, true, probe_clone_parent, NULL,
	 "guests cannot be the kernel process's children: neither seccomp nor dispatch can be used"},
	{"memfd", "memory files", PROBE_MEMORY, true, probe_memfd, NULL,
	 "neither seccomp nor dispatch can be used"},
	{"memfd_exec", "executable memory files", PROBE_MEMORY, true, probe_memfd_exec, NULL,
	 "the stub is executed out of a nameless file in /var/tmp or /tmp"},
	{"process_vm_readv", "process_vm_readv", PROBE_MEMORY, true, probe_process_vm,
	 "long reads and writes take the short way", "the stub carries all data: long transfers are slower"},
	{"mseal", "mseal", PROBE_MEMORY, true, probe_mseal, "the stub's pages are sealed, too",
	 "the guests' filter alone holds the stub's pages"},
	{"fsgsbase", "FSGSBASE", PROBE_MEMORY, false, probe_fsgsbase, NULL,
	 "a thread's switch costs one more host call"},
	{"xsave", "vector state", PROBE_MEMORY, true, probe_xsave, NULL,
	 "no trap can be used: husk keeps at most 4096 bytes"},
	{"landlock", "Landlock", PROBE_CONTAINMENT, true, probe_landlock,
	 "files outside the root are out of reach for husk itself",
	 "only husk's own code keeps its kernel process from the host's files"},
	{"user_namespaces", "user namespaces", PROBE_CONTAINMENT, false, probe_user_namespace,
	 "not needed: husk uses none", "not needed: husk uses none"},
	{"yama", "Yama", PROBE_CONTAINMENT, true, probe_yama, NULL,
	 "neither ptrace nor process_vm_readv: lower sysctl kernel.yama.ptrace_scope to 1"},
	{"descriptors", "descriptors", PROBE_LIMITS, true, probe_descriptors, NULL,
	 "few guest processes: raise ulimit -Hn"},
	{"processes", "processes", PROBE_LIMITS, true, probe_processes, NULL,
	 "few guest processes: raise ulimit -Hu"},
	{"address_space", "address space", PROBE_LIMITS, true, probe_address_space, NULL,
	 "neither seccomp nor dispatch can be used: raise ulimit -v"},
	{"file_size", "file sizes", PROBE_LIMITS, true, probe_file_size, NULL,
	 "fewer threads in a guest process, smaller files: raise ulimit -f"},
	{"cpus", "processors", PROBE_LIMITS, true, probe_cpus, "guest and kernel hand over without sleeping",
	 "each hand-over is a context switch: some microseconds a call"},
};

const size_t probe_count = ARRAY_SIZE(probe_table);

const char *probe_group_name(enum probe_group group)
{
	static const char *const names[NR_PROBE_GROUPS] = {
		[PROBE_TRAPS] = "What traps need",
		[PROBE_MEMORY] = "What memory needs",
		[PROBE_CONTAINMENT] = "What containment needs",
		[PROBE_LIMITS] = "Room",
	};

	return names[group];
}

const char *probe_follows(const struct probe *probe, const struct probe_result *result)
{
	const char *text = result->verdict == PROBE_YES ? probe->with : probe->without;

	return text ? text : "";
}

/* ---- what trials share ---- */

void probe_say(struct probe_result *r, enum probe_verdict verdict, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	vsnprintf(r->why, sizeof r->why, why, args);
	va_end(args);
	r->verdict = verdict;
}

void probe_refused(struct probe_result *r, const char *what, int error)
{
	probe_say(r, PROBE_NO, "%s: %s", what, strerror(error));
}

int probe_fork(void)
{
	int parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(96);
	}
	return pid;
}

int probe_wait(int pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int probe_filter(u32 nr, u32 action, u32 flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, 0x7fff0000), /* SECCOMP_RET_ALLOW */
	};
	struct sock_fprog program = {ARRAY_SIZE(code), code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, flags, &program);
}

/* ---- running one ---- */

static void run_trial(const struct probe *probe, struct probe_result *shared, int parent, int done)
{
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(96);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	probe->run(shared);
	(void)!write(done, "", 1);
	_exit(0);
}

enum ending { SAID_DONE, CLOSED, TIME_UP };

/* Until the trial says that it is done, or everybody has closed the other end of @fd, or the time is up. */
static enum ending wait_ending(int fd)
{
	struct timespec now, start;
	char byte;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		long left;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = PROBE_TIMEOUT_MS - (now.tv_sec - start.tv_sec) * 1000 -
		       (now.tv_nsec - start.tv_nsec) / 1000000;
		if (left <= 0)
			return TIME_UP;
		if (poll(&p, 1, (int)left) > 0)
			return read(fd, &byte, 1) == 1 ? SAID_DONE : CLOSED;
	}
}

/* The trial's verdict stands in shared memory; that of one that did not come to its end is ours. */
static void judge(struct probe_result *result, const struct probe_result *shared, enum ending ending,
		  int status)
{
	*result = *shared;
	result->value[sizeof result->value - 1] = result->why[sizeof result->why - 1] = 0;
	if (ending == SAID_DONE || (ending == CLOSED && WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	*result = (struct probe_result){0};
	if (ending == TIME_UP)
		probe_say(result, PROBE_DIED, "the trial did not end within %d ms and was killed",
			  PROBE_TIMEOUT_MS);
	else if (WIFSIGNALED(status))
		probe_say(result, PROBE_DIED, "the trial was ended by signal %d (%s)", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else
		probe_say(result, PROBE_DIED, "the trial ended with status %d", WEXITSTATUS(status));
}

void probe_try(const struct probe *probe, struct probe_result *result)
{
	struct probe_result *shared =
		mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[2], parent = getpid(), pid, status = 0;
	enum ending ending;

	*result = (struct probe_result){0};
	if (shared == MAP_FAILED || pipe2(ends, O_CLOEXEC)) {
		probe_refused(result, "memory or a pipe for the trial", errno);
		goto unmap;
	}
	pid = fork();
	if (!pid)
		run_trial(probe, shared, parent, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		probe_refused(result, "a process for the trial", errno);
		goto close;
	}
	setpgid(pid, pid);
	ending = wait_ending(ends[0]);
	/* The trial is not reaped yet, so that its group is nobody else's. */
	kill(-pid, SIGKILL);
	if (ending == TIME_UP)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	judge(result, shared, ending, status);
close:
	close(ends[0]);
unmap:
	if (shared != MAP_FAILED)
		munmap(shared, sizeof *shared);
}

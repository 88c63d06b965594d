/* SPDX-License-Identifier: Apache-2.0 */
/* Starts workers of `husk bench`, talks to them, and counts what the host did for them. */
#include "cli/bench_session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/setup.h"

#define ROUND_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS  10000

/* In the child: takes @in and @out for its standard streams and lets go of everybody else's pipes. */
static void take_streams(int in, int out)
{
	dup2(in, 0);
	dup2(out, 1);
	syscall(SYS_close_range, 3, ~0U, 0);
}

void session_use_one_cpu(void)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof all, &all))
		return;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof one, &one);
		return;
	}
}

/* In the child: the worker as a guest, on the child's own standard streams. 0 when it ended well. */
static int run_inside(const struct bench_job *job, char *const *argv, struct sandbox_result *result)
{
	const struct trap_ops *const traps[] = {job->ops, NULL};
	struct sandbox_config config;
	struct launch launch = {0};
	int error;

	setup_sandbox(&config, &launch, traps);
	/* A working directory is to be seen in the guest wherever it lies. */
	config.cwd = job->dir;
	config.path = job->exe;
	config.argv = argv;
	for (int i = 0; i < 3; i++)
		config.stdio[i].fd = i;
	error = sandbox_run(&config, result);
	if (error || !result->started) {
		if (!error)
			error = result->error;
		fprintf(stderr, "husk: bench: %s: %s\n", job->ops->name,
			result->why[0] ? result->why : strerror(-error));
	}
	return error || !result->started || result->status ? 1 : 0;
}

/* In the child: never comes back. @result is nullable. */
static void run_worker(const struct bench_job *job, const char *count, struct sandbox_result *result)
{
	char *argv[] = {(char *)job->exe, "bench-worker", (char *)job->workload, (char *)count, NULL};
	struct sandbox_result unwanted;

	if (job->ops)
		_exit(run_inside(job, argv, result ? result : &unwanted));
	execv(job->exe, argv);
	fprintf(stderr, "husk: bench: %s: %s\n", job->exe, strerror(errno));
	_exit(127);
}

int session_start(struct bench_session *s, const struct bench_job *job)
{
	int to[2], from[2], parent = getpid(), error;

	*s = (struct bench_session){.to = -1, .from = -1};
	if (pipe2(to, O_CLOEXEC))
		return -errno;
	if (pipe2(from, O_CLOEXEC)) {
		error = -errno;
		goto close_to;
	}
	s->pid = fork();
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(1);
		take_streams(to[0], from[1]);
		run_worker(job, NULL, NULL);
	}
	if (s->pid < 0) {
		error = -errno;
		s->pid = 0;
		goto close_from;
	}
	close(to[0]);
	close(from[1]);
	s->to = to[1];
	s->from = from[0];
	return 0;
close_from:
	close(from[0]);
	close(from[1]);
close_to:
	close(to[0]);
	close(to[1]);
	return error;
}

int session_round(struct bench_session *s, u64 n, u64 *ns)
{
	char line[32];
	size_t used = 0;
	int size = snprintf(line, sizeof line, "%llu\n", (unsigned long long)n);

	if (write(s->to, line, (size_t)size) != size)
		return -errno;
	while (used < sizeof line - 1 && !memchr(line, '\n', used)) {
		struct pollfd p = {s->from, POLLIN, 0};
		int ready = poll(&p, 1, ROUND_TIMEOUT_MS);
		ssize_t got;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready ? -errno : -ETIMEDOUT;
		got = read(s->from, line + used, sizeof line - 1 - used);
		if (got <= 0)
			return got ? -errno : -EPIPE;
		used += (size_t)got;
	}
	line[used] = 0;
	*ns = strtoull(line, NULL, 10);
	return 0;
}

/* Waits until @pid has ended, for so long; then kills it. wait4()'s results. */
static int wait_or_kill(int pid, int timeout_ms, struct rusage *usage)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status = 0;
	struct pollfd p = {pidfd, POLLIN, 0};

	if (pidfd >= 0) {
		if (poll(&p, 1, timeout_ms) <= 0)
			kill(pid, SIGKILL);
		close(pidfd);
	}
	while (wait4(pid, &status, 0, usage) < 0 && errno == EINTR)
		;
	return status;
}

void session_stop(struct bench_session *s)
{
	if (s->to >= 0)
		close(s->to);
	if (s->pid)
		wait_or_kill(s->pid, STOP_TIMEOUT_MS, NULL);
	if (s->from >= 0)
		close(s->from);
	*s = (struct bench_session){.to = -1, .from = -1};
}

/* ---- counting ---- */

static u64 switches(const struct rusage *usage)
{
	return (u64)usage->ru_nvcsw + (u64)usage->ru_nivcsw;
}

/* What the child of a count tells its parent. */
struct tally {
	u64 kernel_switches;
	struct sandbox_result result;
};

static void count_child(const struct bench_job *job, u64 n, struct tally *tally)
{
	char *argv[] = {(char *)job->exe, "bench-worker", (char *)job->workload, NULL, NULL};
	struct rusage self;
	char count[24];
	int status;

	snprintf(count, sizeof count, "%llu", (unsigned long long)n);
	argv[3] = count;
	session_use_one_cpu();
	if (!job->ops)
		run_worker(job, count, NULL);
	status = run_inside(job, argv, &tally->result);
	getrusage(RUSAGE_SELF, &self);
	tally->kernel_switches = switches(&self);
	_exit(status);
}

int session_count(const struct bench_job *job, u64 n, struct bench_counts *counts)
{
	struct tally *tally =
		mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rusage usage = {0};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), pid, status, parent = getpid(), error = 0;

	if (tally == MAP_FAILED || null < 0)
		return -ENOMEM;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(1);
		take_streams(null, null);
		count_child(job, n, tally);
	}
	close(null);
	if (pid < 0)
		error = -errno;
	status = pid > 0 ? wait_or_kill(pid, ROUND_TIMEOUT_MS, &usage) : 0;
	if (!error && (!WIFEXITED(status) || WEXITSTATUS(status)))
		error = -EPIPE;
	counts->turns = tally->result.stats.turns;
	counts->by_signal = tally->result.stats.by_signal;
	counts->by_patch = tally->result.stats.by_patch;
	counts->in_stub = tally->result.stats.stub_calls;
	counts->kernel_switches = tally->kernel_switches;
	counts->guest_switches = switches(&usage) - tally->kernel_switches;
	munmap(tally, sizeof *tally);
	return error;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * husk run: turns the options into a sandbox_config, runs the sandbox and tells how it ended.
 *
 * Files that are written at the end (--result, --stats) are opened before the start: a wrong name is an error
 * then and not after an hour's work, and the outer jail needs no hole for them.
 */
#include "cli/cli.h"
#include "cli/profile.h"
#include "cli/run_options.h"
#include "cli/setup.h"

#include "base/json.h"
#include "kernel/boot/boot.h"
#include "launch/launch.h"
#include "trace/statistics.h"
#include "trace/strace.h"
#include "trap/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everything that one `husk run` holds. */
struct run {
	struct run_options options;
	struct sandbox_config config;
	struct sandbox_result result;
	struct launch launch;
	struct launch_path *paths;
	struct filter_file *filter; /* --seccomp's; nullable */
	const struct trap_ops *traps[TRAP_DRIVERS_MAX];
	char cwd[PATH_MAX];
	struct rlimit limits[RLIM_NLIMITS];             /* the caller's */
	int strace_fd, stats_fd, result_fd, changes_fd; /* -1: none */
};

/* The drivers that are to be tried: the one that was asked for, or all. */
static int choose_trap(struct run *r)
{
	const struct run_options *o = &r->options;
	char why[256];
	const char *option = o->trap ? "--trap" : "HUSK_TRAP",
		   *name = o->trap ? o->trap : getenv("HUSK_TRAP");

	if (trap_choose(name, r->traps, why, sizeof why))
		return cli_error(option, "%s", why);
	r->config.traps = r->traps;
	return 0;
}

static int open_for_writing(const char *option, const char *path, int *fd)
{
	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	return *fd < 0 ? cli_error(option, "%s: %s", path, strerror(errno)) : 0;
}

/* @file or, without one, a copy of standard error. */
static int open_report(const char *option, const char *file, int *fd)
{
	if (file)
		return open_for_writing(option, file, fd);
	*fd = fcntl(2, F_DUPFD_CLOEXEC, 3);
	return *fd < 0 ? cli_error(option, "standard error: %s", strerror(errno)) : 0;
}

static int open_reports(struct run *r)
{
	const struct run_options *o = &r->options;

	if (o->strace && open_report("--strace", o->strace_file, &r->strace_fd))
		return -1;
	if (o->stats && open_report("--stats", o->stats_file, &r->stats_fd))
		return -1;
	if (o->changes && open_report("--changes", o->changes_file, &r->changes_fd))
		return -1;
	if (o->result_file && open_for_writing("--result", o->result_file, &r->result_fd))
		return -1;
	return 0;
}

/* The caller's streams; one that main() had to fill is none. */
static void take_standard_streams(struct run *r)
{
	for (int i = 0; i < 3; i++) {
		int flags = fcntl(i, F_GETFD);

		r->config.stdio[i].fd = flags < 0 || (flags & FD_CLOEXEC) ? -1 : i;
	}
}

/* Whether the terminal is the guest's to have: it must be free to be put into raw mode, which it is not when the next
 * program of a pipeline may be working on it. */
static void choose_terminal(struct run *r)
{
	const struct run_options *o = &r->options;
	struct stat in, out;
	bool same = isatty(0) && isatty(1) && !fstat(0, &in) && !fstat(1, &out) && in.st_rdev == out.st_rdev;

	r->config.tty = o->tty || (same && !o->no_tty);
	r->config.job_control = isatty(0) && tcgetpgrp(0) >= 0;
}

/* The signals that go on to the guest's first process come by a descriptor. */
static int watch_signals(struct run *r)
{
	static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	if (r->config.job_control) {
		sigaddset(&set, SIGTSTP);
		sigaddset(&set, SIGCONT);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return cli_error("signals", "%s", strerror(errno));
	r->config.signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->config.signals.fd < 0 ? cli_error("signalfd", "%s", strerror(errno)) : 0;
}

static void choose_directories(struct run *r)
{
	r->config.cwd = r->options.chdir;
	if (!r->config.cwd) {
		r->config.cwd = getcwd(r->cwd, sizeof r->cwd) && r->cwd[0] == '/' ? r->cwd : "/";
		r->config.cwd_optional = true;
	}
}

/* What the outer jail must leave open. */
static int collect_paths(struct run *r)
{
	const struct run_options *o = &r->options;
	size_t n = 0;

	r->paths = calloc(o->nmounts + 1, sizeof *r->paths);
	if (!r->paths)
		return cli_error("run", "out of memory");
	for (size_t i = 0; i < o->nmounts; i++) {
		const struct sandbox_mount *m = &o->mounts[i];

		if (!m->src)
			continue;
		r->paths[n++] = (struct launch_path){m->src, m->kind == MOUNT_BIND};
		r->launch.writes |= m->kind == MOUNT_BIND;
	}
	if (o->upper) {
		r->paths[n++] = (struct launch_path){o->upper, true};
		r->launch.writes = true;
	}
	r->launch.paths = r->paths;
	r->launch.npaths = n;
	return 0;
}

/* The profile becomes a program before the process confines itself. */
static int choose_filter(struct run *r)
{
	if (!r->options.profile)
		return 0;
	r->filter = malloc(sizeof *r->filter);
	if (!r->filter)
		return cli_error("--seccomp", "out of memory");
	if (profile_compile(r->options.profile, r->filter))
		return -1;
	r->config.filter = r->filter->f;
	r->config.filter_size = r->filter->size;
	return 0;
}

static int run_configure(struct run *r, char **argv)
{
	struct sandbox_config *c = &r->config;
	const struct run_options *o = &r->options;

	choose_terminal(r);
	if (choose_trap(r) || choose_filter(r) || open_reports(r) || watch_signals(r))
		return -1;
	take_standard_streams(r);
	choose_directories(r);
	c->root = o->root;
	c->mounts = o->mounts;
	c->nmounts = o->nmounts;
	c->disk_limit = o->disk_limit;
	c->upper = o->upper;
	c->path = argv[0];
	c->argv = argv;
	c->envp = o->env.word;
	c->uid = (u32)o->uid;
	c->gid = (u32)o->gid;
	c->hostname = o->hostname;
	c->nice = getpriority(PRIO_PROCESS, 0);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		getrlimit(i, &r->limits[i]);
	c->limits = r->limits;
	c->time_limit_ns = o->time_limit_ns;
	if (r->strace_fd >= 0) {
		c->tracer = strace_new((struct hostfd){r->strace_fd});
		if (!c->tracer)
			return cli_error("--strace", "out of memory");
	}
	c->stats_timing = o->stats;
	c->changes = o->changes;
	c->bpf_jit = (enum bpf_jit)o->bpf_jit;
	c->trap_config.no_patch = o->no_patch;
	r->launch.root = o->root;
	if (collect_paths(r))
		return -1;
	setup_confinement(c, &r->launch);
	return 0;
}

/* The exit status by the rules of the command line; says what went wrong. @failed: sandbox_run()'s. */
static int run_status(struct run *r, int failed)
{
	const struct sandbox_result *res = &r->result;

	if (failed < 0) {
		cli_error("run", "%s", res->why[0] ? res->why : strerror(-failed));
		return STATUS_FAILED;
	}
	if (!res->started && res->why[0]) {
		cli_error("run", "%s", res->why);
		return STATUS_FAILED;
	}
	if (!res->started) {
		cli_error(r->config.path, "%s", strerror(-res->error));
		return res->error == -ENOENT || res->error == -ENOTDIR ? STATUS_NOT_FOUND
								       : STATUS_NOT_EXECUTED;
	}
	if (res->reason && !strcmp(res->reason, "time_limit"))
		return STATUS_TIME_LIMIT;
	if (res->reason && !strcmp(res->reason, "internal")) {
		cli_error("run", "%s", res->why[0] ? res->why : "the sandbox ended by an internal error");
		return STATUS_FAILED;
	}
	if (WIFSIGNALED(res->status))
		return STATUS_SIGNAL + WTERMSIG(res->status);
	return WEXITSTATUS(res->status);
}

static int write_result(const struct run *r, int exit_status)
{
	const struct sandbox_result *res = &r->result;
	bool signaled = res->started && WIFSIGNALED(res->status);
	struct json j;

	json_init(&j, r->result_fd);
	json_open(&j, NULL, '{');
	json_s64(&j, "exit_code", exit_status);
	if (signaled)
		json_s64(&j, "signal", WTERMSIG(res->status));
	else
		json_null(&j, "signal");
	json_string(&j, "reason", !res->started ? "not_started" : res->reason ? res->reason : "internal");
	json_bool(&j, "started", res->started);
	if (res->trap)
		json_string(&j, "trap", res->trap);
	else
		json_null(&j, "trap");
	json_u64(&j, "wall_ns", res->wall_ns);
	json_u64(&j, "cpu_ns", res->cpu_ns);
	json_u64(&j, "peak_bytes", res->peak_bytes);
	json_u64(&j, "calls", res->calls);
	json_open(&j, "containment", '{');
	for (enum layer i = 0; i < NR_LAYERS; i++)
		json_bool(&j, layer_name(i), r->launch.layers[i].on);
	json_bool(&j, "clone_gate", res->gated);
	json_close(&j, '}');
	json_close(&j, '}');
	return json_finish(&j);
}

static int write_stats(const struct run *r)
{
	const struct sandbox_result *res = &r->result;
	const struct statistics s = {&res->stats, res->calls,      res->wall_ns,
				     res->cpu_ns, res->peak_bytes, res->trap};
	const char *file = r->options.stats_file;
	size_t size = file ? strlen(file) : 0;

	if (size > 5 && !strcmp(file + size - 5, ".json"))
		return statistics_json(&s, r->stats_fd);
	return statistics_text(&s, r->stats_fd);
}

static int write_changes(const struct run *r)
{
	const char *text = r->result.changes;
	size_t left = text ? strlen(text) : 0;

	while (left) {
		ssize_t n = write(r->changes_fd, text, left);
		struct pollfd room = {.fd = r->changes_fd, .events = POLLOUT};

		/* The caller's standard error may be a pipe that does not wait. */
		if (n < 0 && errno == EAGAIN)
			poll(&room, 1, -1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return r->result.changes_error;
}

static int run_report(const struct run *r, int status)
{
	int error;

	error = r->changes_fd >= 0 && r->result.started ? write_changes(r) : 0;
	if (error) {
		cli_error("--changes", "%s", strerror(-error));
		status = STATUS_FAILED;
	}
	error = r->stats_fd >= 0 && r->result.started ? write_stats(r) : 0;
	if (error) {
		cli_error("--stats", "%s", strerror(-error));
		status = STATUS_FAILED;
	}
	error = r->result_fd >= 0 ? write_result(r, status) : 0;
	if (error) {
		cli_error("--result", "%s", strerror(-error));
		status = STATUS_FAILED;
	}
	return status;
}

static int run_sandbox(struct run *r, char **argv)
{
	int failed, status, error;

	if (run_configure(r, argv))
		return STATUS_FAILED;
	failed = sandbox_run(&r->config, &r->result);
	error = strace_free(r->config.tracer);
	status = run_status(r, failed);
	if (error) {
		cli_error("--strace", "lines were lost: %s", strerror(-error));
		status = STATUS_FAILED;
	}
	return run_report(r, status);
}

int cmd_run(char **argv)
{
	struct run *r = calloc(1, sizeof *r);
	int at = 0, parsed, status = STATUS_FAILED;

	if (!r || run_options_init(&r->options)) {
		cli_error("run", "out of memory");
		free(r);
		return STATUS_FAILED;
	}
	r->strace_fd = r->stats_fd = r->changes_fd = r->result_fd = r->config.signals.fd = -1;
	parsed = options_parse(run_option_table, run_option_count, &r->options, argv, &at);
	if (parsed > 0) {
		run_help();
		status = 0;
	} else if (!parsed && !argv[at]) {
		cli_error("run", "no program given; see `husk run --help`");
	} else if (!parsed) {
		status = run_sandbox(r, argv + at);
	}
	run_options_free(&r->options);
	free(r->paths);
	free(r->filter);
	free(r->result.changes);
	free(r);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes of husk's own: their confinement, and the trial of a trap in a child. */
#include "cli/setup.h"

#include "trap/image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIAL_TIMEOUT_NS 10000000000ull

bool developer_option(const char *name)
{
	const char *value = getenv(name);

	return value && *value && strcmp(value, "0");
}

void setup_confinement(struct sandbox_config *config, struct launch *launch)
{
	/* To husk, a file that may not grow is an error like any other, and so is a closed pipe. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	config->trap_config.image.fd = image_open();
	launch->image = config->trap_config.image.fd;
	config->trap_config.no_gate = developer_option("HUSK_NO_GATE");
	config->trap_config.no_sysemu = developer_option("HUSK_NO_SYSEMU");
	config->trap_config.no_process_vm = developer_option("HUSK_NO_PROCESS_VM");
	config->trap_config.no_patch |= developer_option("HUSK_NO_PATCH");
	launch->no_landlock = developer_option("HUSK_NO_LANDLOCK");
	launch->no_filter = developer_option("HUSK_NO_FILTER");
	launch->filter_kills = developer_option("HUSK_FILTER_KILLS");
	config->confine = launch_confine;
	config->confine_arg = launch;
}

void setup_sandbox(struct sandbox_config *config, struct launch *launch, const struct trap_ops *const *traps)
{
	*config = (struct sandbox_config){
		.root = "/",
		.cwd = "/",
		.envp = environ,
		.uid = getuid(),
		.gid = getgid(),
		.traps = traps,
		.stdio = {{-1}, {-1}, {-1}},
		.signals = {-1},
	};
	launch->root = config->root;
	setup_confinement(config, launch);
}

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

/* The sentence of a sandbox that could not be made, without the driver's name before it. */
static void tell(struct trial *t, const struct trap_ops *ops, const char *why)
{
	size_t n = strlen(ops->name);

	if (!strncmp(why, ops->name, n) && !strncmp(why + n, ": ", 2))
		why += n + 2;
	snprintf(t->why, sizeof t->why, "%s", why);
}

/* In the child: one sandbox from its start to its end. */
static void run_trial(const struct trap_ops *ops, struct trial *t)
{
	static char *const argv[] = {"true", NULL};
	const struct trap_ops *const traps[] = {ops, NULL};
	struct sandbox_config config;
	struct sandbox_result *result = calloc(1, sizeof *result);
	int error;

	if (!result)
		return;
	setup_sandbox(&config, &t->launch, traps);
	config.path = argv[0];
	config.argv = argv;
	config.time_limit_ns = TRIAL_TIMEOUT_NS / 2;
	error = sandbox_run(&config, result);
	t->ran = result->started;
	t->gated = result->gated;
	if (error)
		tell(t, ops, result->why[0] ? result->why : strerror(-error));
	else if (!result->started && result->error != -ENOENT)
		snprintf(t->why, sizeof t->why, "`true` cannot be started: %s", strerror(-result->error));
	else if (result->started && (result->status || strcmp(result->reason, "exited")))
		snprintf(t->why, sizeof t->why, "`true` did not end well (%s, status %#x)", result->reason,
			 result->status);
	else
		t->works = true;
	free(result);
}

/* Waits for @pid for so long, then kills it; what the guests left goes with it. */
static void wait_trial(int pid, int gone, struct trial *t)
{
	struct pollfd p = {gone, POLLIN, 0};
	int status = 0, ready;

	do
		ready = poll(&p, 1, (int)(TRIAL_TIMEOUT_NS / 1000000));
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	t->works = false;
	if (ready <= 0)
		snprintf(t->why, sizeof t->why, "the trial did not end and was killed");
	else
		snprintf(t->why, sizeof t->why, "the trial was ended by signal %d", WTERMSIG(status));
}

void setup_try(const struct trap_ops *ops, struct trial *trial)
{
	struct trial *shared =
		mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[2], pid, parent = getpid();
	u64 start = now();

	memset(trial, 0, sizeof *trial);
	if (shared == MAP_FAILED || pipe2(ends, O_CLOEXEC)) {
		snprintf(trial->why, sizeof trial->why, "no room for a trial: %s", strerror(errno));
		return;
	}
	pid = fork();
	if (!pid) {
		close(ends[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() == parent)
			run_trial(ops, shared);
		_exit(0);
	}
	close(ends[1]);
	if (pid < 0)
		snprintf(shared->why, sizeof shared->why, "no process for a trial: %s", strerror(errno));
	else
		wait_trial(pid, ends[0], shared);
	close(ends[0]);
	*trial = *shared;
	trial->ns = now() - start;
	munmap(shared, sizeof *shared);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sandbox from its configuration to its result.
 *
 * The order is that of containment: everything of the host's that husk will need is opened first; then the
 * kernel process gives up what it can (phase 0), starts the zygote, and filters itself (phase 1); only then a
 * guest runs.
 */
#include "boot/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf/arena.h"
#include "core/call_table.h"
#include "core/helper.h"
#include "fs/pipe.h"
#include "fs/relay.h"
#include "mm/mm.h"
#include "mm/patch.h"
#include "net/socket.h"
#include "task/ctty.h"
#include "task/dispatch.h"
#include "task/proc_pid.h"
#include "task/seccomp.h"
#include "task/short.h"
#include "task/signal.h"
#include "task/task_ops.h"
#include "vfs/inode.h"

#define NR_HELPERS 2

int sandbox_fail(struct sandbox *s, const char *what, int err)
{
	if (!s->result->why[0])
		snprintf(s->result->why, sizeof s->result->why, "%s: %s", what, strerror(-err));
	return err;
}

/* Those that we may use, and how many there are: not less than the highest number, for a host may have gaps among those that
 * are online, and a container's files may tell of fewer. */
static void count_cpus(struct kernel *k)
{
	k->ncpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (syscall(SYS_sched_getaffinity, 0, sizeof k->cpu_mask, k->cpu_mask) > 0) {
		for (int cpu = k->ncpus; cpu < 1024; cpu++)
			if (k->cpu_mask[cpu / 64] >> cpu % 64 & 1)
				k->ncpus = cpu + 1;
		return;
	}
	for (int cpu = 0; cpu < k->ncpus && cpu < 1024; cpu++)
		k->cpu_mask[cpu / 64] |= 1UL << (cpu % 64);
}

static int init_kernel(struct sandbox *s)
{
	struct kernel *k = &s->k;
	struct timespec ts;
	int err;

	list_init(&k->runnable);
	klog_init(k);
	list_init(&k->mms);
	k->calls = call_table;
	k->caller_limits = s->config->limits;
	count_cpus(k);
	k->reason = "exited";
	k->boot_ns = kernel_now(k);
	clock_gettime(CLOCK_REALTIME, &ts);
	k->boot_realtime_ns = (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	snprintf(k->core_pattern, sizeof k->core_pattern, "core");
	snprintf(k->hostname, sizeof k->hostname, "%s", s->config->hostname ? s->config->hostname : "husk");
	snprintf(k->domainname, sizeof k->domainname, "(none)");
	k->stats.timing = s->config->stats_timing;
	err = poller_new(&k->poller);
	if (err)
		return sandbox_fail(s, "cannot make an epoll set", err);
	mm_init(k);
	task_init(k);
	ctty_init(k);
	proc_pid_init(k);
	sigio_init(k);
	sandbox_outside_init(s);
	short_init(k);
	dispatch_init(k);
	seccomp_init(k);
	err = signal_init(k);
	return err ? sandbox_fail(s, "cannot set up signals", err) : 0;
}

static int confine(struct sandbox *s, int phase)
{
	const struct sandbox_config *c = s->config;

	return c->confine ? c->confine(phase, s->k.trap_ops && s->k.trap_ops->traces, c->confine_arg,
				       s->result->why, sizeof s->result->why)
			  : 0;
}

/* Afterwards this process can map nothing executable any more. */
static int make_arena(struct sandbox *s)
{
	int err = s->config->bpf_jit == BPF_JIT_OFF ? 0 : bpf_arena_create(&s->k.bpf_arena);

	return err && s->config->bpf_jit == BPF_JIT_ON
		       ? sandbox_fail(s, "no executable memory for filters", err)
		       : 0;
}

/* What can be done while the trap starts. How it went with the first program is told later, when there is a sandbox. */
static void prepare(void *arg)
{
	struct sandbox *s = arg;

	if (s->prepared)
		return;
	s->prepared = true;
	s->arena_error = make_arena(s);
	s->first_error = sandbox_prepare_first(s);
}

/* Takes the first driver that starts. What the others lack is told only when none does. */
static int start_trap(struct sandbox *s)
{
	const struct trap_ops *const *ops = s->config->traps;
	char all[sizeof s->result->why] = "";
	size_t used = 0, size = sizeof all;
	struct trap_config config = s->config->trap_config;
	int err = -ENOSYS;

	config.meanwhile = prepare;
	config.meanwhile_arg = s;
	if (!config.no_patch && !(*ops)->traces)
		mm_patch_prepare(&s->k);
	if (ops[0] && ops[1])
		used = (size_t)snprintf(all, size, "no trap can be used here; ");
	for (; *ops; ops++) {
		char why[256] = "";

		err = (*ops)->start(&s->k.trap, s->k.poller, &config, why, sizeof why);
		if (!err) {
			s->k.trap_ops = *ops;
			mm_patch_init(&s->k);
			s->result->trap = (*ops)->name;
			s->result->gated = (*ops)->gated(s->k.trap);
			return 0;
		}
		if (used < size)
			used += (size_t)snprintf(all + used, size - used, "%s: %s%s", (*ops)->name,
						 why[0] ? why : strerror(-err), ops[1] ? "; " : "");
	}
	memcpy(s->result->why, all, sizeof all);
	return err;
}

static int assemble(struct sandbox *s)
{
	struct kernel *k = &s->k;
	int err = init_kernel(s);

	if (!err)
		err = sandbox_mount_all(s);
	if (err)
		return err;
	pipe_init(k);
	if (s->config->tty)
		err = relay_new(k, s->config->uid, s->config->stdio[0], s->config->stdio[1], &s->relay);
	if (err)
		return sandbox_fail(s, "cannot give the guest a terminal", err);
	err = helpers_start(k, NR_HELPERS);
	if (err)
		return sandbox_fail(s, "cannot make an event descriptor", err);
	err = confine(s, 0);
	if (err)
		return err;
	err = start_trap(s);
	if (err)
		return err;
	prepare(s);
	if (s->arena_error)
		return s->arena_error;
	err = confine(s, 1);
	if (err)
		return err;
	err = sandbox_watch_signals(s);
	if (err)
		return err;
	err = s->relay ? relay_start(s->relay) : 0;
	if (err)
		return sandbox_fail(s, "cannot watch the terminal", err);
	return 0;
}

static void report_leaks(struct kernel *k)
{
#ifdef HUSK_DEBUG
	bool any = false;

	for (int i = 0; i < k->nobjects; i++) {
		if (!k->objects[i].live)
			continue;
		fprintf(stderr, "husk: leak: %ld %s left at the end\n", k->objects[i].live,
			k->objects[i].name);
		any = true;
	}
	if (any)
		abort();
#endif
}

static void count_short_calls(struct kernel *k)
{
	k->trap_ops->short_calls(k->trap, k->stats.stub_by_call);
	for (u32 nr = 0; nr < HUSK_COUNTED_CALLS; nr++)
		k->stats.stub_calls += k->stats.stub_by_call[nr];
}

static void take_apart(struct sandbox *s)
{
	struct kernel *k = &s->k;

	/* Host processes take a while to end, and do so meanwhile. */
	if (k->trap)
		k->trap_ops->end(k->trap);
	sandbox_outside_exit(s);
	sandbox_forget_first(s);
	relay_free(s->relay);
	task_shutdown(k);
	unix_collect(k);
	if (k->trap)
		count_short_calls(k);
	helpers_stop(k);
	signal_fini(k);
	vfs_shutdown(k);
	if (k->trap)
		k->trap_ops->stop(k->trap);
	mm_patch_exit(k);
	if (k->poller)
		poller_free(k->poller);
	bpf_arena_destroy(k->bpf_arena);
	klog_free(k);
	report_leaks(k);
}

int sandbox_run(const struct sandbox_config *config, struct sandbox_result *result)
{
	struct sandbox *s = calloc(1, sizeof *s);
	int err;

	if (!s)
		return -ENOMEM;
	memset(result, 0, sizeof *result);
	s->config = config;
	s->result = result;
	s->k.tracer = config->tracer;
	err = assemble(s);
	if (!err) {
		sandbox_limit_time(s);
		result->error = sandbox_start_first(s);
		result->started = !result->error;
		if (result->started)
			kernel_loop(&s->k);
		if (config->changes)
			sandbox_collect_changes(s);
		result->wall_ns = kernel_now(&s->k) - s->k.boot_ns;
	}
	take_apart(s);
	if (!err)
		sandbox_fill_result(s);
	free(s);
	return err;
}

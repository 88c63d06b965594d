/* SPDX-License-Identifier: Apache-2.0 */
/* The ptrace trap: struct trap_ops put together from its parts. */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- start and stop ---- */

static void child_changed(struct watch *w, u32 events)
{
	struct signalfd_siginfo info[8];

	(void)!read(w->fd.fd, info, sizeof info);
	container_of(w, struct ptrap, sigchld_watch)->stops = true;
}

static void ptrace_end(struct trap *trap)
{
	struct pspace *s;

	list_for_each (s, &ptrap_of(trap)->spaces, node)
		if (s->pid)
			kill(s->pid, SIGKILL);
}

static void ptrace_stop(struct trap *trap)
{
	struct ptrap *t = ptrap_of(trap);
	int status, tid;

	ptrace_end(trap);
	/* A clone that stops now is of a process that nobody has heard of. */
	while ((tid = waitpid(-1, &status, __WALL)) > 0)
		if (WIFSTOPPED(status))
			kill(tid, SIGKILL);
	completions_drop(t);
	while (!list_empty(&t->spaces))
		pspace_free(list_first(&t->spaces, struct pspace, node));
	near_stop(t);
	watch_del(&t->sigchld_watch);
	for (int *fd = (int[]){t->sigchld, t->socket, t->guest_socket, t->transfer, -2}; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	free(t);
}

static int open_descriptors(struct ptrap *t)
{
	int pair[2];
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	t->sigchld = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	t->transfer = memfd_create("husk-transfer", MFD_CLOEXEC);
	if (t->sigchld < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	t->socket = pair[0];
	t->guest_socket = pair[1];
	/* Where there are no memfds, words alone go. */
	t->first_fd = t->transfer < 0 ? TRACER_TRANSFER_FD : TRACER_TRANSFER_FD + 1;
	return 0;
}

static int ptrace_start(struct trap **out, struct poller *poller, const struct trap_config *config, char *why,
			size_t size)
{
	struct ptrap *t = calloc(1, sizeof *t);
	int err;

	if (!t)
		return -ENOMEM;
	t->poller = poller;
	t->config = *config;
	t->sigchld = t->socket = t->guest_socket = t->transfer = -1;
	t->stops = true;
	list_init(&t->spaces);
	list_init(&t->dead);
	list_init(&t->events);
	list_init(&t->completions);
	list_init(&t->orders);
	for (size_t i = 0; i < TID_BUCKETS; i++)
		list_init(&t->by_tid[i]);
	err = near_start(t);
	if (!err)
		err = open_descriptors(t);
	if (err)
		snprintf(why, size, "cannot open a descriptor: %s", strerror(-err));
	if (!err)
		err = tracer_zygote(t, why, size);
	if (!err)
		err = watch_add(poller, &t->sigchld_watch, (struct hostfd){t->sigchld}, EPOLLIN,
				child_changed);
	if (err) {
		ptrace_stop((struct trap *)t);
		return err;
	}
	*out = (struct trap *)t;
	return 0;
}

/* ---- running ---- */

/* Who is on our own CPU was given way already, and a stop on another is told of by a signal. */
static u64 ptrace_spin_ns(struct trap *trap)
{
	orders_next(ptrap_of(trap));
	return 0;
}

static bool ptrace_sleep_begin(struct trap *trap)
{
	const struct ptrap *t = ptrap_of(trap);

	return !t->stops && list_empty(&t->completions) && list_empty(&t->events);
}

static void ptrace_sleep_end(struct trap *trap)
{
	near_slept(ptrap_of(trap));
}

static void ptrace_resume(struct trap_thread *thread)
{
	job_start(tracee_of(thread), JOB_RESUME);
}

static void ptrace_run(struct trap_thread *thread, trap_done_fn *done, void *arg)
{
	struct tracee *th = tracee_of(thread);

	th->run.done = done;
	th->run.arg = arg;
	job_start(th, JOB_RUN);
}

static void ptrace_park(struct trap_thread *thread)
{
}

static bool ptrace_blocked(const struct trap_thread *thread)
{
	return false;
}

/* There is none. */
static void ptrace_constant(struct trap_thread *thread, enum constant_call call, u32 value)
{
}

static int ptrace_cpu(const struct trap_thread *thread)
{
	return -1;
}

static int ptrace_op(struct trap_space *space, const struct trap_op *op)
{
	return oplog_queue(&pspace_of(space)->log, op);
}

static bool ptrace_ops_pending(struct trap_space *space)
{
	const struct pspace *s = pspace_of(space);

	return oplog_has(&s->log, s->log.number);
}

static int ptrace_word(struct trap_thread *thread, struct trap_word *word)
{
	tracee_of(thread)->word = word;
	return 0;
}

static void ptrace_short_calls(struct trap *trap, u64 *count)
{
}

/* A clone is a call like all others: made by the kernel process or not at all. */
static bool ptrace_gated(struct trap *trap)
{
	return true;
}

static struct hostpid ptrace_pid(struct trap_space *space)
{
	return (struct hostpid){pspace_of(space)->pid};
}

static struct hostpid ptrace_tid(struct trap_thread *thread)
{
	return (struct hostpid){tracee_of(thread)->tid};
}

static u64 ptrace_vdso(struct trap *trap, u64 *start, u64 *end, u64 *code)
{
	const struct ptrap *t = ptrap_of(trap);

	*start = t->vdso_start;
	*end = t->vdso_end;
	*code = t->vdso_code;
	return t->vdso_code;
}

static void ptrace_whole(struct trap_thread *thread, trap_done_fn *done, void *arg)
{
	ptrace_run(thread, done, arg);
}

/* A tracer sees each call by its stop, however the program makes it. */
static u64 ptrace_patch_entry(struct trap *trap)
{
	return 0;
}

static bool ptrace_quiet(const struct trap_space *space)
{
	return false;
}

const struct trap_ops trap_ptrace = {
	.name = "ptrace",
	.traces = true,
	.start = ptrace_start,
	.end = ptrace_end,
	.stop = ptrace_stop,
	.next = tracer_next,
	.spin_ns = ptrace_spin_ns,
	.sleep_begin = ptrace_sleep_begin,
	.sleep_end = ptrace_sleep_end,
	.space_new = tracer_space_new,
	.space_fork = tracer_space_fork,
	.thread_new = tracer_thread_new,
	.thread_put = tracer_thread_put,
	.space_put = tracer_space_put,
	.spaces_dying = tracer_spaces_dying,
	.resume = ptrace_resume,
	.resume_call = ptrace_resume, /* its threads make no call that blocks */
	.run = ptrace_run,
	.load = regs_load,
	.whole = ptrace_whole,
	.patch_entry = ptrace_patch_entry,
	.quiet = ptrace_quiet,
	.park = ptrace_park,
	.hand_off = ptrace_park,
	.blocked = ptrace_blocked,
	.interrupt = tracer_interrupt,
	.constant = ptrace_constant,
	.settle = tracer_settle,
	.cpu = ptrace_cpu,
	.op = ptrace_op,
	.ops_pending = ptrace_ops_pending,
	.precopied = tracer_precopied,
	.copy_out = tracer_copy_out,
	.copy_in = tracer_copy_in,
	.word = ptrace_word,
	.direct_max = tracer_direct_max,
	.read = tracer_read,
	.write = tracer_write,
	.xstate_size = tracer_xstate_size,
	.xstate_get = tracer_xstate_get,
	.xstate_set = tracer_xstate_set,
	.short_calls = ptrace_short_calls,
	.gated = ptrace_gated,
	.pid = ptrace_pid,
	.tid = ptrace_tid,
	.vdso = ptrace_vdso,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp and dispatch traps: struct trap_ops put together from its parts. */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub_symbols.h"
#include "trap/dispatch/dispatch.h"

/* ---- start and stop ---- */

static void listener_ready(struct watch *w, u32 events)
{
	struct strap *t = container_of(w, struct strap, listener_watch);

	/* With no order on its way too: who clones behind the kernel's back is refused. */
	gate_poll(t);
	orders_poll(t);
}

static void child_died(struct watch *w, u32 events)
{
	struct strap *t = container_of(w, struct strap, sigchld_watch);
	struct signalfd_siginfo info;

	/* At most one is pending. */
	if (read(w->fd.fd, &info, sizeof info) == sizeof info)
		spaces_reap_some(t, (int)info.ssi_pid);
}

static void watchdog_rang(struct watch *w, u32 events)
{
	u64 n;

	(void)!read(w->fd.fd, &n, sizeof n);
	watchdog_check(container_of(w, struct strap, watchdog_watch));
}

static int open_descriptors(struct strap *t)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	t->sigchld = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	t->watchdog = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	t->procfs = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->sigchld < 0 || t->watchdog < 0)
		return -errno;
	return 0;
}

static void seccomp_end(struct trap *trap)
{
	struct strap *t = strap_of(trap);
	struct sspace *s;

	/* The zygote's process group is all guest processes, those of a clone on its way too; an unreaped
	 * zygote keeps the number from being used again. */
	if (t->zygote && t->zygote->pid)
		kill(-t->zygote->pid, SIGKILL);
	list_for_each (s, &t->spaces, node)
		if (s->pid)
			kill(s->pid, SIGKILL);
}

static void seccomp_stop(struct trap *trap)
{
	struct strap *t = strap_of(trap);
	struct sspace *s;
	int status, pid;

	if (!t)
		return;
	seccomp_end(trap);
	list_for_each (s, &t->spaces, node)
		if (s->pid)
			waitpid(s->pid, &status, 0);
	/* Who is left has no parent that could clone any more. */
	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid)
			continue;
		kill_strays(t);
		waitpid(-1, &status, 0);
	}
	while (!list_empty(&t->orders)) {
		struct order *o = list_first(&t->orders, struct order, node);

		list_del(&o->node);
		spawn_forget(o->done, o->arg);
		free(o);
	}
	while (!list_empty(&t->completions)) {
		struct completion *c = list_first(&t->completions, struct completion, node);

		list_del(&c->node);
		spawn_forget(c->done, c->arg);
		completion_free(t, c);
	}
	while (!list_empty(&t->spaces)) {
		s = list_first(&t->spaces, struct sspace, node);
		space_free(s);
	}
	if (t->prepared)
		region_free(t->prepared);
	family_stop(t);
	watch_del(&t->listener_watch);
	watch_del(&t->sigchld_watch);
	watch_del(&t->watchdog_watch);
	for (int *fd = (int[]){t->kpage_fd, t->listener, t->sigchld, t->watchdog, t->procfs, -2}; *fd != -2;
	     fd++)
		if (*fd >= 0)
			close(*fd);
	if (t->kpage)
		munmap(t->kpage, HUSK_KPAGE_SIZE);
	free(t);
}

/* RLIMIT_FSIZE bounds memfds, too. Two slots are the least: the region's header and one thread; where there is no room
 * for them, making the first region fails and says so. */
static u32 count_slots(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur >= HUSK_CHAN_SIZE)
		return HUSK_NR_SLOTS;
	return max((u32)(limit.rlim_cur / HUSK_SLOT_SIZE), 2U);
}

/* A guest process maps its region, and the kernel process the regions of all: with less, the first ones would fail in the
 * middle of their start. */
static int check_address_space(char *why, size_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur >= 8UL * HUSK_CHAN_SIZE)
		return 0;
	snprintf(why, size,
		 "processes may have %lu MiB of address space alone, and %lu are the least; raise ulimit -v",
		 (unsigned long)(limit.rlim_cur >> 20), 8UL * HUSK_CHAN_SIZE >> 20);
	return -ENOMEM;
}

static int start(struct trap **out, struct poller *poller, const struct trap_config *config, bool dispatch,
		 char *why, size_t size)
{
	struct strap *t = calloc(1, sizeof *t);
	int err;

	if (!t)
		return -ENOMEM;
	t->poller = poller;
	t->config = *config;
	t->gate = !config->no_gate;
	t->kpage_fd = t->listener = t->sigchld = t->watchdog = t->procfs = -1;
	t->page_cpu = -1;
	apart_init(t);
	family_init(t);
	list_init(&t->spaces);
	list_init(&t->out);
	for (size_t i = 0; i < PID_BUCKETS; i++) {
		list_init(&t->by_pid[i]);
		list_init(&t->by_tid[i]);
	}
	list_init(&t->ready);
	list_init(&t->orders);
	list_init(&t->completions);
	list_init(&t->dead);
	list_init(&t->dying);
	list_init(&t->interrupts);
	t->nslots = count_slots();
	err = check_address_space(why, size);
	if (err)
		goto stop;
	err = open_descriptors(t);
	if (err) {
		snprintf(why, size, "cannot open a signal descriptor: %s", strerror(-err));
		goto stop;
	}
	err = dispatch ? dispatch_find(&t->dispatch, why, size) : 0;
	if (!err)
		err = zygote_start(t, why, size);
	if (err)
		goto stop;
	watch_add(poller, &t->sigchld_watch, (struct hostfd){t->sigchld}, EPOLLIN, child_died);
	watch_add(poller, &t->watchdog_watch, (struct hostfd){t->watchdog}, EPOLLIN, watchdog_rang);
	if (t->gate)
		watch_add(poller, &t->listener_watch, (struct hostfd){t->listener}, EPOLLIN, listener_ready);
	/* The first program's space is made while what is left of the start goes on. */
	t->multiplies = true;
	space_spare(t);
	t->multiplies = false;
	orders_poll(t);
	gate_await(t);
	*out = (struct trap *)t;
	return 0;
stop:
	seccomp_stop((struct trap *)t);
	return err;
}

static int seccomp_start(struct trap **out, struct poller *poller, const struct trap_config *config,
			 char *why, size_t size)
{
	return start(out, poller, config, false, why, size);
}

static int dispatch_start(struct trap **out, struct poller *poller, const struct trap_config *config,
			  char *why, size_t size)
{
	return start(out, poller, config, true, why, size);
}

/* ---- running ---- */

static void seccomp_resume(struct trap_thread *thread)
{
	batch_answer(sthread_of(thread), ANSWER_RESUME);
}

/* Where the stub may not make the call any more it is made anew, and comes to the kernel. */
static void seccomp_resume_call(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	if (thread->short_ways & SHORT_BIT(futex)) {
		batch_answer(th, ANSWER_HOST_CALL);
		return;
	}
	thread->regs.rip -= 2;
	thread->regs.rax = thread->regs.orig_rax;
	batch_answer(th, ANSWER_RESUME);
}

static void seccomp_run(struct trap_thread *thread, trap_done_fn *done, void *arg)
{
	struct sthread *th = sthread_of(thread);

	th->run_done = done;
	th->run_arg = arg;
	batch_answer(th, ANSWER_RUN);
}

void get_frame(struct sthread *th, trap_done_fn *done, void *arg)
{
	th->frame_wanted = true;
	seccomp_run(&th->base, done, arg);
}

static void seccomp_whole(struct trap_thread *thread, trap_done_fn *done, void *arg)
{
	get_frame(sthread_of(thread), done, arg);
}

static bool seccomp_quiet(const struct trap_space *space)
{
	return !sspace_of((struct trap_space *)space)->running;
}

static u64 seccomp_patch_entry(struct trap *trap)
{
	return borrows_gs(strap_of(trap)) ? STUB_PATCHED_ENTRY : 0;
}

static u64 seccomp_cpuid_entry(struct trap *trap)
{
	strap_of(trap)->cpuid_wanted = true;
	return STUB_CPUID_ENTRY;
}

static void seccomp_park(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	if (th->state == THREAD_HELD)
		store_seq(&th->slot->state, TURN_PARKED);
}

static void seccomp_hand_off(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	if (th->state == THREAD_HELD)
		store_seq(&th->slot->state, TURN_HANDOFF);
}

static void seccomp_rouse(struct trap_thread *thread)
{
	apart_rouse(sthread_of(thread));
}

static bool seccomp_blocked(const struct trap_thread *thread)
{
	return read_once(sthread_of((struct trap_thread *)thread)->slot->in_host_call) != 0;
}

static void seccomp_interrupt(struct trap_thread *thread)
{
	thread_interrupt(sthread_of(thread));
}

static u64 seccomp_spin_ns(struct trap *trap)
{
	space_spare(strap_of(trap));
	space_prepare(strap_of(trap));
	cpuid_ask(strap_of(trap));
	return event_spin_ns(trap);
}

static int seccomp_op(struct trap_space *space, const struct trap_op *op)
{
	return oplog_queue(&sspace_of(space)->log, op);
}

static bool seccomp_ops_pending(struct trap_space *space)
{
	return batch_pending(sspace_of(space));
}

static int seccomp_cpu(const struct trap_thread *thread)
{
	return (int)(read_once(sthread_of((struct trap_thread *)thread)->slot->cpu) & SLOT_CPU);
}

static int seccomp_word(struct trap_thread *thread, struct trap_word *word)
{
	sthread_of(thread)->word = word;
	return 0;
}

static bool seccomp_gated(struct trap *trap)
{
	return strap_of(trap)->gate;
}

static struct hostpid seccomp_pid(struct trap_space *space)
{
	return (struct hostpid){sspace_of(space)->pid};
}

static struct hostpid seccomp_tid(struct trap_thread *thread)
{
	return (struct hostpid){sthread_of(thread)->tid};
}

static u64 seccomp_vdso(struct trap *trap, u64 *start, u64 *end, u64 *code)
{
	struct strap *t = strap_of(trap);

	*start = t->vdso_start;
	*end = t->vdso_end;
	*code = t->vdso_code;
	return t->vdso_code;
}

/* Both drivers are the same but for how a call comes to the stub. */
#define STUB_TRAP_OPS                                                                                        \
	.resumes_new = true, .end = seccomp_end, .stop = seccomp_stop, .next = event_next,                   \
	.spin_ns = seccomp_spin_ns, .sleep_begin = event_sleep_begin, .sleep_end = event_sleep_end,          \
	.space_new = spawn_space_new, .space_fork = spawn_space_fork, .thread_new = spawn_thread_new,        \
	.thread_put = spawn_thread_put, .space_put = spawn_space_put, .spaces_dying = spawn_spaces_dying,    \
	.resume = seccomp_resume, .resume_call = seccomp_resume_call, .run = seccomp_run, .load = load_regs, \
	.whole = seccomp_whole, .mask_now = mask_now, .tell_pending = tell_pending,                          \
	.handler_off = handler_off, .foreseen_take = foreseen_take, .foreseen_noise = foreseen_noise,        \
	.known_take = known_take, .patch_entry = seccomp_patch_entry, .cpuid_entry = seccomp_cpuid_entry,    \
	.quiet = seccomp_quiet, .park = seccomp_park, .hand_off = seccomp_hand_off, .rouse = seccomp_rouse,  \
	.blocked = seccomp_blocked, .interrupt = seccomp_interrupt, .constant = short_constant,              \
	.settle = space_settle, .cpu = seccomp_cpu, .op = seccomp_op, .ops_pending = seccomp_ops_pending,    \
	.deeds = leave_deeds, .precopied = copy_precopied, .can_ahead = copy_can_ahead, .ahead = copy_ahead, \
	.copy_out = copy_out, .copy_in = copy_in, .word = seccomp_word, .read = copy_read,                   \
	.write = copy_write, .direct_max = copy_direct_max, .xstate_size = xstate_size,                      \
	.xstate_get = xstate_get, .xstate_set = xstate_set, .xstate_out = xstate_out,                        \
	.short_calls = short_calls, .gated = seccomp_gated, .pid = seccomp_pid, .tid = seccomp_tid,          \
	.vdso = seccomp_vdso, .space_clear = spawn_space_clear
#define DONATE_OPS                                                                    \
	.donate = donate, .donate_name = donate_name, .donate_unname = donate_unname, \
	.donate_end = donate_end, .donate_device = donate_device

const struct trap_ops trap_seccomp = {.name = "seccomp", .start = seccomp_start, STUB_TRAP_OPS, DONATE_OPS};
const struct trap_ops trap_dispatch = {
	.name = "dispatch", .start = dispatch_start, STUB_TRAP_OPS, DONATE_OPS};

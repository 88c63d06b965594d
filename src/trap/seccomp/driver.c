/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp trap: struct trap_ops put together from its parts. */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

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
	struct signalfd_siginfo info;

	while (read(w->fd.fd, &info, sizeof info) > 0)
		;
	spaces_reap(container_of(w, struct strap, sigchld_watch));
}

static void watchdog_rang(struct watch *w, u32 events)
{
	u64 n;

	(void)!read(w->fd.fd, &n, sizeof n);
	watchdog_check(container_of(w, struct strap, watchdog_watch));
}

static u64 measure_cycles_per_us(void)
{
	u64 start_ns = now_ns(), start = __rdtsc(), ns;

	do
		ns = now_ns() - start_ns;
	while (ns < 20000);
	return (__rdtsc() - start) * 1000 / ns;
}

/* CPUs that this process may use: the affinity mask, and a cgroup quota when there is one. */
static int count_cpus(void)
{
	cpu_set_t set;
	int n = 1;
	FILE *f;
	long quota, period;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		n = CPU_COUNT(&set);
	f = fopen("/sys/fs/cgroup/cpu.max", "re");
	if (f) {
		if (fscanf(f, "%ld %ld", &quota, &period) == 2 && period > 0)
			n = min(n, (int)max(quota / period, 1L));
		fclose(f);
	}
	return n;
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

static void space_forked(void *arg, long result);

static void seccomp_stop(struct trap *trap)
{
	struct strap *t = strap_of(trap);
	struct sspace *s;
	int status, pid;

	if (!t)
		return;
	/* The zygote's process group is all guest processes, those of a clone on its way too; an unreaped
	 * zygote keeps the number from being used again. */
	if (t->zygote && t->zygote->pid)
		kill(-t->zygote->pid, SIGKILL);
	list_for_each (s, &t->spaces, node)
		if (s->pid)
			kill(s->pid, SIGKILL);
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
		if (o->done == space_forked)
			free(o->arg);
		free(o);
	}
	while (!list_empty(&t->completions)) {
		struct completion *c = list_first(&t->completions, struct completion, node);

		list_del(&c->node);
		if (c->done == space_forked)
			free(c->arg);
		free(c);
	}
	while (!list_empty(&t->spaces)) {
		s = list_first(&t->spaces, struct sspace, node);
		s->recycle = false;
		space_free(s);
	}
	if (t->prepared.region) {
		close(t->prepared.socket);
		close(t->prepared.guest_socket);
		region_unref(t, t->prepared.region, false);
	}
	while (!list_empty(&t->regions)) {
		struct region *r = list_first(&t->regions, struct region, node);

		list_del(&r->node);
		t->nregions--;
		region_unref(t, r, false);
	}
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

static int seccomp_start(struct trap **out, struct poller *poller, const struct trap_config *config,
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
	list_init(&t->spaces);
	list_init(&t->ready);
	list_init(&t->orders);
	list_init(&t->completions);
	list_init(&t->dead);
	list_init(&t->regions);
	list_init(&t->interrupts);
	t->ncpus = count_cpus();
	t->cycles_per_us = measure_cycles_per_us();
	err = open_descriptors(t);
	if (err) {
		snprintf(why, size, "cannot open a signal descriptor: %s", strerror(-err));
		goto stop;
	}
	err = zygote_start(t, why, size);
	if (err)
		goto stop;
	watch_add(poller, &t->sigchld_watch, (struct hostfd){t->sigchld}, EPOLLIN, child_died);
	watch_add(poller, &t->watchdog_watch, (struct hostfd){t->watchdog}, EPOLLIN, watchdog_rang);
	if (t->gate)
		watch_add(poller, &t->listener_watch, (struct hostfd){t->listener}, EPOLLIN, listener_ready);
	*out = (struct trap *)t;
	return 0;
stop:
	seccomp_stop((struct trap *)t);
	return err;
}

/* ---- spaces and threads ---- */

/* A space that is to be forked from @parent, with its first thread; 0 or -errno. */
static int prepare_space(struct strap *t, struct sthread *parent, struct sspace **space,
			 struct sthread **thread)
{
	int err = space_alloc(t, space);

	if (err)
		return err;
	*thread = thread_alloc(*space, parent->index);
	if (!*thread) {
		space_free(*space);
		return -ENOMEM;
	}
	/* A lying guest can have a child keep its parent's region mapped, or keep the child's itself; without
	 * the gate a child that nobody ordered does. */
	(*space)->recycle = parent->space == t->zygote && t->gate;
	if (parent->space != t->zygote)
		parent->space->recycle = false;
	return 0;
}

static void spare_ready(void *arg, long result)
{
	struct strap *t = arg;

	t->spare_ordered = false;
	if (result)
		t->spare = NULL;
}

/* Forks a space ahead of need, when there is nothing else to do. */
static void order_spare(struct strap *t)
{
	struct sthread *zygote = t->zygote->by_index[1], *th;

	if (t->spare || t->spare_ordered || !list_empty(&t->orders) || t->zygote->base.dead)
		return;
	if (prepare_space(t, zygote, &t->spare, &th)) {
		t->spare = NULL;
		return;
	}
	t->spare_ordered = true;
	order_fork(t, zygote, t->spare, th, spare_ready, t);
}

static void fresh_registers(struct sthread *th)
{
	struct guest_regs *r = &th->base.regs;

	memset(r, 0, sizeof *r);
	r->cs = 0x33;
	r->ss = 0x2b;
	r->eflags = 0x202;
	r->orig_rax = ~0UL;
	memcpy((char *)th->slot + th->fpstate_offset, th->space->trap->xstate_init,
	       th->space->trap->xstate_size);
}

struct new_space {
	struct sthread *thread;
	trap_done_fn *done;
	void *arg;
};

static void space_forked(void *arg, long result)
{
	struct new_space n = *(struct new_space *)arg;

	free(arg);
	if (!result)
		fresh_registers(n.thread);
	n.done(n.arg, result);
}

static void seccomp_space_new(struct trap *trap, struct trap_thread **thread, trap_done_fn *done, void *arg)
{
	struct strap *t = strap_of(trap);
	struct sthread *zygote = t->zygote->by_index[1], *th;
	struct new_space *n;
	struct sspace *s;
	int err;

	if (t->spare && !t->spare_ordered && !t->spare->base.dead) {
		th = t->spare->by_index[1];
		t->spare = NULL;
		*thread = &th->base;
		fresh_registers(th);
		complete(t, done, arg, 0);
		return;
	}
	err = t->zygote->base.dead ? -EAGAIN : prepare_space(t, zygote, &s, &th);
	n = err ? NULL : calloc(1, sizeof *n);
	if (!n) {
		complete(t, done, arg, err ? err : -ENOMEM);
		return;
	}
	n->thread = th;
	n->done = done;
	n->arg = arg;
	*thread = &th->base;
	order_fork(t, zygote, s, th, space_forked, n);
}

static void seccomp_space_fork(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done,
			       void *arg)
{
	struct sthread *p = sthread_of(parent), *th;
	struct strap *t = p->space->trap;
	struct sspace *s;
	int err = prepare_space(t, p, &s, &th);

	if (err) {
		complete(t, done, arg, err);
		return;
	}
	*thread = &th->base;
	order_fork(t, p, s, th, done, arg);
}

/* A parked host thread of an ended task serves again: no clone, no gate. */
static struct sthread *reuse_thread(struct sthread *parent)
{
	struct sspace *s = parent->space;
	struct sthread *th;
	char state[sizeof s->trap->xstate_init];

	if (list_empty(&s->free))
		return NULL;
	th = list_first(&s->free, struct sthread, node);
	list_del(&th->node);
	list_add_tail(&s->threads, &th->node);
	th->state = THREAD_HELD;
	th->base.held = true;
	th->base.regs = parent->base.regs;
	th->interrupt_wanted = false;
	xstate_get(&parent->base, state);
	xstate_set(&th->base, state, s->trap->xstate_size);
	return th;
}

static void seccomp_thread_new(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done,
			       void *arg)
{
	struct sthread *p = sthread_of(parent), *th = reuse_thread(p);
	struct strap *t = p->space->trap;
	u32 index;

	if (th) {
		*thread = &th->base;
		complete(t, done, arg, 0);
		return;
	}
	index = thread_free_index(p->space);
	th = index ? thread_alloc(p->space, index) : NULL;
	if (!th) {
		complete(t, done, arg, -EAGAIN);
		return;
	}
	*thread = &th->base;
	order_thread(t, p, th, done, arg);
}

static void seccomp_thread_put(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	th->base.owner = NULL;
	th->base.held = false;
	th->ncopies = 0;
	th->out_used = 0;
	th->nin = 0;
	th->word = NULL;
	th->run_done = NULL;
	if (th->space->base.dead) {
		thread_free(th);
		return;
	}
	th->state = THREAD_FREE;
	batch_acknowledge(th);
	list_del(&th->node);
	list_add(&th->space->free, &th->node);
	store_seq(&th->slot->state, TURN_PARKED);
}

static void seccomp_space_put(struct trap_space *space)
{
	struct sspace *s = sspace_of(space);

	s->put = true;
	s->base.owner = NULL;
	list_del(&s->dead_node);
	if (!s->pid) {
		orders_space_died(s->trap, s);
		space_free(s);
		return;
	}
	space_kill(s);
}

static bool seccomp_spaces_dying(struct trap *trap)
{
	struct sspace *s;

	list_for_each (s, &strap_of(trap)->spaces, node)
		if (s->killed && s->pid)
			return true;
	return false;
}

/* ---- running ---- */

static void seccomp_resume(struct trap_thread *thread)
{
	batch_answer(sthread_of(thread), ANSWER_RESUME);
}

static void seccomp_resume_call(struct trap_thread *thread)
{
	batch_answer(sthread_of(thread), ANSWER_HOST_CALL);
}

static void seccomp_run(struct trap_thread *thread, trap_done_fn *done, void *arg)
{
	struct sthread *th = sthread_of(thread);

	th->run_done = done;
	th->run_arg = arg;
	batch_answer(th, ANSWER_RUN);
}

static void seccomp_park(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	if (th->state == THREAD_HELD)
		store_seq(&th->slot->state, TURN_PARKED);
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
	order_spare(strap_of(trap));
	space_prepare(strap_of(trap));
	return event_spin_ns(trap);
}

static int seccomp_op(struct trap_space *space, const struct trap_op *op)
{
	return batch_queue(sspace_of(space), op);
}

static bool seccomp_ops_pending(struct trap_space *space)
{
	return batch_pending(sspace_of(space));
}

static int seccomp_word(struct trap_thread *thread, struct trap_word *word)
{
	sthread_of(thread)->word = word;
	return 0;
}

static u64 seccomp_short_calls(struct trap *trap)
{
	return strap_of(trap)->short_calls;
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

const struct trap_ops trap_seccomp = {
	.name = "seccomp",
	.start = seccomp_start,
	.stop = seccomp_stop,
	.next = event_next,
	.spin_ns = seccomp_spin_ns,
	.sleep_begin = event_sleep_begin,
	.sleep_end = event_sleep_end,
	.space_new = seccomp_space_new,
	.space_fork = seccomp_space_fork,
	.thread_new = seccomp_thread_new,
	.thread_put = seccomp_thread_put,
	.space_put = seccomp_space_put,
	.spaces_dying = seccomp_spaces_dying,
	.resume = seccomp_resume,
	.resume_call = seccomp_resume_call,
	.run = seccomp_run,
	.park = seccomp_park,
	.blocked = seccomp_blocked,
	.interrupt = seccomp_interrupt,
	.op = seccomp_op,
	.ops_pending = seccomp_ops_pending,
	.precopied = copy_precopied,
	.copy_out = copy_out,
	.copy_in = copy_in,
	.word = seccomp_word,
	.read = copy_read,
	.write = copy_write,
	.xstate_size = xstate_size,
	.xstate_get = xstate_get,
	.xstate_set = xstate_set,
	.short_calls = seccomp_short_calls,
	.pid = seccomp_pid,
	.tid = seccomp_tid,
	.vdso = seccomp_vdso,
};

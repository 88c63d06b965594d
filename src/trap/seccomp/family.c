/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping processes that wait for each other on one CPU with the service thread.
 *
 * Where processes come and go in quick succession, as under a shell, most of them wait: a parent for its child, the end of
 * a pipeline for its beginning, and all of them for us. Whoever is woken on another CPU is woken by way of that CPU's idle
 * state, which costs ten times what a switch does (docs/waiting.md has the figures), and the host's scheduler always
 * prefers the idle CPU. So, after two forks soon after each other, the service thread goes to its caller's CPU and is bound
 * there, and so is each process with its next answer; their children inherit it.
 *
 * That is for processes of which one or two run at a time. Where more do, or most calls come from others, it ends, and is
 * not tried again for a while. Whoever computes while another one runs is found by a timer and sent to another CPU, until
 * its turns are short again. It also ends when no fork has come for a moment; and now and then, for the scheduler to choose
 * anew.
 *
 * Only main threads of processes that have no other are bound: their numbers are the host's own word.
 */
#include "trap/seccomp/seccomp.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <x86intrin.h>

#define FORKS_US  10000   /* two forks within that begin it */
#define ENDS_US   5000    /* none for so long ends it */
#define FAMILY_US 250000  /* it lasts no longer */
#define AGAIN_US  100000  /* after it was in vain: until the next trial */
#define LOOK_NS   2000000 /* between two looks at who is out for long */
#define LONG_US   2000    /* out for so long: it computes */
#define SHORT_US  500     /* and for so long: it no longer does */

static u64 us_since(const struct strap *t, u64 then)
{
	return (__rdtsc() - then) / t->cycles_per_us;
}

/* ---- binding ---- */

/* The caller, which spins for its answer now, sleeps as soon as it sees that we are on its CPU. */
static bool bind_self(struct strap *t, int cpu)
{
	struct family *f = &t->family;

	if (onecpu_choose(&f->one, 0, cpu) < 0 || onecpu_is_only(&f->one))
		return false;
	t->page_cpu = cpu;
	t->kpage->cpu = (u32)cpu;
	return !onecpu_bind(&f->one, 0);
}

static void bound(struct family *f, struct sthread *th)
{
	th->bound = true;
	f->out += thread_is_out(th);
	list_add_tail(&f->bound, &th->family_node);
}

static void bind_thread(struct sthread *th)
{
	struct family *f = &th->space->trap->family;
	const struct list *threads = &th->space->threads;

	if (th->space->pid && th->tid == th->space->pid && !th->space->killed &&
	    threads->next == threads->prev && !onecpu_bind(&f->one, th->tid))
		bound(f, th);
}

void family_forget(struct sthread *th)
{
	if (!th->bound)
		return;
	list_del(&th->family_node);
	th->bound = false;
	th->space->trap->family.out -= thread_is_out(th);
}

static void let_go(struct sthread *th)
{
	family_forget(th);
	if (th->space->pid)
		onecpu_release(&th->space->trap->family.one, th->tid);
}

/* The host's scheduler would leave it on our CPU for a while. */
static void send_away(struct sthread *th)
{
	if (th->space->pid)
		onecpu_keep_off(&th->space->trap->family.one, th->tid);
	let_go(th);
}

static void end(struct strap *t)
{
	struct family *f = &t->family;

	f->on = false;
	f->ended = now_ns();
	while (!list_empty(&f->bound))
		let_go(list_first(&f->bound, struct sthread, family_node));
	onecpu_release(&f->one, 0);
}

/* ---- looking after it ---- */

static void look_later(struct family *f)
{
	struct itimerspec its = {.it_value = {.tv_nsec = LOOK_NS}};

	timerfd_settime(f->timer, 0, &its, NULL);
}

static bool is_in_vain(const struct family *f)
{
	return f->strangers > f->turns || 2 * f->beside > 3 * (f->turns + f->strangers);
}

static void look(struct watch *w, u32 events)
{
	struct family *f = container_of(w, struct family, watch);
	struct strap *t = container_of(f, struct strap, family);
	struct sthread *th, *next;

	(void)!read(f->timer, &(u64){0}, sizeof(u64));
	if (!f->on)
		return;
	if (is_in_vain(f))
		f->not_before = __rdtsc() + AGAIN_US * t->cycles_per_us;
	if (is_in_vain(f) || us_since(t, f->forked) > ENDS_US || us_since(t, f->since) > FAMILY_US) {
		end(t);
		return;
	}
	f->turns = f->strangers = f->beside = 0;
	list_for_each_safe (th, next, &f->bound, family_node) {
		if (!thread_is_out(th) || us_since(t, th->went) < LONG_US)
			continue;
		th->far = true;
		if (t->running > 1)
			send_away(th);
	}
	look_later(f);
}

static bool make_timer(struct strap *t)
{
	struct family *f = &t->family;

	if (f->timer >= 0)
		return true;
	f->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return f->timer >= 0 && !watch_add(t->poller, &f->watch, (struct hostfd){f->timer}, EPOLLIN, look);
}

/* ---- what is seen ---- */

static void begin(struct strap *t, int cpu, u64 now)
{
	struct family *f = &t->family;

	together_end(t);
	f->on = make_timer(t) && bind_self(t, cpu);
	f->refused = !f->on;
	if (!f->on)
		return;
	f->since = now;
	f->turns = f->strangers = f->beside = 0;
	look_later(f);
}

void family_fork(struct sthread *parent, struct sthread *child)
{
	struct strap *t = parent->space->trap;
	struct family *f = &t->family;
	u64 now = __rdtsc();

	if (t->one_cpu || f->refused || parent->space == t->zygote)
		return;
	if (!f->on && now - f->forked < FORKS_US * t->cycles_per_us && now > f->not_before)
		begin(t, parent->cpu, now);
	f->forked = now;
	if (!f->on)
		return;
	if (!parent->bound)
		bind_thread(parent);
	if (parent->bound)
		bound(f, child);
}

void family_child(struct sthread *child, u64 ordered)
{
	struct family *f = &child->space->trap->family;

	if (f->on && !child->bound)
		bind_thread(child);
	if (!f->on && f->ended > ordered)
		onecpu_release(&f->one, child->tid);
}

void family_thread(struct sthread *parent)
{
	if (parent->bound)
		let_go(parent);
}

void family_see_answer(struct sthread *th)
{
	struct strap *t = th->space->trap;

	th->went = __rdtsc();
	if (!th->bound && th->space != t->zygote && (!th->far || !t->running))
		bind_thread(th);
}

void family_see_turn(struct sthread *th)
{
	struct strap *t = th->space->trap;
	struct family *f = &t->family;

	if (th->far && us_since(t, th->went) < SHORT_US)
		th->far = false;
	f->turns += th->bound;
	f->strangers += !th->bound;
	f->beside += (u32)t->running;
}

void family_init(struct strap *t)
{
	t->family.timer = -1;
	list_init(&t->family.bound);
}

void family_stop(struct strap *t)
{
	if (t->family.on)
		end(t);
	watch_del(&t->family.watch);
	if (t->family.timer >= 0)
		close(t->family.timer);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the tracer and those whom it serves on one CPU, and giving them way there instead of sleeping.
 *
 * A tracee that stops has nothing else to do, and neither has its tracer until it stops: they take turns, and two CPUs
 * make nothing faster. They make it slower: the one that is woken on another CPU is woken by way of that CPU's idle state,
 * which costs ten times what a switch does (docs/waiting.md has the figures), and the host's scheduler always prefers the
 * idle CPU. So the service thread is bound to the CPU that it is on, and each tracee to the same when it goes on. After it
 * has let one go the service thread yields the CPU: it is still runnable when the tracee stops, so nobody has to wake it.
 *
 * That is for threads that make calls often. Several that compute want a CPU each: a tracee that is out for long while
 * another one runs is *far*, on whatever CPU the scheduler chooses, until its turns are short again or it is the only one
 * that runs. Who computes without making any call is found by a timer.
 *
 * Bindings end when nothing has happened for a moment, so that a sandbox asleep has none, and now and then for the
 * scheduler to choose anew: two sandboxes on one CPU would stay there. Guests know nothing of it: their affinity is what
 * the kernel says.
 */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS     4000000 /* between two looks at who is out for long */
#define LONG_NS     1000000 /* out for so long: it computes */
#define FAR_NS      150000 /* mean time out that makes one far: two wake-ups across CPUs, and half as much again */
#define NEAR_NS     120000    /* and that takes it back, those two wake-ups being part of it */
#define ALONE       8         /* stops in a row at which nobody else was out: it is the only one that runs */
#define TOGETHER_NS 250000000 /* a binding lasts no longer */
#define CHOOSE_NS   2000000   /* and there is none for so long then */

/* Yields after a resumption. A tracee that computes keeps the CPU for long, as do others: whatever came meanwhile had to
 * wait, which it has not when the service thread sleeps. So after one that was long the next ones are left out, as the
 * stub does it (stub/turn.c). */
#define GIVE_WAY 4
#define IN_A_ROW \
	8 /* until all who have stopped by then have been served: the host tells of them in its own order */
#define AWAY_NS     100000 /* that is long */
#define AWAY_ALL_NS 500000 /* all together, until timers are looked at again */
#define SLEEPY      16
#define SLEEPY_MOST 4096

static u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

/* ---- binding ---- */

static void look_later(struct near *n)
{
	struct itimerspec its = {.it_value = {.tv_nsec = LOOK_NS}};

	timerfd_settime(n->timer, 0, &its, NULL);
}

/* Whether the service thread is bound now. */
static bool bind_tracer(struct near *n)
{
	if (n->bound)
		return true;
	if (n->refused || n->now < n->choosing_until)
		return false;
	n->bound = !onecpu_choose(&n->one, 0, sched_getcpu()) && !onecpu_bind(&n->one, 0);
	n->refused = !n->bound;
	if (n->refused)
		return false;
	n->since = n->now;
	n->seen = n->stops;
	look_later(n);
	return true;
}

/* Puts @th on the CPU @cpu, or -1: where the scheduler likes. */
static void place(struct near *n, struct tracee *th, int cpu)
{
	if (th->cpu == cpu || th->gone)
		return;
	th->cpu = cpu;
	if (cpu < 0)
		onecpu_release(&n->one, th->tid);
	else
		onecpu_bind(&n->one, th->tid);
}

static void let_be(struct near *n, struct tracee *th)
{
	place(n, th, -1);
	list_del(&th->beside_node);
}

/* As let_be(), for one that computes while others want our CPU, too: the host's scheduler would leave it there for a while. */
static void send_away(struct near *n, struct tracee *th)
{
	if (!th->gone)
		onecpu_keep_off(&n->one, th->tid);
	let_be(n, th);
}

static void unbind_all(struct near *n)
{
	if (!n->bound)
		return;
	while (!list_empty(&n->beside))
		let_be(n, list_first(&n->beside, struct tracee, beside_node));
	n->bound = false;
	onecpu_release(&n->one, 0);
}

static void look(struct watch *w, u32 events)
{
	struct near *n = container_of(w, struct near, watch);
	struct tracee *th, *next;

	n->now = clock_ns();
	list_for_each_safe (th, next, &n->beside, beside_node) {
		if (th->state == TRACEE_BUSY || n->now - th->went < LONG_NS)
			continue;
		th->mean_out = LONG_NS;
		th->far = true;
		if (n->beside.next == n->beside.prev)
			let_be(n, th);
		else
			send_away(n, th);
	}
	if (n->now - n->since > TOGETHER_NS) {
		unbind_all(n);
		n->choosing_until = n->now + CHOOSE_NS;
	} else if (n->seen == n->stops && list_empty(&n->beside)) {
		unbind_all(n);
	}
	n->seen = n->stops;
	if (n->bound)
		look_later(n);
	else
		(void)!read(n->timer, &(u64){0}, sizeof(u64));
}

/* ---- tracees that go and come ---- */

void near_go(struct tracee *th, int request)
{
	struct near *n = &th->space->trap->near;
	bool near = !th->far;

	n->now = th->went = clock_ns();
	if (!n->one_cpu) {
		near = near && bind_tracer(n);
		place(n, th, near ? n->one.cpu : -1);
	}
	if (near)
		list_add(&n->beside, &th->beside_node);
	th->is_out = true;
	n->out++;
	n->yields = 0;
	if (n->sleepy)
		n->sleepy--;
	ptrace(request, th->tid, 0, 0);
}

void near_forget(struct tracee *th)
{
	if (!th->is_out)
		return;
	th->is_out = false;
	th->space->trap->near.out--;
	list_del(&th->beside_node);
}

void near_gone(struct tracee *th)
{
	near_forget(th);
	th->gone = true;
}

void near_came(struct tracee *th)
{
	struct near *n = &th->space->trap->near;
	u64 out = min(n->now - th->went, (u64)LONG_NS);

	if (!th->is_out)
		return;
	n->stops += !list_empty(&th->beside_node);
	near_forget(th);
	n->alone = n->out ? 0 : n->alone + 1;
	if (n->yields && n->yields < GIVE_WAY)
		n->sleepier /= 2;
	if (th->state != TRACEE_RUNNING)
		return;
	th->mean_out = (3 * th->mean_out + out) / 4;
	if (n->alone >= ALONE)
		th->far = th->far && th->mean_out >= LONG_NS / 2;
	else
		th->far = th->mean_out > (th->far ? NEAR_NS : FAR_NS);
}

bool near_give_way(struct ptrap *t)
{
	struct near *n = &t->near;
	u64 start = n->now;

	if (list_empty(&n->beside) || n->sleepy || n->yields == GIVE_WAY || n->in_a_row == IN_A_ROW)
		return false;
	if (n->away > AWAY_ALL_NS) {
		n->away = 0;
		return false;
	}
	n->yields++;
	n->in_a_row++;
	sched_yield();
	n->now = clock_ns();
	n->away += n->now - start;
	if (n->now - start > AWAY_NS) {
		n->sleepier = min(2 * n->sleepier + SLEEPY, (u32)SLEEPY_MOST);
		n->sleepy = n->sleepier;
		n->yields = GIVE_WAY;
	}
	return true;
}

void near_none_left(struct ptrap *t)
{
	t->near.in_a_row = 0;
}

struct tracee *near_expected(struct ptrap *t)
{
	const struct list *beside = &t->near.beside;

	return list_empty(beside) ? NULL : list_last(beside, struct tracee, beside_node);
}

void near_slept(struct ptrap *t)
{
	t->near.now = clock_ns();
	t->near.away = 0;
}

/* ---- start and stop ---- */

int near_start(struct ptrap *t)
{
	struct near *n = &t->near;
	cpu_set_t own;

	list_init(&n->beside);
	n->one_cpu = !sched_getaffinity(0, sizeof own, &own) && CPU_COUNT(&own) == 1;
	n->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return n->timer < 0 ? -errno
			    : watch_add(t->poller, &n->watch, (struct hostfd){n->timer}, EPOLLIN, look);
}

void near_stop(struct ptrap *t)
{
	struct near *n = &t->near;

	if (n->bound)
		onecpu_release(&n->one, 0);
	watch_del(&n->watch);
	if (n->timer >= 0)
		close(n->timer);
}

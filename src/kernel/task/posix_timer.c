/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer_create(2)'s timers.
 *
 * A timer has one queue entry of its own. When it expires the entry becomes pending, and a periodic timer
 * rests until its signal is taken: only then are the periods that passed counted (the overrun) and the next
 * one armed, so that a guest that does not take its signals costs nothing. A timer on a CPU clock is sampled,
 * as in itimer.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "task/posix_timer.h"

#define TICK_NS     4000000UL
#define OVERRUN_MAX 0x7fffffffL

struct posix_timers *posix_timers_of(struct thread_group *g)
{
	struct posix_timers *ts = g->posix_timers;

	if (ts)
		return ts;
	ts = calloc(1, sizeof *ts);
	if (!ts)
		return NULL;
	list_init(&ts->all);
	g->posix_timers = ts;
	return ts;
}

struct posix_timer *posix_timer_find(struct task *t, int id)
{
	struct posix_timers *ts = t->group->posix_timers;
	struct posix_timer *pt;

	if (!ts)
		return NULL;
	list_for_each (pt, &ts->all, node) {
		if (pt->id == id)
			return pt;
	}
	return NULL;
}

int posix_timer_new(struct task *t, struct posix_timer **out)
{
	struct posix_timers *ts = posix_timers_of(t->group);
	struct posix_timer *pt;

	if (!ts)
		return -ENOMEM;
	if ((u64)ts->count >= t->group->limits[RLIMIT_SIGPENDING].rlim_cur)
		return -EAGAIN;
	pt = calloc(1, sizeof *pt);
	if (!pt)
		return -EAGAIN;
	pt->group = t->group;
	pt->id = ts->next_id++ & 0x7fffffff;
	pt->signal.timer = pt;
	list_init(&pt->signal.node);
	list_add_tail(&ts->all, &pt->node);
	ts->count++;
	*out = pt;
	return 0;
}

static void pending_recount(struct sigpending *p, int signo)
{
	struct sigqueue *q;

	list_for_each (q, &p->queue, node) {
		if (q->info.si_signo == signo)
			return;
	}
	p->set &= ~SIG_BIT(signo);
}

/* Takes its signal out of the queue that it waits in. */
static void signal_withdraw(struct posix_timer *pt)
{
	struct task *t;

	if (list_empty(&pt->signal.node))
		return;
	list_del(&pt->signal.node);
	pending_recount(&pt->group->shared_pending, pt->signal.info.si_signo);
	list_for_each (t, &pt->group->threads, group_node)
		pending_recount(&t->pending, pt->signal.info.si_signo);
}

void posix_timer_delete(struct posix_timer *pt)
{
	pt->group->posix_timers->count--;
	timer_cancel(pt->group->k, &pt->timer);
	signal_withdraw(pt);
	list_del(&pt->node);
	free(pt);
}

static u64 timer_now(struct posix_timer *pt)
{
	struct task *t = pt->group->leader;
	s64 ns = 0;

	if (!pt->cpu)
		return kernel_now(pt->group->k);
	if (pt->clock == CLOCK_THREAD_CPUTIME_ID)
		t = task_find(pt->group->k, pt->owner_tid);
	if (t)
		clock_read(t, pt->clock, &ns);
	return (u64)ns;
}

static void timer_fires(struct timer *timer);

static void timer_start(struct posix_timer *pt)
{
	struct kernel *k = pt->group->k;
	u64 now;

	if (pt->notify == SIGEV_NONE)
		return;
	if (!pt->cpu) {
		timer_arm(k, &pt->timer, pt->expires, timer_fires);
		return;
	}
	now = timer_now(pt);
	now = pt->expires > now ? (pt->expires - now) / (u64)max(pt->group->nthreads, 1) : 0;
	timer_arm(k, &pt->timer, kernel_now(k) + max(now, TICK_NS), timer_fires);
}

/* How many periods have passed at @now; moves expires behind it. */
static u64 timer_forward(struct posix_timer *pt, u64 now)
{
	u64 n;

	if (now < pt->expires)
		return 0;
	n = (now - pt->expires) / pt->interval + 1;
	pt->expires += n * pt->interval;
	return n;
}

static void overrun_add(struct posix_timer *pt, u64 n)
{
	pt->overrun = (u64)pt->overrun + n > OVERRUN_MAX ? (int)OVERRUN_MAX : pt->overrun + (int)n;
}

static void timer_send(struct posix_timer *pt)
{
	struct thread_group *g = pt->group;
	struct task *t = pt->notify & SIGEV_THREAD_ID ? task_find(g->k, pt->target_tid) : NULL;
	siginfo_t *info = &pt->signal.info;
	bool to_thread = t && t->group == g && t->state != TASK_DEAD;
	struct sigpending *p;

	if (!to_thread)
		t = g->leader;
	if (g->exiting || g->zombie || (pt->notify & SIGEV_THREAD_ID && !to_thread))
		return;
	if (!list_empty(&pt->signal.node)) {
		overrun_add(pt, 1);
		return;
	}
	p = to_thread ? &t->pending : &g->shared_pending;
	info->si_overrun = 0;
	if (signal_queue_entry(t, p, &pt->signal, !to_thread))
		return;
	/* It is ignored: as if it had been taken at once. */
	if (pt->interval) {
		timer_forward(pt, timer_now(pt));
		timer_start(pt);
	}
}

static void timer_fires(struct timer *timer)
{
	struct posix_timer *pt = container_of(timer, struct posix_timer, timer);

	if (pt->cpu && timer_now(pt) < pt->expires) {
		timer_start(pt);
		return;
	}
	pt->overrun = 0;
	if (!pt->interval)
		pt->expires = 0;
	timer_send(pt);
}

void posix_timer_dequeued(struct posix_timer *pt, siginfo_t *info)
{
	if (pt->interval && pt->expires) {
		u64 n = timer_forward(pt, timer_now(pt));

		/* The first period is the signal itself. */
		overrun_add(pt, n ? n - 1 : 0);
		timer_start(pt);
	}
	info->si_overrun = pt->last_overrun = pt->overrun;
	pt->overrun = 0;
}

void posix_timer_get(struct task *t, struct posix_timer *pt, struct itimer *now_value)
{
	u64 now = timer_now(pt);

	(void)t;
	*now_value = (struct itimer){0, pt->interval};
	if (!pt->expires)
		return;
	/* One whose signal is pending, or that sends none, shows the period that is running. */
	if (pt->interval && (pt->notify == SIGEV_NONE || !list_empty(&pt->signal.node)) && now >= pt->expires)
		now_value->value = pt->interval - (now - pt->expires) % pt->interval;
	else if (pt->expires > now)
		now_value->value = pt->expires - now;
	else
		now_value->value = pt->notify == SIGEV_NONE ? 0 : 1;
}

int posix_timer_set(struct task *t, struct posix_timer *pt, const struct itimer *value, bool absolute)
{
	u64 at = value->value;

	timer_cancel(t->k, &pt->timer);
	signal_withdraw(pt);
	pt->interval = value->value ? value->interval : 0;
	pt->overrun = pt->last_overrun = 0;
	pt->expires = 0;
	if (!value->value)
		return 0;
	if (!absolute) {
		if (__builtin_add_overflow(timer_now(pt), at, &at))
			at = ~0UL >> 1;
	} else if (!pt->cpu) {
		int r = clock_to_monotonic(t->k, pt->clock, (s64)at, &at);

		if (r < 0)
			return r;
	}
	pt->expires = at;
	timer_start(pt);
	return 0;
}

static void delete_all(struct posix_timers *ts)
{
	while (!list_empty(&ts->all))
		posix_timer_delete(list_first(&ts->all, struct posix_timer, node));
}

void posix_timers_exec(struct thread_group *g)
{
	if (g->posix_timers)
		delete_all(g->posix_timers);
}

void posix_timers_free(struct thread_group *g)
{
	struct posix_timers *ts = g->posix_timers;

	if (!ts)
		return;
	delete_all(ts);
	timer_cancel(g->k, &ts->virt.sample);
	timer_cancel(g->k, &ts->prof.sample);
	free(ts);
	g->posix_timers = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the service thread and its one caller on one CPU while calls come now and then.
 *
 * A sleeper on another CPU is woken by way of that CPU's idle state, which costs both sides some forty microseconds; one
 * on the caller's own CPU costs two switches (docs/waiting.md has the figures). The host's scheduler always prefers the
 * idle CPU, so both are bound to one for a while. That is for a sandbox in which a single thread makes calls, too seldom
 * for spinning and often enough to matter; it ends as soon as anything else is seen: calls in quick succession, another
 * thread's call, a thread or process to be cloned (who would inherit the binding), no call for a moment, so that a
 * caller that only computes is the scheduler's again; and in any case now and then, for the scheduler to choose anew.
 *
 * Only main threads are bound, whose numbers are the host's own word.
 */
#include "trap/seccomp/seccomp.h"

#define WINDOW_NS   16000000  /* over which turns are counted */
#define FAST_NS     200000    /* a turn each so often: spinning pays */
#define SELDOM_NS   4000000   /* a turn each so often: nothing pays */
#define TURNS       4         /* that tell of a habit */
#define QUICK_NS    50000     /* a sleep that short is one of a burst */
#define QUICK       4         /* such sleeps in a row end it */
#define TOGETHER_NS 250000000 /* and so much time */

static void window_begin(struct together *w, u64 now)
{
	w->since = now;
	w->turns = w->seen = w->quick = 0;
	w->mixed = false;
}

static bool bind_both(struct together *w, int tid, int cpu)
{
	if (onecpu_choose(&w->own, 0, cpu) < 0 || onecpu_choose(&w->callers, tid, cpu) < 0 ||
	    onecpu_bind(&w->callers, tid) < 0)
		return false;
	if (!onecpu_bind(&w->own, 0))
		return true;
	onecpu_release(&w->callers, tid);
	return false;
}

static void together_begin(struct strap *t, u64 now)
{
	struct together *w = &t->together;
	struct sthread *th = w->thread;

	if (t->one_cpu || t->family.on || w->refused || !th->space->pid || th->tid != th->space->pid ||
	    th->space->killed)
		return;
	w->on = bind_both(w, th->tid, th->cpu);
	w->refused = !w->on;
	if (!w->on)
		return;
	t->page_cpu = th->cpu;
	t->kpage->cpu = (u32)th->cpu;
	window_begin(w, now);
	watchdog_start(t);
}

void together_end(struct strap *t)
{
	struct together *w = &t->together;
	struct sthread *th = w->thread;

	if (!w->on)
		return;
	w->on = false;
	onecpu_release(&w->own, 0);
	if (th->space->pid)
		onecpu_release(&w->callers, th->tid);
	window_begin(w, now_ns());
}

void together_other(struct sthread *th)
{
	struct together *w = &th->space->trap->together;

	together_end(th->space->trap);
	w->mixed = w->thread != NULL;
	w->thread = th;
}

void together_not(struct strap *t)
{
	t->together.mixed = true;
}

void together_forget(struct sthread *th)
{
	struct strap *t = th->space->trap;

	if (t->together.thread != th)
		return;
	together_end(t);
	t->together.thread = NULL;
}

void together_woke(struct strap *t, u64 now, u64 slept)
{
	struct together *w = &t->together;
	u64 time = now - w->since;
	bool habit;

	if (w->on) {
		w->quick = slept < QUICK_NS ? w->quick + 1 : 0;
		if (w->quick >= QUICK || time > TOGETHER_NS || t->running > 1)
			together_end(t);
		return;
	}
	if (time < WINDOW_NS)
		return;
	habit = w->thread && !w->mixed && t->running <= 1 && w->turns >= TURNS &&
		w->turns * (u64)FAST_NS <= time && w->turns * (u64)SELDOM_NS >= time;
	window_begin(w, now);
	if (habit)
		together_begin(t, now);
}

void together_check(struct strap *t)
{
	struct together *w = &t->together;

	if (!w->on)
		return;
	if (w->seen == w->turns) {
		together_end(t);
		return;
	}
	w->seen = w->turns;
	watchdog_start(t);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping callers off the service thread's processor while calls come fast.
 *
 * A caller that shares our processor sleeps for each answer: two switches, ten times what a spinning one on another
 * processor pays; and while we serve it we keep those waiting that spin elsewhere. The host's scheduler leaves it where it
 * is unless another processor is idle at the very moment of its waking. So, when many such calls come in a row, sleepers
 * are woken on another processor: they may not use ours for as long as the waking takes. Where that does not pay, because
 * others keep the other processor busy and the caller waits for it, it takes twice as many calls until the next trial.
 *
 * It is the other way round for a caller that calls seldom: together.c.
 */
#include "trap/seccomp/seccomp.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define FEW     8          /* calls in a row that make us act; doubled each time in vain */
#define MANY    (1u << 16) /* at most */
#define FAST_US 25         /* a call so often */
#define ON_US   5000       /* sleepers are sent away for so long, then looked at anew */
#define LONG_NS 500000     /* having slept that long we have lost by it, */
#define PAID    64         /* unless so many turns were taken before */

#define FAR_WAKE_MOST 40000UL /* ns: what took longer was not the waking */

void apart_init(struct strap *t)
{
	t->apart.needed = FEW;
}

/* Whether @th, asleep, is to be woken elsewhere: where calls of sleepers on our own processor come in quick succession. */
static bool apart_due(struct strap *t, const struct sthread *th)
{
	struct apart *a = &t->apart;
	u32 cpu;
	u64 now = __rdtscp(&cpu);

	if (t->one_cpu || t->together.on || t->family.on || th->cpu != (int)(cpu & 0xfff))
		return false;
	if (a->on && now - a->since < ON_US * t->cycles_per_us)
		return true;
	if (a->on) {
		a->on = false;
		a->needed = FEW;
		a->near = 0;
	}
	if (!a->near++)
		a->since = now;
	if (a->near < a->needed)
		return false;
	a->on = now - a->since < (u64)a->near * FAST_US * t->cycles_per_us;
	a->since = now;
	a->near = 0;
	a->turns = 0;
	return a->on;
}

static void wake(struct sthread *th)
{
	struct strap *t = th->space->trap;
	u32 cpu;
	u64 start = __rdtscp(&cpu), ns;

	syscall(SYS_futex, &th->slot->state, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (th->cpu == (int)(cpu & 0xfff))
		return;
	ns = min((__rdtsc() - start) * 1000 / t->cycles_per_us, FAR_WAKE_MOST);
	t->far_wake_ns = (7 * t->far_wake_ns + ns) / 8;
}

void apart_wake(struct sthread *th)
{
	struct strap *t = th->space->trap;
	struct onecpu ours;
	/* Its number is the host's as long as the thread is there, which is looked at last. */
	bool elsewhere = apart_due(t, th) && !onecpu_choose(&ours, th->tid, th->cpu) &&
			 !syscall(SYS_tgkill, th->space->pid, th->tid, 0) && !onecpu_keep_off(&ours, th->tid);

	wake(th);
	if (elsewhere)
		onecpu_release(&ours, th->tid);
}

/* Waking takes the other processor as long as the end of a long call takes us. It then waits for the answer by spinning, for
 * which there has to be a processor. */
void apart_rouse(struct sthread *th)
{
	struct strap *t = th->space->trap;

	if (t->one_cpu || t->together.on || t->family.on || t->running + 1 >= t->ncpus ||
	    th->cpu == t->page_cpu || !read_once(th->slot->sleeping))
		return;
	wake(th);
}

void apart_slept(struct strap *t, u64 ns)
{
	struct apart *a = &t->apart;

	if (!a->on || ns < LONG_NS)
		return;
	a->on = false;
	a->needed = a->turns < PAID ? min(2 * a->needed, MANY) : FEW;
}

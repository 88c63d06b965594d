/* SPDX-License-Identifier: Apache-2.0 */
/* When nothing is there to do: how long polling for it pays, going to sleep, and what is learnt from how long that was. */
#include "trap/seccomp/seccomp.h"

#include <x86intrin.h>

#define SPIN_NS       50000 /* while a CPU is free, and calls come fast */
#define SPIN_LEAST_NS 10000 /* and while they don't */
#define SPIN_OVERLOAD_NS \
	5000 /* while none is free: two switches, and what it takes to wake who sleeps elsewhere */
#define STEP_NS 4000
#define SPIN_CLONE_NS \
	300000            /* while a clone is on its way: its copying of an address space takes that long */
#define MOST_LOOKS     16 /* at threads of one process */
#define SHORT_SLEEP_NS 100000 /* that spinning would have spared: the way out of the sleep counts, too */

/*
 * How long polling pays. While fewer guests run than there are CPUs, a call may come any moment from another CPU; how
 * long that is worth waiting for is learnt from how long the last sleeps were (event_sleep_end()). While no CPU is free,
 * or a quota stands against using them all at once, as long as two switches would cost. A partner whose last CPU is our
 * own cannot run while we spin.
 */
u64 event_spin_ns(struct trap *trap)
{
	struct strap *t = strap_of(trap);
	struct sspace *s;
	struct sthread *th;
	bool free_cpu = !t->running || t->running < t->ncpus;
	/* In steps: stubs read the page in which it is told. */
	u64 overload_ns = SPIN_OVERLOAD_NS + t->far_wake_ns / STEP_NS * STEP_NS;
	u64 ns = free_cpu ? t->patience : overload_ns, cycles;

	if (!list_empty(&t->orders) && free_cpu)
		ns = SPIN_CLONE_NS;
	if (t->one_cpu || (!t->running && list_empty(&t->orders)))
		ns = 0;
	cycles = t->one_cpu ? 0 : (free_cpu ? SPIN_NS : overload_ns) * t->cycles_per_us / 1000;
	/* Stubs read this page in every turn: writing it makes them wait for it. */
	if (t->kpage->spin_cycles != cycles)
		t->kpage->spin_cycles = cycles;
	if (!ns || t->family.out)
		return 0;
	list_for_each (s, &t->out, out_node) {
		u32 looks = 0;

		/* A thousand threads may be out, and asleep in host calls: those that went last are the likeliest to run. */
		for (struct list *at = s->out.prev; at != &s->out && looks < MOST_LOOKS;
		     at = at->prev, looks++) {
			th = list_entry(at, struct sthread, out_node);
			if (th->state != THREAD_RUNNING && th->state != THREAD_CLONING)
				continue;
			if ((int)(read_once(th->slot->cpu) & SLOT_CPU) != t->page_cpu &&
			    !read_once(th->slot->in_host_call))
				return ns;
		}
	}
	return list_empty(&t->orders) ? 0 : ns;
}

void idle_begin(struct strap *t)
{
	u32 cpu;

	__rdtscp(&cpu);
	t->page_cpu = cpu & 0xfff;
	t->kpage->cpu = (u32)t->page_cpu;
	t->patience = SPIN_NS;
	t->kpage->spin_cycles = t->one_cpu ? 0 : SPIN_NS * t->cycles_per_us / 1000;
}

bool event_sleep_begin(struct trap *trap)
{
	struct strap *t = strap_of(trap);

	store_seq(&t->kpage->asleep, 1);
	for (size_t i = 0; i < ARRAY_SIZE(t->watched); i++)
		if (t->watched[i])
			unwatch(t->watched[i]);
	events_collect(t);
	if (list_empty(&t->ready) && list_empty(&t->completions) && !space_death_due(t) && !orders_due(t)) {
		t->slept_at = now_ns();
		return true;
	}
	store_seq(&t->kpage->asleep, 0);
	return false;
}

/* Sleeps that are short say that calls come fast, and one is enough: what it spares is ten times what a spin in vain
 * costs. Long ones wear the patience out. */
void event_sleep_end(struct trap *trap)
{
	struct strap *t = strap_of(trap);
	u64 now, slept;

	store_seq(&t->kpage->asleep, 0);
	now = now_ns();
	slept = now - t->slept_at;
	if (slept < SHORT_SLEEP_NS)
		t->patience = SPIN_NS;
	else
		t->patience = max(t->patience / 2, (u64)SPIN_LEAST_NS);
	together_woke(t, now, slept);
	apart_slept(t, slept);
}

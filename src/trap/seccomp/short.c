/* SPDX-License-Identifier: Apache-2.0 */
/* What the stub may answer without a turn, as its slots say; and how often it did, as far as they can be believed. */
#include "trap/seccomp/seccomp.h"
#include "trap/short_numbers.h"

#include <string.h>

static u32 number_of(u32 i)
{
	return i < NR_CONSTANT_CALLS ? constant_numbers[i] : short_numbers[i - NR_CONSTANT_CALLS];
}

void count_short_calls(struct sthread *th)
{
	u32 now = read_once(th->slot->stub_calls);

	if (now == th->short_calls)
		return;
	th->short_calls = now;
	for (u32 i = 0; i < NR_CONSTANT_CALLS + NR_SHORT_CALLS; i++) {
		u32 nr = number_of(i), count = read_once(th->slot->counts[nr]);

		th->space->trap->short_calls[nr] += (u32)(count - th->short_counts[i]);
		th->short_counts[i] = count;
	}
}

void short_publish(struct sthread *th)
{
	if (!th->published || th->short_ways != th->base.short_ways)
		th->slot->short_ways = th->short_ways = th->base.short_ways;
	if (th->published && !memcmp(th->constants, th->base.constants, sizeof th->constants))
		return;
	memcpy(th->constants, th->base.constants, sizeof th->constants);
	for (u32 i = 0; i < NR_CONSTANT_CALLS; i++)
		th->slot->constants[constant_numbers[i]] = th->constants[i];
	th->published = true;
}

/* Never taken away while the thread runs: the stub looks twice. */
void short_constant(struct trap_thread *thread, enum constant_call call, u32 value)
{
	struct sthread *th = sthread_of(thread);

	if (!th->base.constants[call])
		return;
	th->base.constants[call] = value + 1;
	if (th->published) {
		th->constants[call] = value + 1;
		__atomic_store_n(&th->slot->constants[constant_numbers[call]], value + 1, __ATOMIC_RELAXED);
	}
}

/* What threads have counted is looked at when they end, or now. */
void short_calls(struct trap *trap, u64 *count)
{
	struct strap *t = strap_of(trap);
	struct sspace *s;
	struct sthread *th;

	list_for_each (s, &t->spaces, node) {
		list_for_each (th, &s->threads, node)
			count_short_calls(th);
		list_for_each (th, &s->free, node)
			count_short_calls(th);
	}
	for (u32 nr = 0; nr < HUSK_COUNTED_CALLS; nr++)
		count[nr] += t->short_calls[nr];
}

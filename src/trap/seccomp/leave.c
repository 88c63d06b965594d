/* SPDX-License-Identifier: Apache-2.0 */
/* Memory calls that stubs make by themselves: the leave to it, and what they say that they have done. */
#include "trap/seccomp/seccomp.h"

#include <string.h>

static struct slot_memory *memory_of(const struct sthread *th)
{
	return (struct slot_memory *)((char *)th->slot + HUSK_MEMORY_OFFSET);
}

void leave_init(struct sthread *th)
{
	memset(memory_of(th), 0, sizeof(struct slot_memory));
}

void leave_publish(struct sthread *th)
{
	if (!th->base.leave || th->given_leave == th->base.leave_version)
		return;
	th->given_leave = th->base.leave_version;
	memcpy(&memory_of(th)->leave, th->base.leave, sizeof *th->base.leave);
}

bool leave_has_deeds(const struct sthread *th)
{
	return th->given_leave && read_once(memory_of(th)->said) != th->deeds_taken;
}

static u32 take(struct sthread *th, struct memory_deed *deeds, u32 room)
{
	struct slot_memory *m = memory_of(th);
	u32 waiting = load_acquire(&m->said) - th->deeds_taken, n;

	room = min(min(room, waiting), (u32)HUSK_MEMORY_DEEDS);
	for (n = 0; n < room; n++) {
		const struct memory_deed *d = &m->deed[th->deeds_taken++ % HUSK_MEMORY_DEEDS];

		deeds[n] = (struct memory_deed){read_once(d->kind), read_once(d->prot), read_once(d->addr),
						read_once(d->len)};
	}
	/* More than there is room for is no honest number: it starts anew. */
	if (waiting > HUSK_MEMORY_DEEDS)
		th->deeds_taken = read_once(m->said);
	if (n)
		__atomic_store_n(&m->taken, th->deeds_taken, __ATOMIC_RELEASE);
	return n;
}

u32 leave_deeds(struct trap_space *space, struct memory_deed *deeds)
{
	struct sspace *s = sspace_of(space);
	struct sthread *th;
	u32 n = 0;

	list_for_each (th, &s->threads, node)
		if (th->given_leave)
			n += take(th, deeds + n, HUSK_MEMORY_DEEDS - n);
	return n;
}

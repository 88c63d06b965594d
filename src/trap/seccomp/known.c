/* SPDX-License-Identifier: Apache-2.0 */
/* What stubs know of descriptors: told with the answer, while nobody else runs, and taken back: channel/known.h. */
#include "trap/seccomp/seccomp.h"

#define CLOSES (KNOWN_CLOSE_0 | KNOWN_CLOSE_1)

u8 known_now(const struct sthread *th)
{
	return th->space->trap->running ? 0 : th->base.known.bits;
}

void known_publish(struct sthread *th, u8 bits)
{
	const struct trap_known *known = &th->base.known;
	struct slot *slot = th->slot;

	if (bits) {
		slot->arg[3] = known_pair(known->fd[0], known->fd[1]);
		slot->arg[4] = known->flags;
	}
	slot->known = th->known_given = bits;
}

/* Of what it has closed the thread may lie: the descriptors are its own. */
void known_read(struct sthread *th)
{
	th->base.closed = th->known_given ? th->known_given & ~read_once(th->slot->known) & CLOSES : 0;
	th->known_given = 0;
}

u8 known_take(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);
	u8 given = th->known_given;

	/* Decided, but not given yet. */
	if (th->state == THREAD_WAITING || th->partial)
		thread->known.bits = 0;
	if (!given)
		return 0;
	th->known_given = 0;
	return given & ~__atomic_exchange_n(&th->slot->known, 0, __ATOMIC_SEQ_CST) & CLOSES;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What tracers will ask, as their stubs have it: given with the answer to wait4(), taken back when it no longer holds. */
#include "channel/foreseen.h"
#include "trap/seccomp/seccomp.h"

#include <string.h>

_Static_assert(sizeof(struct slot_memory) <= HUSK_FORESEEN_OFFSET - HUSK_MEMORY_OFFSET,
	       "behind memory calls");

static struct foreseen *foreseen_of(const struct sthread *th)
{
	return (struct foreseen *)((char *)th->slot + HUSK_FORESEEN_OFFSET);
}

void foreseen_init(struct sthread *th)
{
	memset(foreseen_of(th), 0, sizeof(struct foreseen));
}

void foreseen_publish(struct sthread *th)
{
	const struct trap_foreseen *from = &th->base.foreseen;
	struct foreseen *f = foreseen_of(th);

	if (!from->pid)
		return;
	f->pid = (u32)from->pid;
	f->size = from->size;
	memcpy(f->info, from->info, from->size);
	f->quiet = from->quiet;
	store_seq(&f->resume, FORESEEN_LEAVE);
	th->base.foreseen.pid = 0;
	th->foreseen_given = true;
}

bool foreseen_asked(const struct sthread *th)
{
	return load_acquire(&foreseen_of(th)->resume) == FORESEEN_ASKED;
}

bool foreseen_take(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);
	struct foreseen *f = foreseen_of(th);

	thread->foreseen.pid = 0;
	if (!th->foreseen_given)
		return false;
	th->foreseen_given = false;
	store_seq(&f->quiet, 0);
	return __atomic_exchange_n(&f->resume, FORESEEN_NONE, __ATOMIC_SEQ_CST) == FORESEEN_ASKED;
}

void foreseen_noise(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	thread->foreseen.quiet = false;
	if (th->foreseen_given)
		store_seq(&foreseen_of(th)->quiet, 0);
}

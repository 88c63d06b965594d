/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the stubs of a space read by themselves (channel.h: struct donated_table): which host descriptors there
 * are, under which numbers.
 *
 * A number's life: given by an operation of the log, named by words of the table, without a name, closed by another
 * operation. A thread may have found a word just before it was taken away, and still be on its way into the host: so
 * the descriptor stays what it is until every thread that ran then has taken a turn. Where only the caller runs that is
 * at once, else whenever it is looked at again; when too many wait the threads are asked for a turn.
 */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_WAITING 16 /* descriptors without a name, before threads are asked */

struct sweeper {
	struct sspace *s; /* NULL: it is gone */
};

struct donations {
	u64 given, ending;          /* bits by number: has a name; waits to be closed */
	u64 epoch[HUSK_NR_DONATED]; /* of the space's settling, when it began to wait */
	u32 word[HUSK_NR_DONATED];  /* of the table */
	u32 generation;
	struct sweeper *sweeper; /* of a wait for all threads that is under way; its own */
};

_Static_assert(HUSK_NR_DONATED == 64, "a bit for each number");
_Static_assert(HUSK_DONATED_FDS == TRAP_DONATED_FDS && HUSK_DONATED_MAX == TRAP_DONATED_READ &&
		       HUSK_DONATED_BEYOND == TRAP_OFFSET_TAKEN,
	       "as the kernel knows it");
_Static_assert(TRAP_DEVICE_SINK == DEVICE_SINK && TRAP_DEVICE_ZEROS == DEVICE_ZEROS, "as the stub knows it");

static struct donated_table *table_of(struct sspace *s)
{
	return (struct donated_table *)(s->region->base + HUSK_DONATED_OFFSET);
}

/* Closes what nobody can be about to use any more. The number is free then: the log keeps the order. */
static void sweep(struct sspace *s)
{
	struct donations *d = s->donations;
	u64 oldest = d->ending ? space_oldest_epoch(s) : 0;

	for (u64 left = d->ending; left; left &= left - 1) {
		u32 i = (u32)__builtin_ctzl(left);
		struct trap_op op = {.kind = TRAP_OP_CLOSE, .addr = i, .len = 1, .fd = HOSTFD_NONE};

		if (oldest >= d->epoch[i] && !oplog_queue(&s->log, &op))
			d->ending &= ~(1UL << i);
	}
}

static void settled(void *arg, long result)
{
	struct sweeper *w = arg;
	struct sspace *s = w->s;

	free(w);
	if (!s)
		return;
	s->donations->sweeper = NULL;
	sweep(s);
}

static void ask_threads(struct sspace *s)
{
	struct sweeper *w = s->donations->sweeper ? NULL : malloc(sizeof *w);

	if (!w)
		return;
	w->s = s;
	if (space_settle(&s->base, settled, w))
		free(w);
	else
		s->donations->sweeper = w;
}

int donate(struct trap_space *space, struct hostfd file, u32 *number)
{
	struct sspace *s = sspace_of(space);
	struct donations *d = s->donations;
	struct trap_op op = {.kind = TRAP_OP_DONATE, .fd = file, .len = 1};
	u64 unused;
	int err;

	if (!d)
		d = s->donations = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	sweep(s);
	unused = ~(d->given | d->ending);
	if (!unused)
		return -ENOSPC;
	op.addr = (u64)__builtin_ctzl(unused);
	d->generation++;
	op.offset = d->generation << DONATED_SHIFT | DONATED | (u32)op.addr;
	err = oplog_queue(&s->log, &op);
	if (err)
		return err;
	d->word[op.addr] = (u32)op.offset;
	d->given |= 1UL << op.addr;
	*number = (u32)op.addr;
	return 0;
}

void donate_name(struct trap_space *space, int fd, u32 number, bool at_only)
{
	struct sspace *s = sspace_of(space);

	store_seq(&table_of(s)->fd[fd], s->donations->word[number] | (at_only ? DONATED_AT : 0));
}

void donate_device(struct trap_space *space, int fd, u32 what)
{
	store_seq(&table_of(sspace_of(space))->fd[fd], what);
}

void donate_unname(struct trap_space *space, int fd)
{
	store_seq(&table_of(sspace_of(space))->fd[fd], 0);
}

void donate_end(struct trap_space *space, u32 number)
{
	struct sspace *s = sspace_of(space);
	struct donations *d = s->donations;

	d->given &= ~(1UL << number);
	d->ending |= 1UL << number;
	/* Whoever runs now has an older one. */
	d->epoch[number] = ++s->settling.epoch;
	sweep(s);
	if (__builtin_popcountl(d->ending) >= MAX_WAITING && !s->base.dead)
		ask_threads(s);
}

static int close_all(struct sspace *s)
{
	struct trap_op op = {.kind = TRAP_OP_CLOSE, .addr = 0, .len = HUSK_NR_DONATED, .fd = HOSTFD_NONE};

	return oplog_queue(&s->log, &op);
}

int donations_fork(struct sspace *parent, struct sspace *child)
{
	/* What is being given or closed in the parent's log comes before the fork. */
	if (!parent->donations || !(parent->donations->given | parent->donations->ending))
		return 0;
	return close_all(child);
}

int donations_clear(struct sspace *s)
{
	struct donations *d = s->donations;

	if (d)
		d->given = d->ending = 0;
	return close_all(s);
}

void donations_free(struct sspace *s)
{
	if (s->donations && s->donations->sweeper)
		s->donations->sweeper->s = NULL;
	free(s->donations);
	s->donations = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * membarrier(2): a memory barrier on every CPU that runs a thread of the caller's process.
 *
 * A thread that takes a turn has passed one, and comes back through the host's sigreturn or iret, which also
 * synchronises its instruction fetch; one that does not run has passed one when it was descheduled.
 */
#include <errno.h>
#include <linux/membarrier.h>

#include "mm/mm.h"
#include "sys/settle.h"

/* Linux: also the global commands, and restartable sequences. Here: refused as where a kernel lacks them, because they
 * need other processes' CPUs interrupted, and because there are no restartable sequences. */
static const struct barrier {
	int command,
		needs; /* needs: the registration without which it is EPERM; 0: it is a registration itself */
} barriers[] = {
	{MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED},
	{MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE},
	{MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0},
	{MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0},
};

#define GET_REGISTRATIONS (1 << 9) /* Linux 6.3 */

static long barrier_done(struct task *t, struct call *c)
{
	return 0;
}

long sys_membarrier(struct task *t, struct call *c)
{
	int command = (int)c->arg[0], all = GET_REGISTRATIONS;

	if ((u32)c->arg[1])
		return -EINVAL;
	if (command == GET_REGISTRATIONS)
		return t->mm->membarrier;
	for (size_t i = 0; i < ARRAY_SIZE(barriers); i++) {
		const struct barrier *b = &barriers[i];

		all |= b->command;
		if (command != b->command)
			continue;
		if (!b->needs) {
			t->mm->membarrier |= (u32)command;
			return 0;
		}
		if (!(t->mm->membarrier & (u32)b->needs))
			return -EPERM;
		return call_settle(t, c, barrier_done);
	}
	return command == MEMBARRIER_CMD_QUERY ? all : -EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the mm room needs of other rooms, for tests of it alone; what it orders of a trap goes into a queue. */
#ifndef HUSK_TESTS_UNIT_MM_ALONE_H
#define HUSK_TESTS_UNIT_MM_ALONE_H

#include <errno.h>

#include "random.h"
#include "vfs/donate.h"
#include "vfs/sync.h"

static struct trap_op queue[128];
static int queued;

bool capable(const struct task *t, int cap)
{
	return true;
}

void task_load_regs(struct task *t)
{
}

struct file *file_get(struct file *f)
{
	return f;
}

void file_put(struct file *f)
{
}

long inode_change_wait(struct task *t, struct inode *i, u64 size)
{
	return 0;
}

long file_sync(struct task *t, struct call *c, struct file *f, bool data_only)
{
	return 0;
}

void donate_space_ends(struct trap_space *space)
{
}

static int fake_op(struct trap_space *space, const struct trap_op *op)
{
	if (queued == (int)ARRAY_SIZE(queue))
		return -ENOMEM;
	queue[queued++] = *op;
	return 0;
}

static void fake_put(struct trap_space *space)
{
}

static void fake_died(struct mm *mm, int signo)
{
	EXPECT(!"the space died");
}

#endif

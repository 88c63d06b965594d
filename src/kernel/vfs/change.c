/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is to change a file's bytes.
 *
 * On Linux a write holds the inode's lock: other writes, truncations and allocations come before it or after it. Here
 * a call is mostly over before the next one begins. Only one that goes by slices, so that the service thread can do
 * other things in between, says so; whoever else wants to change the bytes waits, and readers go on. What the file system
 * has to do first, it may have done by somebody else meanwhile (inode_ops.before_change).
 */
#include <errno.h>
#include <stdlib.h>

#include "vfs/inode.h"

struct change {
	struct inode *inode; /* owned */
	struct wait_queue ended;
};

static void change_end(struct task *t, void *priv)
{
	struct change *ch = priv;

	ch->inode->change = NULL;
	wait_queue_end(&ch->ended);
	inode_put(ch->inode);
	free(ch);
}

bool change_begin(struct task *t, struct call *c, struct inode *i)
{
	struct change *ch;

	if (i->change)
		return i->change == c->priv;
	ch = c->priv ? NULL : malloc(sizeof *ch);
	if (!ch)
		return false;
	ch->inode = inode_get(i);
	wait_queue_init(&ch->ended);
	i->change = ch;
	c->priv = ch;
	c->priv_free = change_end;
	return true;
}

long inode_change_wait(struct task *t, struct inode *i, u64 size)
{
	struct wait_queue *queue = NULL;
	int err = 0;

	if (i->change)
		queue = i->change == t->call.priv ? NULL : &i->change->ended;
	else if (i->ops->before_change)
		err = i->ops->before_change(i, size, &queue);
	if (err || !queue)
		return err;
	/* Linux: an uninterruptible wait. */
	err = t->work & TASK_WORK_EXIT ? -EINTR : wait_add(queue, t);
	return err ? err : CALL_PARK;
}

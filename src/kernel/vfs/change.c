/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is to change a file's bytes, and to move an open file's offset.
 *
 * On Linux a write holds the inode's lock: other writes, truncations and allocations come before it or after it; and
 * what goes by the offset of an open file of several users holds that file's lock (f_pos_lock), so that each byte goes
 * to one reader and a read is one piece of the file. Here a call is mostly over before the next one begins. Only one
 * that goes by slices, or waits in its middle, so that the service thread can do other things in between, says so;
 * whoever else wants to change the bytes, or to use the offset, waits. What the file system has to do first, it may
 * have done by somebody else meanwhile (inode_ops.before_change).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "vfs/inode.h"

struct change {
	struct inode *inode; /* owned, nullable: whose bytes */
	struct file *file;   /* owned, nullable: whose offset */
	struct wait_queue ended;
};

static void change_end(struct task *t, void *priv)
{
	struct change *ch = priv;

	if (ch->inode)
		ch->inode->change = NULL;
	if (ch->file)
		ch->file->moving = NULL;
	wait_queue_end(&ch->ended);
	inode_put(ch->inode);
	file_put(ch->file);
	free(ch);
}

/* The call's own; NULL: no memory, or it keeps something else. */
static struct change *change_of(struct call *c)
{
	struct change *ch;

	if (c->priv)
		return c->priv_free == change_end ? c->priv : NULL;
	ch = zalloc(sizeof *ch);
	if (!ch)
		return NULL;
	wait_queue_init(&ch->ended);
	c->priv = ch;
	c->priv_free = change_end;
	return ch;
}

bool change_begin(struct task *t, struct call *c, struct inode *i)
{
	struct change *ch;

	if (i->change)
		return i->change == c->priv;
	ch = change_of(c);
	if (!ch || ch->inode)
		return false;
	ch->inode = inode_get(i);
	i->change = ch;
	return true;
}

bool offset_begin(struct task *t, struct call *c, struct file *f)
{
	struct change *ch;

	if (f->moving)
		return f->moving == c->priv;
	ch = change_of(c);
	if (!ch || ch->file)
		return false;
	ch->file = file_get(f);
	f->moving = ch;
	return true;
}

static long wait_in(struct task *t, struct wait_queue *queue)
{
	/* Linux: an uninterruptible wait. */
	int err = t->work & TASK_WORK_EXIT ? -EINTR : wait_add(queue, t);

	return err ? err : CALL_PARK;
}

long offset_wait(struct task *t, struct file *f)
{
	return f->moving && f->moving != t->call.priv ? wait_in(t, &f->moving->ended) : 0;
}

long inode_change_wait(struct task *t, struct inode *i, u64 size)
{
	struct wait_queue *queue = NULL;
	int err = 0;

	if (i->change)
		queue = i->change == t->call.priv ? NULL : &i->change->ended;
	else if (i->ops->before_change)
		err = i->ops->before_change(i, size, &queue);
	return err || !queue ? err : wait_in(t, queue);
}

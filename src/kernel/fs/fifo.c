/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making pipes and opening FIFOs.
 *
 * A FIFO's pipe hangs off its inode while anybody has it open. A blocking open is an end of the pipe from its
 * start, so that the other side's open finds it; if a signal ends the wait, the half-opened file is put like
 * any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/task.h"
#include "fs/pipe.h"
#include "fs/pipe_impl.h"
#include "vfs/anon.h"

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;

	if (!pipe_end_closed(p, f))
		return;
	f->inode->pipe = NULL;
	pipe_free(p);
}

static void pipe_link_name(struct file *f, char *buf, size_t size)
{
	snprintf(buf, size, "pipe:[%lu]", f->inode->ino);
}

static long used(struct file *f, long moved, bool written)
{
	if (moved > 0 && f->inode->ops && f->inode->ops->used)
		f->inode->ops->used(f->inode, f, written);
	return moved;
}

static long end_read(struct file *f, struct uio *to, u64 *pos)
{
	return used(f, pipe_read(f, to, pos), false);
}

static long end_write(struct file *f, struct uio *from, u64 *pos)
{
	return used(f, pipe_write(f, from, pos), true);
}

static const struct file_ops pipe_ops = {
	.read = end_read,
	.write = end_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fcntl = pipe_fcntl,
	.release = pipe_release,
	.link_name = pipe_link_name,
	.rw = RW_NOWAIT,
	.stream = true,
	.between = true,
};

bool file_is_pipe(const struct file *f)
{
	return f->ops == &pipe_ops;
}

/* One end of the pipe behind @inode (borrowed). */
static int open_end(struct kernel *k, struct inode *inode, u32 flags, struct file **out)
{
	struct pipe *p = inode->pipe;
	int err = file_new(k, &pipe_ops, flags, inode, p, out);

	if (err < 0)
		return err;
	inode_get(inode); /* file_new() took the caller's */
	pipe_end_opened(p, *out);
	return 0;
}

int pipe_open_pair(struct kernel *k, const struct cred *cred, u32 flags, struct file **reader,
		   struct file **writer)
{
	struct inode *inode = anon_inode_new(k, cred, S_IFIFO | 0600);
	struct file *rd;
	int err = -ENOMEM;

	if (!inode)
		return -ENOMEM;
	inode->pipe = pipe_alloc(k);
	if (!inode->pipe)
		goto put_inode;
	((struct pipe *)inode->pipe)->nameless = true;
	err = open_end(k, inode, O_RDONLY | flags, &rd);
	if (err < 0) {
		pipe_free(inode->pipe);
		goto put_inode;
	}
	err = open_end(k, inode, O_WRONLY | flags, writer);
	if (err < 0)
		file_put(rd);
	else
		*reader = rd;
put_inode:
	inode_put(inode);
	return err;
}

/* ---- FIFOs ---- */

/* Waits until the other side has been opened once more since c->scratch[0]; c->file is our end. */
static long fifo_wait(struct task *t, struct call *c, struct file **out)
{
	struct pipe *p = c->file->priv;
	bool reading = file_readable(c->file);
	long r;

	wait_remove_all(t);
	if ((reading ? p->writer_opens : p->reader_opens) != c->scratch[0]) {
		*out = c->file;
		c->file = NULL;
		return 0;
	}
	r = wait_add(reading ? &p->rd_wait : &p->wr_wait, t);
	if (!r)
		r = call_wait(t);
	if (r == CALL_PARK)
		return r;
	/* The end must go now, not when the call has ended: an open that failed is no reader. */
	file_put(c->file);
	c->file = NULL;
	return r;
}

static long fifo_open(struct task *t, struct call *c, struct inode *i, u32 flags, struct file **out)
{
	u32 mode = flags & O_ACCMODE;
	struct file *f;
	struct pipe *p;
	int err;

	if (c->file)
		return fifo_wait(t, c, out);
	p = i->pipe;
	if (mode == O_WRONLY && (flags & O_NONBLOCK) && (!p || (!p->readers && !p->nameless)))
		return -ENXIO;
	if (mode == O_ACCMODE || flags & O_DIRECT)
		return -EINVAL;
	if (!p) {
		p = i->pipe = pipe_alloc(t->k);
		if (!p)
			return -ENOMEM;
	}
	err = open_end(t->k, i, flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC), &f);
	if (err < 0) {
		if (!p->readers && !p->writers) {
			i->pipe = NULL;
			pipe_free(p);
		}
		return err;
	}
	if (mode == O_RDWR || p->nameless || (flags & O_NONBLOCK) ||
	    (mode == O_RDONLY ? p->writers : p->readers)) {
		*out = f;
		return 0;
	}
	c->file = f;
	c->scratch[0] = mode == O_RDONLY ? p->writer_opens : p->reader_opens;
	return fifo_wait(t, c, out);
}

void pipe_init(struct kernel *k)
{
	k->vfs->fifo_open = fifo_open;
}

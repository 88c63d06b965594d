/* SPDX-License-Identifier: Apache-2.0 */
/* Process descriptors (pidfd_open(2)): a file that holds a group and becomes readable when that ends. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "task/life.h"
#include "vfs/anon.h"

#define PIDFS_DEV 5 /* a device without a name, as on Linux */

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct thread_group *g = f->priv;

	poll_wait(pt, &g->exit_wait);
	return g->zombie ? EPOLLIN | EPOLLRDNORM : 0;
}

static void pidfd_release(struct file *f)
{
	group_put(f->priv);
}

static void pidfd_show(struct file *f, struct text *out)
{
	struct thread_group *g = f->priv;
	int pid = g->zombie && list_empty(&g->threads) ? -1 : g->tgid;

	text_add(out, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

/* fs/pidfs.c: a file system of its own, in which a process is a file without a type. */
static int pidfd_getattr(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){.dev = PIDFS_DEV, .ino = i->ino, .mode = 0700, .nlink = 1, .blksize = PAGE_SIZE};
	return 0;
}

static const struct inode_ops pidfd_inode_ops = {.getattr = pidfd_getattr, .setattr = fixed_setattr};

static const struct file_ops pidfd_ops = {
	.show = pidfd_show,
	.poll = pidfd_poll,
	.release = pidfd_release,
	.name = "[pidfd]",
};

int pidfd_new(struct thread_group *g, u32 flags, struct file **out)
{
	struct inode *i;
	int err;

	if (!g->pidfd_ino)
		g->pidfd_ino = ++g->k->anon_ino;
	i = inode_new(g->k, NULL, &pidfd_inode_ops, 0, g->pidfd_ino, NULL);
	if (!i)
		return -ENOMEM;
	err = file_new(g->k, &pidfd_ops, 2 /* O_RDWR */ | flags, i, g, out);
	if (err)
		inode_put(i);
	else
		group_get(g);
	return err;
}

struct thread_group *pidfd_group(const struct file *f)
{
	return f->ops == &pidfd_ops ? f->priv : NULL;
}

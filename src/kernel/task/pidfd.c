/* SPDX-License-Identifier: Apache-2.0 */
/* Process descriptors (pidfd_open(2)): a file that holds a group and becomes readable when that ends. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "task/life.h"
#include "vfs/file.h"

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

static const struct file_ops pidfd_ops = {
	.show = pidfd_show,
	.poll = pidfd_poll,
	.release = pidfd_release,
	.name = "[pidfd]",
	.stream = true,
};

int pidfd_new(struct thread_group *g, u32 flags, struct file **out)
{
	int err = file_new(g->k, &pidfd_ops, 2 /* O_RDWR */ | flags, NULL, g, out);

	if (!err)
		group_get(g);
	return err;
}

struct thread_group *pidfd_group(const struct file *f)
{
	return f->ops == &pidfd_ops ? f->priv : NULL;
}

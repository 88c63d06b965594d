/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd(2): a 64-bit counter as a file. */
#include "fs/eventfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "core/kernel.h"
#include "vfs/anon.h"

#define EVENTFD_MAX (~0UL - 1)

struct eventfd {
	struct kernel *k;
	u64 count;
	bool semaphore;
	struct wait_queue wait;
};

static long eventfd_read(struct file *f, struct uio *to, u64 *pos)
{
	struct eventfd *e = f->priv;
	u64 value;
	long n;

	if (to->left < sizeof value)
		return -EINVAL;
	if (!e->count)
		return -EAGAIN;
	value = e->semaphore ? 1 : e->count;
	/* Before it is known whether it can be told, as on Linux. */
	e->count -= value;
	n = uio_to_user_whole(to, &value, sizeof value);
	wake_all(&e->wait);
	return n;
}

static long eventfd_write(struct file *f, struct uio *from, u64 *pos)
{
	struct eventfd *e = f->priv;
	u64 value;
	long n;

	if (from->left != sizeof value)
		return -EINVAL;
	n = uio_from_user(from, &value, sizeof value);
	if (n < 0)
		return n;
	if (n < (long)sizeof value)
		return -EFAULT;
	if (value == ~0UL)
		return -EINVAL;
	if (EVENTFD_MAX - e->count < value)
		return -EAGAIN;
	e->count += value;
	wake_all(&e->wait);
	return sizeof value;
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->priv;
	u32 events = 0;

	poll_wait(pt, &e->wait);
	if (e->count)
		events |= EPOLLIN;
	if (e->count < EVENTFD_MAX)
		events |= EPOLLOUT;
	return events;
}

static void eventfd_release(struct file *f)
{
	struct eventfd *e = f->priv;

	object_count(e->k, "eventfd", -1);
	free(e);
}

static void eventfd_show(struct file *f, struct text *out)
{
	struct eventfd *e = f->priv;

	text_add(out, "eventfd-count: %16lx\neventfd-id: 0\neventfd-semaphore: %d\n", e->count, e->semaphore);
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_read,
	.show = eventfd_show,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.name = "[eventfd]",
	.seek = anon_seek,
	.rw = RW_NOWAIT | RW_WRITE_PLAIN,
	.stream = true,
	.between = true,
};

int eventfd_open(struct kernel *k, u32 count, u32 flags, bool semaphore, struct file **out)
{
	struct eventfd *e = calloc(1, sizeof *e);
	int err;

	if (!e)
		return -ENOMEM;
	e->k = k;
	e->count = count;
	e->semaphore = semaphore;
	wait_queue_init(&e->wait);
	err = file_new(k, &eventfd_ops, O_RDWR | flags, NULL, e, out);
	if (err < 0) {
		free(e);
		return err;
	}
	object_count(k, "eventfd", 1);
	return 0;
}

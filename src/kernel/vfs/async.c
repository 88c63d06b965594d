/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O_ASYNC.
 *
 * The file's own wait queues tell: a watch stays on each as long as the flag is set, and each wake that finds the file
 * readable (or writable) becomes a signal for the owner. The task room sends it.
 */
#include "vfs/async.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "vfs/inode.h"

#define MAX_WATCHES 4

struct async {
	int fd; /* what si_fd shows: the descriptor by which it was turned on */
	int nwatches;
	struct watch {
		struct wait_entry entry;
		struct file *file; /* borrowed: it owns the watch */
		u32 events;
	} watches[MAX_WATCHES];
};

struct watch_table {
	struct poll_table pt;
	struct file *file;
};

static void woken(struct wait_entry *entry)
{
	struct watch *w = container_of(entry, struct watch, entry);
	struct file *f = w->file;

	if (f->owner.id && f->ops->poll(f, NULL) & (w->events | EPOLLHUP | EPOLLERR))
		f->k->ops.send_sigio(f, f->async->fd, w->events);
}

static int add_watch(struct poll_table *pt, struct wait_queue *q)
{
	struct watch_table *table = container_of(pt, struct watch_table, pt);
	struct async *a = table->file->async;
	struct watch *w;

	if (a->nwatches == MAX_WATCHES)
		return -ENOMEM;
	w = &a->watches[a->nwatches++];
	*w = (struct watch){.entry.func = woken, .file = table->file, .events = pt->events};
	list_add_tail(&q->entries, &w->entry.node);
	return 0;
}

bool file_can_async(const struct file *f)
{
	/* Most descriptors of events (eventfd, epoll, ...) poll too, but have no inode and send nothing. */
	return f->ops->async || (f->ops->poll && f->inode && !f->ops->always_waits &&
				 (f->ops->stream || f->inode->type == S_IFCHR));
}

int file_set_async(struct file *f, int fd, bool on)
{
	static const u32 events[] = {EPOLLIN, EPOLLOUT};
	struct watch_table table = {.pt.add = add_watch, .file = f};

	file_async_end(f);
	f->flags &= ~(u32)O_ASYNC;
	if (!on)
		return 0;
	f->async = calloc(1, sizeof *f->async);
	if (!f->async)
		return -ENOMEM;
	f->async->fd = fd;
	for (size_t i = 0; f->ops->poll && i < ARRAY_SIZE(events) && !table.pt.error; i++) {
		table.pt.events = events[i];
		f->ops->poll(f, &table.pt);
	}
	if (table.pt.error) {
		file_async_end(f);
		return table.pt.error;
	}
	f->flags |= O_ASYNC;
	return 0;
}

void file_async_end(struct file *f)
{
	if (!f->async)
		return;
	for (int i = 0; i < f->async->nwatches; i++)
		list_del(&f->async->watches[i].entry.node);
	free(f->async);
	f->async = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory notification by signals (fs/notify/dnotify). One request an open file: asking again adds to it; closing any
 * descriptor of the process that asked ends it.
 */
#include "vfs/dnotify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "vfs/notify.h"

struct dnotify {
	struct notify_mark mark;
	struct file *file; /* borrowed: it owns the request */
	const struct fdtable *owner;
	int fd;
	bool multishot;
};

static const struct {
	u32 asked, events;
} kinds[] = {
	{DN_ACCESS, IN_ACCESS},     {DN_MODIFY, IN_MODIFY},
	{DN_ATTRIB, IN_ATTRIB},     {DN_CREATE, IN_CREATE | IN_MOVED_TO},
	{DN_RENAME, IN_MOVED_FROM}, {DN_DELETE, IN_DELETE | IN_MOVED_FROM},
};

static void on_event(struct notify_mark *m, const struct notify_event *e)
{
	struct dnotify *d = container_of(m, struct dnotify, mark);
	struct file *f = d->file;
	int fd = d->fd;

	if (!d->multishot)
		file_dnotify_end(f, NULL);
	if (f->owner.id)
		f->k->ops.send_sigio(f, fd, EPOLLMSG);
}

static void on_gone(struct notify_mark *m)
{
	file_dnotify_end(container_of(m, struct dnotify, mark)->file, NULL);
}

int file_dnotify(struct file *f, const struct fdtable *owner, int fd, u32 arg)
{
	struct dnotify *d = f->dnotify;
	u32 events;

	if (!(arg & ~(u32)DN_MULTISHOT)) {
		file_dnotify_end(f, owner);
		return 0;
	}
	if (!f->inode || f->inode->type != S_IFDIR)
		return -ENOTDIR;
	if (!d) {
		d = calloc(1, sizeof *d);
		if (!d)
			return -ENOMEM;
		d->file = f;
		d->mark.event = on_event;
		d->mark.gone = on_gone;
		notify_mark_add(&d->mark, f->inode, NULL);
		f->dnotify = d;
	}
	d->owner = owner;
	d->fd = fd;
	d->multishot |= arg & DN_MULTISHOT;
	events = d->mark.mask;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (arg & kinds[i].asked)
			events |= kinds[i].events;
	notify_mark_want(&d->mark, events);
	return 0;
}

void file_dnotify_end(struct file *f, const struct fdtable *owner)
{
	struct dnotify *d = f->dnotify;

	if (!d || (owner && d->owner != owner))
		return;
	f->dnotify = NULL;
	notify_mark_remove(&d->mark);
	free(d);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify (fs/notify/inotify).
 *
 * An instance is a file with a queue of events and a list of watches, each of which is a mark on an inode. An event like
 * the newest one in the queue is not queued again; when the queue is full, one IN_Q_OVERFLOW stands for all that
 * follow until it has been read. Watch numbers are never used twice in an instance.
 */
#include "fs/inotify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/text.h"
#include "vfs/anon.h"
#include "vfs/notify.h"

/* How the guest reads one: struct inotify_event, its name padded to a multiple of its size. */
struct user_event {
	s32 wd;
	u32 mask, cookie, len;
};

struct event {
	struct list node;
	size_t name_len;
	/* As the guest reads it: */
	struct user_event head;
	char name[];
};
_Static_assert(offsetof(struct event, name) == offsetof(struct event, head) + sizeof(struct user_event),
	       "the name follows");

struct watch {
	struct notify_mark mark;
	struct list node; /* in instance->watches */
	struct instance *owner;
	int wd;
	bool oneshot, excl_unlink;
};

struct instance {
	struct kernel *k;
	struct list watches, events;
	int next_wd;
	u32 nevents;
	size_t bytes; /* of all events, as read() gives them */
	bool overflowed;
	struct wait_queue wait;
};

/* ---- the queue ---- */

static size_t padded(size_t len)
{
	return len ? align_up(len + 1, sizeof(struct user_event)) : 0;
}

static void drop_event(struct instance *in, struct event *e)
{
	list_del(&e->node);
	in->nevents--;
	in->bytes -= sizeof e->head + e->head.len;
	if (e->head.mask & IN_Q_OVERFLOW)
		in->overflowed = false;
	free(e);
}

static bool same_as_last(struct instance *in, int wd, u32 mask, const char *name, size_t len)
{
	struct event *e;

	if (list_empty(&in->events))
		return false;
	e = list_last(&in->events, struct event, node);
	return !(e->head.mask & IN_IGNORED) && e->head.wd == wd && e->head.mask == mask &&
	       e->name_len == len && (!len || !memcmp(e->name, name, len));
}

static void queue_event(struct instance *in, int wd, u32 mask, u32 cookie, const char *name, size_t len)
{
	struct event *e;

	if (in->overflowed || same_as_last(in, wd, mask, name, len))
		return;
	if (in->nevents >= INOTIFY_MAX_QUEUED) {
		wd = -1;
		mask = IN_Q_OVERFLOW;
		cookie = 0;
		len = 0;
	}
	e = calloc(1, sizeof *e + padded(len));
	if (!e) /* what is lost will show by the next overflow, or not at all */
		return;
	e->head = (struct user_event){wd, mask, cookie, (u32)padded(len)};
	e->name_len = len;
	if (len)
		memcpy(e->name, name, len);
	list_add_tail(&in->events, &e->node);
	in->nevents++;
	in->bytes += sizeof e->head + e->head.len;
	in->overflowed = mask & IN_Q_OVERFLOW;
	wake_all(&in->wait);
}

/* ---- watches ---- */

static void watch_end(struct watch *w)
{
	list_del(&w->node);
	notify_mark_remove(&w->mark);
	w->owner->k->vfs->inotify_watches--;
	free(w);
}

static void watch_ignored(struct watch *w)
{
	queue_event(w->owner, w->wd, IN_IGNORED, 0, NULL, 0);
	watch_end(w);
}

static void on_event(struct notify_mark *m, const struct notify_event *e)
{
	struct watch *w = container_of(m, struct watch, mark);
	u32 mask = e->mask & (IN_ALL_EVENTS | IN_ISDIR);

	/* A directory's own end is told without saying that it was one. */
	if (mask & (IN_DELETE_SELF | IN_MOVE_SELF))
		mask &= ~(u32)IN_ISDIR;
	if (e->unlinked && w->excl_unlink)
		return;
	queue_event(w->owner, w->wd, mask, e->cookie, e->name, e->name ? e->len : 0);
	if (w->oneshot)
		watch_ignored(w);
}

static void on_gone(struct notify_mark *m)
{
	watch_ignored(container_of(m, struct watch, mark));
}

static struct watch *find_watch(struct instance *in, struct inode *i)
{
	for (struct notify_mark *m = i->marks; m; m = m->next) {
		struct watch *w = container_of(m, struct watch, mark);

		if (m->event == on_event && w->owner == in)
			return w;
	}
	return NULL;
}

static void set_mask(struct watch *w, u32 mask)
{
	bool add = mask & IN_MASK_ADD;

	w->oneshot = mask & IN_ONESHOT || (add && w->oneshot);
	w->excl_unlink = mask & IN_EXCL_UNLINK || (add && w->excl_unlink);
	notify_mark_want(&w->mark, (mask & IN_ALL_EVENTS) | (add ? w->mark.mask : 0));
}

int inotify_watch(struct file *f, struct dentry *d, u32 mask)
{
	struct instance *in = f->priv;
	struct inode *i = d->inode;
	struct watch *w = find_watch(in, i);

	if (w) {
		if (mask & IN_MASK_CREATE)
			return -EEXIST;
		set_mask(w, mask);
		return w->wd;
	}
	if (in->k->vfs->inotify_watches >= INOTIFY_MAX_WATCHES)
		return -ENOSPC;
	w = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	w->owner = in;
	w->wd = ++in->next_wd;
	w->mark.event = on_event;
	w->mark.gone = on_gone;
	notify_mark_add(&w->mark, i, d);
	set_mask(w, mask);
	list_add_tail(&in->watches, &w->node);
	in->k->vfs->inotify_watches++;
	return w->wd;
}

int inotify_unwatch(struct file *f, int wd)
{
	struct instance *in = f->priv;
	struct watch *w;

	list_for_each (w, &in->watches, node) {
		if (w->wd == wd) {
			watch_ignored(w);
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- the file ---- */

static long inotify_read(struct file *f, struct uio *to, u64 *pos)
{
	struct instance *in = f->priv;
	long done = 0;

	while (!list_empty(&in->events)) {
		struct event *e = list_first(&in->events, struct event, node);
		size_t size = sizeof e->head + e->head.len;
		long n;

		if (size > to->left)
			return done ? done : -EINVAL;
		n = uio_to_user(to, &e->head, size);
		if (n < (long)size)
			return done ? done : n < 0 ? n : -EFAULT;
		drop_event(in, e);
		done += n;
	}
	return done ? done : -EAGAIN;
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct instance *in = f->priv;

	poll_wait(pt, &in->wait);
	return list_empty(&in->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static long inotify_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	struct instance *in = f->priv;
	int bytes = (int)in->bytes;

	return cmd == FIONREAD ? user_put(t, arg, &bytes) : -ENOTTY;
}

static void inotify_release(struct file *f)
{
	struct instance *in = f->priv;

	while (!list_empty(&in->watches))
		watch_end(list_first(&in->watches, struct watch, node));
	while (!list_empty(&in->events))
		drop_event(in, list_first(&in->events, struct event, node));
	in->k->vfs->inotify_instances--;
	object_count(in->k, "inotify", -1);
	free(in);
}

static void inotify_show(struct file *f, struct text *out)
{
	struct instance *in = f->priv;
	struct kstat st;
	struct watch *w;

	list_for_each (w, &in->watches, node) {
		if (w->mark.inode->ops->getattr(w->mark.inode, &st))
			continue;
		text_add(out, "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0 \n", (u32)w->wd, st.ino,
			 st.dev, w->mark.mask);
	}
}

static const struct file_ops inotify_ops = {
	.read = inotify_read,
	.seek = anon_seek,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.show = inotify_show,
	.release = inotify_release,
	.name = "inotify",
	.rw = RW_READ_PLAIN,
	.async = true,
	.stream = true,
};

bool file_is_inotify(const struct file *f)
{
	return f->ops == &inotify_ops;
}

int inotify_open(struct kernel *k, u32 flags, struct file **out)
{
	struct instance *in;
	int err;

	if (k->vfs->inotify_instances >= INOTIFY_MAX_INSTANCES)
		return -EMFILE;
	in = calloc(1, sizeof *in);
	if (!in)
		return -ENOMEM;
	in->k = k;
	list_init(&in->watches);
	list_init(&in->events);
	wait_queue_init(&in->wait);
	err = file_new(k, &inotify_ops, O_RDONLY | flags, NULL, in, out);
	if (err) {
		free(in);
		return err;
	}
	k->vfs->inotify_instances++;
	object_count(k, "inotify", 1);
	return 0;
}

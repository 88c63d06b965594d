/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event polls.
 *
 * An item stays queued on the wait queues that its file names; each wake puts it on the instance's ready
 * list. Whether it is ready is asked of the file when events are harvested: a level-triggered item that still
 * is goes back to the end of the list, an edge-triggered one waits for the next wake. Items go when their
 * file's last descriptor goes (struct file_link), so that no entry outlives the queue it is on.
 */
#include "fs/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/text.h"
#include "core/kernel.h"
#include "vfs/anon.h"
#include "vfs/inode.h"
#include "core/task.h"

#define EP_PRIVATE      (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)
#define EP_EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define EP_SET_PARAMS   _IOW(0x8a, 1, struct poll_params)
#define EP_GET_PARAMS   _IOR(0x8a, 2, struct poll_params)
#define EP_MAX_BUDGET   64 /* for who is no CAP_NET_ADMIN */
#define EP_MAX_NEST     4
#define EP_QUEUES       2 /* queues that one file names in poll(), at most */

/* The guest's struct epoll_params: how long network devices are asked before a wait sleeps. There are none here that could
 * be asked, so they are kept and told. */
struct poll_params {
	u32 usecs;
	u16 budget;
	u8 prefer, pad;
};

struct epoll {
	struct kernel *k;
	struct list items, ready;
	struct wait_queue wait;
	struct file *file; /* its own, borrowed */
	struct poll_params params;
};

struct item_entry {
	struct wait_entry wait;
	struct epoll_item *item;
};

struct epoll_item {
	struct list node, ready_node;
	struct epoll *ep;
	struct file *file; /* borrowed: it tells us when it goes */
	struct file_link link;
	int fd;
	struct epoll_event event;
	struct item_entry entries[EP_QUEUES];
	int nentries;
};

struct item_table {
	struct poll_table pt;
	struct epoll_item *item;
};

static void epoll_show(struct file *f, struct text *out)
{
	struct epoll *ep = f->priv;
	struct epoll_item *item;
	struct kstat st = {0};

	list_for_each (item, &ep->items, node) {
		file_getattr(item->file, &st);
		text_add(out, "tfd: %8d events: %8x data: %16lx  pos:%lu ino:%lx sdev:%lx\n", item->fd,
			 item->event.events, item->event.data.u64, item->file->pos, st.ino, st.dev);
	}
}

static const struct file_ops epoll_ops;

bool file_is_epoll(const struct file *f)
{
	return f->ops == &epoll_ops;
}

static u32 file_events(struct file *f, struct poll_table *pt)
{
	return f->ops->poll ? f->ops->poll(f, pt) : EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

/* What holds now, seen by @t. */
static u32 item_events(struct epoll_item *item, struct task *t)
{
	struct poll_table look = {.add = poll_add_none, .task = t};

	/* A oneshot item that has fired is deaf until EPOLL_CTL_MOD. */
	if (!(item->event.events & ~EP_PRIVATE))
		return 0;
	return file_events(item->file, &look) & item->event.events & ~EP_PRIVATE;
}

static void item_ready(struct epoll_item *item)
{
	if (list_empty(&item->ready_node))
		list_add_tail(&item->ep->ready, &item->ready_node);
	wake_all(&item->ep->wait);
}

static void item_woken(struct wait_entry *w)
{
	struct epoll_item *item = container_of(w, struct item_entry, wait)->item;

	if (item->event.events & ~EP_PRIVATE)
		item_ready(item);
}

static int item_queue(struct poll_table *pt, struct wait_queue *q)
{
	struct epoll_item *item = container_of(pt, struct item_table, pt)->item;
	struct item_entry *e;

	if (item->nentries == EP_QUEUES)
		return -ENOMEM;
	e = &item->entries[item->nentries++];
	e->item = item;
	e->wait = (struct wait_entry){.func = item_woken};
	/* EPOLLEXCLUSIVE promises that at least one of several is woken: all are. */
	list_add(&q->entries, &e->wait.node);
	return 0;
}

static void item_free(struct epoll_item *item)
{
	for (int i = 0; i < item->nentries; i++)
		list_del(&item->entries[i].wait.node);
	list_del(&item->link.node);
	list_del(&item->ready_node);
	list_del(&item->node);
	object_count(item->ep->k, "epoll_item", -1);
	free(item);
}

static void item_file_gone(struct file_link *link)
{
	item_free(container_of(link, struct epoll_item, link));
}

static struct epoll_item *item_find(struct epoll *ep, struct file *file, int fd)
{
	struct epoll_item *item;

	/* A file knows its items: shorter than the instance's list. */
	list_for_each (item, &file->epoll_items, link.node)
		if (item->link.gone == item_file_gone && item->ep == ep && item->fd == fd)
			return item;
	return NULL;
}

/* ---- nesting ---- */

/* How deep instances are nested below @ep; EP_MAX_NEST + 1 for too deep. @target: the instance that must not
 * be found. */
static int nest_depth(struct epoll *ep, const struct epoll *target, int level)
{
	int deepest = 0;
	struct epoll_item *item;

	if (ep == target || level > EP_MAX_NEST)
		return EP_MAX_NEST + 1;
	list_for_each (item, &ep->items, node)
		if (file_is_epoll(item->file))
			deepest = max(deepest, 1 + nest_depth(item->file->priv, target, level + 1));
	return min(deepest, EP_MAX_NEST + 1);
}

/* How many levels of instances watch the one behind @f. */
static int nest_above(struct file *f, int level)
{
	int highest = 0;
	struct epoll_item *item;

	if (level > EP_MAX_NEST)
		return level;
	list_for_each (item, &f->epoll_items, link.node)
		highest = max(highest, 1 + nest_above(item->ep->file, level + 1));
	return highest;
}

/* ---- epoll_ctl ---- */

/* Queues the item wherever its file says; puts it on the ready list if it is. */
static int item_arm(struct epoll_item *item, struct task *t)
{
	struct item_table table = {.pt = {.add = item_queue, .task = t}, .item = item};

	if (file_events(item->file, &table.pt) & item->event.events & ~EP_PRIVATE)
		item_ready(item);
	return table.pt.error ? -ENOMEM : 0;
}

static int item_add(struct file *epf, struct task *t, struct file *file, int fd,
		    const struct epoll_event *event)
{
	struct epoll *ep = epf->priv;
	struct epoll_item *item = calloc(1, sizeof *item);

	if (!item)
		return -ENOMEM;
	item->ep = ep;
	item->file = file;
	item->fd = fd;
	item->event = *event;
	item->event.events |= EPOLLERR | EPOLLHUP;
	list_init(&item->ready_node);
	item->link.gone = item_file_gone;
	list_add_tail(&file->epoll_items, &item->link.node);
	list_add_tail(&ep->items, &item->node);
	object_count(ep->k, "epoll_item", 1);
	if (item_arm(item, t) < 0) {
		item_free(item);
		return -ENOMEM;
	}
	return 0;
}

static int item_modify(struct epoll_item *item, struct task *t, const struct epoll_event *event)
{
	if (item->event.events & EPOLLEXCLUSIVE)
		return -EINVAL;
	item->event = *event;
	item->event.events |= EPOLLERR | EPOLLHUP;
	/* Queued afresh: a host descriptor's watch is armed by asking with a table. */
	for (int i = 0; i < item->nentries; i++)
		list_del(&item->entries[i].wait.node);
	item->nentries = 0;
	return item_arm(item, t);
}

int epoll_control(struct file *epf, struct task *t, int op, struct file *target, int fd,
		  const struct epoll_event *event)
{
	struct epoll *ep = epf->priv; /* if it is one */
	struct epoll_item *item;

	/* A file that a disk is read for is always ready, to programs. */
	if (!target->ops->poll || target->ops->always_waits)
		return -EPERM;
	if (target == epf || !file_is_epoll(epf))
		return -EINVAL;
	if (event && (event->events & EPOLLEXCLUSIVE)) {
		if (op == EPOLL_CTL_MOD)
			return -EINVAL;
		if (op == EPOLL_CTL_ADD && (file_is_epoll(target) || (event->events & ~EP_EXCLUSIVE_OK)))
			return -EINVAL;
	}
	if (op == EPOLL_CTL_ADD && file_is_epoll(target) &&
	    nest_depth(target->priv, ep, 0) + nest_above(epf, 0) >= EP_MAX_NEST)
		return -ELOOP;
	item = item_find(ep, target, fd);
	switch (op) {
	case EPOLL_CTL_ADD:
		return item ? -EEXIST : item_add(epf, t, target, fd, event);
	case EPOLL_CTL_MOD:
		return item ? item_modify(item, t, event) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (!item)
			return -ENOENT;
		item_free(item);
		return 0;
	}
	return -EINVAL;
}

/* ---- the instance as a file ---- */

int epoll_harvest(struct file *epf, struct task *t, struct epoll_event *events, int max)
{
	struct epoll *ep = epf->priv;
	struct epoll_item *item, *next;
	struct list batch, again;
	int n = 0;

	list_init(&batch);
	list_init(&again);
	list_splice_tail(&batch, &ep->ready);
	list_for_each_safe (item, next, &batch, ready_node) {
		u32 ready;

		if (n == max)
			break;
		list_del(&item->ready_node);
		ready = item_events(item, t);
		if (!ready)
			continue;
		events[n].events = ready;
		events[n++].data = item->event.data;
		if (item->event.events & EPOLLONESHOT)
			item->event.events &= EP_PRIVATE;
		else if (!(item->event.events & EPOLLET))
			list_add_tail(&again, &item->ready_node);
	}
	/* What was not looked at comes first next time, what stays ready behind it. */
	list_splice_tail(&batch, &ep->ready);
	list_splice_tail(&ep->ready, &batch);
	list_splice_tail(&ep->ready, &again);
	return n;
}

struct wait_queue *epoll_queue(struct file *epf)
{
	return &((struct epoll *)epf->priv)->wait;
}

static u32 epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll *ep = f->priv;
	struct epoll_item *item, *next;

	poll_wait(pt, &ep->wait);
	list_for_each_safe (item, next, &ep->ready, ready_node) {
		if (item_events(item, pt ? pt->task : NULL))
			return EPOLLIN | EPOLLRDNORM;
		list_del(&item->ready_node);
	}
	return 0;
}

/* fs/eventpoll.c: ep_eventpoll_ioctl(). */
static long epoll_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	struct epoll *ep = f->priv;
	struct poll_params p;
	long err;

	if (cmd == EP_GET_PARAMS)
		return user_put(t, arg, &ep->params);
	if (cmd != EP_SET_PARAMS)
		return -EINVAL;
	err = user_get(t, &p, arg);
	if (err)
		return err;
	if (p.pad || p.usecs > INT_MAX || p.prefer > 1)
		return -EINVAL;
	if (p.budget > EP_MAX_BUDGET && !capable(t, CAP_NET_ADMIN))
		return -EPERM;
	ep->params = p;
	return 0;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->priv;
	struct epoll_item *item, *next;

	list_for_each_safe (item, next, &ep->items, node)
		item_free(item);
	object_count(ep->k, "epoll", -1);
	free(ep);
}

static const struct file_ops epoll_ops = {
	.poll = epoll_poll,
	.ioctl = epoll_ioctl,
	.show = epoll_show,
	.release = epoll_release,
	.name = "[eventpoll]",
	.seek = anon_seek,
	.stream = true,
};

int epoll_open(struct kernel *k, struct file **out)
{
	struct epoll *ep = calloc(1, sizeof *ep);
	int err;

	if (!ep)
		return -ENOMEM;
	ep->k = k;
	list_init(&ep->items);
	list_init(&ep->ready);
	wait_queue_init(&ep->wait);
	err = file_new(k, &epoll_ops, O_RDWR, NULL, ep, out);
	if (err < 0) {
		free(ep);
		return err;
	}
	ep->file = *out;
	object_count(k, "epoll", 1);
	return 0;
}

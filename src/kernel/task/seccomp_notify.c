/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications of seccomp filters, and the file by which a supervisor answers them (kernel/seccomp.c).
 *
 *	WAITING --RECV--> RECEIVED --SEND, ADDFD with SEND--> ANSWERED --> the call ends, or goes on (CONTINUE)
 *
 * A notification is its call's private data: it goes when the call does, answered or not. The task that waits looks at it
 * whenever it is woken: by an answer, by a signal, by the listener's end.
 */
#include "task/seccomp_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "vfs/file.h"

/* Younger than the headers of Debian 12. */
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1ul << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#endif
/* The number that ID_VALID had at first; programs still use it. */
#define ID_VALID_WRONG_DIRECTION SECCOMP_IOR(2, __u64)
/* ADDFD is known by its number alone: its structure may grow. */
#define IOC_NUMBER(cmd) ((cmd) & ~(IOC_INOUT | IOCSIZE_MASK))

struct seccomp_listener {
	struct kernel *k;
	struct seccomp_filter *filter; /* borrowed; NULL: not in force yet, or nobody is under it any more */
	bool killable; /* what has been received is not interrupted by signals that do not kill */
	u64 next_id;
	u32 requests;              /* RECVs that need not wait: also for notifications that have gone since */
	struct list notifications; /* struct notification, oldest first */
	struct wait_queue wait;    /* supervisors */
};

enum notification_state { WAITING, RECEIVED, ANSWERED };

struct notification {
	struct list node;
	struct seccomp_listener *listener; /* NULL: it has gone */
	struct task *task;
	struct seccomp_data data;
	u64 id;
	bool log; /* its filter wants to read of it */
	enum notification_state state;
	s64 val; /* the answer */
	s32 error;
	u32 flags;
};

/* ---- the call that waits ---- */

static void notification_free(struct task *t, void *priv)
{
	struct notification *n = priv;

	list_del(&n->node);
	free(n);
	object_count(t->k, "notification", -1);
}

static long answered(struct task *t, struct call *c, struct notification *n)
{
	bool goes_on = n->flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	s64 value = n->error ? n->error : n->val;

	if (!goes_on)
		seccomp_log(t, &n->data, 0, SECCOMP_RET_USER_NOTIF, n->log);

	c->priv = NULL;
	notification_free(t, n);
	if (!goes_on)
		return seccomp_result(t, value);
	usermem_stale(t);
	return call_handle(t, c);
}

static long notify_step(struct task *t, struct call *c)
{
	struct notification *n = c->priv;
	long r;

	if (n->state == ANSWERED)
		return answered(t, c, n);
	if (n->state == RECEIVED && n->listener->killable)
		r = t->work & TASK_WORK_EXIT ? -ERESTARTSYS : CALL_PARK;
	else
		r = call_wait(t);
	if (r != CALL_PARK)
		seccomp_log(t, &n->data, 0, SECCOMP_RET_USER_NOTIF, n->log);
	return r;
}

long seccomp_notify(struct task *t, const struct seccomp_filter *filter, const struct seccomp_data *data)
{
	struct seccomp_listener *l = filter ? filter->listener : NULL;
	struct call *c = &t->call;
	struct notification *n;

	if (!l) {
		seccomp_log(t, data, 0, SECCOMP_RET_USER_NOTIF, filter && filter->log);
		return -ENOSYS;
	}
	n = malloc(sizeof *n);
	if (!n)
		return -ENOMEM;
	object_count(t->k, "notification", 1);
	*n = (struct notification){
		.listener = l, .task = t, .data = *data, .id = l->next_id++, .log = filter->log};
	list_add_tail(&l->notifications, &n->node);
	c->priv = n;
	c->priv_free = notification_free;
	c->step = notify_step;
	l->requests++;
	wake_all(&l->wait);
	return notify_step(t, c);
}

static void notification_answer(struct notification *n, s64 val, s32 error, u32 flags)
{
	n->state = ANSWERED;
	n->val = val;
	n->error = error;
	n->flags = flags;
	task_wake(n->task);
}

/* ---- the listener's ioctls ---- */

static struct notification *notification_find(struct seccomp_listener *l, u64 id)
{
	struct notification *n;

	list_for_each (n, &l->notifications, node)
		if (n->id == id)
			return n;
	return NULL;
}

static struct notification *first_waiting(struct seccomp_listener *l)
{
	struct notification *n;

	list_for_each (n, &l->notifications, node)
		if (n->state == WAITING)
			return n;
	return NULL;
}

/* Linux wants zeroes where it will write, so that the structure can grow. Asked once, however long the call waits. */
static long check_zeroed(struct task *t, u64 addr)
{
	static const struct seccomp_notif zero;
	struct seccomp_notif now;
	long err;

	if (t->call.scratch[0])
		return 0;
	err = user_get(t, &now, addr);
	if (err)
		return err;
	t->call.scratch[0] = 1;
	return memcmp(&now, &zero, sizeof now) ? -EINVAL : 0;
}

static long notify_recv(struct seccomp_listener *l, struct task *t, u64 addr)
{
	struct seccomp_notif out;
	struct notification *n;
	long err = check_zeroed(t, addr);

	if (err)
		return err;
	if (l->filter && !l->requests) {
		err = wait_add(&l->wait, t);
		return err ? err : call_wait(t);
	}
	if (l->filter)
		l->requests--;
	n = first_waiting(l);
	if (!n)
		return -ENOENT;
	memset(&out, 0, sizeof out);
	out.id = n->id;
	out.pid = (u32)n->task->tid;
	out.data = n->data;
	err = user_put(t, addr, &out);
	if (err) {
		l->requests++;
		wake_all(&l->wait);
		return err;
	}
	n->state = RECEIVED;
	wake_all(&l->wait);
	return 0;
}

static long notify_send(struct seccomp_listener *l, struct task *t, u64 addr)
{
	struct seccomp_notif_resp resp;
	struct notification *n;
	long err = user_get(t, &resp, addr);

	if (err)
		return err;
	if (resp.flags & ~(u32)SECCOMP_USER_NOTIF_FLAG_CONTINUE)
		return -EINVAL;
	if (resp.flags && (resp.error || resp.val))
		return -EINVAL;
	n = notification_find(l, resp.id);
	if (!n)
		return -ENOENT;
	if (n->state != RECEIVED)
		return -EINPROGRESS;
	notification_answer(n, resp.val, resp.error, resp.flags);
	return 0;
}

static long notify_id_valid(struct seccomp_listener *l, struct task *t, u64 addr)
{
	struct notification *n;
	u64 id;
	long err = user_get(t, &id, addr);

	if (err)
		return err;
	n = notification_find(l, id);
	return n && n->state == RECEIVED ? 0 : -ENOENT;
}

static long notify_set_flags(struct seccomp_listener *l, struct task *t, u64 flags)
{
	/* The wish to be woken on the same CPU: husk's supervisors and their subjects take turns on one thread anyway. */
	return flags & ~(u64)SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP ? -EINVAL : 0;
}

/* A structure of @size bytes that may be longer than ours if the rest is zero (copy_struct_from_user()). */
static long read_addfd(struct task *t, struct seccomp_notif_addfd *add, u64 addr, size_t size)
{
	u8 rest[PAGE_SIZE];
	long err;

	if (size < sizeof *add || size >= PAGE_SIZE)
		return -EINVAL;
	/* The longer part is looked at first. */
	err = user_read(t, rest, addr + sizeof *add, size - sizeof *add);
	if (err)
		return err;
	for (size_t i = 0; i < size - sizeof *add; i++)
		if (rest[i])
			return -E2BIG;
	return user_get(t, add, addr);
}

static long check_addfd(const struct seccomp_notif_addfd *add)
{
	if (add->newfd_flags & ~(u32)O_CLOEXEC)
		return -EINVAL;
	if (add->flags & ~(u32)(SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND))
		return -EINVAL;
	return add->newfd && !(add->flags & SECCOMP_ADDFD_FLAG_SETFD) ? -EINVAL : 0;
}

/* Linux: the task that waits installs the descriptor, and SEND is EBUSY while others are on their way. Here: it is done at
 * once and nothing is ever on its way, because one thread does the work of both. */
static long install(struct notification *n, const struct seccomp_notif_addfd *add, struct file *f)
{
	bool cloexec = add->newfd_flags & O_CLOEXEC;
	int fd = add->flags & SECCOMP_ADDFD_FLAG_SETFD
			 ? fd_install_at(n->task, file_get(f), cloexec, (int)add->newfd)
			 : fd_install(n->task, file_get(f), cloexec);

	if (fd < 0)
		return fd;
	if (add->flags & SECCOMP_ADDFD_FLAG_SEND)
		notification_answer(n, fd, 0, 0);
	return fd;
}

static long notify_addfd(struct seccomp_listener *l, struct task *t, u64 addr, size_t size)
{
	struct seccomp_notif_addfd add;
	struct notification *n;
	struct file *f;
	long r = read_addfd(t, &add, addr, size);

	if (!r)
		r = check_addfd(&add);
	if (!r)
		r = fd_get(t, (int)add.srcfd, &f);
	if (r)
		return r;
	n = notification_find(l, add.id);
	if (!n)
		r = -ENOENT;
	else if (n->state != RECEIVED)
		r = -EINPROGRESS;
	else
		r = install(n, &add, f);
	file_put(f);
	return r;
}

static long listener_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	static const struct {
		u32 cmd;
		long (*fn)(struct seccomp_listener *l, struct task *t, u64 arg);
	} commands[] = {
		{SECCOMP_IOCTL_NOTIF_RECV, notify_recv},
		{SECCOMP_IOCTL_NOTIF_SEND, notify_send},
		{SECCOMP_IOCTL_NOTIF_ID_VALID, notify_id_valid},
		{ID_VALID_WRONG_DIRECTION, notify_id_valid},
		{SECCOMP_IOCTL_NOTIF_SET_FLAGS, notify_set_flags},
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].cmd == cmd)
			return commands[i].fn(f->priv, t, arg);
	if (IOC_NUMBER(cmd) == IOC_NUMBER(SECCOMP_IOCTL_NOTIF_ADDFD))
		return notify_addfd(f->priv, t, arg, _IOC_SIZE(cmd));
	return -EINVAL;
}

/* ---- the file ---- */

static u32 listener_poll(struct file *f, struct poll_table *pt)
{
	struct seccomp_listener *l = f->priv;
	struct notification *n;
	u32 events = l->filter ? 0 : EPOLLHUP;

	poll_wait(pt, &l->wait);
	list_for_each (n, &l->notifications, node) {
		if (n->state == WAITING)
			events |= EPOLLIN | EPOLLRDNORM;
		if (n->state == RECEIVED)
			events |= EPOLLOUT | EPOLLWRNORM;
	}
	return events;
}

static void listener_release(struct file *f)
{
	struct seccomp_listener *l = f->priv;
	struct notification *n, *next;

	list_for_each_safe (n, next, &l->notifications, node) {
		list_del(&n->node);
		n->listener = NULL;
		if (n->state != ANSWERED)
			notification_answer(n, 0, -ENOSYS, 0);
	}
	if (l->filter)
		l->filter->listener = NULL;
	object_count(l->k, "listener", -1);
	free(l);
}

static const struct file_ops listener_ops = {
	.poll = listener_poll,
	.ioctl = listener_ioctl,
	.release = listener_release,
	.name = "seccomp notify",
	.stream = true,
};

int seccomp_listener_open(struct kernel *k, bool killable, struct file **out)
{
	struct seccomp_listener *l = calloc(1, sizeof *l);
	int err;

	if (!l)
		return -ENOMEM;
	l->k = k;
	l->killable = killable;
	list_init(&l->notifications);
	wait_queue_init(&l->wait);
	/* As in Linux the first number is anything, so that nobody can guess one. */
	if (getrandom(&l->next_id, sizeof l->next_id, 0) != sizeof l->next_id)
		l->next_id = kernel_now(k);
	err = file_new(k, &listener_ops, O_RDWR, NULL, l, out);
	if (err) {
		free(l);
		return err;
	}
	object_count(k, "listener", 1);
	return 0;
}

void seccomp_filter_listen(struct seccomp_filter *filter, struct file *file)
{
	struct seccomp_listener *l = file->priv;

	l->filter = filter;
	filter->listener = l;
}

void seccomp_filter_ended(struct seccomp_filter *filter)
{
	struct seccomp_listener *l = filter->listener;

	if (!l)
		return;
	l->filter = NULL;
	wake_all(&l->wait);
}

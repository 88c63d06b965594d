/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_create, epoll_ctl, epoll_wait and its kin. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/task.h"
#include "fs/epoll.h"
#include "sys/timeout.h"
#include "task/signal.h"
#include "vfs/file.h"

#define MAX_EVENTS (INT_MAX / (int)sizeof(struct epoll_event))
#define WAIT_BATCH \
	512 /* events that one call takes at most: a guest may always get fewer than it has room for */

static long create(struct task *t, bool cloexec)
{
	struct file *f;
	int err = epoll_open(t->k, &f);

	return err < 0 ? err : fd_install(t, f, cloexec);
}

long sys_epoll_create(struct task *t, struct call *c)
{
	if ((int)c->arg[0] <= 0)
		return -EINVAL;
	return create(t, false);
}

long sys_epoll_create1(struct task *t, struct call *c)
{
	int flags = c->arg[0];

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	return create(t, flags & EPOLL_CLOEXEC);
}

long sys_epoll_ctl(struct task *t, struct call *c)
{
	int op = c->arg[1];
	struct epoll_event event = {0};
	struct file *ep, *target;
	long err;

	if (op != EPOLL_CTL_DEL) {
		err = user_get(t, &event, c->arg[3]);
		if (err < 0)
			return err;
	}
	err = fd_get(t, c->arg[0], &ep);
	if (err < 0)
		return err;
	err = fd_get(t, c->arg[2], &target);
	if (err >= 0) {
		err = epoll_control(ep, t, op, target, c->arg[2], op == EPOLL_CTL_DEL ? NULL : &event);
		file_put(target);
	}
	file_put(ep);
	return err;
}

static long wait_step(struct task *t, struct call *c)
{
	int max = min((int)c->arg[2], WAIT_BATCH);
	size_t room = user_writable(t, c->arg[1], max * sizeof(struct epoll_event));
	struct epoll_event *events;
	long n, err;

	wait_remove_all(t);
	max = room / sizeof *events;
	if (!max)
		return -EFAULT;
	events = malloc(max * sizeof *events);
	if (!events)
		return -ENOMEM;
	n = epoll_harvest(c->file, t, events, max);
	if (n) {
		err = user_write(t, c->arg[1], events, n * sizeof *events);
		free(events);
		return err < 0 ? err : n;
	}
	free(events);
	if (c->scratch[0])
		return 0;
	err = wait_add(epoll_queue(c->file), t);
	if (err < 0)
		return err;
	err = call_wait(t);
	if (err == CALL_PARK)
		return err;
	return err == -ETIMEDOUT ? 0 : -EINTR;
}

static long wait_start(struct task *t, struct call *c, const struct timeout *to, const u64 *mask)
{
	int max = c->arg[2];
	struct file *f;
	long err;

	if (max <= 0 || max > MAX_EVENTS)
		return -EINVAL;
	err = fd_get(t, c->arg[0], &f);
	if (err < 0)
		return err;
	if (!file_is_epoll(f)) {
		file_put(f);
		return -EINVAL;
	}
	if (mask)
		task_swap_sigmask(t, *mask);
	c->file = f;
	c->deadline = to->deadline;
	c->scratch[0] = to->zero;
	c->step = wait_step;
	return wait_step(t, c);
}

long sys_epoll_wait(struct task *t, struct call *c)
{
	struct timeout to = timeout_from_ms(t, (int)c->arg[3]);

	return wait_start(t, c, &to, NULL);
}

long sys_epoll_pwait(struct task *t, struct call *c)
{
	struct timeout to = timeout_from_ms(t, (int)c->arg[3]);
	u64 mask;
	bool masked;
	long err = sigmask_read(t, c->arg[4], c->arg[5], &mask, &masked);

	return err < 0 ? err : wait_start(t, c, &to, masked ? &mask : NULL);
}

long sys_epoll_pwait2(struct task *t, struct call *c)
{
	struct timeout to;
	struct timeout_back unused;
	u64 mask;
	bool masked;
	long err = timeout_read_timespec(t, c->arg[3], &to, &unused);

	if (err < 0)
		return err;
	err = sigmask_read(t, c->arg[4], c->arg[5], &mask, &masked);
	return err < 0 ? err : wait_start(t, c, &to, masked ? &mask : NULL);
}

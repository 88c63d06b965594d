/* SPDX-License-Identifier: Apache-2.0 */
/* SIGIO and its kin: a file's news as a signal for its owner (fs/fcntl.c: send_sigio). */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "task/life.h"
#include "task/signal.h"
#include "vfs/async.h"

/* Who set the owner must have been allowed to signal it. */
static bool permitted(const struct file_owner *o, const struct task *t)
{
	const struct cred *c = t->cred;

	return !o->euid || o->euid == c->suid || o->euid == c->uid || o->uid == c->suid || o->uid == c->uid;
}

static void send(const struct file_owner *o, struct task *t, int fd, u32 event)
{
	siginfo_t info = signal_info(o->signal ? o->signal : SIGIO, SI_KERNEL);

	if (!permitted(o, t))
		return;
	if (o->signal) {
		info.si_code = event == EPOLLIN ? POLL_IN : event == EPOLLOUT ? POLL_OUT : POLL_MSG;
		info.si_fd = fd;
		info.si_band = event == EPOLLIN    ? POLLIN | POLLRDNORM
			       : event == EPOLLOUT ? POLLOUT | POLLWRNORM | POLLWRBAND
						   : POLLIN | POLLRDNORM | POLLMSG;
	}
	/* When the queue is full, a plain SIGIO tells that something was lost. */
	if (o->type == F_OWNER_TID ? signal_send_task(t, &info) : signal_send_group(t->group, &info)) {
		info = signal_info(SIGIO, SI_KERNEL);
		signal_send_group(t->group, &info);
	}
}

static void send_sigio(struct file *f, int fd, u32 event)
{
	const struct file_owner *o = &f->owner;
	struct thread_group *g;
	struct task *t;

	if (o->type == F_OWNER_PGRP) {
		for (g = group_next(f->k, 0); g; g = group_next(f->k, g->tgid))
			if (g->pgid == o->id && g->leader)
				send(o, g->leader, fd, event);
		return;
	}
	t = task_find(f->k, o->id);
	if (t)
		send(o, t, fd, event);
}

void sigio_init(struct kernel *k)
{
	k->ops.send_sigio = send_sigio;
}

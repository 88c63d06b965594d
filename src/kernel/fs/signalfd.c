/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd(2). The signals are those of whoever reads or polls, not of the file's maker; the task room lends
 * the few operations on its queues (kernel_ops.signal_*).
 */
#include "fs/signalfd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/text.h"
#include "core/task.h"
#include "vfs/anon.h"

struct signalfd {
	struct kernel *k;
	u64 mask;
	struct wait_queue changed; /* the mask */
};

static void fill(struct signalfd_siginfo *to, const siginfo_t *info)
{
	*to = (struct signalfd_siginfo){
		.ssi_signo = info->si_signo,
		.ssi_errno = info->si_errno,
		.ssi_code = info->si_code,
	};
	if (info->si_signo == SIGCHLD && info->si_code > 0) {
		to->ssi_pid = info->si_pid;
		to->ssi_uid = info->si_uid;
		to->ssi_status = info->si_status;
		to->ssi_utime = info->si_utime;
		to->ssi_stime = info->si_stime;
	} else if (info->si_code == SI_TIMER) {
		to->ssi_tid = info->si_timerid;
		to->ssi_overrun = info->si_overrun;
		to->ssi_ptr = (u64)info->si_ptr;
		to->ssi_int = info->si_int;
	} else if (info->si_code > 0 &&
		   (info->si_signo == SIGSEGV || info->si_signo == SIGBUS || info->si_signo == SIGILL ||
		    info->si_signo == SIGFPE || info->si_signo == SIGTRAP)) {
		to->ssi_addr = (u64)info->si_addr;
	} else {
		to->ssi_pid = info->si_pid;
		to->ssi_uid = info->si_uid;
		to->ssi_ptr = (u64)info->si_ptr;
		to->ssi_int = info->si_int;
	}
}

static long signalfd_read(struct file *f, struct uio *to, u64 *pos)
{
	struct signalfd *s = f->priv;
	struct task *t = to->task;
	long done = 0;

	if (to->left < sizeof(struct signalfd_siginfo))
		return -EINVAL;
	if (!t)
		return -EAGAIN;
	while (to->left >= sizeof(struct signalfd_siginfo)) {
		struct signalfd_siginfo out;
		siginfo_t info;
		long n;

		if (!user_writable(t, to->iov->base + to->at, 1))
			return done ? done : -EFAULT;
		if (!s->k->ops.signal_take(t, s->mask, &info))
			break;
		fill(&out, &info);
		n = uio_to_user(to, &out, sizeof out);
		if (n < 0)
			return done ? done : n;
		done += n;
	}
	return done ? done : -EAGAIN;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	struct signalfd *s = f->priv;

	if (!pt || !pt->task)
		return 0;
	poll_wait(pt, s->k->ops.signal_wait(pt->task));
	poll_wait(pt, &s->changed);
	return s->k->ops.signal_pending(pt->task) & s->mask ? EPOLLIN : 0;
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = f->priv;

	object_count(s->k, "signalfd", -1);
	free(s);
}

static void signalfd_show(struct file *f, struct text *out)
{
	struct signalfd *s = f->priv;

	text_add(out, "sigmask:\t%016lx\n", s->mask);
}

static const struct file_ops signalfd_ops = {
	.read = signalfd_read,
	.show = signalfd_show,
	.poll = signalfd_poll,
	.release = signalfd_release,
	.name = "[signalfd]",
	.seek = anon_seek,
	.rw = RW_NOWAIT,
	.stream = true,
};

int signalfd_open(struct kernel *k, u64 mask, u32 flags, struct file **out)
{
	struct signalfd *s = calloc(1, sizeof *s);
	int err;

	if (!s)
		return -ENOMEM;
	s->k = k;
	s->mask = mask;
	wait_queue_init(&s->changed);
	err = file_new(k, &signalfd_ops, O_RDWR | flags, NULL, s, out);
	if (err < 0) {
		free(s);
		return err;
	}
	object_count(k, "signalfd", 1);
	return 0;
}

int signalfd_set_mask(struct file *f, u64 mask)
{
	struct signalfd *s = f->priv;

	if (f->ops != &signalfd_ops)
		return -EINVAL;
	s->mask = mask;
	wake_all(&s->changed);
	return 0;
}

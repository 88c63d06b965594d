/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, ppoll, select, pselect6: one set of watched descriptors, four ways to describe it.
 *
 * The descriptors' files are held over all waits, as Linux holds them: closing one meanwhile does not disturb
 * the call.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "core/task.h"
#include "sys/timeout.h"
#include "task/signal.h"
#include "task/task_ops.h"
#include "vfs/file.h"

#define SELECT_IN  (EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR)
#define SELECT_OUT (EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR)
#define SELECT_EX  EPOLLPRI

struct watched {
	int fd;
	u32 want, got;     /* EPOLL* bits, which are poll's */
	u16 events;        /* as poll's caller wrote them */
	u8 sets;           /* select: bit i for set i */
	struct file *file; /* owned, nullable */
};

struct poll_state {
	struct watched *w; /* owned */
	unsigned n;
	long (*report)(struct task *t, struct call *c, struct poll_state *s, long ready);
	long interrupted; /* what a signal makes of the call */
	bool nowait;
	/* poll: the array; select: the three sets and how many bits they have */
	u64 ufds, usets[3];
	unsigned nbits;
	struct timeout_back back;
};

static void state_free(struct task *t, void *priv)
{
	struct poll_state *s = priv;

	for (unsigned i = 0; i < s->n; i++)
		if (s->w[i].file)
			file_put(s->w[i].file);
	free(s->w);
	free(s);
}

static struct poll_state *state_new(struct call *c, unsigned n)
{
	struct poll_state *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->w = calloc(n ? n : 1, sizeof *s->w);
	if (!s->w) {
		free(s);
		return NULL;
	}
	c->priv = s;
	c->priv_free = state_free;
	return s;
}

/* ---- the loop ---- */

static int table_add(struct poll_table *pt, struct wait_queue *q)
{
	return wait_add(q, pt->task);
}

static unsigned scan(struct task *t, struct poll_state *s, struct poll_table *pt)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct watched *w = &s->w[i];

		w->got = 0;
		if (w->fd < 0)
			continue;
		if (!w->file) {
			w->got = POLLNVAL;
		} else if (w->file->ops->poll && !w->file->ops->always_waits) {
			pt->events = w->want;
			w->got = w->file->ops->poll(w->file, pt) & w->want;
		} else {
			w->got = (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM) & w->want;
		}
		if (w->got) {
			ready++;
			pt->add = poll_add_none; /* it will not sleep */
		}
	}
	return ready;
}

static long finish(struct task *t, struct call *c, struct poll_state *s, long ret)
{
	wait_remove_all(t);
	if (ret >= 0)
		ret = s->report(t, c, s, ret);
	return timeout_write_back(t, &s->back, ret);
}

static long poll_step(struct task *t, struct call *c)
{
	struct poll_state *s = c->priv;
	struct poll_table pt = {.add = s->nowait ? poll_add_none : table_add, .task = t};
	unsigned ready;
	long r;

	wait_remove_all(t);
	ready = scan(t, s, &pt);
	if (ready || s->nowait)
		return finish(t, c, s, ready);
	if (pt.error)
		return finish(t, c, s, pt.error);
	r = call_wait(t);
	if (r == CALL_PARK)
		return r;
	if (r == -ETIMEDOUT)
		return finish(t, c, s, 0);
	return finish(t, c, s, s->interrupted);
}

static long poll_run(struct task *t, struct call *c, struct poll_state *s, const struct timeout *to)
{
	s->nowait = to->zero;
	c->deadline = to->deadline;
	c->step = poll_step;
	return poll_step(t, c);
}

/* ---- poll ---- */

static long poll_report(struct task *t, struct call *c, struct poll_state *s, long ready)
{
	struct pollfd *fds = calloc(s->n ? s->n : 1, sizeof *fds);
	long err;

	if (!fds)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n; i++)
		fds[i] = (struct pollfd){s->w[i].fd, s->w[i].events, s->w[i].got};
	/* Linux: writes revents alone. Here: the whole array with the same values, because that is one copy. */
	err = s->n ? user_write(t, s->ufds, fds, s->n * sizeof *fds) : 0;
	free(fds);
	return err < 0 ? err : ready;
}

static long poll_restart(struct task *t, struct call *c);

/* Reads the array and takes the files: the state is in c->priv then. */
static long poll_prepare(struct task *t, struct call *c, u64 ufds, unsigned n, struct poll_state **out)
{
	struct pollfd *fds;
	struct poll_state *s;
	long err = 0;

	if (n > t->group->limits[RLIMIT_NOFILE].rlim_cur)
		return -EINVAL;
	fds = malloc(n ? n * sizeof *fds : 1);
	if (!fds)
		return -ENOMEM;
	if (n)
		err = user_read(t, fds, ufds, n * sizeof *fds);
	s = err < 0 ? NULL : state_new(c, n);
	if (!s) {
		free(fds);
		return err < 0 ? err : -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++) {
		struct watched *w = &s->w[i];

		w->fd = fds[i].fd;
		w->events = fds[i].events;
		w->want = (u16)fds[i].events | EPOLLERR | EPOLLHUP;
		if (w->fd >= 0 && fd_get(t, w->fd, &w->file) < 0)
			w->file = NULL;
	}
	free(fds);
	s->n = n;
	s->ufds = ufds;
	s->report = poll_report;
	*out = s;
	return 0;
}

static long poll_start(struct task *t, struct call *c, u64 ufds, unsigned n, const struct timeout *to)
{
	struct poll_state *s;
	long err = poll_prepare(t, c, ufds, n, &s);

	if (err < 0)
		return err;
	s->interrupted = -ERESTART_RESTARTBLOCK;
	t->restart_block.fn = poll_restart;
	t->restart_block.deadline = to->deadline;
	t->restart_block.arg[0] = ufds;
	t->restart_block.arg[1] = n;
	return poll_run(t, c, s, to);
}

static long poll_restart(struct task *t, struct call *c)
{
	struct timeout to = {.deadline = t->restart_block.deadline};

	return poll_start(t, c, t->restart_block.arg[0], t->restart_block.arg[1], &to);
}

long sys_poll(struct task *t, struct call *c)
{
	struct timeout to = timeout_from_ms(t, (int)c->arg[2]);

	return poll_start(t, c, c->arg[0], c->arg[1], &to);
}

long sys_ppoll(struct task *t, struct call *c)
{
	struct timeout to;
	struct timeout_back back;
	struct poll_state *s;
	u64 mask;
	long err = timeout_read_timespec(t, c->arg[2], &to, &back);
	bool masked;

	if (err < 0)
		return err;
	err = sigmask_read(t, c->arg[3], c->arg[4], &mask, &masked);
	if (err < 0)
		return err;
	err = poll_prepare(t, c, c->arg[0], c->arg[1], &s);
	if (err < 0)
		return err;
	if (masked)
		task_swap_sigmask(t, mask);
	s->back = back;
	s->interrupted = -ERESTARTNOHAND;
	return poll_run(t, c, s, &to);
}

/* ---- select ---- */

static long select_report(struct task *t, struct call *c, struct poll_state *s, long ready)
{
	unsigned words = (s->nbits + 63) / 64;
	u64 *sets = calloc(3 * words + 1, sizeof *sets);
	static const u32 bits[3] = {SELECT_IN, SELECT_OUT, SELECT_EX};
	long err = 0;

	if (!sets)
		return -ENOMEM;
	ready = 0;
	for (unsigned i = 0; i < s->n; i++) {
		struct watched *w = &s->w[i];

		for (int k = 0; k < 3; k++) {
			if (!(w->sets & 1 << k) || !(w->got & bits[k]))
				continue;
			sets[k * words + w->fd / 64] |= 1UL << (w->fd % 64);
			ready++;
		}
	}
	for (int k = 0; k < 3 && err >= 0; k++)
		if (s->usets[k] && words)
			err = user_write(t, s->usets[k], sets + k * words, words * 8);
	free(sets);
	return err < 0 ? err : ready;
}

/* Turns the three bitmaps into watched descriptors. 0, -EBADF, -ENOMEM. */
static long select_fill(struct task *t, struct call *c, const u64 *sets, unsigned words, unsigned nbits,
			struct poll_state **out)
{
	struct poll_state *s;
	unsigned count = 0;

	for (unsigned i = 0; i < words; i++)
		count += __builtin_popcountl(sets[i] | sets[words + i] | sets[2 * words + i]);
	s = state_new(c, count);
	if (!s)
		return -ENOMEM;
	for (unsigned fd = 0; fd < nbits; fd++) {
		struct watched *w = &s->w[s->n];
		u64 bit = 1UL << (fd % 64);

		if (!((sets[fd / 64] | sets[words + fd / 64] | sets[2 * words + fd / 64]) & bit))
			continue;
		w->fd = fd;
		for (int k = 0; k < 3; k++)
			if (sets[k * words + fd / 64] & bit)
				w->sets |= 1 << k;
		w->want = (w->sets & 1 ? SELECT_IN : 0) | (w->sets & 2 ? SELECT_OUT : 0) |
			  (w->sets & 4 ? SELECT_EX : 0);
		if (fd_get(t, fd, &w->file) < 0) {
			w->file = NULL;
			return -EBADF;
		}
		s->n++;
	}
	s->nbits = nbits;
	s->report = select_report;
	s->interrupted = -ERESTARTNOHAND;
	*out = s;
	return 0;
}

static long select_prepare(struct task *t, struct call *c, struct poll_state **out)
{
	int n = (int)c->arg[0];
	u64 limit = t->group->limits[RLIMIT_NOFILE].rlim_cur, *sets;
	unsigned words;
	long err = 0;

	if (n < 0)
		return -EINVAL;
	/* Linux: cuts at the size of the descriptor table. Here: at what the table may grow to. */
	n = min((u64)n, limit);
	words = (n + 63) / 64;
	sets = calloc(3 * words + 1, sizeof *sets);
	if (!sets)
		return -ENOMEM;
	for (int k = 0; k < 3 && err >= 0; k++)
		if (c->arg[1 + k] && words)
			err = user_read(t, sets + k * words, c->arg[1 + k], words * 8);
	if (err >= 0)
		err = select_fill(t, c, sets, words, n, out);
	free(sets);
	if (err < 0)
		return err;
	for (int k = 0; k < 3; k++)
		(*out)->usets[k] = c->arg[1 + k];
	return 0;
}

long sys_select(struct task *t, struct call *c)
{
	struct timeout to;
	struct timeout_back back;
	struct poll_state *s;
	long err = timeout_read_timeval(t, c->arg[4], &to, &back);

	if (err < 0)
		return err;
	err = select_prepare(t, c, &s);
	if (err < 0)
		return err;
	s->back = back;
	return poll_run(t, c, s, &to);
}

long sys_pselect6(struct task *t, struct call *c)
{
	struct timeout to;
	struct timeout_back back;
	struct poll_state *s;
	u64 pack[2] = {0, 0}, mask;
	bool masked;
	long err = c->arg[5] ? user_read(t, pack, c->arg[5], sizeof pack) : 0;

	if (err < 0)
		return err;
	err = timeout_read_timespec(t, c->arg[4], &to, &back);
	if (err < 0)
		return err;
	err = sigmask_read(t, pack[0], pack[1], &mask, &masked);
	if (err < 0)
		return err;
	err = select_prepare(t, c, &s);
	if (err < 0)
		return err;
	if (masked)
		task_swap_sigmask(t, mask);
	s->back = back;
	return poll_run(t, c, s, &to);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals: the pair, its files, and what closing either end does to the other (drivers/tty/pty.c, tty_io.c).
 *
 * A slave file keeps in f->pos the generation in which it was opened: after a hang-up it reads end of file, writes EIO,
 * and knows no ioctl.
 */
#include "fs/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "base/text.h"
#include "core/task.h"

#define CHUNK 1024
#define TICK  100000000UL /* VTIME's unit, ns */

static const struct file_ops master_ops, slave_ops;

static u32 out_used(const struct pty *p)
{
	return p->out_head - p->out_tail;
}

/* ---- what the line discipline asks of its owner ---- */

static size_t ldisc_output(struct ldisc *l, const u8 *data, size_t size)
{
	struct pty *p = container_of(l, struct pty, ldisc);
	size_t n = min(size, (size_t)(PTY_OUTPUT - out_used(p)));

	for (size_t i = 0; i < n; i++)
		p->out[p->out_head++ & (PTY_OUTPUT - 1)] = data[i];
	return n;
}

static size_t ldisc_room(struct ldisc *l)
{
	return PTY_OUTPUT - out_used(container_of(l, struct pty, ldisc));
}

void pty_drop_output(struct pty *p)
{
	p->out_tail = p->out_head;
	if (p->packet)
		p->packet_status |= TIOCPKT_FLUSHWRITE;
}

static void ldisc_signal(struct ldisc *l, int signo, bool flush)
{
	struct pty *p = container_of(l, struct pty, ldisc);

	if (flush)
		pty_drop_output(p);
	p->tty.k->ops.tty_signal(&p->tty, signo);
}

/* ---- the pair ---- */

/* Takes the lowest free index for @p: 0, -ENOSPC, -ENOMEM. */
static int table_add(struct kernel *k, struct pty *p)
{
	struct pty_table *table = k->ptys;

	if (!table)
		table = k->ptys = calloc(1, sizeof *table);
	if (!table)
		return -ENOMEM;
	if (table->used == PTY_MAX)
		return -ENOSPC;
	while (table->at[p->index])
		p->index++;
	table->at[p->index] = p;
	table->used++;
	p->number = k->npty++;
	return 0;
}

static void table_remove(struct kernel *k, struct pty *p)
{
	k->ptys->at[p->index] = NULL;
	if (--k->ptys->used)
		return;
	free(k->ptys);
	k->ptys = NULL;
}

int pty_new(struct kernel *k, u32 uid, struct pty **out)
{
	struct pty *p = calloc(1, sizeof *p);
	int err = p ? table_add(k, p) : -ENOMEM;

	if (err) {
		free(p);
		return err;
	}
	p->tty = (struct tty){.k = k, .refs = 1, .rdev = makedev(136, p->index), .fd = HOSTFD_NONE, .pty = p};
	p->uid = uid;
	p->gid = GROUP_TTY;
	p->mode = 0620;
	p->master = true;
	ldisc_init(&p->ldisc);
	p->ldisc.output = ldisc_output;
	p->ldisc.output_room = ldisc_room;
	p->ldisc.signal = ldisc_signal;
	wait_queue_init(&p->master_wait);
	wait_queue_init(&p->slave_wait);
	object_count(k, "pty", 1);
	*out = p;
	return 0;
}

static void pty_free_unused(struct pty *p)
{
	if (p->master || p->files)
		return;
	object_count(p->tty.k, "pty", -1);
	table_remove(p->tty.k, p);
	free(p);
}

void pty_settle(struct pty *p)
{
	wake_all(&p->master_wait);
	wake_all(&p->slave_wait);
	if (p->drain)
		p->drain(p);
}

void pty_close_master(struct pty *p)
{
	devpts_gone(p);
	p->drain = NULL;
	p->tty.k->ops.tty_hangup(&p->tty);
	p->generation++;
	pty_settle(p);
	pty_free_unused(p);
}

void pty_resize(struct pty *p, const struct winsize *size)
{
	if (!memcmp(&p->size, size, sizeof *size))
		return;
	p->size = *size;
	p->tty.k->ops.tty_signal(&p->tty, SIGWINCH);
}

size_t pty_type(struct pty *p, const u8 *data, size_t size)
{
	size_t n = ldisc_receive(&p->ldisc, data, size);

	if (n)
		p->last_input = kernel_now(p->tty.k);
	/* No drain(): it is the caller, or comes after it. */
	wake_all(&p->slave_wait);
	wake_all(&p->master_wait);
	return n;
}

size_t pty_take_output(struct pty *p, u8 *data, size_t size)
{
	size_t n = min(size, (size_t)out_used(p));

	for (size_t i = 0; i < n; i++)
		data[i] = p->out[p->out_tail++ & (PTY_OUTPUT - 1)];
	if (n)
		wake_all(&p->slave_wait);
	return n;
}

/* ---- the master ---- */

static long master_read(struct file *f, struct uio *to, u64 *pos)
{
	struct pty *p = f->priv;
	u8 buf[CHUNK];
	size_t n = 0, size = min(to->left, sizeof buf);

	if (!size)
		return 0;
	if (p->packet && p->packet_status) {
		buf[n++] = p->packet_status;
		p->packet_status = 0;
		return uio_to_user(to, buf, n);
	}
	if (!out_used(p))
		return p->slave_gone ? -EIO : -EAGAIN;
	if (p->packet)
		buf[n++] = TIOCPKT_DATA;
	n += pty_take_output(p, buf + n, size - n);
	return uio_to_user(to, buf, n);
}

/* Takes up to @size bytes by @take; what it did not take stays in @from. */
static long write_chunk(struct pty *p, struct uio *from, size_t (*take)(struct pty *, const u8 *, size_t))
{
	struct uio before = *from;
	u8 buf[CHUNK];
	long got = uio_from_user(from, buf, min(from->left, sizeof buf));
	size_t n;

	if (got <= 0)
		return got;
	n = take(p, buf, (size_t)got);
	if (n < (size_t)got) {
		*from = before;
		if (n)
			uio_from_user(from, buf, n);
	}
	return n ? (long)n : -EAGAIN;
}

static long master_write(struct file *f, struct uio *from, u64 *pos)
{
	return write_chunk(f->priv, from, pty_type);
}

static u32 master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->priv;
	u32 events = 0;

	poll_wait(pt, &p->master_wait);
	if (out_used(p))
		events |= EPOLLIN | EPOLLRDNORM;
	if (p->packet && p->packet_status)
		events |= EPOLLIN | EPOLLRDNORM | EPOLLPRI;
	if (p->ldisc.head - p->ldisc.tail < LDISC_SIZE - 1)
		events |= EPOLLOUT | EPOLLWRNORM;
	if (p->slave_gone)
		events |= EPOLLHUP;
	return events;
}

static void master_release(struct file *f)
{
	pty_close_master(f->priv);
}

/* ---- the slave ---- */

bool pty_hung_up(const struct file *f)
{
	const struct pty *p = f->priv;

	return f->ops == &slave_ops && f->pos != p->generation;
}

/* Whether a raw read must go on waiting: 0 when it may take what there is, else what it answers. */
static long raw_wait(struct file *f, struct pty *p, struct uio *to, size_t available, bool *empty)
{
	u32 vmin = p->ldisc.t.cc[VMIN], vtime = p->ldisc.t.cc[VTIME];
	struct call *c = to->task ? &to->task->call : NULL;
	u64 now = kernel_now(p->tty.k);

	*empty = false;
	if (available >= min((size_t)max(vmin, 1u), to->left))
		return 0;
	if (available && (!c || (f->flags & O_NONBLOCK)))
		return 0;
	if (!vmin && !vtime)
		*empty = true;
	if (*empty)
		return 0;
	if (!c || (f->flags & O_NONBLOCK) || !vtime || (vmin && !available))
		return -EAGAIN;
	/* VMIN 0: the time begins with the read; else it begins anew with each byte. */
	if (vmin)
		c->deadline = p->last_input + vtime * TICK;
	else if (!c->deadline)
		c->deadline = now + vtime * TICK;
	if (now < c->deadline)
		return -EAGAIN;
	*empty = !available;
	return 0;
}

static long slave_read(struct file *f, struct uio *to, u64 *pos)
{
	struct pty *p = f->priv;
	size_t available, n;
	bool eof = false;
	u8 buf[LDISC_SIZE];
	long r;

	if (pty_hung_up(f) || !to->left)
		return 0;
	r = to->task ? p->tty.k->ops.tty_check(to->task, &p->tty, false) : 0;
	if (r)
		return r;
	available = ldisc_available(&p->ldisc);
	if (p->ldisc.t.lflag & ICANON)
		r = available ? 0 : -EAGAIN;
	else
		r = raw_wait(f, p, to, available, &eof);
	if (r || eof)
		return r;
	n = ldisc_read(&p->ldisc, buf, min(to->left, sizeof buf), &eof);
	r = n ? uio_to_user(to, buf, n) : 0;
	pty_settle(p); /* there is room to type */
	return r;
}

static size_t take_written(struct pty *p, const u8 *data, size_t size)
{
	return ldisc_write(&p->ldisc, data, size);
}

static long slave_write(struct file *f, struct uio *from, u64 *pos)
{
	struct pty *p = f->priv;
	long r;

	if (pty_hung_up(f))
		return -EIO;
	r = from->task && (p->ldisc.t.lflag & TOSTOP) ? p->tty.k->ops.tty_check(from->task, &p->tty, true)
						      : 0;
	if (r)
		return r;
	r = write_chunk(p, from, take_written);
	if (r > 0) {
		wake_all(&p->master_wait);
		if (p->drain)
			p->drain(p);
	}
	return r;
}

static u32 slave_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->priv;
	const struct ldisc *l = &p->ldisc;
	bool raw = !(l->t.lflag & ICANON);
	size_t wanted = raw && !l->t.cc[VTIME] && l->t.cc[VMIN] ? l->t.cc[VMIN] : 1;
	u32 events = 0;

	poll_wait(pt, &p->slave_wait);
	if (pty_hung_up(f))
		return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
	if (ldisc_available(l) >= wanted)
		events |= EPOLLIN | EPOLLRDNORM;
	if (!l->stopped && PTY_OUTPUT - out_used(p) >= 256)
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

static void slave_release(struct file *f)
{
	struct pty *p = f->priv;

	/* Dead ones count: the master is told when nobody holds the slave any more. */
	if (!--p->files) {
		p->slave_gone = true;
		pty_settle(p);
	}
	pty_free_unused(p);
}

static void slave_link_name(struct file *f, char *buf, size_t size)
{
	const struct pty *p = f->priv;

	snprintf(buf, size, "/dev/pts/%u%s", p->index, p->master ? "" : " (deleted)");
}

static void master_show(struct file *f, struct text *out)
{
	const struct pty *p = f->priv;

	text_add(out, "tty-index:\t%u\n", p->index);
}

static const struct file_ops master_ops = {
	.show = master_show,
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = pty_master_ioctl,
	.release = master_release,
	.name = "ptmx",
	.stream = true,
	.untold = true,
};

static const struct file_ops slave_ops = {
	.read = slave_read,
	.write = slave_write,
	.poll = slave_poll,
	.ioctl = pty_slave_ioctl,
	.release = slave_release,
	.link_name = slave_link_name,
	.stream = true,
};

/* ---- opening ---- */

int pty_open_slave(struct pty *p, u32 flags, struct file **out)
{
	struct file *f;
	int err;

	if (!p->master || p->locked)
		return -EIO;
	err = file_new(p->tty.k, &slave_ops, flags, NULL, p, &f);
	if (err)
		return err;
	f->pos = p->generation;
	p->files++;
	p->slave_gone = false;
	*out = f;
	return 0;
}

int ptmx_open(struct kernel *k, struct task *t, u32 flags, struct file **out)
{
	struct pty *p;
	int err = pty_new(k, t->cred->fsuid, &p);

	if (err)
		return err;
	devpts_made(p);
	p->locked = true;
	err = file_new(k, &master_ops, flags, NULL, p, out);
	if (err)
		pty_close_master(p);
	return err;
}

struct tty *pty_file_tty(struct file *f)
{
	bool ours = f->ops == &master_ops || (f->ops == &slave_ops && !pty_hung_up(f));

	return ours ? &((struct pty *)f->priv)->tty : NULL;
}

bool pty_is_master(const struct file *f)
{
	return f->ops == &master_ops;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and FIFOs.
 *
 * A pipe is a ring of pages. A write that fits behind the newest bytes joins their page, everything else
 * begins a page of its own: so a write of at most PIPE_BUF bytes is whole or not at all, and the capacity in
 * bytes depends on how the writers cut their data, exactly as on Linux. What tee(2) put there is not joined. In
 * packet mode (O_DIRECT) every page is a packet.
 *
 * Each file keeps in f->pos what the pipe's writer count had come to when it was opened: a FIFO's reader that
 * came before any writer sees no hang-up.
 */
#include "fs/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "core/task.h"
#include "fs/pipe_impl.h"
#include "vfs/inode.h"

/* From so many bytes on they are moved in one piece, by way of a buffer. */
#define AT_ONCE (2 * PAGE_SIZE)

static struct pipe_page *pipe_at(struct pipe *p, unsigned i)
{
	return &p->ring[(p->tail + i) & (p->slots - 1)];
}

/* A page to be filled, NULL: no memory. Whoever does not need it after all makes it the spare one. */
static char *page_get(struct pipe *p)
{
	char *data = p->spare ? p->spare : malloc(PAGE_SIZE);

	p->spare = NULL;
	return data;
}

/* Puts @page, whose data is consumed, behind the newest: there is a slot for it. */
static void page_push(struct pipe *p, struct pipe_page page)
{
	*pipe_at(p, p->used++) = page;
}

static void pipe_page_drop(struct pipe *p)
{
	struct pipe_page *pg = pipe_at(p, 0);

	/* One page is kept, for the writer that follows: most pipes hold one at a time. */
	if (p->spare)
		free(pg->data);
	else
		p->spare = pg->data;
	pg->data = NULL;
	p->tail++;
	p->used--;
}

struct pipe *pipe_alloc(struct kernel *k)
{
	struct pipe *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->slots = PIPE_DEFAULT_SLOTS;
	p->ring = calloc(p->slots, sizeof *p->ring);
	if (!p->ring) {
		free(p);
		return NULL;
	}
	p->k = k;
	wait_queue_init(&p->rd_wait);
	wait_queue_init(&p->wr_wait);
	object_count(k, "pipe", 1);
	return p;
}

void pipe_free(struct pipe *p)
{
	while (p->used)
		pipe_page_drop(p);
	object_count(p->k, "pipe", -1);
	free(p->spare);
	free(p->ring);
	free(p);
}

/* ---- data ---- */

static size_t pipe_bytes(struct pipe *p)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < p->used; i++)
		bytes += pipe_at(p, i)->len;
	return bytes;
}

/* How many of the oldest bytes, @most of them, are a stream: what is in packets comes one by one. */
static size_t stream_bytes(struct pipe *p, size_t most)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < p->used && bytes < most && !pipe_at(p, i)->packet; i++)
		bytes += pipe_at(p, i)->len;
	return min(bytes, most);
}

/* Many pages, in one piece: each copy into the guest has its price. */
static long read_at_once(struct file *f, struct uio *to, size_t size)
{
	char *buf = f->k->vfs->piece;
	long n = uio_to_user(to, buf, (size_t)pipe_look(f, buf, size));
	struct pipe *p = f->priv;
	size_t whole = 0;

	if (n < 0)
		return n;
	/* Where the guest's memory ends early, what is not taken whole stays, as on Linux (fs/pipe.c: pipe_read). */
	for (unsigned i = 0; n < (long)size && whole + pipe_at(p, i)->len <= (size_t)n; i++)
		whole += pipe_at(p, i)->len;
	n = n < (long)size ? (long)whole : n;
	pipe_skip(f, (size_t)n);
	return n ? n : -EFAULT;
}

long pipe_read(struct file *f, struct uio *to, u64 *pos)
{
	struct pipe *p = f->priv;
	long done = 0;
	size_t size;

	if (!to->left)
		return 0;
	while (to->task && (size = stream_bytes(p, min(to->left, VFS_PIECE))) >= AT_ONCE) {
		long n = read_at_once(f, to, size);

		done += max(n, 0L);
		if (n < (long)size)
			return done ? done : n;
	}
	while (p->used && to->left) {
		struct pipe_page *pg = pipe_at(p, 0);
		long whole = (long)min((size_t)pg->len, to->left), n;

		n = uio_to_user(to, pg->data + pg->at, (size_t)whole);
		if (n < whole) {
			done = done ? done : n < 0 ? n : -EFAULT;
			break;
		}
		done += n;
		pg->at += n;
		pg->len -= n;
		if (!pg->len || pg->packet) {
			bool packet = pg->packet;

			pipe_page_drop(p);
			if (packet)
				break;
		}
	}
	if (done > 0)
		wake_all(&p->wr_wait);
	if (done)
		return done;
	return p->writers ? -EAGAIN : 0;
}

/* Moves @size bytes into @to, all of them or none: 0, else what uio_from_user() said. */
static long copy_whole(struct uio *from, char *to, size_t size)
{
	size_t got = 0;

	while (got < size) {
		long n = uio_from_user(from, to + got, size - got);

		if (n <= 0)
			return n < 0 ? n : -EFAULT;
		got += n;
	}
	return 0;
}

/* Appends to the newest page when the whole of @size fits: 1 when it did, 0 when not, else negative. */
static long pipe_merge(struct pipe *p, struct uio *from, size_t size)
{
	struct pipe_page *pg;
	long err;

	if (!p->used || !size)
		return 0;
	pg = pipe_at(p, p->used - 1);
	if (pg->packet || pg->closed || pg->at + pg->len + size > PAGE_SIZE)
		return 0;
	err = copy_whole(from, pg->data + pg->at + pg->len, size);
	if (err < 0)
		return err;
	pg->len += size;
	return 1;
}

static long pipe_append(struct pipe *p, struct uio *from, size_t size, bool packet)
{
	char *data = page_get(p);
	long err;

	if (!data)
		return -ENOMEM;
	err = copy_whole(from, data, size);
	if (err < 0) {
		p->spare = data;
		return err;
	}
	page_push(p, (struct pipe_page){.data = data, .len = size, .packet = packet});
	return 0;
}

/* As many whole pages as there are and fit, read from the guest in one piece: bytes, 0 when it is not worth while, or as
 * pipe_append(). *ended: nothing more can be read from there. */
static long append_at_once(struct file *f, struct uio *from, size_t size, bool packet, bool *ended)
{
	struct pipe *p = f->priv;
	size_t pages = min(min(size, VFS_PIECE) / PAGE_SIZE, (size_t)(p->slots - p->used)), done = 0, rest;
	char *buf = f->k->vfs->piece;
	long got;

	*ended = false;
	if (!from->task || pages * PAGE_SIZE < AT_ONCE)
		return 0;
	got = uio_from_user(from, buf, pages * PAGE_SIZE);
	if (got <= 0)
		return got ? got : -EFAULT;
	while ((size_t)got - done >= PAGE_SIZE) {
		char *data = page_get(p);

		if (!data)
			break;
		memcpy(data, buf + done, PAGE_SIZE);
		page_push(p, (struct pipe_page){.data = data, .len = PAGE_SIZE, .packet = packet});
		done += PAGE_SIZE;
	}
	/* What did not become a page is not taken. */
	rest = (size_t)got - done;
	from->done -= rest;
	from->left += rest;
	*ended = done < pages * PAGE_SIZE;
	return done ? (long)done : (size_t)got < PAGE_SIZE ? -EFAULT : -ENOMEM;
}

/* @t: who is told by a signal; NULL: nobody. */
static long pipe_broken(struct pipe *p, struct task *t)
{
	if (t)
		p->k->ops.send_signal(t, SIGPIPE, SI_USER, false);
	return -EPIPE;
}

long pipe_write(struct file *f, struct uio *from, u64 *pos)
{
	struct pipe *p = f->priv;
	bool packet = f->flags & O_DIRECT;
	size_t total = from->left, tail = total & (PAGE_SIZE - 1);
	long done = 0, err = 0;

	if (!total)
		return 0;
	if (!p->readers)
		return pipe_broken(p, from->quiet ? NULL : from->task);
	if (!packet) {
		err = pipe_merge(p, from, tail);
		if (err > 0)
			done = tail;
	}
	while (err >= 0 && (size_t)done < total) {
		size_t n = min(total - done, PAGE_SIZE);
		bool ended;
		long many;

		if (p->used >= p->slots) {
			err = -EAGAIN;
			break;
		}
		many = append_at_once(f, from, total - (size_t)done, packet, &ended);
		done += max(many, 0L);
		err = min(many, 0L);
		if (ended)
			break;
		if (many)
			continue;
		err = pipe_append(p, from, n, packet);
		if (!err)
			done += n;
	}
	if (done > 0)
		wake_all(&p->rd_wait);
	return done ? done : err;
}

/* Where the page of memory that @from stands in ends, or its piece of the vector. */
static size_t page_rest(struct uio *from)
{
	while (from->at == from->iov->len) {
		from->iov++;
		from->count--;
		from->at = 0;
	}
	return min((size_t)(from->iov->len - from->at), PAGE_SIZE - (from->iov->base + from->at) % PAGE_SIZE);
}

/* One piece of that, up to VFS_PIECE bytes: how many came. */
static long take_pages(struct pipe *p, struct uio *from)
{
	char *buf = p->k->vfs->piece;
	struct uio look = *from;
	long got = uio_from_user(&look, buf, VFS_PIECE), done = 0;

	while (done < got && p->used < p->slots) {
		size_t n = min(page_rest(from), (size_t)(got - done));
		char *data = page_get(p);

		if (!data)
			return done ? done : -ENOMEM;
		memcpy(data, buf + done, n);
		page_push(p, (struct pipe_page){.data = data, .len = (u32)n, .closed = true});
		from->at += n;
		from->left -= n;
		done += n;
	}
	return got < 0 ? got : done;
}

long pipe_pages(struct file *f, struct uio *from)
{
	struct pipe *p = f->priv;
	long done = 0, n = 0;

	if (!p->readers)
		return pipe_broken(p, from->task);
	if (p->used >= p->slots)
		return -EAGAIN;
	while (from->left && p->used < p->slots) {
		n = take_pages(p, from);
		if (n <= 0)
			break;
		done += n;
	}
	if (done)
		wake_all(&p->rd_wait);
	return done ? done : n;
}

long pipe_tee(struct file *in, struct file *out, struct task *t, size_t count)
{
	struct pipe *from = in->priv, *to = out->priv;
	size_t done = 0;

	if (!from->used && from->writers)
		return -EAGAIN;
	if (!to->readers)
		return pipe_broken(to, t);
	if (to->used >= to->slots)
		return -EAGAIN;
	for (unsigned i = 0; i < from->used && done < count && to->used < to->slots; i++) {
		struct pipe_page *pg = pipe_at(from, i);
		size_t n = min((size_t)pg->len, count - done);
		char *data = page_get(to);

		if (!data)
			return done ? (long)done : -ENOMEM;
		memcpy(data, pg->data + pg->at, n);
		page_push(to, (struct pipe_page){
				      .data = data, .len = (u32)n, .packet = pg->packet, .closed = true});
		done += n;
	}
	if (done)
		wake_all(&to->rd_wait);
	return (long)done;
}

long pipe_filled(struct file *f)
{
	struct pipe *p = f->priv;
	long bytes = (long)pipe_bytes(p);

	return bytes ? bytes : p->writers ? -EAGAIN : 0;
}

long pipe_room(struct file *f)
{
	struct pipe *p = f->priv;

	if (!p->readers)
		return -EPIPE;
	return p->used < p->slots ? (long)((p->slots - p->used) * PAGE_SIZE) : -EAGAIN;
}

long pipe_look(struct file *f, char *buf, size_t size)
{
	struct pipe *p = f->priv;
	size_t done = 0;

	for (unsigned i = 0; i < p->used && done < size; i++) {
		struct pipe_page *pg = pipe_at(p, i);
		size_t n = min((size_t)pg->len, size - done);

		memcpy(buf + done, pg->data + pg->at, n);
		done += n;
	}
	return (long)done;
}

void pipe_skip(struct file *f, size_t size)
{
	struct pipe *p = f->priv;

	while (size && p->used) {
		struct pipe_page *pg = pipe_at(p, 0);
		u32 n = (u32)min((size_t)pg->len, size);

		pg->at += n;
		pg->len -= n;
		size -= n;
		if (!pg->len)
			pipe_page_drop(p);
	}
	wake_all(&p->wr_wait);
}

u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->priv;
	u32 events = 0;

	if (file_readable(f)) {
		poll_wait_for(pt, &p->rd_wait, EPOLLIN | EPOLLRDNORM);
		if (p->used)
			events |= EPOLLIN | EPOLLRDNORM;
		if (!p->writers && f->pos != p->writer_opens)
			events |= EPOLLHUP;
	}
	if (file_writable(f)) {
		poll_wait_for(pt, &p->wr_wait, EPOLLOUT | EPOLLWRNORM);
		if (p->used < p->slots)
			events |= EPOLLOUT | EPOLLWRNORM;
		if (!p->readers)
			events |= EPOLLERR;
	}
	return events;
}

/* ---- control ---- */

long pipe_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	int bytes = (int)pipe_bytes(f->priv);

	return cmd == FIONREAD ? user_put(t, arg, &bytes) : -ENOTTY;
}

static long pipe_resize(struct pipe *p, struct task *t, u32 size)
{
	struct pipe_page *ring;
	unsigned slots = 1;

	if (size > 1U << 31)
		return -EINVAL;
	while (slots * PAGE_SIZE < size)
		slots *= 2;
	if (slots > p->slots && slots * PAGE_SIZE > PIPE_MAX_SIZE && !capable(t, CAP_SYS_RESOURCE))
		return -EPERM;
	if (slots < p->used)
		return -EBUSY;
	ring = calloc(slots, sizeof *ring);
	if (!ring)
		return -ENOMEM;
	for (unsigned i = 0; i < p->used; i++)
		ring[i] = *pipe_at(p, i);
	free(p->ring);
	p->ring = ring;
	p->tail = 0;
	p->slots = slots;
	wake_all(&p->wr_wait);
	return slots * PAGE_SIZE;
}

long pipe_fcntl(struct file *f, struct task *t, int cmd, u64 arg)
{
	struct pipe *p = f->priv;

	if (cmd == F_GETPIPE_SZ)
		return p->slots * PAGE_SIZE;
	if (cmd == F_SETPIPE_SZ)
		return pipe_resize(p, t, arg);
	return -EINVAL;
}

/* ---- ends ---- */

void pipe_end_opened(struct pipe *p, struct file *f)
{
	if (file_readable(f)) {
		p->readers++;
		p->reader_opens++;
	}
	if (file_writable(f)) {
		p->writers++;
		p->writer_opens++;
	}
	/* A FIFO that had no writer yet has not lost one either. */
	f->pos = p->writers || p->nameless ? ~0UL : p->writer_opens;
	/* Blocking opens of the other side go on. */
	wake_all(&p->rd_wait);
	wake_all(&p->wr_wait);
}

bool pipe_end_closed(struct pipe *p, struct file *f)
{
	if (file_readable(f))
		p->readers--;
	if (file_writable(f))
		p->writers--;
	if (!p->readers && !p->writers)
		return true;
	wake_all(&p->rd_wait);
	wake_all(&p->wr_wait);
	return false;
}

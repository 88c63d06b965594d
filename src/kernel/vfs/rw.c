/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing any file: the blocking loop around file operations that never block. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "vfs/notify.h"
#include "vfs/sync.h"

#define SLICE (2L << 20)

int file_range_check(const struct file *f, u64 pos, u64 size)
{
	return !f->ops->stream && ((s64)size < 0 || (s64)(pos + size) < 0) ? -EINVAL : 0;
}

/* A poll table that queues the task itself. */
static int wait_table_add(struct poll_table *pt, struct wait_queue *q)
{
	return wait_add(q, pt->task);
}

static int queue_on(struct task *t, struct file *f, u32 events)
{
	struct poll_table pt = {.add = wait_table_add, .task = t, .events = events};
	u32 ready = f->ops->poll ? f->ops->poll(f, &pt) : events;

	if (pt.error)
		return pt.error;
	/* Ready by now: once more. A file may also be ready for less than was asked of it (an eventfd with little room): then
	 * its queue must tell. */
	if (ready & (events | EPOLLERR | EPOLLHUP) && !t->call.retried) {
		t->call.retried = true;
		task_wake(t);
	}
	return 0;
}

long file_wait(struct task *t, struct file *f, u32 events)
{
	int err = queue_on(t, f, events);

	return err ? err : call_wait(t);
}

long file_wait_host(struct task *t, struct file *f, u32 events)
{
	int err = t->work & TASK_WORK_EXIT ? -EINTR : queue_on(t, f, events);

	return err ? err : CALL_PARK;
}

static bool is_regular(const struct file *f)
{
	return f->inode && f->inode->type == S_IFREG;
}

int file_write_limit(struct task *t, const struct file *f, u64 pos, u64 *size)
{
	u64 limit = t->k->ops.limit(t, RLIMIT_FSIZE);

	if (limit == RLIM_INFINITY || !is_regular(f))
		return 0;
	if (pos >= limit) {
		t->k->ops.send_signal(t, SIGXFSZ, SI_KERNEL, false);
		return -EFBIG;
	}
	*size = min(*size, limit - pos);
	return 0;
}

/* Where a write at *@pos begins. */
static u64 write_begins(struct file *f, const u64 *pos)
{
	s64 at = f->ops->offset_outside && pos == &f->pos ? f->ops->seek(f, 0, SEEK_CUR) : -1;

	return at < 0 ? *pos : (u64)at;
}

/* The same for a write at *@pos that has written @done bytes by now, which is over then. */
static int check_file_size(struct task *t, struct file *f, struct uio *u, const u64 *pos, size_t done)
{
	u64 limit = t->k->ops.limit(t, RLIMIT_FSIZE), size = u->left, at;
	int err;

	if (!size || limit == RLIM_INFINITY || !is_regular(f))
		return 0;
	at = write_begins(f, pos);
	if (done && at >= limit) {
		u->left = 0;
		return 0;
	}
	err = file_write_limit(t, f, at, &size);
	u->left = size;
	return err;
}

int file_size_limit(struct task *t, struct inode *i, u64 size)
{
	u64 limit = t->k->ops.limit(t, RLIMIT_FSIZE);
	struct kstat st;
	int err;

	if (size <= limit)
		return 0;
	err = i->ops->getattr(i, &st);
	if (err || size <= (u64)st.size)
		return err;
	t->k->ops.send_signal(t, SIGXFSZ, SI_KERNEL, false);
	return -EFBIG;
}

/* Where a write begins, and how much of @u it may write, @done bytes of which are written. */
static int begin_write(struct task *t, struct file *f, struct uio *u, u64 *pos, size_t done)
{
	struct kstat st;

	if (u->left && f->flags & O_APPEND && f->inode && f->inode->type == S_IFREG && !file_getattr(f, &st))
		*pos = (u64)st.size;
	return check_file_size(t, f, u, pos, done);
}

/* One round. @slice: no more than that many bytes. */
static long move(struct task *t, struct file *f, struct uio *u, u64 *pos, bool write, size_t slice)
{
	size_t rest = u->left > slice ? u->left - slice : 0;
	long n;

	u->left -= rest;
	n = write ? f->ops->write(f, u, pos) : f->ops->read(f, u, pos);
	u->left += rest;
	return n;
}

/* The bytes of @u that an earlier round has moved. */
static void skip_done(struct uio *u, size_t done)
{
	while (done && u->count) {
		size_t n = min(done, (size_t)(u->iov->len - u->at));

		u->at += n;
		u->left -= n;
		u->done += n;
		done -= n;
		if (u->at == u->iov->len) {
			u->iov++;
			u->count--;
			u->at = 0;
		}
	}
}

/* The call goes on later, by the file's own offset if not @at: whoever else may use that waits. False: no memory. */
static bool keep_offset(struct task *t, struct call *c, struct file *f, bool at)
{
	return at || !is_regular(f) || (f->refs <= 2 && !fdtable_shared(t->files)) || offset_begin(t, c, f);
}

/* How much goes at once, so that others have their turns in between. Linux, too, lets others in between two parts of a
 * read; of a write it does not, so that it keeps others from changing the file meanwhile (vfs/change.c). A file offset
 * that others may use is theirs only when the call is over. */
static size_t slice_of(struct task *t, struct call *c, struct file *f, const struct uio *u, bool at,
		       bool write)
{
	if (u->left <= SLICE || !is_regular(f) || !keep_offset(t, c, f, at))
		return SIZE_MAX;
	return !write || change_begin(t, c, f->inode) ? SLICE : SIZE_MAX;
}

/* Moves what can be moved now, in rounds of no more than @slice bytes; *done counts them. What the last round said, or
 * CALL_PARK: the next one is to come when others have had their turns. */
static long move_on(struct task *t, struct file *f, struct uio *u, u64 *at, bool write, size_t slice,
		    size_t *done)
{
	for (;;) {
		long n = write ? begin_write(t, f, u, at, *done) : 0;

		if (n || (*done && !u->left))
			return n;
		n = move(t, f, u, at, write, slice);
		if (n <= 0)
			return n;
		*done += (size_t)n;
		if ((size_t)n == slice && u->left) {
			if (t->work & TASK_WORK_EXIT)
				return n;
			task_wake(t);
			return CALL_PARK;
		}
		/* A write goes on until all is written, a read of a file until its end; any other read, once it has
		 * something, is done. */
		if (!u->left || !(write || f->ops->always_waits))
			return n;
	}
}

/* Waits for @f, after c->done bytes; @at: they have an offset of the call's own. */
static long wait_for_more(struct task *t, struct call *c, struct file *f, bool at, bool write)
{
	u32 events = write ? EPOLLOUT : EPOLLIN;

	c->hand_off = f->ops->between;
	if (c->done)
		keep_offset(t, c, f, at);
	return call_partly(c, f->ops->always_waits ? file_wait_host(t, f, events) : file_wait(t, f, events));
}

static long do_rw(struct task *t, struct call *c, struct file *f, struct uio *u, u64 *pos, bool write)
{
	u64 *at = pos ? pos : file_pos(f);
	size_t done, slice;
	u64 before;
	long n;

	if (!(write ? f->ops->write : f->ops->read))
		return -EINVAL;
	n = pos ? 0 : offset_wait(t, f);
	if (n)
		return n;
	if (write && f->inode && f->inode->change && f->inode->change != c->priv)
		return inode_change_wait(t, f->inode, 0);
	slice = slice_of(t, c, f, u, pos, write);
	skip_done(u, c->done);
	if (pos)
		*pos += c->done;
	/* What an operation took from @u before it failed does not count: only what it says that it moved. */
	done = c->done;
	before = *at;
	n = move_on(t, f, u, at, write, slice, &done);
	/* To append moves the offset only once something has been written. */
	if (n <= 0 && !done)
		*at = before;
	/* The rest of the bytes is still to come from the guest: in a file they belong together all the same. */
	if (n == CALL_FETCH && write && done && is_regular(f)) {
		change_begin(t, c, f->inode);
		keep_offset(t, c, f, pos);
	}
	if (n == CALL_FETCH || n == CALL_PARK) {
		c->done = done; /* the handler runs again for the rest */
		return n;
	}
	if (n != -EAGAIN || (f->flags & O_NONBLOCK && !f->ops->always_waits) ||
	    (done && !write && !f->ops->always_waits))
		return done ? (long)done : n;
	c->done = done;
	return wait_for_more(t, c, f, pos, write);
}

/* Nothing runs again from its start after a write: the call goes on here. */
static long sync_written(struct task *t, struct call *c)
{
	long err = file_sync(t, c, c->file, c->scratch[0]);

	return err ? err : (long)c->done;
}

static long sync_after(struct task *t, struct call *c, long written)
{
	if (c->priv) {
		c->priv_free(t, c->priv);
		c->priv = NULL;
	}
	c->done = (size_t)written;
	c->scratch[0] = (c->file->flags & O_SYNC) != O_SYNC;
	c->step = sync_written;
	return sync_written(t, c);
}

long file_rw(struct task *t, struct call *c, struct file *f, struct uio *u, u64 *pos, bool write)
{
	long n = c->done ? 0 : file_range_check(f, pos ? *pos : f->pos, u->left);

	if (!n)
		n = do_rw(t, c, f, u, pos, write);
	if (n == CALL_PARK || n == CALL_FETCH)
		return n;
	if (write) {
		t->io.syscw++;
		t->io.wchar += n > 0 ? (u64)n : 0;
	} else {
		t->io.syscr++;
		t->io.rchar += n > 0 ? (u64)n : 0;
	}
	if (n > 0)
		notify_file(f, write ? IN_MODIFY : IN_ACCESS);
	return write && n > 0 && f->flags & O_DSYNC && f->ops->sync && f == c->file ? sync_after(t, c, n) : n;
}

long file_write_kernel(struct task *t, struct file *f, const void *data, size_t size, u64 *pos)
{
	struct uio u;
	size_t done = 0;
	long n;

	uio_init(&u, NULL, (u64)data, size);
	n = check_file_size(t, f, &u, pos, 0);
	/* What it says that it moved counts: /dev/null takes all without looking. */
	while (!n && u.left) {
		n = f->ops->write(f, &u, pos);
		if (n <= 0)
			break;
		done += (size_t)n;
		n = 0;
	}
	return done ? (long)done : n;
}

long file_pread(struct file *f, void *buf, size_t size, u64 offset, bool waits)
{
	struct uio u;

	uio_init(&u, NULL, (u64)buf, size);
	u.waits = waits;
	while (u.left) {
		long n = f->ops->read ? f->ops->read(f, &u, &offset) : -EINVAL;

		if (n < 0)
			return u.done ? (long)u.done : n;
		if (!n)
			break;
	}
	if (u.done && !waits)
		notify_file(f, IN_ACCESS);
	return (long)u.done;
}

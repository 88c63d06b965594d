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

/* RLIMIT_FSIZE: writes beyond it are cut, one at it ends with SIGXFSZ and EFBIG (fs/read_write.c:
 * generic_write_check_limits). */
static int check_file_size(struct task *t, struct file *f, struct uio *u, u64 pos, size_t done)
{
	u64 limit = t->k->ops.limit(t, RLIMIT_FSIZE);

	if (limit == RLIM_INFINITY || !f->inode || f->inode->type != S_IFREG || !u->left)
		return 0;
	if (pos >= limit && done) {
		u->left = 0;
		return 0;
	}
	if (pos >= limit) {
		t->k->ops.send_signal(t, SIGXFSZ, SI_KERNEL, false);
		return -EFBIG;
	}
	u->left = min(u->left, limit - pos);
	return 0;
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

	if (f->flags & O_APPEND && f->inode && f->inode->type == S_IFREG && !file_getattr(f, &st))
		*pos = (u64)st.size;
	return check_file_size(t, f, u, *pos, done);
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

static bool is_regular(const struct file *f)
{
	return f->inode && f->inode->type == S_IFREG;
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

static long do_rw(struct task *t, struct call *c, struct file *f, struct uio *u, u64 *pos, bool write)
{
	u64 *at = pos ? pos : file_pos(f);
	size_t done, slice;
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
	for (;;) {
		n = write ? begin_write(t, f, u, at, done) : 0;
		if (n || (done && !u->left))
			break;
		n = move(t, f, u, at, write, slice);
		if (n > 0)
			done += (size_t)n;
		if (n > 0 && (size_t)n == slice && u->left) {
			if (t->work & TASK_WORK_EXIT)
				break;
			c->done = done;
			task_wake(t);
			return CALL_PARK;
		}
		/* A write goes on until all is written, a read of a file until its end; any other read, once it has
		 * something, is done. */
		if (n > 0 && u->left && (write || f->ops->always_waits))
			continue;
		break;
	}
	/* The rest of the bytes is still to come from the guest: in a file they belong together all the same. */
	if (n == CALL_FETCH && write && done && is_regular(f)) {
		change_begin(t, c, f->inode);
		keep_offset(t, c, f, pos);
	}
	if (n == CALL_FETCH || n == CALL_PARK) {
		c->done = done; /* the handler runs again for the rest */
		return n;
	}
	if (n != -EAGAIN || (f->flags & O_NONBLOCK && !f->ops->always_waits))
		return done ? (long)done : n;
	if (done && !write && !f->ops->always_waits)
		return (long)done;
	c->done = done;
	c->hand_off = f->ops->between;
	if (done)
		keep_offset(t, c, f, pos);
	n = f->ops->always_waits ? file_wait_host(t, f, write ? EPOLLOUT : EPOLLIN)
				 : file_wait(t, f, write ? EPOLLOUT : EPOLLIN);
	return n == CALL_PARK || !c->done ? n : (long)c->done;
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
	n = check_file_size(t, f, &u, *pos, 0);
	/* What it says that it moved counts: /dev/null takes all without looking. */
	while (!n && u.left) {
		n = f->ops->write(f, &u, pos);
		if (n <= 0)
			break;
		done += (size_t)n;
		n = 0;
	}
	if (done)
		notify_file(f, IN_MODIFY);
	return done ? (long)done : n;
}

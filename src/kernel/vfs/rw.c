/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing any file: the blocking loop around file operations that never block. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "vfs/notify.h"

#define SLICE (2L << 20)

/* A poll table that queues the task itself. */
static int wait_table_add(struct poll_table *pt, struct wait_queue *q)
{
	return wait_add(q, pt->task);
}

long file_wait(struct task *t, struct file *f, u32 events)
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
	return call_wait(t);
}

/* RLIMIT_FSIZE: writes beyond it are cut, one at it ends with SIGXFSZ and EFBIG (fs/read_write.c:
 * generic_write_check_limits). */
static int check_file_size(struct task *t, struct file *f, struct uio *u, u64 pos)
{
	u64 limit = t->k->ops.limit(t, RLIMIT_FSIZE);

	if (limit == RLIM_INFINITY || !f->inode || f->inode->type != S_IFREG)
		return 0;
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

static long move(struct task *t, struct file *f, struct uio *u, u64 *pos, bool write)
{
	if (write) {
		struct kstat st;
		int err;

		if (f->flags & O_APPEND && f->inode && f->inode->type == S_IFREG && !file_getattr(f, &st))
			*pos = (u64)st.size;
		err = check_file_size(t, f, u, *pos);
		return err ? err : f->ops->write(f, u, pos);
	}
	return f->ops->read(f, u, pos);
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

static long do_rw(struct task *t, struct call *c, struct file *f, struct uio *u, u64 *pos, bool write)
{
	/* A file offset that others may use is theirs only when the call is over. */
	bool slices = !write && f->inode && f->inode->type == S_IFREG &&
		      (pos || (f->refs <= 2 && !fdtable_shared(t->files)));
	u64 *at = pos ? pos : &f->pos;
	size_t done;
	long n;

	if (!(write ? f->ops->write : f->ops->read))
		return -EINVAL;
	skip_done(u, c->done);
	if (pos)
		*pos += c->done;
	/* What an operation took from @u before it failed does not count: only what it says that it moved. */
	done = c->done;
	for (;;) {
		/* Others have their turns between two slices of a big read. Linux, too, lets writes in between; in between
		 * two parts of a write it does not, so those go in one. */
		size_t rest = slices && u->left > SLICE ? u->left - SLICE : 0;

		u->left -= rest;
		n = move(t, f, u, at, write);
		u->left += rest;
		if (n > 0)
			done += (size_t)n;
		if (rest && n == SLICE && !(t->work & TASK_WORK_EXIT)) {
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
	if (n == CALL_FETCH || n == CALL_PARK) {
		c->done = done; /* the handler runs again for the rest */
		return n;
	}
	if (n != -EAGAIN || (f->flags & O_NONBLOCK && !f->ops->always_waits))
		return done ? (long)done : n;
	if (done && !write && !f->ops->always_waits)
		return (long)done;
	c->done = done;
	n = file_wait(t, f, write ? EPOLLOUT : EPOLLIN);
	return n == CALL_PARK || !c->done ? n : (long)c->done;
}

long file_rw(struct task *t, struct call *c, struct file *f, struct uio *u, u64 *pos, bool write)
{
	long n = do_rw(t, c, f, u, pos, write);

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
	return n;
}

long file_write_kernel(struct task *t, struct file *f, const void *data, size_t size, u64 *pos)
{
	struct uio u;
	long n = 0;

	uio_init(&u, NULL, (u64)data, size);
	n = check_file_size(t, f, &u, *pos);
	while (!n && u.left) {
		n = f->ops->write(f, &u, pos);
		if (n <= 0)
			break;
		n = 0;
	}
	if (u.done)
		notify_file(f, IN_MODIFY);
	return u.done ? (long)u.done : n;
}

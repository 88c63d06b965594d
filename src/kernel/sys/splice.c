/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice, vmsplice and tee: as copies, which is what a guest can see of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "fs/pipe.h"
#include "sys/files.h"
#include "vfs/notify.h"

#define PIECE        65536
#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* One side of a splice. */
struct end {
	struct file *file; /* owned */
	bool pipe;
	u64 addr;   /* of the offset that the guest gave, or 0 */
	u64 offset; /* it */
};

/* The offset that this end moves. */
static u64 *position(struct end *e)
{
	return e->addr ? &e->offset : file_pos(e->file);
}

static int get_offset(struct task *t, struct end *e)
{
	return e->addr ? user_get(t, &e->offset, e->addr) : 0;
}

static int get_ends(struct task *t, struct call *c, struct end *in, struct end *out)
{
	int err = fd_get(t, (int)c->arg[0], &in->file);

	if (!err)
		err = fd_get(t, (int)c->arg[2], &out->file);
	if (err)
		return err;
	in->pipe = file_is_pipe(in->file);
	out->pipe = file_is_pipe(out->file);
	in->addr = c->arg[1];
	out->addr = c->arg[3];
	if ((in->pipe && in->addr) || (out->pipe && out->addr))
		return -ESPIPE;
	err = get_offset(t, in);
	return err ? err : get_offset(t, out);
}

/* An end that is no pipe: -EINVAL when it has no offsets but was given one, or a negative one. */
static int check_offset(const struct end *e)
{
	return e->addr && (e->file->ops->stream || (s64)e->offset < 0) ? -EINVAL : 0;
}

/* Linux's files without splice operations: what is in no file system, and those of the older kind. */
static bool can_splice_from(const struct file *f)
{
	return f->ops->read && (f->inode || f->path) && !(f->ops->rw & (RW_READ_PLAIN | RW_UNSPLICED));
}

static bool can_splice_to(const struct file *f)
{
	return f->ops->write && (f->inode || f->path) && !(f->ops->rw & RW_WRITE_PLAIN);
}

static int check_ends(const struct end *in, const struct end *out)
{
	if (!file_readable(in->file) || !file_writable(out->file))
		return -EBADF;
	if (!in->pipe && !out->pipe)
		return -EINVAL;
	if (in->pipe && out->pipe)
		return in->file->inode == out->file->inode ? -EINVAL : 0;
	if (in->pipe)
		return out->file->flags & O_APPEND || !can_splice_to(out->file) ? -EINVAL : check_offset(out);
	return can_splice_from(in->file) ? check_offset(in) : -EINVAL;
}

/* One piece from @in, which is no pipe, into the pipe @out: what fits for certain, so that nothing read is lost. */
static long fill_pipe(struct task *t, struct end *in, struct end *out, size_t size, char *buf)
{
	long room = pipe_room(out->file), n;
	struct uio u;

	if (room == -EPIPE)
		return out->file->ops->write(out->file, &(struct uio){.task = t, .left = 1}, NULL);
	if (room < 0)
		return room;
	uio_init(&u, NULL, (u64)buf, min(size, (size_t)room));
	u.waits = true;
	n = in->file->ops->read(in->file, &u, position(in));
	return n <= 0 ? n : file_write_kernel(t, out->file, buf, (size_t)n, position(out));
}

/* One piece out of the pipe @in: taken out of it as far as it could be written. */
static long drain_pipe(struct task *t, struct end *in, struct end *out, size_t size, char *buf)
{
	long filled = pipe_filled(in->file), room = out->pipe ? pipe_room(out->file) : PIECE, n;

	if (filled <= 0)
		return filled;
	if (room == -EPIPE)
		return out->file->ops->write(out->file, &(struct uio){.task = t, .left = 1}, NULL);
	if (room < 0)
		return room;
	n = pipe_look(in->file, buf, min(size, (size_t)room));
	n = file_write_kernel(t, out->file, buf, (size_t)n, position(out));
	if (n > 0)
		pipe_skip(in->file, (size_t)n);
	return n;
}

/* Moves what can go at once: bytes, or 0 or an error when there were none. */
static long pump(struct task *t, struct end *in, struct end *out, size_t count)
{
	char *buf = malloc(PIECE);
	size_t done = 0;
	long n = 0;

	if (!buf)
		return -ENOMEM;
	while (done < count) {
		size_t size = min(count - done, (size_t)PIECE);

		n = in->pipe ? drain_pipe(t, in, out, size, buf) : fill_pipe(t, in, out, size, buf);
		if (n <= 0)
			break;
		done += (size_t)n;
		/* A stream gives what it has, and is not waited for again. */
		if (!in->pipe && in->file->ops->stream)
			break;
	}
	free(buf);
	/* In Linux's order (fs/splice.c: do_splice()). */
	if (done) {
		notify_file(out->file, IN_MODIFY);
		notify_file(in->file, IN_ACCESS);
	}
	return done ? (long)done : n;
}

/* @now: SPLICE_F_NONBLOCK. */
static long splice_ends(struct task *t, struct end *in, struct end *out, size_t count, bool now)
{
	struct file *wait;
	long n = check_ends(in, out);

	if (!n && !out->pipe && out->file->inode)
		n = inode_change_wait(t, out->file->inode, UINT64_MAX);
	if (!n)
		n = pump(t, in, out, min(count, MAX_RW_COUNT));
	if (n != -EAGAIN)
		return n;
	if (in->pipe && pipe_filled(in->file) < 0)
		wait = in->file;
	else if (out->pipe && pipe_room(out->file) < 0)
		wait = out->file;
	else
		wait = in->pipe ? out->file : in->file;
	/* Between pipes either one's flag counts. */
	if (in->pipe && out->pipe)
		now |= (in->file->flags | out->file->flags) & O_NONBLOCK;
	/* A socket's receiving knows the call's flag as well. */
	if (file_is_pipe(wait) || (wait == in->file && wait->inode && wait->inode->type == S_IFSOCK)
		    ? now || wait->flags & O_NONBLOCK
		    : wait->flags & O_NONBLOCK && !wait->ops->always_waits)
		return n;
	return wait->ops->always_waits ? file_wait_host(t, wait, EPOLLIN)
				       : file_wait(t, wait, wait == in->file ? EPOLLIN : EPOLLOUT);
}

long splice_to_pipe(struct task *t, struct file *in, struct file *out, size_t count)
{
	struct end from = {.file = in}, to = {.file = out, .pipe = true};

	return splice_ends(t, &from, &to, count, out->flags & O_NONBLOCK);
}

static long put_offset(struct task *t, struct end *e)
{
	return e->addr ? user_put(t, e->addr, &e->offset) : 0;
}

long sys_splice(struct task *t, struct call *c)
{
	struct end in = {0}, out = {0};
	long n, err;

	if (!c->arg[4])
		return 0;
	if (c->arg[5] & ~(u64)SPLICE_FLAGS)
		return -EINVAL;
	n = get_ends(t, c, &in, &out);
	if (!n) {
		n = splice_ends(t, &in, &out, c->arg[4], c->arg[5] & SPLICE_F_NONBLOCK);
		err = n > 0 ? put_offset(t, &in) : 0;
		if (n > 0 && !err)
			err = put_offset(t, &out);
		n = err ? err : n;
	}
	file_put(out.file);
	file_put(in.file);
	return n;
}

static bool ready(struct file *f, u32 event)
{
	return f->ops->poll(f, NULL) & (event | EPOLLERR | EPOLLHUP);
}

static long tee_pipes(struct task *t, struct call *c, struct file *in, struct file *out)
{
	struct file *wait;
	long n;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (!file_is_pipe(in) || !file_is_pipe(out) || in->inode == out->inode)
		return -EINVAL;
	n = pipe_tee(in, out, t, min(c->arg[2], MAX_RW_COUNT));
	if (n != -EAGAIN || c->arg[3] & SPLICE_F_NONBLOCK || (in->flags | out->flags) & O_NONBLOCK)
		return n;
	wait = ready(in, EPOLLIN) ? out : in;
	return file_wait(t, wait, wait == in ? EPOLLIN : EPOLLOUT);
}

long sys_tee(struct task *t, struct call *c)
{
	struct file *in, *out;
	long n;

	if (c->arg[3] & ~(u64)SPLICE_FLAGS)
		return -EINVAL;
	if (!c->arg[2])
		return 0;
	n = fd_get(t, (int)c->arg[0], &in);
	if (n)
		return n;
	n = fd_get(t, (int)c->arg[1], &out);
	if (!n) {
		n = tee_pipes(t, c, in, out);
		file_put(out);
	}
	file_put(in);
	return n;
}

/* Memory into the pipe @f: it waits until there is any room at all, and then brings what fits. */
static long splice_in(struct task *t, struct call *c, struct file *f, struct uio *u)
{
	long n = pipe_pages(f, u);

	return n != -EAGAIN || (f->flags & O_NONBLOCK) || c->arg[3] & SPLICE_F_NONBLOCK
		       ? n
		       : file_wait(t, f, EPOLLOUT);
}

static long splice_memory(struct task *t, struct call *c, struct file *f)
{
	struct user_iovec *iov;
	struct uio u;
	u32 saved;
	long n;

	if (!file_is_pipe(f))
		return -EBADF;
	n = uio_read_iovec(t, c->arg[1], c->arg[2], &iov);
	if (n < 0)
		return n;
	if (n && file_writable(f)) {
		uio_init_iov(&u, t, iov, (int)c->arg[2]);
		n = splice_in(t, c, f, &u);
	} else if (n) {
		saved = f->flags;
		if (c->arg[3] & SPLICE_F_NONBLOCK)
			f->flags |= O_NONBLOCK;
		uio_init_iov(&u, t, iov, (int)c->arg[2]);
		n = file_rw(t, c, f, &u, NULL, false);
		f->flags = saved;
	}
	free(iov);
	return n;
}

long sys_vmsplice(struct task *t, struct call *c)
{
	long err;

	if (c->arg[3] & ~(u64)SPLICE_FLAGS)
		return -EINVAL;
	err = c->file ? 0 : fd_get(t, (int)c->arg[0], &c->file);
	return err ? err : splice_memory(t, c, c->file);
}

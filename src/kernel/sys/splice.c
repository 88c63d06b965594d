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

#define MAX_RW_COUNT 0x7ffff000UL
#define PIECE        65536
#define SPLICE_FLAGS 15

/* One side of a splice. */
struct end {
	struct file *file; /* owned */
	u64 offset;
	bool given; /* an offset was given */
};

static int get_end(struct task *t, int fd, u64 addr, struct end *e)
{
	int err = fd_get(t, fd, &e->file);

	if (err)
		return err;
	e->given = addr != 0;
	e->offset = 0;
	if (!e->given)
		return 0;
	err = e->file->ops->stream ? -ESPIPE : user_get(t, &e->offset, addr);
	if (!err && (s64)e->offset < 0)
		err = -EINVAL;
	return err;
}

static bool ready(struct file *f, u32 event)
{
	return !f->ops->poll || f->ops->poll(f, NULL) & (event | EPOLLERR | EPOLLHUP);
}

static long move(struct file *f, char *buf, size_t size, u64 *pos, bool write)
{
	struct uio u;
	long n = 0;

	uio_init(&u, NULL, (u64)buf, size);
	do {
		n = write ? f->ops->write(f, &u, pos) : f->ops->read(f, &u, pos);
	} while (write && n > 0 && u.left);
	return u.done ? (long)u.done : n;
}

/* What can go at once: a pipe that is ready takes PIPE_BUF bytes for certain, so that nothing read is lost.
 */
static long pump(struct end *in, struct end *out, size_t count, char *buf)
{
	size_t most = out->file->ops->stream ? PIPE_BUF : PIECE, done = 0;
	u64 *from = in->given ? &in->offset : &in->file->pos,
	    *to = out->given ? &out->offset : &out->file->pos;
	long n = 0;

	while (done < count && ready(out->file, EPOLLOUT)) {
		n = move(in->file, buf, min(count - done, most), from, false);
		if (n <= 0)
			return done ? (long)done : n;
		n = move(out->file, buf, (size_t)n, to, true);
		if (n <= 0)
			return done ? (long)done : n;
		done += (size_t)n;
		if (in->file->ops->stream && !ready(in->file, EPOLLIN))
			break;
	}
	return done || !count ? (long)done : -EAGAIN;
}

static long splice_ends(struct task *t, struct call *c, struct end *in, struct end *out)
{
	struct file *wait;
	char *buf;
	long n;

	if (!file_readable(in->file) || !file_writable(out->file))
		return -EBADF;
	if (!file_is_pipe(in->file) && !file_is_pipe(out->file))
		return -EINVAL;
	if (file_is_pipe(in->file) && file_is_pipe(out->file) && in->file->inode == out->file->inode)
		return -EINVAL;
	if (!in->file->ops->read || !out->file->ops->write || out->file->flags & O_APPEND)
		return -EINVAL;
	buf = malloc(PIECE);
	if (!buf)
		return -ENOMEM;
	n = pump(in, out, min(c->arg[4], MAX_RW_COUNT), buf);
	free(buf);
	if (n != -EAGAIN)
		return n;
	wait = ready(out->file, EPOLLOUT) ? in->file : out->file;
	if (c->arg[5] & SPLICE_F_NONBLOCK || wait->flags & O_NONBLOCK)
		return n;
	return file_wait(t, wait, wait == in->file ? EPOLLIN : EPOLLOUT);
}

static long put_offsets(struct task *t, struct call *c, struct end *in, struct end *out, long n)
{
	long err = 0;

	if (n > 0 && in->given)
		err = user_put(t, c->arg[1], &in->offset);
	if (n > 0 && !err && out->given)
		err = user_put(t, c->arg[3], &out->offset);
	return err ? err : n;
}

long sys_splice(struct task *t, struct call *c)
{
	struct end in = {0}, out = {0};
	long n;

	if (!c->arg[4])
		return 0;
	if (c->arg[5] & ~(u64)SPLICE_FLAGS)
		return -EINVAL;
	n = get_end(t, (int)c->arg[0], c->arg[1], &in);
	if (!n)
		n = get_end(t, (int)c->arg[2], c->arg[3], &out);
	if (!n)
		n = put_offsets(t, c, &in, &out, splice_ends(t, c, &in, &out));
	file_put(out.file);
	file_put(in.file);
	return n;
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

static long splice_memory(struct task *t, struct call *c, struct file *f)
{
	struct user_iovec *iov;
	struct uio u;
	long n;

	if (!file_is_pipe(f))
		return -EBADF;
	n = uio_read_iovec(t, c->arg[1], c->arg[2], &iov);
	if (n < 0)
		return n;
	if (n) {
		uio_init_iov(&u, t, iov, (int)c->arg[2]);
		n = file_rw(t, c, f, &u, NULL, file_writable(f));
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

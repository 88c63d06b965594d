/* SPDX-License-Identifier: Apache-2.0 */
/* read, write and their vectors, lseek, truncate, sendfile, copy_file_range. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "sys/files.h"

#define COPY_PIECE     65536
#define MAX_RW_COUNT   0x7ffff000UL
#define RWF_SUPPORTED  0x1f /* HIPRI, DSYNC, SYNC, NOWAIT, APPEND */
#define RWF_NOWAIT_BIT 8
#define RWF_APPEND_BIT 16

/* The file behind @fd, open for the direction; it stays in c->file while the call waits. */
static int get_file(struct task *t, struct call *c, int fd, bool write, struct file **out)
{
	int err;

	if (c->file) {
		*out = c->file;
		return 0;
	}
	err = fd_get(t, fd, &c->file);
	if (err)
		return err;
	*out = c->file;
	return (write ? file_writable(c->file) : file_readable(c->file)) ? 0 : -EBADF;
}

static long rw_one(struct task *t, struct call *c, bool write, bool at)
{
	u64 pos = c->arg[3];
	struct file *f;
	struct uio u;
	int err;

	if (at && (s64)pos < 0)
		return -EINVAL;
	err = get_file(t, c, (int)c->arg[0], write, &f);
	if (err)
		return err;
	if (at && f->ops->stream)
		return -ESPIPE;
	if ((s64)c->arg[2] < 0)
		return -EINVAL;
	uio_init(&u, t, c->arg[1], c->arg[2]);
	return file_rw(t, c, f, &u, at ? &pos : NULL, write);
}

long sys_read(struct task *t, struct call *c)
{
	return rw_one(t, c, false, false);
}

long sys_write(struct task *t, struct call *c)
{
	return rw_one(t, c, true, false);
}

long sys_pread64(struct task *t, struct call *c)
{
	return rw_one(t, c, false, true);
}

long sys_pwrite64(struct task *t, struct call *c)
{
	return rw_one(t, c, true, true);
}

static long rw_vector(struct task *t, struct call *c, bool write, bool at, u32 flags)
{
	u64 pos = c->arg[3];
	struct user_iovec *iov;
	struct file *f;
	struct uio u;
	u32 saved;
	long n;

	if (at && (s64)pos < 0)
		return -EINVAL;
	n = get_file(t, c, (int)c->arg[0], write, &f);
	if (n)
		return n;
	if (at && f->ops->stream)
		return -ESPIPE;
	n = uio_read_iovec(t, c->arg[1], c->arg[2], &iov);
	if (n < 0)
		return n;
	if (n && flags & ~(u32)RWF_SUPPORTED) {
		free(iov);
		return -EOPNOTSUPP;
	}
	uio_init_iov(&u, t, iov, (int)c->arg[2]);
	saved = f->flags;
	if (flags & RWF_NOWAIT_BIT)
		f->flags |= O_NONBLOCK;
	if (flags & RWF_APPEND_BIT)
		f->flags |= O_APPEND;
	n = file_rw(t, c, f, &u, at ? &pos : NULL, write);
	f->flags = saved;
	free(iov);
	return n;
}

long sys_readv(struct task *t, struct call *c)
{
	return rw_vector(t, c, false, false, 0);
}

long sys_writev(struct task *t, struct call *c)
{
	return rw_vector(t, c, true, false, 0);
}

long sys_preadv(struct task *t, struct call *c)
{
	return rw_vector(t, c, false, true, 0);
}

long sys_pwritev(struct task *t, struct call *c)
{
	return rw_vector(t, c, true, true, 0);
}

long sys_preadv2(struct task *t, struct call *c)
{
	return rw_vector(t, c, false, c->arg[3] != ~0UL, (u32)c->arg[5]);
}

long sys_pwritev2(struct task *t, struct call *c)
{
	return rw_vector(t, c, true, c->arg[3] != ~0UL, (u32)c->arg[5]);
}

long sys_lseek(struct task *t, struct call *c)
{
	struct file *f;
	long pos = fd_get(t, (int)c->arg[0], &f);

	if (pos)
		return pos;
	if ((u32)c->arg[2] > 4 /* SEEK_HOLE */)
		pos = -EINVAL;
	else
		pos = f->ops->seek ? f->ops->seek(f, (s64)c->arg[1], (int)c->arg[2]) : -ESPIPE;
	file_put(f);
	return pos;
}

static long truncate_path(struct task *t, const struct path *p, s64 size)
{
	struct iattr a = {.valid = ATTR_SIZE, .size = size};

	if (path_inode(p)->type == S_IFDIR)
		return -EISDIR;
	return path_inode(p)->type == S_IFREG ? path_setattr(t, p, &a) : -EINVAL;
}

long sys_truncate(struct task *t, struct call *c)
{
	struct path p;
	long err;

	if ((s64)c->arg[1] < 0)
		return -EINVAL;
	err = user_lookup(t, AT_FDCWD, c->arg[0], LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	if (path_inode(&p)->type == S_IFREG)
		err = path_permission(t, &p, MAY_WRITE);
	if (!err)
		err = truncate_path(t, &p, (s64)c->arg[1]);
	path_put(&p);
	return err;
}

long sys_ftruncate(struct task *t, struct call *c)
{
	struct iattr a = {.valid = ATTR_SIZE, .size = (s64)c->arg[1]};
	struct file *f;
	long err;

	if (a.size < 0)
		return -EINVAL;
	err = fd_get(t, (int)c->arg[0], &f);
	if (err)
		return err;
	if (!f->inode || f->inode->type != S_IFREG || !file_writable(f))
		err = -EINVAL;
	else
		err = f->inode->ops->setattr ? f->inode->ops->setattr(f->inode, &a) : -EINVAL;
	file_put(f);
	return err;
}

long sys_fallocate(struct task *t, struct call *c)
{
	struct file *f;
	long err = fd_get(t, (int)c->arg[0], &f);

	if (err)
		return err;
	if ((s64)c->arg[2] < 0 || (s64)c->arg[3] <= 0)
		err = -EINVAL;
	else if (!file_writable(f))
		err = -EBADF;
	else if (f->ops->stream)
		err = -ESPIPE;
	else if (!f->ops->fallocate)
		err = f->inode && f->inode->type == S_IFDIR ? -EISDIR : -ENODEV;
	else if ((s64)(c->arg[2] + c->arg[3]) < 0)
		err = -EFBIG;
	else
		err = f->ops->fallocate(f, (int)c->arg[1], c->arg[2], c->arg[3]);
	file_put(f);
	return err;
}

/* ---- from file to file ---- */

/* Writes all of @size bytes of kernel memory, unless the file stops short. */
static long write_all(struct file *f, const char *data, size_t size, u64 *pos)
{
	struct uio u;
	long n = 0;

	uio_init(&u, NULL, (u64)data, size);
	while (u.left && (n = f->ops->write(f, &u, pos)) > 0)
		;
	return u.done ? (long)u.done : n;
}

/* Moves up to @count bytes in pieces: the bytes moved, or the first error. Reads only what was written: a
 * piece that goes out short is not lost, since the input has an offset. */
static long copy_between(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos, size_t count,
			 char *buf)
{
	size_t done = 0;
	long n = 0;

	while (done < count) {
		n = file_pread(in, buf, min(count - done, (size_t)COPY_PIECE), *in_pos);
		if (n <= 0)
			break;
		n = write_all(out, buf, (size_t)n, out_pos);
		if (n <= 0)
			break;
		*in_pos += (u64)n;
		done += (size_t)n;
	}
	return done ? (long)done : n;
}

static long copy_files(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos, size_t count)
{
	char *buf = malloc(COPY_PIECE);
	long n;

	if (!buf)
		return -ENOMEM;
	n = copy_between(in, in_pos, out, out_pos, count, buf);
	free(buf);
	return n;
}

/* A file's own offset, which inherited host files share with the host (fs/hostio.c); and setting it. */
static u64 own_offset(struct file *f)
{
	s64 pos = f->ops->seek && !f->ops->stream ? f->ops->seek(f, 0, SEEK_CUR) : (s64)f->pos;

	return pos < 0 ? f->pos : (u64)pos;
}

static void move_offset(struct file *f, u64 pos)
{
	if (f->ops->seek && !f->ops->stream)
		f->ops->seek(f, (s64)pos, SEEK_SET);
}

static long sendfile(struct task *t, struct call *c, struct file *in, struct file *out)
{
	u64 pos = own_offset(in);
	long n, err;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (!in->ops->read || in->ops->stream || !out->ops->write || out->flags & O_APPEND)
		return -EINVAL;
	if (c->arg[2]) {
		err = user_get(t, &pos, c->arg[2]);
		if (err)
			return err;
		if ((s64)pos < 0)
			return -EINVAL;
	}
	n = copy_files(in, &pos, out, &out->pos, min(c->arg[3], MAX_RW_COUNT));
	if (n == -EAGAIN && !(out->flags & O_NONBLOCK))
		return file_wait(t, out, 4 /* EPOLLOUT */);
	if (n > 0 && c->arg[2]) {
		err = user_put(t, c->arg[2], &pos);
		if (err)
			return err;
	} else if (n > 0) {
		move_offset(in, pos);
	}
	return n;
}

long sys_sendfile(struct task *t, struct call *c)
{
	struct file *in, *out;
	long n = fd_get(t, (int)c->arg[1], &in);

	if (n)
		return n;
	n = fd_get(t, (int)c->arg[0], &out);
	if (!n) {
		n = sendfile(t, c, in, out);
		file_put(out);
	}
	file_put(in);
	return n;
}

static long copy_range(struct task *t, struct call *c, struct file *in, struct file *out)
{
	u64 in_pos = own_offset(in), out_pos = own_offset(out);
	long n, err = 0;

	if (c->arg[1])
		err = user_get(t, &in_pos, c->arg[1]);
	if (!err && c->arg[3])
		err = user_get(t, &out_pos, c->arg[3]);
	if (err)
		return err;
	if ((u32)c->arg[5])
		return -EINVAL;
	if ((in->inode && in->inode->type == S_IFDIR) || (out->inode && out->inode->type == S_IFDIR))
		return -EISDIR;
	if (!in->inode || !out->inode || in->inode->type != S_IFREG || out->inode->type != S_IFREG)
		return -EINVAL;
	if (!file_readable(in) || !file_writable(out) || out->flags & O_APPEND)
		return -EBADF;
	if (in->inode == out->inode && in_pos < out_pos + c->arg[4] && out_pos < in_pos + c->arg[4])
		return -EINVAL;
	n = copy_files(in, &in_pos, out, &out_pos, min(c->arg[4], MAX_RW_COUNT));
	if (n <= 0)
		return n;
	if (c->arg[1])
		err = user_put(t, c->arg[1], &in_pos);
	else
		move_offset(in, in_pos);
	if (!err && c->arg[3])
		err = user_put(t, c->arg[3], &out_pos);
	else if (!err)
		move_offset(out, out_pos);
	return err ? err : n;
}

long sys_copy_file_range(struct task *t, struct call *c)
{
	struct file *in, *out;
	long n = fd_get(t, (int)c->arg[0], &in);

	if (n)
		return n;
	n = fd_get(t, (int)c->arg[2], &out);
	if (!n) {
		n = copy_range(t, c, in, out);
		file_put(out);
	}
	file_put(in);
	return n;
}

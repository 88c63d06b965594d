/* SPDX-License-Identifier: Apache-2.0 */
/* From file to file: sendfile (fs/read_write.c: do_sendfile) and copy_file_range (vfs_copy_file_range). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "fs/pipe.h"
#include "fs/hostio.h"
#include "sys/files.h"
#include "vfs/notify.h"

#define PIECE 65536
/* Others have their turns between two. */
#define SLICE (8UL << 20)

/* Moves up to @count bytes in pieces: the bytes moved, or the first error. Reads only what was written: a
 * piece that goes out short is not lost, since the input has an offset. *cold: what comes next has to be waited for, by
 * file_wait_host() of the input. */
static long copy_between(struct task *t, struct file *in, u64 *in_pos, struct file *out, u64 *out_pos,
			 size_t count, char *buf, bool *cold)
{
	size_t done = 0;
	long n = 0;

	while (done < count) {
		n = file_pread(in, buf, min(count - done, (size_t)PIECE), *in_pos, true);
		*cold = n == -EAGAIN;
		if (n > 0 && (!out->ops->write || out->ops->rw & RW_WRITE_PLAIN))
			n = -EINVAL;
		if (n <= 0)
			break;
		n = file_write_kernel(t, out, buf, (size_t)n, out_pos);
		if (n <= 0)
			break;
		*in_pos += (u64)n;
		done += (size_t)n;
	}
	return done ? (long)done : n;
}

static long copy_files(struct task *t, struct file *in, u64 *in_pos, struct file *out, u64 *out_pos,
		       size_t count, bool *cold)
{
	char *buf = malloc(PIECE);
	long n;

	*cold = false;
	if (!buf)
		return -ENOMEM;
	n = copy_between(t, in, in_pos, out, out_pos, count, buf, cold);
	free(buf);
	if (n > 0) {
		notify_file(in, IN_ACCESS);
		notify_file(out, IN_MODIFY);
	}
	return n;
}

/* A file's own offset, which inherited host files share with the host (fs/hostio.c); and setting it. */
static u64 own_offset(struct file *f)
{
	u64 at = *file_pos(f);
	s64 pos = f->ops->seek && !f->ops->stream ? f->ops->seek(f, 0, SEEK_CUR) : (s64)at;

	return pos < 0 ? at : (u64)pos;
}

static void move_offset(struct file *f, u64 pos)
{
	file_pos(f);
	if (f->ops->seek && !f->ops->stream)
		f->ops->seek(f, (s64)pos, SEEK_SET);
}

/* ---- sendfile ---- */

/* Linux takes the output's offset once, and no lock of it: what others write there meanwhile does not move these bytes. */
static long send_between(struct task *t, struct call *c, struct file *in, struct file *out, u64 pos)
{
	size_t all = min(c->arg[3], MAX_RW_COUNT) - c->done, count = min(all, SLICE);
	u64 *out_pos = file_pos(out);
	bool append = out->flags & O_APPEND && !file_is_pipe(out), cold;
	long n, err;

	if (!c->arg[3] && !append)
		return in->ops->seek || file_is_pipe(out) ? 0 : -EINVAL;
	/* The bytes of sockets and terminals have no offset, which only matters to what is no pipe. */
	if (file_is_pipe(out) && in->inode && (in->inode->type == S_IFSOCK || file_tty(in)))
		return splice_to_pipe(t, in, out, c->arg[3]);
	if (!in->ops->read || in->ops->stream || in->ops->rw & (RW_READ_PLAIN | RW_UNSPLICED) || append)
		return -EINVAL;
	n = c->done ? 0 : file_range_check(out, *out_pos, c->arg[3]);
	if (!n && out->inode)
		n = inode_change_wait(t, out->inode, UINT64_MAX);
	if (n)
		return call_partly(c, n);
	if (c->done)
		*out_pos = c->scratch[1];
	n = copy_files(t, in, &pos, out, out_pos, count, &cold);
	if (n > 0) {
		c->scratch[1] = *out_pos;
		err = c->arg[2] ? user_put(t, c->arg[2], &pos) : 0;
		if (err)
			return err;
		if (!c->arg[2])
			move_offset(in, pos);
		c->done += (size_t)n;
		c->scratch[0] = pos;
	}
	if (n == (long)count && count < all && !signal_pending(t)) {
		task_wake(t);
		return CALL_PARK;
	}
	if (cold) {
		n = file_wait_host(t, in, EPOLLIN);
		return call_partly(c, n);
	}
	/* A blocking output is waited for until all has gone: its room, not the input's end, was what ended this round. */
	if ((n == -EAGAIN ||
	     (n > 0 && (size_t)n < count && out->ops->poll && !(out->ops->poll(out, NULL) & EPOLLOUT))) &&
	    !(out->flags & O_NONBLOCK)) {
		n = file_wait(t, out, EPOLLOUT);
		return call_partly(c, n);
	}
	return c->done ? (long)c->done : n;
}

static long sendfile(struct task *t, struct call *c, struct file *in)
{
	u64 pos = c->scratch[0];
	struct file *out;
	long n;

	if (!file_readable(in))
		return -EBADF;
	if (!c->done) {
		pos = own_offset(in);
		if (c->arg[2]) {
			n = user_get(t, &pos, c->arg[2]);
			if (n)
				return n;
			if (in->ops->stream)
				return -ESPIPE;
			if ((s64)pos < 0)
				return -EINVAL;
		}
		n = file_range_check(in, pos, c->arg[3]);
		if (n)
			return n;
	}
	n = fd_get(t, (int)c->arg[0], &out);
	if (n)
		return n;
	n = file_writable(out) ? send_between(t, c, in, out, pos) : -EBADF;
	file_put(out);
	return n;
}

long sys_sendfile(struct task *t, struct call *c)
{
	long n = c->file ? 0 : fd_get(t, (int)c->arg[1], &c->file);

	return n ? n : sendfile(t, c, c->file);
}

/* ---- copy_file_range ---- */

static int check_range(struct task *t, struct file *in, struct file *out, u64 in_pos, u64 out_pos, u64 *count)
{
	struct kstat st;
	int err;

	if ((in->inode && in->inode->type == S_IFDIR) || (out->inode && out->inode->type == S_IFDIR))
		return -EISDIR;
	if (!in->inode || !out->inode || in->inode->type != S_IFREG || out->inode->type != S_IFREG)
		return -EINVAL;
	if (!file_readable(in) || !file_writable(out) || out->flags & O_APPEND)
		return -EBADF;
	if (in->inode->sb != out->inode->sb)
		return -EXDEV;
	if (in_pos + *count < in_pos || out_pos + *count < out_pos)
		return -EOVERFLOW;
	if ((s64)in_pos < 0 || (s64)out_pos < 0)
		return -EINVAL;
	err = file_getattr(in, &st);
	if (err)
		return err;
	*count = in_pos < (u64)st.size ? min(*count, (u64)st.size - in_pos) : 0;
	err = file_write_limit(t, out, out_pos, count);
	if (err)
		return err;
	if (in->inode == out->inode && in_pos < out_pos + *count && out_pos < in_pos + *count)
		return -EINVAL;
	if (out_pos == INT64_MAX && *count)
		return -EFBIG;
	*count = min(*count, INT64_MAX - out_pos);
	return 0;
}

/* The record of a call, in call.priv. */
struct range_copy {
	struct file *in, *out; /* owned */
	u64 in_pos, out_pos, left;
};

static void range_free(struct task *t, void *priv)
{
	struct range_copy *r = priv;

	file_put(r->in);
	file_put(r->out);
	free(r);
}

static long range_begin(struct task *t, struct call *c, struct range_copy *r)
{
	long err = fd_get(t, (int)c->arg[0], &r->in);

	if (!err)
		err = fd_get(t, (int)c->arg[2], &r->out);
	if (err)
		return err;
	r->in_pos = own_offset(r->in);
	r->out_pos = own_offset(r->out);
	r->left = c->arg[4];
	if (c->arg[1])
		err = user_get(t, &r->in_pos, c->arg[1]);
	if (!err && c->arg[3])
		err = user_get(t, &r->out_pos, c->arg[3]);
	if (!err && (u32)c->arg[5])
		err = -EINVAL;
	return err ? err : check_range(t, r->in, r->out, r->in_pos, r->out_pos, &r->left);
}

/* Something was copied, and no more will be: the call's result. */
static long range_end(struct task *t, struct call *c, const struct range_copy *r)
{
	int err = 0;

	if (c->arg[1])
		err = user_put(t, c->arg[1], &r->in_pos);
	else
		move_offset(r->in, r->in_pos);
	if (!err && c->arg[3])
		err = user_put(t, c->arg[3], &r->out_pos);
	else if (!err)
		move_offset(r->out, r->out_pos);
	return err ? err : (long)c->done;
}

static long range_go_on(struct task *t, struct call *c, struct range_copy *r)
{
	u64 slice = min(r->left, SLICE);
	long n = inode_change_wait(t, r->out->inode, UINT64_MAX);
	bool cold = false;

	if (!n)
		n = copy_files(t, r->in, &r->in_pos, r->out, &r->out_pos, slice, &cold);
	if (n > 0) {
		c->done += (size_t)n;
		r->left -= (u64)n;
		if ((u64)n == slice && r->left && !signal_pending(t)) {
			task_wake(t);
			return CALL_PARK;
		}
	}
	if (cold)
		n = file_wait_host(t, r->in, EPOLLIN);
	return n == CALL_PARK || !c->done ? n : range_end(t, c, r);
}

long sys_copy_file_range(struct task *t, struct call *c)
{
	struct range_copy *r = c->priv;
	long err;

	if (r)
		return range_go_on(t, c, r);
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	err = range_begin(t, c, r);
	if (err) {
		range_free(t, r);
		return err;
	}
	c->priv = r;
	c->priv_free = range_free;
	return range_go_on(t, c, r);
}

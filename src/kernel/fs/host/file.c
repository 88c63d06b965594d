/* SPDX-License-Identifier: Apache-2.0 */
/* The host's tree: open files and directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fs/host/cold.h"
#include "fs/host/host.h"
#include "host/file.h"
#include "vfs/ghost.h"

/* getdents offsets of mount points that the host has no name for: above all that file systems give, as ext4's
 * hashes, but for their mark of the end. */
#define GHOSTS_OFFSET 0x7fffffff00000000UL

/* An open file or directory. */
struct host_file {
	struct hostfd fd; /* its own, or the node's */
	bool shared;      /* the node's */
	u64 at;           /* directory: where the descriptor's offset is */
	bool lost;        /* directory: or nobody knows */
	struct cold cold;
};

/* The kernel's own reads (an ELF header) do not wait for a helper, unless a call waits for them. With O_NONBLOCK they do not
 * wait for a disk. */
static long read_piece(struct file *f, const struct uio *to, char *buf, size_t size, u64 pos)
{
	struct host_file *h = f->priv;
	struct iovec iov = {buf, size};
	ssize_t n;

	if (to->task || to->waits)
		return cold_pread(f->k, &h->cold, h->fd, buf, size, pos);
	n = f->flags & O_NONBLOCK ? preadv2(h->fd.fd, &iov, 1, (off_t)pos, RWF_NOWAIT) : -1;
	/* Not every file system knows how not to wait. */
	if (n < 0 && (errno != EAGAIN || !(f->flags & O_NONBLOCK)))
		n = pread(h->fd.fd, buf, size, (off_t)pos);
	return n < 0 ? -errno : n;
}

static u32 host_poll(struct file *f, struct poll_table *pt)
{
	struct host_file *h = f->priv;

	poll_wait(pt, &h->cold.wait);
	return h->cold.job ? 0 : EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
}

static long host_read(struct file *f, struct uio *to, u64 *pos)
{
	long done = 0;

	while (to->left) {
		/* Kernel memory is read to where it lies. */
		char *buf = to->task ? f->k->vfs->piece : to->kernel + to->done;
		size_t want = min(to->left, VFS_PIECE);
		long got = read_piece(f, to, buf, want, *pos), moved;

		if (got <= 0)
			return done ? done : got;
		moved = uio_to_user(to, buf, (size_t)got);
		if (moved <= 0)
			return done ? done : moved;
		*pos += (u64)moved;
		done += moved;
		if (moved < got || (size_t)got < want)
			break;
	}
	return done;
}

/* By pieces, since what is written lies in the guest. */
static long host_write(struct file *f, struct uio *from, u64 *pos)
{
	struct host_file *h = f->priv;
	char *buf = f->k->vfs->piece;
	long done = 0;

	while (from->left) {
		long got = uio_from_user(from, buf, min(from->left, VFS_PIECE));
		ssize_t n;

		if (got <= 0)
			return done ? done : got;
		n = pwrite(h->fd.fd, buf, (size_t)got, (off_t)*pos);
		if (n < got) { /* what did not get there is not taken */
			size_t rest = (size_t)(got - (n > 0 ? n : 0));

			from->done -= rest;
			from->left += rest;
			if (n <= 0)
				return done ? done : n < 0 ? -errno : 0;
		}
		*pos += (u64)n;
		done += n;
		if (n < got)
			break;
	}
	return done;
}

static int host_sync(struct file *f, struct hostfd *fd)
{
	struct host_file *h = f->priv;

	fd[0] = h->fd;
	return hnode(f->inode)->fs->writable;
}

static long host_fallocate(struct file *f, int mode, u64 offset, u64 len)
{
	struct host_file *h = f->priv;
	int err = mode & ~FALLOC_FL_ZERO_RANGE ? 0 : file_size_limit(f->k->current, f->inode, offset + len);

	if (err)
		return err;
	return fallocate(h->fd.fd, mode, (off_t)offset, (off_t)len) ? -errno : 0;
}

static s64 host_seek(struct file *f, s64 offset, int whence)
{
	struct host_file *h = f->priv;

	if (whence != SEEK_SET && whence != SEEK_CUR) {
		offset = lseek(h->fd.fd, offset, whence);
		if (offset < 0)
			return -errno;
		whence = SEEK_SET;
	}
	return seek_within(f, offset, whence, 0, INT64_MAX);
}

static int host_mmap(struct file *f, int prot, int flags, struct mmap_backing *backing)
{
	struct host_file *h = f->priv;

	*backing = (struct mmap_backing){.fd = h->fd};
	return 0;
}

static int host_donate(struct file *f, struct hostfd *out)
{
	return host_reopen(((struct host_file *)f->priv)->fd, 0, out);
}

static int host_file_cachestat(struct file *f, u64 offset, u64 size, struct host_cache *out)
{
	return host_cachestat(((struct host_file *)f->priv)->fd, offset, size, out);
}

static void close_host_file(struct inode *i, struct host_file *h)
{
	if (h->shared)
		hnode_data_put(hnode(i));
	else
		host_close(&h->fd);
}

static void host_release(struct file *f)
{
	struct host_file *h = f->priv;

	cold_end(&h->cold);
	close_host_file(f->inode, h);
	free(h);
}

/* ---- directories ---- */

struct dirent_head {
	u64 ino, off;
	u16 reclen;
	u8 type;
	char name[];
};

/* Hands out what @buf holds; *pos is where the next name begins. False: the reader has no more room. */
static bool emit_batch(const struct hnode *dir, struct dir_context *ctx, const char *buf, size_t size,
		       u64 *pos)
{
	for (size_t at = 0; at < size;) {
		const struct dirent_head *d = (const void *)(buf + at);
		u64 next = min(d->off, GHOSTS_OFFSET);

		if (!host_is_hidden(dir, d->name, strlen(d->name)) &&
		    !ctx->emit(ctx, d->name, strlen(d->name), d->ino, d->type, next))
			return false;
		*pos = next;
		at += d->reclen;
	}
	return true;
}

static int host_iterate(struct file *f, struct dir_context *ctx)
{
	struct host_file *h = f->priv;
	char buf[16384] __attribute__((aligned(8)));

	while (f->pos < GHOSTS_OFFSET) {
		long n;

		if ((h->lost || h->at != f->pos) && lseek(h->fd.fd, (off_t)f->pos, SEEK_SET) < 0)
			return -errno;
		h->lost = true;
		n = syscall(SYS_getdents64, h->fd.fd, buf, sizeof buf);
		if (n < 0)
			return -errno;
		if (!n) {
			f->pos = GHOSTS_OFFSET;
			break;
		}
		if (!emit_batch(hnode(f->inode), ctx, buf, (size_t)n, &f->pos))
			return 0;
		h->at = f->pos;
		h->lost = false;
	}
	return ghosts_emit(f, ctx, GHOSTS_OFFSET);
}

/* By the node's own descriptor, whose offset nobody else uses. */
int host_list(struct inode *i, struct dir_context *ctx)
{
	char buf[32768] __attribute__((aligned(8)));
	struct hostfd fd;
	int err = hnode_listing(hnode(i), &fd);
	u64 pos = 0;
	long n = 0;

	if (err)
		return err == -EAGAIN ? -EOPNOTSUPP : err == -ESTALE ? -ENOENT : err;
	if (hnode(i)->listed && lseek(fd.fd, 0, SEEK_SET) < 0)
		return -errno;
	hnode(i)->listed = true;
	/* File systems with a mark of the end give it to the last name. */
	do
		n = syscall(SYS_getdents64, fd.fd, buf, sizeof buf);
	while (n > 0 && emit_batch(hnode(i), ctx, buf, (size_t)n, &pos) && pos < GHOSTS_OFFSET);
	return n < 0 ? -errno : 0;
}

static const struct file_ops host_file_ops = {
	.read = host_read,
	.write = host_write,
	.fallocate = host_fallocate,
	.always_waits = true,
	.poll = host_poll,
	.seek = host_seek,
	.mmap = host_mmap,
	.donate = host_donate,
	.sync = host_sync,
	.cachestat = host_file_cachestat,
	.release = host_release,
};
static const struct file_ops host_dir_ops = {
	.read = dir_read,
	.rw = RW_READ_PLAIN,
	.seek = dir_seek,
	.iterate = host_iterate,
	.sync = host_sync,
	.release = host_release,
};

int host_truncate(struct file *f, const char *path, s64 size)
{
	struct host_file *h = f && f->ops == &host_file_ops ? f->priv : NULL;

	return (h ? ftruncate(h->fd.fd, size) : truncate(path, size)) ? -errno : 0;
}

/* Who only reads a regular file shares the node's descriptor: offsets are the guest's own. */
static int open_host_file(struct inode *i, u32 flags, struct host_file *h)
{
	u32 access = flags & O_ACCMODE;

	h->shared = i->type == S_IFREG && !access;
	return h->shared ? hnode_data_get(hnode(i), &h->fd) : hnode_reopen(hnode(i), access, &h->fd);
}

int host_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct host_file *h;
	int err;

	if (flags & O_ACCMODE && !hnode(i)->fs->writable)
		return -EROFS;
	h = zalloc(sizeof *h);
	if (!h)
		return -ENOMEM;
	cold_init(&h->cold);
	err = open_host_file(i, flags, h);
	if (err) {
		free(h);
		return err == -ESTALE ? -ENOENT : err;
	}
	err = file_of_inode(i, i->type == S_IFDIR ? &host_dir_ops : &host_file_ops, flags, h, out);
	if (err) {
		close_host_file(i, h);
		free(h);
	}
	return err;
}

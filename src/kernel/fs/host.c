/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's tree, read-only.
 *
 * Every inode stands for one host object, (device, number), and is reached by an O_PATH descriptor that was
 * opened one name at a time, never through a symlink, so nothing outside the given directory can be named.
 * What is not a regular file or a directory is shown by stat, never opened: not the host's devices, sockets,
 * FIFOs.
 *
 * Descriptors are kept in an LRU of bounded length; one that was dropped is opened again by the parent's and
 * the name, and must lead to the same object. The host may change its tree meanwhile: names and the
 * attributes of directories are believed for a second, those of files not at all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/cold.h"
#include "host/file.h"
#include "vfs/inode.h"

#define BUCKETS    1024
#define MAX_OPEN   256
#define BELIEVE_NS 1000000000UL
#define PIECE      (128 * 1024)
/* getdents offsets of mount points that the host has no name for: above all that file systems give, as ext4's
 * hashes, but for their mark of the end. */
#define GHOSTS_OFFSET 0x7fffffff00000000UL

struct hostfs {
	struct super *sb;
	struct list nodes[BUCKETS];
	struct list lru; /* struct hnode with an open descriptor, the root's not among them */
	int nopen;
};

struct hnode {
	struct hostfs *fs;
	struct inode *inode;
	struct list hash_node, lru_node;
	u64 dev, ino;
	struct hostfd fd;     /* O_PATH, or none now */
	struct inode *parent; /* owned; NULL for the root */
	char *name;           /* owned */
	struct kstat st;
	u64 st_ns;      /* when st was read; 0: never */
	u64 checked_ns; /* when the name was last seen to lead here */
};

static const struct inode_ops file_inode_ops, dir_inode_ops, link_inode_ops, special_inode_ops;

static struct hnode *hnode(struct inode *i)
{
	return i->priv;
}

static u64 now(struct hostfs *fs)
{
	return fs->sb->k->now;
}

/* ---- descriptors ---- */

static void close_node(struct hnode *h)
{
	if (!hostfd_valid(h->fd))
		return;
	host_close(&h->fd);
	if (!list_empty(&h->lru_node)) {
		list_del(&h->lru_node);
		h->fs->nopen--;
	}
}

static void shrink(struct hostfs *fs, int keep)
{
	while (fs->nopen > keep)
		close_node(list_first(&fs->lru, struct hnode, lru_node));
}

/* Gives @h the descriptor @fd (consumed). */
static void keep_open(struct hnode *h, struct hostfd fd)
{
	h->fd = fd;
	list_add_tail(&h->fs->lru, &h->lru_node);
	h->fs->nopen++;
	shrink(h->fs, MAX_OPEN);
}

static int node_fd(struct hnode *h, struct hostfd *out);

/* Opens @name below @dir, making room when the host has no descriptor to give. */
static int open_below(struct hnode *dir, const char *name, struct hostfd *out)
{
	struct hostfd parent;
	int err = node_fd(dir, &parent);

	if (!err)
		err = host_open_name(parent, name, out);
	if (err == -EMFILE && dir->fs->nopen) {
		shrink(dir->fs, MAX_OPEN / 8);
		err = node_fd(dir, &parent);
		if (!err)
			err = host_open_name(parent, name, out);
	}
	return err == -EMFILE ? -ENFILE : err;
}

/* The node's descriptor, borrowed until the next call into this file. */
static int node_fd(struct hnode *h, struct hostfd *out)
{
	struct hostfd fd = HOSTFD_NONE;
	struct stat st;
	int err;

	if (hostfd_valid(h->fd)) {
		if (!list_empty(&h->lru_node)) {
			list_del(&h->lru_node);
			list_add_tail(&h->fs->lru, &h->lru_node);
		}
		*out = h->fd;
		return 0;
	}
	err = open_below(hnode(h->parent), h->name, &fd);
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	if (fstat(fd.fd, &st) || st.st_dev != h->dev || st.st_ino != h->ino) {
		host_close(&fd);
		return -ESTALE;
	}
	keep_open(h, fd);
	*out = fd;
	return 0;
}

/* ---- nodes ---- */

static struct timespec time_of(const struct statx_timestamp *ts)
{
	return (struct timespec){.tv_sec = ts->tv_sec, .tv_nsec = ts->tv_nsec};
}

static int read_stat(struct hostfd fd, struct kstat *st)
{
	struct statx x;

	if (statx(fd.fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &x))
		return -errno;
	*st = (struct kstat){
		.dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.ino = x.stx_ino,
		.mode = x.stx_mode,
		.nlink = x.stx_nlink,
		.uid = x.stx_uid,
		.gid = x.stx_gid,
		.rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
		.size = (s64)x.stx_size,
		.blocks = x.stx_blocks,
		.blksize = x.stx_blksize,
		.atime = time_of(&x.stx_atime),
		.mtime = time_of(&x.stx_mtime),
		.ctime = time_of(&x.stx_ctime),
		.btime = time_of(&x.stx_btime),
	};
	return 0;
}

static struct list *bucket(struct hostfs *fs, u64 dev, u64 ino)
{
	u64 h = (dev * 31 ^ ino) * 0x9e3779b97f4a7c15UL;

	return &fs->nodes[h >> 54 & (BUCKETS - 1)];
}

static const struct inode_ops *ops_of(u32 type)
{
	switch (type) {
	case S_IFREG:
		return &file_inode_ops;
	case S_IFDIR:
		return &dir_inode_ops;
	case S_IFLNK:
		return &link_inode_ops;
	default:
		return &special_inode_ops;
	}
}

/* A known node was found as @name in @parent. The name it had may be gone, so the new one is noted while its
 * descriptor is dropped; not for directories, whose chain of parents must stay one. */
static void note_name(struct hnode *h, struct inode *parent, const char *name)
{
	struct inode *old = h->parent;
	char *text;

	if (hostfd_valid(h->fd) || h->inode->type == S_IFDIR || (old == parent && !strcmp(h->name, name)))
		return;
	text = strdup(name);
	if (!text)
		return;
	free(h->name);
	h->name = text;
	h->parent = inode_get(parent);
	inode_put(old);
}

/* The inode of what @fd stands for (@name in @parent); *fd is taken over, or left, when there is a node
 * already. */
static int get_node(struct hostfs *fs, struct hostfd *fd, struct inode *parent, const char *name,
		    struct inode **out)
{
	struct kstat st;
	struct hnode *h;
	struct list *b;
	int err = read_stat(*fd, &st);

	if (err)
		return err;
	b = bucket(fs, st.dev, st.ino);
	list_for_each (h, b, hash_node) {
		if (h->dev == st.dev && h->ino == st.ino && h->inode->type == (st.mode & S_IFMT)) {
			note_name(h, parent, name);
			if (!hostfd_valid(h->fd)) {
				keep_open(h, *fd);
				*fd = HOSTFD_NONE;
			}
			*out = inode_get(h->inode);
			goto found;
		}
	}
	h = calloc(1, sizeof *h);
	if (!h)
		return -ENOMEM;
	h->name = name ? strdup(name) : NULL;
	h->inode = name && !h->name ? NULL
				    : inode_new(fs->sb->k, fs->sb, ops_of(st.mode & S_IFMT), st.mode & S_IFMT,
						st.ino, h);
	if (!h->inode) {
		free(h->name);
		free(h);
		return -ENOMEM;
	}
	h->fs = fs;
	h->dev = st.dev;
	h->ino = st.ino;
	h->parent = parent ? inode_get(parent) : NULL;
	list_init(&h->lru_node);
	list_add(b, &h->hash_node);
	if (parent)
		keep_open(h, *fd);
	else
		h->fd = *fd;
	*fd = HOSTFD_NONE;
	*out = h->inode;
found:
	h->st = st;
	h->st_ns = h->checked_ns = now(fs);
	return 0;
}

static void host_release_inode(struct inode *i)
{
	struct hnode *h = hnode(i);
	struct inode *parent = h->parent;

	close_node(h);
	list_del(&h->hash_node);
	free(h->name);
	free(h);
	inode_put(parent);
}

static int host_getattr(struct inode *i, struct kstat *st)
{
	struct hnode *h = hnode(i);
	struct hostfd fd;
	int err;

	if (i->type == S_IFREG || !h->st_ns || now(h->fs) - h->st_ns > BELIEVE_NS) {
		err = node_fd(h, &fd);
		/* A file that was removed on the host is as it was, for those who still hold it. */
		if (err == -ESTALE && h->st_ns)
			err = 0;
		else if (!err)
			err = read_stat(fd, &h->st);
		if (err)
			return err;
		h->st_ns = now(h->fs);
	}
	*st = h->st;
	return 0;
}

static int host_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct hostfd fd = HOSTFD_NONE;
	char text[256];
	int err;

	if (len >= sizeof text)
		return -ENAMETOOLONG;
	memcpy(text, name, len);
	text[len] = 0;
	err = open_below(hnode(dir), text, &fd);
	if (!err)
		err = get_node(hnode(dir)->fs, &fd, dir, text, out);
	host_close(&fd);
	return err == -ESTALE ? -ENOENT : err;
}

static bool host_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	struct hnode *d = hnode(dir), *h;
	struct hostfd fd;
	char text[256];
	struct stat st;
	bool known;

	/* A mount point that only the mount made (vfs/mount.c) is no node of ours. */
	if (i->ops->getattr != host_getattr)
		return true;
	h = hnode(i);
	memcpy(text, name, len);
	text[len] = 0;
	/* What is believed is one name of the file; its other hard links are looked at each time. */
	known = h->parent == dir && !strcmp(h->name, text);
	if (known && now(d->fs) - h->checked_ns <= BELIEVE_NS)
		return true;
	if (node_fd(d, &fd) || fstatat(fd.fd, text, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return false;
	if (st.st_dev != h->dev || st.st_ino != h->ino || (st.st_mode & S_IFMT) != i->type)
		return false;
	note_name(h, dir, text);
	if (known)
		h->checked_ns = now(d->fs);
	return true;
}

static long host_readlink(struct inode *i, char *buf, size_t size)
{
	struct hostfd fd;
	int err = node_fd(hnode(i), &fd);
	ssize_t n;

	if (err)
		return err == -ESTALE ? -ENOENT : err;
	n = readlinkat(fd.fd, "", buf, size);
	return n < 0 ? -errno : n;
}

/* ---- regular files ---- */

/* An open file or directory. */
struct host_file {
	struct hostfd fd;
	u64 at;    /* directory: where the descriptor's offset is */
	bool lost; /* directory: or nobody knows */
	struct cold cold;
};

/* The kernel's own reads (an ELF header) do not wait for a helper. */
static long read_piece(struct file *f, const struct uio *to, char *buf, size_t size, u64 pos)
{
	struct host_file *h = f->priv;
	ssize_t n;

	if (to->task)
		return cold_pread(f->k, &h->cold, h->fd, buf, size, pos);
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
	char buf[PIECE];
	long done = 0;

	while (to->left) {
		size_t want = min(to->left, sizeof buf);
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

static s64 host_seek(struct file *f, s64 offset, int whence)
{
	struct host_file *h = f->priv;
	s64 pos = offset;

	if (whence == SEEK_CUR) {
		if (__builtin_add_overflow(offset, (s64)f->pos, &pos))
			return -EINVAL;
	} else if (whence != SEEK_SET) {
		pos = lseek(h->fd.fd, offset, whence);
		if (pos < 0)
			return -errno;
	}
	if (pos < 0)
		return -EINVAL;
	f->pos = (u64)pos;
	return pos;
}

static int host_mmap(struct file *f, int prot, int flags, struct mmap_backing *backing)
{
	struct host_file *h = f->priv;

	*backing = (struct mmap_backing){.fd = h->fd};
	return 0;
}

static int host_fsync(struct file *f, bool data_only)
{
	return 0;
}

static void host_release(struct file *f)
{
	struct host_file *h = f->priv;

	cold_end(&h->cold);
	host_close(&h->fd);
	free(h);
}

/* ---- directories ---- */

struct dirent_head {
	u64 ino, off;
	u16 reclen;
	u8 type;
	char name[];
};

/* Hands out what @buf holds. False: the reader has no more room. */
static bool emit_batch(struct file *f, struct dir_context *ctx, const char *buf, size_t size)
{
	for (size_t at = 0; at < size;) {
		const struct dirent_head *d = (const void *)(buf + at);
		u64 next = min(d->off, GHOSTS_OFFSET);

		if (!ctx->emit(ctx, d->name, strlen(d->name), d->ino, d->type, next))
			return false;
		f->pos = next;
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
		if (!emit_batch(f, ctx, buf, (size_t)n))
			return 0;
		h->at = f->pos;
		h->lost = false;
	}
	return vfs_list_ghosts(f, ctx, GHOSTS_OFFSET);
}

static s64 dir_seek(struct file *f, s64 offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += (s64)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (offset < 0)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

static long dir_read(struct file *f, struct uio *to, u64 *pos)
{
	return -EISDIR;
}

static const struct file_ops host_file_ops = {
	.read = host_read,
	.always_waits = true,
	.poll = host_poll,
	.seek = host_seek,
	.mmap = host_mmap,
	.fsync = host_fsync,
	.release = host_release,
};
static const struct file_ops host_dir_ops = {
	.read = dir_read,
	.seek = dir_seek,
	.iterate = host_iterate,
	.fsync = host_fsync,
	.release = host_release,
};

static int host_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	bool dir = i->type == S_IFDIR;
	struct host_file *h;
	struct hostfd fd;
	int err;

	if (flags & O_ACCMODE)
		return -EROFS;
	err = node_fd(hnode(i), &fd);
	if (err)
		return err == -ESTALE ? -ENOENT : err;
	h = calloc(1, sizeof *h);
	if (!h)
		return -ENOMEM;
	cold_init(&h->cold);
	err = host_reopen(fd, dir ? O_DIRECTORY : 0, &h->fd);
	if (err == -EMFILE && hnode(i)->fs->nopen) {
		shrink(hnode(i)->fs, MAX_OPEN / 8);
		err = node_fd(hnode(i), &fd);
		if (!err)
			err = host_reopen(fd, dir ? O_DIRECTORY : 0, &h->fd);
	}
	if (err) {
		free(h);
		return err == -EMFILE ? -ENFILE : err;
	}
	err = file_new(i->k, dir ? &host_dir_ops : &host_file_ops, flags, inode_get(i), h, out);
	if (err) {
		inode_put(i);
		host_close(&h->fd);
		free(h);
	}
	return err;
}

static const struct inode_ops file_inode_ops = {
	.getattr = host_getattr,
	.open = host_open,
	.release = host_release_inode,
};
static const struct inode_ops dir_inode_ops = {
	.getattr = host_getattr,
	.lookup = host_lookup,
	.revalidate = host_revalidate,
	.open = host_open,
	.release = host_release_inode,
};
static const struct inode_ops link_inode_ops = {
	.getattr = host_getattr,
	.readlink = host_readlink,
	.release = host_release_inode,
};
static const struct inode_ops special_inode_ops = {
	.getattr = host_getattr,
	.release = host_release_inode,
};

/* ---- the file system ---- */

static int host_statfs(struct super *sb, struct statfs *st)
{
	if (fstatfs(hnode(sb->root)->fd.fd, st))
		return -errno;
	st->f_flags |= ST_RDONLY;
	return 0;
}

static void host_release_super(struct super *sb)
{
	free(sb->priv);
}

int host_super(struct kernel *k, struct hostfd dir, const char *source, struct super **out)
{
	struct super *sb = calloc(1, sizeof *sb);
	struct hostfs *fs = calloc(1, sizeof *fs);
	int err = sb && fs ? 0 : -ENOMEM;

	if (!err) {
		for (int i = 0; i < BUCKETS; i++)
			list_init(&fs->nodes[i]);
		list_init(&fs->lru);
		fs->sb = sb;
		sb->k = k;
		sb->type = "husk-host";
		sb->source = "/dev/root";
		sb->read_only = true;
		sb->priv = fs;
		sb->statfs = host_statfs;
		sb->release = host_release_super;
		err = get_node(fs, &dir, NULL, NULL, &sb->root);
	}
	if (err) {
		host_close(&dir);
		free(fs);
		free(sb);
		return err;
	}
	sb->dev = hnode(sb->root)->dev;
	*out = sb;
	return 0;
}

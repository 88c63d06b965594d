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
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fs/host/host.h"
#include "host/file.h"

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

static void close_data(struct hnode *h)
{
	if (!list_empty(&h->idle_node)) {
		list_del(&h->idle_node);
		h->fs->nidle--;
	}
	host_close(&h->data);
}

void hnodes_close(struct hostfs *fs, int keep)
{
	while (fs->nopen > keep)
		close_node(list_first(&fs->lru, struct hnode, lru_node));
	while (fs->nidle > keep)
		close_data(list_first(&fs->idle, struct hnode, idle_node));
}

/* Gives @h the descriptor @fd (consumed). */
static void keep_open(struct hnode *h, struct hostfd fd)
{
	h->fd = fd;
	list_add_tail(&h->fs->lru, &h->lru_node);
	h->fs->nopen++;
	hnodes_close(h->fs, MAX_OPEN);
}

/* Opens @name below @dir, making room when the host has no descriptor to give. */
static int open_below(struct hnode *dir, const char *name, struct hostfd *out)
{
	struct hostfd parent;
	int err = hnode_fd(dir, &parent);

	if (!err)
		err = host_open_name(parent, name, out);
	if (err == -EMFILE && dir->fs->nopen) {
		hnodes_close(dir->fs, MAX_OPEN / 8);
		err = hnode_fd(dir, &parent);
		if (!err)
			err = host_open_name(parent, name, out);
	}
	return err == -EMFILE ? -ENFILE : err;
}

/* The node's descriptor, borrowed until the next call into this file. */
int hnode_fd(struct hnode *h, struct hostfd *out)
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

/* As host_reopen(), making room when the host has no descriptor to give. */
static int open_data(struct hnode *h, struct hostfd *out)
{
	struct hostfd fd;
	int err = hnode_fd(h, &fd);

	if (!err)
		err = host_reopen(fd, 0, out);
	if (err == -EMFILE) {
		hnodes_close(h->fs, MAX_OPEN / 8);
		err = hnode_fd(h, &fd);
		if (!err)
			err = host_reopen(fd, 0, out);
	}
	return err == -EMFILE ? -ENFILE : err;
}

int hnode_data_get(struct hnode *h, struct hostfd *out)
{
	int err = hostfd_valid(h->data) ? 0 : open_data(h, &h->data);

	if (err)
		return err;
	if (!list_empty(&h->idle_node)) {
		list_del(&h->idle_node);
		h->fs->nidle--;
	}
	h->readers++;
	*out = h->data;
	return 0;
}

void hnode_data_put(struct hnode *h)
{
	if (--h->readers)
		return;
	list_add_tail(&h->fs->idle, &h->idle_node);
	if (++h->fs->nidle > MAX_IDLE)
		close_data(list_first(&h->fs->idle, struct hnode, idle_node));
}

int hnode_hold(struct hnode *h)
{
	struct hostfd fd;
	int err = hnode_fd(h, &fd);

	if (!err && !list_empty(&h->lru_node)) {
		list_del(&h->lru_node);
		h->fs->nopen--;
	}
	return err;
}

void hnode_moved(struct hnode *h, struct inode *parent, const char *name)
{
	char *text = strdup(name);
	struct inode *old = h->parent;

	if (!text)
		return; /* it is held: the name matters no more */
	free(h->name);
	h->name = text;
	h->parent = inode_get(parent);
	inode_put(old);
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

	return &fs->nodes[h >> 32 & (fs->nbuckets - 1)];
}

int hnodes_resize(struct hostfs *fs, size_t nbuckets)
{
	struct list *old = fs->nodes, *fresh = malloc(nbuckets * sizeof *fresh);
	size_t nold = fs->nbuckets;

	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i < nbuckets; i++)
		list_init(&fresh[i]);
	fs->nodes = fresh;
	fs->nbuckets = nbuckets;
	for (size_t i = 0; i < nold; i++) {
		while (!list_empty(&old[i])) {
			struct hnode *h = list_first(&old[i], struct hnode, hash_node);

			list_del(&h->hash_node);
			list_add(bucket(fs, h->dev, h->ino), &h->hash_node);
		}
	}
	free(old);
	return 0;
}

static void remember(struct hostfs *fs, struct hnode *h)
{
	if (++fs->nnodes > fs->nbuckets)
		hnodes_resize(fs, 2 * fs->nbuckets); /* without memory, lists get longer */
	list_add(bucket(fs, h->dev, h->ino), &h->hash_node);
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
int hnode_get(struct hostfs *fs, struct hostfd *fd, struct inode *parent, const char *name,
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
	h = zalloc(sizeof *h);
	if (!h)
		return -ENOMEM;
	h->name = name ? strdup(name) : NULL;
	h->inode = name && !h->name
			   ? NULL
			   : inode_new(fs->sb->k, fs->sb,
				       inode_ops_of(fs->writable ? &host_writable_kinds : &host_kinds,
						    st.mode & S_IFMT),
				       st.mode & S_IFMT, st.ino, h);
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
	list_init(&h->idle_node);
	h->data = HOSTFD_NONE;
	h->fresh = HOSTFD_NONE;
	remember(fs, h);
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

void host_release_inode(struct inode *i)
{
	struct hnode *h = hnode(i);
	struct inode *parent = h->parent;

	close_node(h);
	close_data(h);
	host_close(&h->fresh);
	free(h->link);
	list_del(&h->hash_node);
	h->fs->nnodes--;
	free(h->name);
	free(h);
	inode_put(parent);
}

int host_getattr(struct inode *i, struct kstat *st)
{
	struct hnode *h = hnode(i);
	struct hostfd fd;
	int err;

	if (i->type == S_IFREG || !h->st_ns || now(h->fs) - h->st_ns >= h->fs->believe_ns) {
		err = hnode_fd(h, &fd);
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

int host_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
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
		err = hnode_get(hnode(dir)->fs, &fd, dir, text, out);
	host_close(&fd);
	return err == -ESTALE ? -ENOENT : err;
}

u64 host_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	struct hnode *d = hnode(dir), *h;
	struct hostfd fd;
	char text[256];
	struct stat st;
	bool known;

	/* A mount point that only the mount made (vfs/mount.c) is no node of ours. */
	if (i->ops->getattr != host_getattr)
		return ~0UL;
	h = hnode(i);
	memcpy(text, name, len);
	text[len] = 0;
	/* The node keeps the time of one of its names; its other hard links are believed by their dentries alone. */
	known = h->parent == dir && !strcmp(h->name, text);
	if (known && now(d->fs) - h->checked_ns < d->fs->believe_ns)
		return h->checked_ns + d->fs->believe_ns;
	if (hnode_fd(d, &fd) || fstatat(fd.fd, text, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return 0;
	if (st.st_dev != h->dev || st.st_ino != h->ino || (st.st_mode & S_IFMT) != i->type)
		return 0;
	note_name(h, dir, text);
	if (known)
		h->checked_ns = now(d->fs);
	/* Of a tree that guests write nothing is believed beyond the call. */
	return d->fs->believe_ns ? now(d->fs) + d->fs->believe_ns : 1;
}

/* What a symlink says never changes. */
long host_readlink(struct inode *i, char *buf, size_t size)
{
	struct hnode *h = hnode(i);
	char text[PATH_MAX];
	struct hostfd fd;
	ssize_t n;
	int err;

	if (!h->link) {
		err = hnode_fd(h, &fd);
		if (err)
			return err == -ESTALE ? -ENOENT : err;
		n = readlinkat(fd.fd, "", text, sizeof text - 1);
		if (n < 0)
			return -errno;
		h->link = strndup(text, (size_t)n);
		if (!h->link)
			return -ENOMEM;
	}
	size = min(size, strlen(h->link));
	memcpy(buf, h->link, size);
	return (long)size;
}

u64 host_absence(struct inode *dir)
{
	struct hostfs *fs = hnode(dir)->fs;

	return fs->believe_ns ? now(fs) / fs->believe_ns + 1 : 0;
}

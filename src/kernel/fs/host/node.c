/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's tree, read-only.
 *
 * Every inode stands for one host object, (device, number, time of birth), and is reached one name at a time from its
 * directory's descriptor, never through a symlink, so nothing outside the given directory can be named. What is not a
 * regular file or a directory is shown by stat, never opened: not the host's devices, sockets, FIFOs.
 *
 * Looking a name up opens nothing (but where guests write through, see host_lookup()): a directory gets its O_PATH
 * descriptor when something below it is wanted, a file one when it is opened. Descriptors are kept in an LRU of bounded
 * length; one that was dropped is opened again by the parent's and the name, and must lead to the same object. The host
 * may change its tree meanwhile: names and the attributes of directories are believed for a second, those of files for a
 * tenth, and not at all while a guest has one open for writing.
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

/* ---- attributes ---- */

static struct timespec time_of(const struct statx_timestamp *ts)
{
	return (struct timespec){.tv_sec = ts->tv_sec, .tv_nsec = ts->tv_nsec};
}

/* Of @name below @fd; "": of what @fd stands for. */
static int read_stat(struct hostfd fd, const char *name, struct kstat *st)
{
	struct statx x;

	if (statx(fd.fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_BASIC_STATS | STATX_BTIME, &x))
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

/* Whether @st tells of the node's object. Numbers are given to new files again; file systems that do not know when a file
 * was made say 0. */
static bool is_node(const struct hnode *h, const struct kstat *st)
{
	return h->dev == st->dev && h->ino == st->ino && h->type == (st->mode & S_IFMT) &&
	       h->btime.tv_sec == st->btime.tv_sec && h->btime.tv_nsec == st->btime.tv_nsec;
}

static void take_stat(struct hnode *h, const struct kstat *st)
{
	/* What a symlink says is its own for good, but where numbers alone tell files apart. */
	if (h->link && (h->st.ctime.tv_sec != st->ctime.tv_sec || h->st.ctime.tv_nsec != st->ctime.tv_nsec)) {
		free(h->link);
		h->link = NULL;
	}
	h->st = *st;
	h->st_ns = now(h->fs);
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

/* Opens @name below @dir by @open, making room when the host has no descriptor to give. */
static int open_below(struct hnode *dir, const char *name,
		      int (*open)(struct hostfd dir, const char *name, struct hostfd *out),
		      struct hostfd *out)
{
	struct hostfd parent;
	int err = hnode_fd(dir, &parent);

	if (!err)
		err = open(parent, name, out);
	if (err == -EMFILE && dir->fs->nopen) {
		hnodes_close(dir->fs, MAX_OPEN / 8);
		err = hnode_fd(dir, &parent);
		if (!err)
			err = open(parent, name, out);
	}
	return err == -EMFILE ? -ENFILE : err;
}

/* The node's descriptor, borrowed until the next call into this file. */
int hnode_fd(struct hnode *h, struct hostfd *out)
{
	struct hostfd fd = HOSTFD_NONE;
	struct kstat st;
	int err;

	if (hostfd_valid(h->fd)) {
		if (!list_empty(&h->lru_node)) {
			list_del(&h->lru_node);
			list_add_tail(&h->fs->lru, &h->lru_node);
		}
		*out = h->fd;
		return 0;
	}
	err = open_below(hnode(h->parent), h->name, host_open_name, &fd);
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	if (read_stat(fd, "", &st) || !is_node(h, &st)) {
		host_close(&fd);
		return -ESTALE;
	}
	take_stat(h, &st);
	keep_open(h, fd);
	*out = fd;
	return 0;
}

/* Opens the regular file by its name alone: what the name leads to is looked at when it is open. */
static int open_by_name(struct hnode *h, struct hostfd *out)
{
	struct hostfd fd = HOSTFD_NONE;
	struct kstat st;
	int err = open_below(hnode(h->parent), h->name, host_open_reading, &fd);

	if (err)
		return err == -ENOENT || err == -ELOOP || err == -ENXIO ? -ESTALE : err;
	if (read_stat(fd, "", &st) || !is_node(h, &st)) {
		host_close(&fd);
		return -ESTALE;
	}
	take_stat(h, &st);
	*out = fd;
	return 0;
}

/* As host_reopen(), making room when the host has no descriptor to give. */
static int open_data(struct hnode *h, struct hostfd *out)
{
	struct hostfd fd;
	int err;

	if (!hostfd_valid(h->fd) && !h->fs->writable)
		return open_by_name(h, out);
	err = hnode_fd(h, &fd);
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

static struct hnode *find_node(struct hostfs *fs, const struct kstat *st)
{
	struct hnode *h;

	list_for_each (h, bucket(fs, st->dev, st->ino), hash_node) {
		if (is_node(h, st))
			return h;
		/* Another file has its number now. Who still uses it does not care. */
		if (h->dev == st->dev && h->ino == st->ino) {
			list_del(&h->hash_node);
			break;
		}
	}
	return NULL;
}

static int make_node(struct hostfs *fs, const struct kstat *st, struct inode *parent, const char *name,
		     struct hnode **out)
{
	u32 type = st->mode & S_IFMT;
	struct hnode *h = zalloc(sizeof *h);

	if (!h)
		return -ENOMEM;
	h->name = name ? strdup(name) : NULL;
	h->inode = name && !h->name
			   ? NULL
			   : inode_new(fs->sb->k, fs->sb,
				       inode_ops_of(fs->writable ? &host_writable_kinds : &host_kinds, type),
				       type, st->ino, h);
	if (!h->inode) {
		free(h->name);
		free(h);
		return -ENOMEM;
	}
	h->fs = fs;
	h->dev = st->dev;
	h->ino = st->ino;
	h->type = type;
	h->btime = st->btime;
	h->parent = parent ? inode_get(parent) : NULL;
	list_init(&h->lru_node);
	list_init(&h->idle_node);
	h->fd = h->data = h->fresh = HOSTFD_NONE;
	remember(fs, h);
	*out = h;
	return 0;
}

/* The node of @name in @parent, whose attributes are @st: a reference of its inode. */
static int node_of(struct hostfs *fs, const struct kstat *st, struct inode *parent, const char *name,
		   struct hnode **out)
{
	struct hnode *h = find_node(fs, st);
	int err = 0;

	if (h) {
		note_name(h, parent, name);
		inode_get(h->inode);
	} else {
		err = make_node(fs, st, parent, name, &h);
	}
	if (err)
		return err;
	take_stat(h, st);
	h->checked_ns = h->st_ns;
	*out = h;
	return 0;
}

int hnode_get(struct hostfs *fs, struct hostfd *fd, struct inode *parent, const char *name,
	      struct inode **out)
{
	struct kstat st;
	struct hnode *h;
	int err = read_stat(*fd, "", &st);

	if (!err)
		err = node_of(fs, &st, parent, name, &h);
	if (err)
		return err;
	if (!hostfd_valid(h->fd)) {
		if (parent)
			keep_open(h, *fd);
		else
			h->fd = *fd;
		*fd = HOSTFD_NONE;
	}
	*out = h->inode;
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

/* Reads the node's attributes anew, by what is open of it, or by its name. */
static int refresh(struct hnode *h)
{
	struct hostfd fd = hostfd_valid(h->fd) ? h->fd : h->data;
	struct kstat st;
	int err;

	if (hostfd_valid(fd)) {
		err = read_stat(fd, "", &st);
	} else {
		err = hnode_fd(hnode(h->parent), &fd);
		if (!err)
			err = read_stat(fd, h->name, &st);
		if (err == -ENOENT || (!err && !is_node(h, &st)))
			err = -ESTALE;
	}
	/* A file that was removed on the host is as it was, for those who still hold it. */
	if (err == -ESTALE) {
		h->st_ns = now(h->fs);
		return 0;
	}
	if (!err)
		take_stat(h, &st);
	return err;
}

/* How long the attributes are taken as they were. */
static u64 believed_for(const struct inode *i)
{
	const struct hostfs *fs = hnode((struct inode *)i)->fs;

	if (i->type != S_IFREG)
		return fs->believe_ns;
	return i->writers || (i->above && i->above->writers) ? 0 : fs->believe_file_ns;
}

static int known(struct inode *i)
{
	struct hnode *h = hnode(i);

	return now(h->fs) - h->st_ns < believed_for(i) ? 0 : refresh(h);
}

int host_getattr(struct inode *i, struct kstat *st)
{
	int err = known(i);

	if (!err)
		*st = hnode(i)->st;
	return err;
}

int host_ownership(struct inode *i, struct ownership *o)
{
	int err = known(i);

	if (!err)
		*o = (struct ownership){hnode(i)->st.mode, hnode(i)->st.uid, hnode(i)->st.gid};
	return err;
}

int host_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct hostfs *fs = hnode(dir)->fs;
	struct hostfd fd = HOSTFD_NONE;
	struct kstat st;
	struct hnode *h;
	char text[256];
	int err;

	if (len >= sizeof text)
		return -ENAMETOOLONG;
	memcpy(text, name, len);
	text[len] = 0;
	if (fs->writable) {
		/* What guests may remove and rename is held, lest its number be given to another file. */
		err = open_below(hnode(dir), text, host_open_name, &fd);
		if (!err)
			err = hnode_get(fs, &fd, dir, text, out);
		host_close(&fd);
	} else {
		err = hnode_fd(hnode(dir), &fd);
		if (!err)
			err = read_stat(fd, text, &st);
		if (!err)
			err = node_of(fs, &st, dir, text, &h);
		if (!err)
			*out = h->inode;
	}
	return err == -ESTALE ? -ENOENT : err;
}

u64 host_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	struct hnode *d = hnode(dir), *h;
	struct hostfd fd;
	struct kstat st;
	char text[256];
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
	if (hnode_fd(d, &fd) || read_stat(fd, text, &st) || !is_node(h, &st))
		return 0;
	take_stat(h, &st);
	note_name(h, dir, text);
	if (known)
		h->checked_ns = now(d->fs);
	/* Of a tree that guests write nothing is believed beyond the call. */
	return d->fs->believe_ns ? now(d->fs) + d->fs->believe_ns : 1;
}

/* What a symlink says never changes: see take_stat(). */
long host_readlink(struct inode *i, char *buf, size_t size)
{
	struct hnode *h = hnode(i);
	bool by_name = !hostfd_valid(h->fd) && !h->fs->writable;
	char text[PATH_MAX];
	struct hostfd fd;
	ssize_t n;
	int err;

	if (!h->link) {
		err = hnode_fd(by_name ? hnode(h->parent) : h, &fd);
		if (err)
			return err == -ESTALE ? -ENOENT : err;
		n = readlinkat(fd.fd, by_name ? h->name : "", text, sizeof text - 1);
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

	if (!fs->believe_ns)
		return 0;
	if (now(fs) >= fs->absence_until) {
		fs->absence++;
		fs->absence_until = now(fs) + fs->believe_ns;
	}
	return fs->absence;
}

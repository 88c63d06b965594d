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
#include <unistd.h>

#include "base/alloc.h"
#include "fs/host/host.h"
#include "host/file.h"
#include "vfs/ghost.h"

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

struct hnode *hnode_find(struct hostfs *fs, const struct kstat *st)
{
	struct hnode *h;

	list_for_each (h, bucket(fs, st->dev, st->ino), hash_node) {
		if (hnode_is(h, st))
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
	h->id = ++fs->last_id;
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

/* The node of @name in @parent, whose attributes were @st at @when: a reference of its inode. */
static int node_of(struct hostfs *fs, const struct kstat *st, u64 when, struct inode *parent,
		   const char *name, struct hnode **out)
{
	struct hnode *h = hnode_find(fs, st);
	int err = 0;

	if (h) {
		note_name(h, parent, name);
		inode_get(h->inode);
	} else {
		err = make_node(fs, st, parent, name, &h);
	}
	if (err)
		return err;
	hnode_take_stat_of(h, st, when);
	h->checked_ns = when;
	*out = h;
	return 0;
}

int hnode_get(struct hostfs *fs, struct hostfd *fd, struct inode *parent, const char *name,
	      struct inode **out)
{
	struct kstat st;
	struct hnode *h;
	int err = host_read_stat(*fd, "", &st);

	if (!err)
		err = node_of(fs, &st, hostfs_now(fs), parent, name, &h);
	if (err)
		return err;
	if (!hostfd_valid(h->fd)) {
		if (parent)
			hnode_keep_open(h, *fd);
		else
			h->fd = *fd;
		*fd = HOSTFD_NONE;
	}
	*out = h->inode;
	return 0;
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

void host_release_inode(struct inode *i)
{
	struct hnode *h = hnode(i);
	struct inode *parent = h->parent;

	hnode_close(h);
	hnode_close_data(h);
	host_close(&h->fresh);
	free(h->link);
	list_del(&h->hash_node);
	h->fs->nnodes--;
	free(h->name);
	free(h);
	inode_put(parent);
}

int host_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct hostfs *fs = hnode(dir)->fs;
	struct hostfd fd = HOSTFD_NONE;
	struct kstat st;
	struct hnode *h;
	char text[256];
	u64 when = hostfs_now(fs);
	int err = 0;

	if (len >= sizeof text)
		return -ENAMETOOLONG;
	if (host_is_hidden(hnode(dir), name, len))
		return -ENOENT;
	memcpy(text, name, len);
	text[len] = 0;
	if (fs->writable) {
		/* What guests may remove and rename is held, lest its number be given to another file. */
		err = hnode_open_below(hnode(dir), text, host_open_name, &fd);
		if (!err)
			err = hnode_get(fs, &fd, dir, text, out);
		host_close(&fd);
	} else {
		if (!glance_take(hnode(dir), name, len, &st, &when))
			err = hnode_fd(hnode(dir), &fd);
		if (hostfd_valid(fd))
			err = host_read_stat(fd, text, &st);
		if (!err)
			err = node_of(fs, &st, when, dir, text, &h);
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

	if (inode_is_ghost(i)) /* no node of ours */
		return ~0UL;
	h = hnode(i);
	memcpy(text, name, len);
	text[len] = 0;
	/* The node keeps the time of one of its names; its other hard links are believed by their dentries alone. */
	known = h->parent == dir && !strcmp(h->name, text);
	if (known && hostfs_now(d->fs) - h->checked_ns < d->fs->believe_ns)
		return h->checked_ns + d->fs->believe_ns;
	if (hnode_fd(d, &fd) || host_read_stat(fd, text, &st) || !hnode_is(h, &st))
		return 0;
	hnode_take_stat(h, &st);
	note_name(h, dir, text);
	if (known)
		h->checked_ns = hostfs_now(d->fs);
	/* Of a tree that guests write nothing is believed beyond the call. */
	return d->fs->believe_ns ? hostfs_now(d->fs) + d->fs->believe_ns : 1;
}

/* What a symlink says never changes: see hnode_take_stat(). */
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
	if (hostfs_now(fs) >= fs->absence_until) {
		fs->absence++;
		fs->absence_until = hostfs_now(fs) + fs->believe_ns;
	}
	return fs->absence;
}

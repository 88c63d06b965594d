/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors of the host tree's nodes: opened by the parent's and the name, kept in LRUs of bounded length. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs/host/host.h"
#include "host/file.h"

void hnode_close(struct hnode *h)
{
	if (!hostfd_valid(h->fd))
		return;
	host_close(&h->fd);
	h->lists = false;
	if (!list_empty(&h->lru_node)) {
		list_del(&h->lru_node);
		h->fs->nopen--;
	}
}

void hnode_close_data(struct hnode *h)
{
	if (!list_empty(&h->idle_node)) {
		list_del(&h->idle_node);
		h->fs->nidle--;
	}
	host_close(&h->data);
}

/* Closes descriptors until no more than @keep are left. */
static void hnodes_close(struct hostfs *fs, int keep)
{
	while (fs->nopen > keep)
		hnode_close(list_first(&fs->lru, struct hnode, lru_node));
	while (fs->nidle > keep)
		hnode_close_data(list_first(&fs->idle, struct hnode, idle_node));
}

void hnode_keep_open(struct hnode *h, struct hostfd fd)
{
	h->fd = fd;
	list_add_tail(&h->fs->lru, &h->lru_node);
	h->fs->nopen++;
	hnodes_close(h->fs, MAX_OPEN);
}

int hnode_open_below(struct hnode *dir, const char *name,
		     int (*open)(struct hostfd dir, const char *name, struct hostfd *out), struct hostfd *out)
{
	struct hostfd parent;
	int err = hnode_fd(dir, &parent);

	if (!err)
		err = open(parent, name, out);
	if (err == -EMFILE && dir->fs->nopen) {
		hnodes_close(dir->fs, FEW_OPEN);
		err = hnode_fd(dir, &parent);
		if (!err)
			err = open(parent, name, out);
	}
	return err == -EMFILE ? -ENFILE : err;
}

/* Opens what the node's name leads to by @open, and sees that it is the node: -ESTALE when it is not. */
static int open_own(struct hnode *h, int (*open)(struct hostfd dir, const char *name, struct hostfd *out),
		    struct hostfd *out)
{
	struct hostfd fd = HOSTFD_NONE;
	struct kstat st;
	int err = hnode_open_below(hnode(h->parent), h->name, open, &fd);

	if (err)
		return err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -ENXIO ? -ESTALE : err;
	if (host_read_stat(fd, "", &st) || !hnode_is(h, &st)) {
		host_close(&fd);
		return -ESTALE;
	}
	hnode_take_stat(h, &st);
	*out = fd;
	return 0;
}

/* As open_own(): the node's descriptor from now on. */
static int open_node(struct hnode *h, int (*open)(struct hostfd dir, const char *name, struct hostfd *out),
		     struct hostfd *out)
{
	int err = open_own(h, open, out);

	if (!err)
		hnode_keep_open(h, *out);
	return err;
}

int hnode_fd(struct hnode *h, struct hostfd *out)
{
	if (!hostfd_valid(h->fd))
		return open_node(h, host_open_name, out);
	if (!list_empty(&h->lru_node)) {
		list_del(&h->lru_node);
		list_add_tail(&h->fs->lru, &h->lru_node);
	}
	*out = h->fd;
	return 0;
}

int hnode_listing(struct hnode *h, struct hostfd *out)
{
	int err;

	if (hostfd_valid(h->fd))
		return h->lists ? hnode_fd(h, out) : -EAGAIN;
	err = open_node(h, host_open_listing, out);
	h->lists = !err;
	h->listed = false;
	return err == -EACCES ? -EAGAIN : err;
}

/* By its own descriptor, or the one that its making has left. */
static int reopen(struct hnode *h, u32 access, struct hostfd *out)
{
	struct hostfd fd;
	int err = hnode_fd(h, &fd);

	if (err)
		return err;
	if (access && hostfd_valid(h->fresh)) {
		*out = h->fresh;
		h->fresh = HOSTFD_NONE;
		return 0;
	}
	if (access)
		return host_reopen_writable(fd, (int)access, out);
	return h->type == S_IFDIR ? host_open_dir(fd, out) : host_reopen(fd, 0, out);
}

int hnode_reopen(struct hnode *h, u32 access, struct hostfd *out)
{
	int err = reopen(h, access, out);

	if (err == -EMFILE) {
		hnodes_close(h->fs, FEW_OPEN);
		err = reopen(h, access, out);
	}
	return err == -EMFILE ? -ENFILE : err;
}

int hnode_data_get(struct hnode *h, struct hostfd *out)
{
	int err = 0;

	if (!hostfd_valid(h->data))
		err = hostfd_valid(h->fd) || h->fs->writable ? hnode_reopen(h, O_RDONLY, &h->data)
							     : open_own(h, host_open_reading, &h->data);
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
		hnode_close_data(list_first(&h->fs->idle, struct hnode, idle_node));
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

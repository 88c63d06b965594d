/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay's extended attributes: the lower layer's until something is changed. */
#include "fs/overlay/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/limits.h>

/* The lower inode whose attributes hold; NULL: the overlay's own do. */
static struct inode *attributes_below(struct inode *i)
{
	struct lower *l = tnode(i)->lower;

	return l && !l->owned ? l->inode : NULL;
}

long overlay_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct inode *below = attributes_below(i);

	if (below)
		return below->ops->getxattr ? below->ops->getxattr(below, name, buf, size) : -ENODATA;
	return tmpfs_getxattr(i, name, buf, size);
}

long overlay_listxattr(struct inode *i, char *buf, size_t size)
{
	struct inode *below = attributes_below(i);

	if (below)
		return below->ops->listxattr ? below->ops->listxattr(below, buf, size) : 0;
	return tmpfs_listxattr(i, buf, size);
}

int overlay_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	int err = overlay_own(i);

	if (!err)
		err = tmpfs_setxattr(i, name, value, size, flags);
	if (!err) {
		overlay_changed(i);
		store_inode(i);
		store_xattr(i, name, value, size);
	}
	return store_commit(i, err);
}

int overlay_removexattr(struct inode *i, const char *name)
{
	int err = overlay_own(i);

	if (!err)
		err = tmpfs_removexattr(i, name);
	if (!err) {
		overlay_changed(i);
		store_inode(i);
		store_xattr(i, name, NULL, 0);
	}
	return store_commit(i, err);
}

/* Copies one attribute of @below. What is too big for a tree in memory ends the call that wanted the copy. */
static int take_one(struct inode *i, struct inode *below, const char *name, char *value)
{
	long n = below->ops->getxattr(below, name, value, XATTR_SIZE_MAX);

	if (n == -ENODATA) /* went since it was listed */
		return 0;
	return n < 0 ? (int)n : tmpfs_setxattr(i, name, value, (size_t)n, 0);
}

int overlay_take_xattrs(struct inode *i, struct inode *below)
{
	long n = below->ops->listxattr ? below->ops->listxattr(below, NULL, 0) : 0;
	char *names, *value;
	int err = 0;

	if (n <= 0)
		return n == -EOPNOTSUPP ? 0 : (int)n;
	names = malloc(XATTR_LIST_MAX);
	value = malloc(XATTR_SIZE_MAX);
	if (names && value)
		n = below->ops->listxattr(below, names, XATTR_LIST_MAX);
	else
		n = -ENOMEM;
	for (char *at = names; !err && n > 0 && at < names + n; at += strlen(at) + 1)
		err = take_one(i, below, at, value);
	free(names);
	free(value);
	return n < 0 ? (int)n : err;
}

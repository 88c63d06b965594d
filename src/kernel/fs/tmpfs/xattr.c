/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: extended attributes, which count against the size of the tree. */
#include <errno.h>

#include "fs/tmpfs/tmpfs.h"

long tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	return xattrs_get(&tnode(i)->xattrs, name, buf, size);
}

static void changed(struct tnode *n, size_t before)
{
	n->ctime = tmpfs_now();
	if (n->fs)
		tmpfs_charge(n->fs, before, n->xattrs.bytes);
}

int tmpfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	struct tnode *n = tnode(i);
	size_t before = n->xattrs.bytes;
	int err;

	if (n->fs && size > tmpfs_free(n->fs))
		return -ENOSPC;
	err = xattrs_set(&n->xattrs, name, value, size, flags);
	if (!err)
		changed(n, before);
	return err;
}

long tmpfs_listxattr(struct inode *i, char *buf, size_t size)
{
	return xattrs_list(&tnode(i)->xattrs, buf, size);
}

int tmpfs_removexattr(struct inode *i, const char *name)
{
	struct tnode *n = tnode(i);
	size_t before = n->xattrs.bytes;
	int err = xattrs_remove(&n->xattrs, name);

	if (!err)
		changed(n, before);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's tree: extended attributes of users. The others (capabilities, labels, access lists) are the host's own
 * affair: they mean something to its kernel that they do not mean to husk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/host/host.h"

#define LIST_MAX 65536

static bool is_user(const char *name)
{
	return !strncmp(name, "user.", 5);
}

/* The object's name by its descriptor, good until the next call into this room. Linux keeps none on links and special
 * files. */
static int object_path(struct inode *i, char *path, size_t size)
{
	struct hostfd fd;
	int err;

	if (i->type != S_IFREG && i->type != S_IFDIR)
		return -EPERM;
	err = hnode_fd(hnode(i), &fd);
	if (!err)
		snprintf(path, size, "/proc/self/fd/%d", fd.fd);
	return err == -ESTALE ? -ENOENT : err;
}

long host_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	char path[32];
	int err = is_user(name) ? object_path(i, path, sizeof path) : -ENODATA;
	ssize_t n;

	if (err)
		return err == -EPERM ? -ENODATA : err;
	n = getxattr(path, name, buf, size);
	return n < 0 ? -errno : n;
}

long host_listxattr(struct inode *i, char *buf, size_t size)
{
	char path[32], *all, *at;
	int err = object_path(i, path, sizeof path);
	ssize_t n;
	long used = 0;

	if (err)
		return err == -EPERM ? 0 : err;
	/* Most have none, and need no buffer to say so. */
	n = listxattr(path, NULL, 0);
	if (n <= 0)
		return n < 0 && errno != EOPNOTSUPP ? -errno : 0;
	all = malloc(LIST_MAX);
	if (!all)
		return -ENOMEM;
	n = listxattr(path, all, LIST_MAX);
	err = n < 0 ? -errno : 0;
	for (at = all; !err && at < all + n; at += strlen(at) + 1) {
		size_t len = strlen(at) + 1;

		if (!is_user(at))
			continue;
		if (size && (size_t)used + len > size)
			err = -ERANGE;
		else if (size)
			memcpy(buf + used, at, len);
		used += (long)len;
	}
	free(all);
	return err ? err : used;
}

int host_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	char path[32];
	int err = is_user(name) ? object_path(i, path, sizeof path) : -EOPNOTSUPP;

	if (err)
		return err;
	return setxattr(path, name, value, size, flags) ? -errno : 0;
}

int host_removexattr(struct inode *i, const char *name)
{
	char path[32];
	int err = is_user(name) ? object_path(i, path, sizeof path) : -EOPNOTSUPP;

	if (err)
		return err;
	return removexattr(path, name) ? -errno : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's tree: extended attributes of users. The others (capabilities, labels, access lists) are the host's own
 * affair: they mean something to its kernel that they do not mean to husk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/host/host.h"
#include "host/file.h"

#define LIST_MAX 65536

static bool is_user(const char *name)
{
	return !strncmp(name, "user.", 5);
}

/* The object's name by its descriptor, good until the next call into this room. Linux keeps none on links and special
 * files. */
static int object_path(struct inode *i, char path[HOST_FD_PATH])
{
	struct hostfd fd;
	int err;

	if (i->type != S_IFREG && i->type != S_IFDIR)
		return -EPERM;
	err = hnode_fd(hnode(i), &fd);
	if (!err)
		host_fd_path(fd, path);
	return err == -ESTALE ? -ENOENT : err;
}

/* The value of @name, or all names (NULL). A way by /proc takes the host several times as long as one by a descriptor that is
 * open for reading. */
static int get(struct inode *i, const char *name, char *buf, size_t size, ssize_t *n)
{
	struct hostfd fd = hnode(i)->data;
	char path[HOST_FD_PATH];
	int err;

	if (hostfd_valid(fd)) {
		*n = name ? fgetxattr(fd.fd, name, buf, size) : flistxattr(fd.fd, buf, size);
		return 0;
	}
	err = object_path(i, path);
	if (!err)
		*n = name ? getxattr(path, name, buf, size) : listxattr(path, buf, size);
	return err;
}

long host_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	ssize_t n;
	int err = is_user(name) ? get(i, name, buf, size, &n) : -ENODATA;

	if (err)
		return err == -EPERM ? -ENODATA : err;
	return n < 0 ? -errno : n;
}

long host_listxattr(struct inode *i, char *buf, size_t size)
{
	char *all, *at;
	long used = 0;
	ssize_t n;
	int err = get(i, NULL, NULL, 0, &n); /* most have none, and need no buffer to say so */

	if (err)
		return err == -EPERM ? 0 : err;
	if (n <= 0)
		return n < 0 && errno != EOPNOTSUPP ? -errno : 0;
	all = malloc(LIST_MAX);
	if (!all)
		return -ENOMEM;
	err = get(i, NULL, all, LIST_MAX, &n);
	if (!err && n < 0)
		err = -errno;
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
	char path[HOST_FD_PATH];
	int err = is_user(name) ? object_path(i, path) : -EOPNOTSUPP;

	if (err)
		return err;
	return setxattr(path, name, value, size, flags) ? -errno : 0;
}

int host_removexattr(struct inode *i, const char *name)
{
	char path[HOST_FD_PATH];
	int err = is_user(name) ? object_path(i, path) : -EOPNOTSUPP;

	if (err)
		return err;
	return removexattr(path, name) ? -errno : 0;
}

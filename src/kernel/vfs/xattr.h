/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes in memory, for file systems that keep them there (xattr(7)). */
#ifndef HUSK_KERNEL_VFS_XATTR_H
#define HUSK_KERNEL_VFS_XATTR_H

#include "base/types.h"

struct xattr;

/* The attributes of one inode, ordered by name; all zero at first. */
struct xattrs {
	struct xattr *first; /* owned */
	size_t bytes;        /* what they take */
};

/* The length of the value of @name, which is copied to @buf when @size is not 0: -ENODATA, -ERANGE. */
long xattrs_get(const struct xattrs *x, const char *name, void *buf, size_t size);
/* @flags: XATTR_CREATE (-EEXIST), XATTR_REPLACE (-ENODATA). -ENOSPC when there are too many bytes; -ENOMEM. */
int xattrs_set(struct xattrs *x, const char *name, const void *value, size_t size, int flags);
/* The names, each with its NUL: their length, copied as by xattrs_get(). */
long xattrs_list(const struct xattrs *x, char *buf, size_t size);
int xattrs_remove(struct xattrs *x, const char *name); /* -ENODATA */
void xattrs_free(struct xattrs *x);

#endif

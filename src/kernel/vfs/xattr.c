/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes in memory: a short ordered list an inode. Who may do what is for sys/xattr.c to know. */
#include "vfs/xattr.h"

#include <errno.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (256 << 10) /* of one inode: Linux bounds them by the inodes of a tmpfs */

struct xattr {
	struct xattr *next;
	size_t size;
	char *name; /* in the same allocation, behind the value */
	char value[];
};

/* The link to the first one whose name is not before @name. */
static struct xattr **find(struct xattrs *x, const char *name)
{
	struct xattr **link = &x->first;

	while (*link && strcmp((*link)->name, name) < 0)
		link = &(*link)->next;
	return link;
}

static bool is(const struct xattr *a, const char *name)
{
	return a && !strcmp(a->name, name);
}

static size_t cost(const char *name, size_t size)
{
	return sizeof(struct xattr) + size + strlen(name) + 1;
}

long xattrs_get(const struct xattrs *x, const char *name, void *buf, size_t size)
{
	const struct xattr *a = *find((struct xattrs *)x, name);

	if (!is(a, name))
		return -ENODATA;
	if (!size)
		return (long)a->size;
	if (a->size > size)
		return -ERANGE;
	memcpy(buf, a->value, a->size);
	return (long)a->size;
}

int xattrs_set(struct xattrs *x, const char *name, const void *value, size_t size, int flags)
{
	struct xattr **link = find(x, name), *old = is(*link, name) ? *link : NULL, *a;
	size_t freed = old ? cost(name, old->size) : 0;

	if (old && flags & XATTR_CREATE)
		return -EEXIST;
	if (!old && flags & XATTR_REPLACE)
		return -ENODATA;
	if (x->bytes - freed + cost(name, size) > MAX_BYTES)
		return -ENOSPC;
	a = malloc(cost(name, size));
	if (!a)
		return -ENOMEM;
	a->size = size;
	memcpy(a->value, value, size);
	a->name = strcpy(a->value + size, name);
	a->next = old ? old->next : *link;
	*link = a;
	free(old);
	x->bytes += cost(name, size) - freed;
	return 0;
}

long xattrs_list(const struct xattrs *x, char *buf, size_t size)
{
	size_t used = 0;

	for (const struct xattr *a = x->first; a; a = a->next) {
		size_t len = strlen(a->name) + 1;

		if (size) {
			if (used + len > size)
				return -ERANGE;
			memcpy(buf + used, a->name, len);
		}
		used += len;
	}
	return (long)used;
}

int xattrs_remove(struct xattrs *x, const char *name)
{
	struct xattr **link = find(x, name), *a = *link;

	if (!is(a, name))
		return -ENODATA;
	*link = a->next;
	x->bytes -= cost(name, a->size);
	free(a);
	return 0;
}

void xattrs_free(struct xattrs *x)
{
	while (x->first) {
		struct xattr *a = x->first;

		x->first = a->next;
		free(a);
	}
	x->bytes = 0;
}

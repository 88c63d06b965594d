/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the host's tree that guests must not see (--hide below a bind).
 *
 * A name is hidden in its directory, wherever guests move that, and in whatever the host puts in the directory's place. It
 * is not found, not listed, and nothing can be made, moved or linked there: what the host has under it stays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/host/host.h"

struct hidden {
	struct list node;
	u64 dev, ino; /* the directory */
	char *path;   /* owned: where that was, from the root, each name behind a slash */
	size_t len;   /* of the name */
	char name[];
};

/* Whether @dir is at @path, @len bytes of it. */
static bool is_at(const struct hnode *dir, const char *path, size_t len)
{
	for (; dir->parent; dir = hnode(dir->parent)) {
		size_t n = strlen(dir->name);

		if (len <= n || memcmp(path + len - n, dir->name, n) || path[len - n - 1] != '/')
			return false;
		len -= n + 1;
	}
	return !len;
}

static char *path_of(const struct hnode *dir)
{
	size_t len = 0;
	char *path;

	for (const struct hnode *at = dir; at->parent; at = hnode(at->parent))
		len += strlen(at->name) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	path[len] = 0;
	for (const struct hnode *at = dir; at->parent; at = hnode(at->parent)) {
		size_t n = strlen(at->name);

		len -= n + 1;
		path[len] = '/';
		memcpy(path + len + 1, at->name, n);
	}
	return path;
}

bool host_is_hidden(const struct hnode *dir, const char *name, size_t len)
{
	struct hidden *h;

	list_for_each (h, &dir->fs->hidden, node)
		if (h->len == len && !memcmp(h->name, name, len) &&
		    ((h->dev == dir->dev && h->ino == dir->ino) || is_at(dir, h->path, strlen(h->path))))
			return true;
	return false;
}

int host_hide(struct inode *dir, const char *name, size_t len)
{
	struct hnode *d = hnode(dir);
	struct hidden *h = malloc(sizeof *h + len);

	if (!h)
		return -ENOMEM;
	*h = (struct hidden){.dev = d->dev, .ino = d->ino, .path = path_of(d), .len = len};
	if (!h->path) {
		free(h);
		return -ENOMEM;
	}
	memcpy(h->name, name, len);
	list_add_tail(&d->fs->hidden, &h->node);
	return 0;
}

void host_hidden_free(struct hostfs *fs)
{
	while (!list_empty(&fs->hidden)) {
		struct hidden *h = list_first(&fs->hidden, struct hidden, node);

		list_del(&h->node);
		free(h->path);
		free(h);
	}
}

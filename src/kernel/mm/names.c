/* SPDX-License-Identifier: Apache-2.0 */
/* What maps shows of the file behind a mapping: device, inode, and its path from the sandbox's root. */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "mm/internal.h"
#include "vfs/inode.h"

/* Puts "/name" in front of what is built from the end of @buf. False: no room. */
static bool prepend(char *buf, char **at, const char *name, size_t len)
{
	if ((size_t)(*at - buf) < len + 1)
		return false;
	*at -= len;
	memcpy(*at, name, len);
	*--*at = '/';
	return true;
}

/* The names from @p up to the root, across mounts; built at the end of @buf. NULL: longer than @buf. */
static char *walk_up(const struct path *p, char *buf, size_t size)
{
	char *at = buf + size - 1;
	const struct dentry *d = p->dentry;
	const struct mount *m = p->mnt;

	*at = 0;
	while (d) {
		if (m && d == m->root) {
			if (!m->parent)
				break;
			d = m->on;
			m = m->parent;
			continue;
		}
		if (!d->parent)
			break;
		if (!prepend(buf, &at, d->name, d->len))
			return NULL;
		d = d->parent;
	}
	return at;
}

static void name_of(const struct file *f, char *name, size_t size)
{
	char buf[4096], *path;

	/* First: a memfd that was opened again has a path, of no name. */
	if (f->ops->link_name) {
		f->ops->link_name((struct file *)f, name, size);
	} else if (f->path) {
		path = walk_up(f->path, buf, sizeof buf);
		snprintf(name, size, "%s%s", path && *path ? path : "/",
			 f->path->dentry->unlinked ? " (deleted)" : "");
	} else {
		snprintf(name, size, "anon_inode:[%s]", f->ops->name ? f->ops->name : "file");
	}
}

void mm_file_name(struct file *f, u64 *dev, u64 *ino, char *name, size_t size)
{
	struct kstat st = {0};

	if (file_getattr(f, &st) == 0) {
		*dev = (u64)major(st.dev) << 20 | minor(st.dev);
		*ino = st.ino;
	}
	name_of(f, name, size);
}

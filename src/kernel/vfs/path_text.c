/* SPDX-License-Identifier: Apache-2.0 */
/* What a path is called, for getcwd(2), /proc/PID/fd and the like (fs/d_path.c). */
#include <errno.h>
#include <string.h>

#include "vfs/anon.h"

long path_text(struct task *t, const struct path *p, char *buf, size_t size, bool mark)
{
	static const char deleted[] = " (deleted)", unreachable[] = "(unreachable)";
	struct path at = *p;
	char *end = buf + size, *s = end;
	bool reached = true;
	size_t len;

	if (path_is_anon(p)) {
		len = min((size_t)p->dentry->len, size - 1);
		memcpy(buf, p->dentry->name, len);
		buf[len] = 0;
		return (long)len;
	}
	*--s = 0;
	if (mark && p->dentry->unlinked) {
		s -= sizeof deleted - 1;
		memcpy(s, deleted, sizeof deleted - 1);
	}
	len = (size_t)(end - s);
	while (!path_equal(&at, &t->fs->root)) {
		if (at.dentry == at.mnt->root) {
			if (!at.mnt->parent) {
				reached = at.mnt == t->k->vfs->root && at.dentry == t->fs->root.dentry;
				break;
			}
			at = (struct path){at.mnt->parent, at.mnt->on};
			continue;
		}
		if (!at.dentry->parent)
			break;
		if ((size_t)(s - buf) < at.dentry->len + 1U + sizeof unreachable)
			return -ENAMETOOLONG;
		s -= at.dentry->len;
		memcpy(s, at.dentry->name, at.dentry->len);
		*--s = '/';
		at.dentry = at.dentry->parent;
	}
	if ((size_t)(end - s) == len)
		*--s = '/';
	if (!reached) {
		s -= sizeof unreachable - 1;
		memcpy(s, unreachable, sizeof unreachable - 1);
	}
	len = (size_t)(end - s);
	memmove(buf, s, len);
	return (long)len - 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets' names in the file tree. */
#include "net/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vfs/notify.h"

int unix_path_find(struct task *t, const char *path, struct inode **out)
{
	struct path p;
	int err = path_lookup(t, AT_FDCWD, path, LOOKUP_FOLLOW, &p);

	if (err < 0)
		return err;
	err = path_permission(t, &p, MAY_WRITE);
	if (err >= 0 && path_inode(&p)->type != S_IFSOCK)
		err = -ECONNREFUSED;
	if (err >= 0)
		*out = inode_get(path_inode(&p));
	path_put(&p);
	return err < 0 ? err : 0;
}

static int make_at(struct task *t, const struct path *dir, const char *name, bool slashes, struct inode **out)
{
	struct inode *i = path_inode(dir);
	struct path there;
	int err = path_child(dir, name, strlen(name), &there);

	if (!err) {
		path_put(&there);
		return -EEXIST;
	}
	if (err != -ENOENT)
		return err;
	if (slashes)
		return -ENOENT;
	err = may_create(t, dir);
	if (err < 0)
		return err;
	if (!i->ops->create)
		return -EPERM;
	err = i->ops->create(i, name, strlen(name), S_IFSOCK | (0777 & ~t->fs->umask), 0, t->cred, out);
	if (!err)
		notify_name(i, IN_CREATE, name, *out, 0);
	return err;
}

int unix_path_make(struct task *t, const char *path, struct inode **out)
{
	char last[256];
	enum last_type type;
	struct path dir;
	bool slashes;
	int err = path_parent(t, AT_FDCWD, path, 0, &dir, last, &type, &slashes);

	if (err < 0)
		return err;
	err = type == LAST_NORM ? make_at(t, &dir, last, slashes, out) : -EEXIST;
	path_put(&dir);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Taking names out of directories (fs/namei.c: do_unlinkat(), do_rmdir()). */
#include <errno.h>
#include <string.h>

#include "vfs/inode.h"
#include "vfs/notify.h"

static int remove_child(struct task *t, const struct path *dir, const char *name, bool slashes, bool is_dir,
			struct path *child)
{
	struct inode *i = path_inode(dir), *victim = path_inode(child);
	int err;

	if (slashes && !is_dir)
		return victim->type == S_IFDIR ? -EISDIR : -ENOTDIR;
	err = may_delete(t, dir, victim, is_dir);
	if (err)
		return err;
	if (path_is_mount_point(child))
		return -EBUSY;
	if (is_dir)
		err = i->ops->rmdir ? i->ops->rmdir(i, name, strlen(name), victim) : -EPERM;
	else
		err = i->ops->unlink ? i->ops->unlink(i, name, strlen(name), victim) : -EPERM;
	if (err)
		return err;
	dentry_drop(child->dentry, true);
	if (!is_dir)
		notify_inode(victim, IN_ATTRIB);
	return 0;
}

int vfs_remove(struct task *t, const struct path *dir, const char *name, bool slashes, bool is_dir)
{
	struct inode *victim;
	struct path child;
	int err = path_read_only(dir) ? -EROFS : path_child(dir, name, strlen(name), &child);

	if (err)
		return err;
	victim = inode_get(path_inode(&child));
	err = remove_child(t, dir, name, slashes, is_dir, &child);
	/* If nobody has it open, its own end is told here, before its directory hears of it. */
	path_put(&child);
	if (!err)
		notify_name(path_inode(dir), IN_DELETE, name, victim, 0);
	inode_put(victim);
	return err;
}

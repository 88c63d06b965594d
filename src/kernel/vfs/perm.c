/* SPDX-License-Identifier: Apache-2.0 */
/* Permission by the guest's own credentials (path_resolution(7), capabilities(7); fs/namei.c). */
#include <errno.h>
#include <linux/capability.h>

#include "vfs/inode.h"

static bool has_cap(const struct cred *c, int cap)
{
	return c->cap_effective >> cap & 1;
}

int inode_ownership(struct inode *i, struct ownership *o)
{
	struct kstat st;
	int err;

	if (i->ops->ownership)
		return i->ops->ownership(i, o);
	err = i->ops->getattr(i, &st);
	if (!err)
		*o = (struct ownership){st.mode, st.uid, st.gid};
	return err;
}

int inode_permission(const struct cred *cred, struct inode *i, int mask)
{
	struct ownership o;
	u32 bits;
	int err = i->ops->permission ? i->ops->permission(i, cred, mask) : 0;

	if (err)
		return min(err, 0);
	/* Whatever the mode is. */
	if ((i->type == S_IFDIR || !(mask & MAY_EXEC)) && has_cap(cred, CAP_DAC_OVERRIDE))
		return 0;
	err = inode_ownership(i, &o);
	if (err)
		return err;
	if (cred->fsuid == o.uid)
		bits = o.mode >> 6;
	else if (cred_in_group(cred, o.gid))
		bits = o.mode >> 3;
	else
		bits = o.mode;
	if (!(mask & ~bits & 7))
		return 0;
	if (has_cap(cred, CAP_DAC_OVERRIDE) && (!(mask & MAY_EXEC) || o.mode & 0111))
		return 0;
	if (has_cap(cred, CAP_DAC_READ_SEARCH) &&
	    (mask == MAY_READ || (i->type == S_IFDIR && !(mask & MAY_WRITE))))
		return 0;
	return -EACCES;
}

bool path_read_only(const struct path *p)
{
	return p->mnt->read_only || p->mnt->sb->read_only;
}

int path_permission(struct task *t, const struct path *p, int mask)
{
	struct inode *i = path_inode(p);
	bool file = i->type == S_IFREG || i->type == S_IFDIR || i->type == S_IFLNK;

	if (mask & MAY_WRITE && file && path_read_only(p))
		return -EROFS;
	return inode_permission(t->cred, i, mask);
}

u32 mode_unprivileged(const struct cred *cred, u32 mode, u32 gid)
{
	u32 drop = mode & S_ISUID;

	if (!S_ISREG(mode) || has_cap(cred, CAP_FSETID))
		return mode;
	if (mode & S_IXGRP || !cred_in_group(cred, gid))
		drop |= mode & S_ISGID;
	return mode & ~drop;
}

void attr_drop_privileges(struct task *t, struct inode *i, struct iattr *a)
{
	struct kstat st;
	u32 mode;

	if (i->type != S_IFREG || i->ops->getattr(i, &st))
		return;
	mode = mode_unprivileged(t->cred, st.mode, st.gid);
	if (mode == st.mode)
		return;
	a->valid |= ATTR_MODE;
	a->mode = mode & 07777;
}

int may_create(struct task *t, const struct path *dir)
{
	/* Names in /proc come and go by themselves: Linux's lookup there ends the call before it asks who may. */
	if (dir->dentry->unlinked || path_inode(dir)->sb->lookup_first)
		return -ENOENT;
	if (path_read_only(dir))
		return -EROFS;
	return inode_permission(t->cred, path_inode(dir), MAY_WRITE | MAY_EXEC);
}

int may_delete(struct task *t, const struct path *dir, struct inode *victim, bool is_dir)
{
	struct kstat ds, vs;
	int err;

	if (path_read_only(dir))
		return -EROFS;
	err = inode_permission(t->cred, path_inode(dir), MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	err = path_inode(dir)->ops->getattr(path_inode(dir), &ds);
	if (!err)
		err = victim->ops->getattr(victim, &vs);
	if (err)
		return err;
	if (ds.mode & S_ISVTX && t->cred->fsuid != vs.uid && t->cred->fsuid != ds.uid &&
	    !capable(t, CAP_FOWNER))
		return -EPERM;
	if (is_dir)
		return victim->type == S_IFDIR ? 0 : -ENOTDIR;
	return victim->type == S_IFDIR ? -EISDIR : 0;
}

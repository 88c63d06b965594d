/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes of files without a name. */
#include "vfs/anon.h"

#include <errno.h>
#include <stdlib.h>

#define SHARED_DEV 15
#define ANON_DEV   0xd /* st_dev of the host's pipefs and sockfs looks like it: major 0, a small minor */

struct anon {
	u32 mode, uid, gid;
	struct timespec made;
};

static int anon_getattr(struct inode *i, struct kstat *st)
{
	struct anon *a = i->priv;

	*st = (struct kstat){
		.dev = ANON_DEV,
		.ino = i->ino,
		.mode = a->mode,
		.nlink = 1,
		.uid = a->uid,
		.gid = a->gid,
		.blksize = 4096,
		.atime = a->made,
		.mtime = a->made,
		.ctime = a->made,
	};
	return 0;
}

static int anon_setattr(struct inode *i, const struct iattr *attr)
{
	struct anon *a = i->priv;

	if (attr->valid & ATTR_MODE)
		a->mode = (a->mode & S_IFMT) | (attr->mode & 07777);
	if (attr->valid & ATTR_UID)
		a->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		a->gid = attr->gid;
	return 0;
}

static void anon_release(struct inode *i)
{
	free(i->priv);
}

static const struct inode_ops anon_ops = {
	.getattr = anon_getattr,
	.setattr = anon_setattr,
	.release = anon_release,
};

struct inode *anon_inode_new(struct kernel *k, const struct cred *cred, u32 mode)
{
	struct anon *a = calloc(1, sizeof *a);
	struct inode *i;

	if (!a)
		return NULL;
	a->mode = mode;
	a->uid = cred ? cred->fsuid : 0;
	a->gid = cred ? cred->fsgid : 0;
	clock_gettime(CLOCK_REALTIME, &a->made);
	i = inode_new(k, NULL, &anon_ops, mode & S_IFMT, ++k->anon_ino, a);
	if (!i)
		free(a);
	return i;
}

/* ---- the shared one (fs/anon_inodes.c) ---- */

static int shared_getattr(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){.dev = SHARED_DEV, .ino = 1, .mode = 0600, .nlink = 1, .blksize = PAGE_SIZE};
	return 0;
}

int fixed_setattr(struct inode *i, const struct iattr *attr)
{
	return -EOPNOTSUPP;
}

static const struct inode_ops shared_ops = {.getattr = shared_getattr, .setattr = fixed_setattr};

struct inode *file_inode(struct file *f)
{
	struct vfs *v = f->k->vfs;

	if (f->inode)
		return f->inode;
	if (!v->nameless)
		v->nameless = inode_new(f->k, NULL, &shared_ops, 0, 1, NULL);
	return v->nameless;
}

int anon_path(struct inode *i, struct path *out)
{
	struct super as = {.k = i->k, .root = i};
	struct dentry *d = dentry_root(&as);
	struct mount *m;

	if (!d)
		return -ENOMEM;
	/* Any mount will do that does not make the object look read-only. */
	out->mnt = i->k->vfs->root;
	list_for_each (m, &i->k->vfs->mounts, node) {
		if (m->read_only || m->sb->read_only)
			continue;
		out->mnt = m;
		break;
	}
	d->sb = out->mnt->sb;
	out->dentry = d;
	path_get(out);
	dentry_put(d);
	return 0;
}

int file_place(struct file *f, struct path *out)
{
	struct inode *i;

	if (f->path) {
		*out = f->path->path;
		path_get(out);
		return 0;
	}
	i = file_inode(f);
	return i ? anon_path(i, out) : -ENOMEM;
}

s64 anon_seek(struct file *f, s64 offset, int whence)
{
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes of files without a name. */
#include "vfs/anon.h"

#include <errno.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_PROTOCOL_XATTR "system.sockprotoname"

#define SHARED_DEV 15
#define ANON_DEV   0xd /* st_dev of the host's pipefs and sockfs looks like it: major 0, a small minor */

struct anon {
	u32 mode, uid, gid;
	struct timespec made;
	const char *protocol; /* of a socket */
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

static struct inode *anon_new(struct kernel *k, const struct cred *cred, u32 mode, const char *protocol,
			      const struct inode_ops *ops)
{
	struct anon *a = calloc(1, sizeof *a);
	struct inode *i;

	if (!a)
		return NULL;
	a->mode = mode;
	a->uid = cred ? cred->fsuid : 0;
	a->gid = cred ? cred->fsgid : 0;
	a->protocol = protocol;
	clock_gettime(CLOCK_REALTIME, &a->made);
	i = inode_new(k, NULL, ops, mode & S_IFMT, ++k->anon_ino, a);
	if (!i)
		free(a);
	return i;
}

struct inode *anon_inode_new(struct kernel *k, const struct cred *cred, u32 mode)
{
	return anon_new(k, cred, mode, NULL, &anon_ops);
}

/* ---- sockets (net/socket.c: sockfs_xattr_handlers) ---- */

static long socket_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	const struct anon *a = i->priv;
	size_t len = strlen(a->protocol) + 1;

	if (strcmp(name, SOCKET_PROTOCOL_XATTR))
		return -EOPNOTSUPP;
	if (size && size < len)
		return -ERANGE;
	if (size)
		memcpy(buf, a->protocol, len);
	return (long)len;
}

static long socket_listxattr(struct inode *i, char *buf, size_t size)
{
	if (size && size < sizeof SOCKET_PROTOCOL_XATTR)
		return -ERANGE;
	if (size)
		memcpy(buf, SOCKET_PROTOCOL_XATTR, sizeof SOCKET_PROTOCOL_XATTR);
	return sizeof SOCKET_PROTOCOL_XATTR;
}

static int socket_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	return -EOPNOTSUPP;
}

/* Security modules are told to do it by themselves, whom nobody asks when it is about removing. */
static int socket_removexattr(struct inode *i, const char *name)
{
	return strncmp(name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN) ? -EOPNOTSUPP : -EAGAIN;
}

static const struct inode_ops socket_ops = {
	.getattr = anon_getattr,
	.setattr = anon_setattr,
	.xattr_spaces = XATTRS_SYSTEM | XATTRS_SECURITY,
	.getxattr = socket_getxattr,
	.setxattr = socket_setxattr,
	.listxattr = socket_listxattr,
	.removexattr = socket_removexattr,
	.release = anon_release,
};

struct inode *anon_socket_new(struct kernel *k, const struct cred *cred, const char *protocol)
{
	return anon_new(k, cred, S_IFSOCK | 0777, protocol, &socket_ops);
}

/* ---- the shared one (fs/anon_inodes.c) ---- */

void shared_attributes(struct kstat *st)
{
	*st = (struct kstat){.dev = SHARED_DEV, .ino = 1, .mode = 0600, .nlink = 1, .blksize = PAGE_SIZE};
}

static int shared_getattr(struct inode *i, struct kstat *st)
{
	shared_attributes(st);
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

int anon_path(struct inode *i, const char *name, struct path *out)
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
	d->len = (u8)min(strlen(name), sizeof d->name - 1);
	memcpy(d->name, name, d->len);
	d->name[d->len] = 0;
	out->dentry = d;
	path_get(out);
	dentry_put(d);
	return 0;
}

bool path_is_anon(const struct path *p)
{
	return !p->dentry->parent && !path_is_mount_root(p);
}

void file_link_name(struct file *f, char *buf, size_t size)
{
	if (f->ops->link_name)
		f->ops->link_name(f, buf, size);
	else
		snprintf(buf, size, "anon_inode:%s", f->ops->name ? f->ops->name : "[file]");
}

int file_place(struct file *f, struct path *out)
{
	char name[256];
	struct inode *i;

	if (f->path) {
		*out = *f->path;
		path_get(out);
		return 0;
	}
	i = file_inode(f);
	file_link_name(f, name, sizeof name);
	return i ? anon_path(i, name, out) : -ENOMEM;
}

s64 anon_seek(struct file *f, s64 offset, int whence)
{
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces that file systems have in common. */
#include "vfs/simple.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

const struct inode_ops *inode_ops_of(const struct inode_kinds *kinds, u32 type)
{
	switch (type) {
	case S_IFREG:
		return &kinds->file;
	case S_IFDIR:
		return &kinds->dir;
	case S_IFLNK:
		return &kinds->link;
	default:
		return &kinds->special;
	}
}

int file_of_inode(struct inode *i, const struct file_ops *ops, u32 flags, void *priv, struct file **out)
{
	int err = file_new(i->k, ops, flags, inode_get(i), priv, out);

	if (err)
		inode_put(i);
	return err;
}

s64 dir_seek(struct file *f, s64 offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += (s64)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (offset < 0)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

long dir_read(struct file *f, struct uio *to, u64 *pos)
{
	return -EISDIR;
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	struct dentry *d = f->path ? f->path->path.dentry : NULL;
	u64 up = d && d->parent ? d->parent->inode->ino : f->inode->ino;

	if (f->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, f->inode->ino, DT_DIR, 1))
			return false;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, up, DT_DIR, 2))
			return false;
		f->pos = 2;
	}
	return true;
}

int sync_nothing(struct file *f, struct hostfd *fd)
{
	return 0;
}

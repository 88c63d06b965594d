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

s64 seek_within(struct file *f, s64 offset, int whence, s64 end, s64 most)
{
	s64 from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (s64)f->pos : end;

	if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
		return -EINVAL;
	if (__builtin_add_overflow(from, offset, &offset) || offset < 0 || offset > most)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

s64 sized_seek(struct file *f, s64 offset, int whence, s64 size)
{
	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		if (offset < 0 || offset >= size)
			return -ENXIO;
		offset = whence == SEEK_HOLE ? size : offset;
		whence = SEEK_SET;
	}
	return seek_within(f, offset, whence, size, INT32_MAX);
}

s64 empty_seek(struct file *f, s64 offset, int whence)
{
	return sized_seek(f, offset, whence, 0);
}

s64 dir_seek(struct file *f, s64 offset, int whence)
{
	return whence == SEEK_END ? -EINVAL : seek_within(f, offset, whence, 0, INT64_MAX);
}

long dir_read(struct file *f, struct uio *to, u64 *pos)
{
	return -EISDIR;
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	struct dentry *d = f->path ? f->path->dentry : NULL;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that the file handlers share. */
#include "sys/files.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

long user_lookup(struct task *t, int dirfd, u64 addr, u32 flags, struct path *out)
{
	char path[PATH_MAX];
	long n = user_path(t, addr, path, flags & LOOKUP_EMPTY);

	return n < 0 ? n : path_lookup(t, dirfd, path, flags, out);
}

long user_parent(struct task *t, int dirfd, u64 addr, u32 flags, struct parent *out)
{
	char path[PATH_MAX];
	long n = user_path(t, addr, path, false);

	return n < 0 ? n
		     : path_parent(t, dirfd, path, flags, &out->dir, out->last, &out->type, &out->slashes);
}

long put_stat(struct task *t, u64 addr, const struct kstat *st)
{
	struct stat out;

	memset(&out, 0, sizeof out);
	out.st_dev = st->dev;
	out.st_ino = st->ino;
	out.st_nlink = st->nlink;
	out.st_mode = st->mode;
	out.st_uid = st->uid;
	out.st_gid = st->gid;
	out.st_rdev = st->rdev;
	out.st_size = st->size;
	out.st_blksize = st->blksize;
	out.st_blocks = (blkcnt_t)st->blocks;
	out.st_atim = st->atime;
	out.st_mtim = st->mtime;
	out.st_ctim = st->ctime;
	return user_put(t, addr, &out);
}

long user_read_struct(struct task *t, void *to, size_t known, u64 addr, u64 size)
{
	u8 more[PAGE_SIZE];
	size_t extra = size > known ? size - known : 0;
	long err = extra ? user_read(t, more, addr + known, extra) : 0;

	for (size_t i = 0; !err && i < extra; i++)
		if (more[i])
			err = -E2BIG;
	if (err)
		return err;
	memset(to, 0, known);
	return user_read(t, to, addr, min(size, (u64)known));
}

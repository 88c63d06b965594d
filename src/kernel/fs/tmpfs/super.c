/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: trees in memory as file systems of their own, and the nameless files of memfd_create. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "fs/tmpfs/tmpfs.h"
#include "vfs/simple.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

long tmpfs_readlink(struct inode *i, char *buf, size_t size)
{
	size_t len = min(strlen(tnode(i)->target), size);

	memcpy(buf, tnode(i)->target, len);
	return (long)len;
}

static int tmpfs_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	const struct file_ops *ops = i->type == S_IFDIR ? &tmpfs_dir_ops
				     : tnode(i)->name   ? &tmpfs_memfd_ops
							: &tmpfs_file_ops;

	int err = file_of_inode(i, ops, flags, NULL, out);

	if (!err && ops == &tmpfs_file_ops)
		tnode(i)->opens++;
	return err;
}

/* FIFOs are opened by fs/pipe, sockets by connect, devices not at all (ENXIO). */
#define COMMON                                                                                \
	.getattr = tmpfs_getattr, .ownership = tmpfs_ownership, .setattr = tmpfs_setattr,     \
	.getxattr = tmpfs_getxattr, .setxattr = tmpfs_setxattr, .listxattr = tmpfs_listxattr, \
	.removexattr = tmpfs_removexattr, .release = tmpfs_release_inode
const struct inode_kinds tmpfs_kinds = {
	.file = {COMMON, .open = tmpfs_open},
	.dir = {COMMON, .lookup = tmpfs_lookup, .create = tmpfs_create, .symlink = tmpfs_symlink,
		.link = tmpfs_link, .unlink = tmpfs_unlink, .rmdir = tmpfs_rmdir, .rename = tmpfs_rename,
		.tmpfile = tmpfs_tmpfile, .open = tmpfs_open},
	.link = {COMMON, .readlink = tmpfs_readlink},
	.special = {COMMON, .used = tmpfs_used},
};

int tmpfs_statfs(struct super *sb, struct statfs *st)
{
	struct tmpfs *fs = sb->priv;
	u64 bytes = fs->max_bytes;

	memset(st, 0, sizeof *st);
	st->f_type = TMPFS_MAGIC;
	st->f_bsize = st->f_frsize = PAGE_SIZE;
	if (fs->disk && fs->disk->disk_max)
		bytes = min(bytes, fs->disk->disk_max);
	if (fs->memory)
		bytes = min(bytes, fs->memory->memory_max);
	st->f_blocks = bytes / PAGE_SIZE;
	st->f_bfree = tmpfs_free(fs) / PAGE_SIZE;
	st->f_bavail = st->f_bfree;
	st->f_files = fs->max_inodes;
	st->f_ffree = fs->max_inodes - fs->used_inodes;
	st->f_namelen = 255;
	return 0;
}

u64 tmpfs_free(const struct tmpfs *fs)
{
	u64 room = fs->max_bytes > fs->used_bytes ? fs->max_bytes - fs->used_bytes : 0;
	struct vfs *v = fs->disk;

	if (v && v->disk_max)
		room = min(room, v->disk_max > v->disk_used ? v->disk_max - v->disk_used : 0);
	v = fs->memory;
	if (v)
		room = min(room, v->memory_max > v->memory_used ? v->memory_max - v->memory_used : 0);
	return room;
}

void tmpfs_charge(struct tmpfs *fs, u64 before, u64 now)
{
	fs->used_bytes += now - before;
	if (fs->disk)
		fs->disk->disk_used += now - before;
	if (fs->memory)
		fs->memory->memory_used += now - before;
}

int tmpfs_object(struct tmpfs *fs, size_t size)
{
	struct vfs *v = fs->vfs;

	if (v->memory_used + size > v->memory_max ||
	    (fs->disk && v->disk_max && v->disk_used + size > v->disk_max))
		return -ENOSPC;
	v->memory_used += size;
	if (fs->disk)
		v->disk_used += size;
	return 0;
}

void tmpfs_object_gone(struct tmpfs *fs, size_t size)
{
	fs->vfs->memory_used -= size;
	if (fs->disk)
		fs->vfs->disk_used -= size;
}

/* As many inodes as Linux gives a tmpfs, whatever its size: one for two pages of the machine. */
void tmpfs_setup(struct tmpfs *fs, struct vfs *vfs, u64 max_bytes)
{
	fs->kinds = &tmpfs_kinds;
	fs->vfs = vfs;
	fs->max_bytes = max_bytes;
	fs->max_inodes = vfs->memory_max / PAGE_SIZE;
	list_init(&fs->doomed);
}

static void tmpfs_release_super(struct super *sb)
{
	free(sb->priv);
}

/* What is not as it would be by itself (mm/shmem.c: shmem_show_options()). */
static void tell_options(struct super *sb, u32 mode, u32 uid, u32 gid, u64 max_bytes)
{
	size_t room = sizeof sb->options;
	char *at = sb->options;

	if (max_bytes != sb->k->vfs->memory_max)
		at += snprintf(at, room, ",size=%luk", max_bytes / 1024);
	if (mode != 01777)
		at += snprintf(at, room - (size_t)(at - sb->options), ",mode=%03o", mode);
	if (uid)
		at += snprintf(at, room - (size_t)(at - sb->options), ",uid=%u", uid);
	if (gid)
		snprintf(at, room - (size_t)(at - sb->options), ",gid=%u", gid);
}

int tmpfs_super(struct kernel *k, u32 mode, u32 uid, u32 gid, u64 max_bytes, struct super **out)
{
	struct super *sb = calloc(1, sizeof *sb);
	struct tmpfs *fs = calloc(1, sizeof *fs);
	int err;

	if (!sb || !fs) {
		free(sb);
		free(fs);
		return -ENOMEM;
	}
	tmpfs_setup(fs, k->vfs, max_bytes);
	fs->memory = k->vfs;
	fs->disk = k->vfs->memfds ? k->vfs : NULL; /* the first is that of the memfds */
	sb->k = k;
	sb->type = sb->source = "tmpfs";
	sb->dev = makedev(0, k->vfs->next_dev++);
	sb->priv = fs;
	sb->statfs = tmpfs_statfs;
	sb->release = tmpfs_release_super;
	tell_options(sb, mode, uid, gid, max_bytes);
	err = tnode_new(k, sb, fs, S_IFDIR | (mode & 07777), uid, gid, &sb->root);
	if (err) {
		free(fs);
		free(sb);
		return err;
	}
	*out = sb;
	return 0;
}

#define LARGE_FILE 0100000u /* the kernel's O_LARGEFILE; libc's is 0 */

int tmpfs_anonymous(struct kernel *k, const char *name, u32 flags, const struct cred *cred, struct file **out)
{
	u32 mode = flags & MFD_NOEXEC_SEAL ? 0666 : 0777;
	struct inode *i;
	struct tnode *n;
	int err = tnode_new(k, NULL, k->vfs->memfds->priv, S_IFREG | mode, cred->fsuid, cred->fsgid, &i);

	if (err)
		return err;
	n = tnode(i);
	n->nlink = 0;
	n->name = strdup(name);
	if (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL))
		n->seals = flags & MFD_NOEXEC_SEAL ? F_SEAL_EXEC : 0;
	if (n->name)
		err = file_new(k, &tmpfs_memfd_ops, O_RDWR | LARGE_FILE, i, NULL, out);
	else
		err = -ENOMEM;
	if (err)
		inode_put(i);
	return err;
}

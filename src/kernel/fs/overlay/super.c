/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay as a file system. */
#include "fs/overlay/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>

#define FIRST_INO (1UL << 32) /* above the numbers that lower trees give, as a rule */

#define COMMON                                                                                      \
	.getattr = overlay_getattr, .ownership = overlay_ownership, .setattr = overlay_setattr,     \
	.getxattr = overlay_getxattr, .setxattr = overlay_setxattr, .listxattr = overlay_listxattr, \
	.removexattr = overlay_removexattr, .release = overlay_release_inode
const struct inode_kinds overlay_kinds = {
	.file = {COMMON, .open = overlay_open, .before_change = overlay_before_change},
	.dir = {COMMON, .lookup = overlay_lookup, .revalidate = overlay_revalidate, .hide = overlay_hide,
		.glance = overlay_glance, .absence = overlay_absence, .create = overlay_create,
		.symlink = overlay_symlink, .link = overlay_link, .unlink = overlay_unlink,
		.rmdir = overlay_rmdir, .rename = overlay_rename, .tmpfile = overlay_tmpfile,
		.open = overlay_open_dir},
	.link = {COMMON, .readlink = overlay_readlink},
	.special = {COMMON, .used = overlay_used},
};

static int overlay_statfs(struct super *sb, struct statfs *st)
{
	struct overlay *o = sb->priv;
	int err = 0;

	if (o->store && !o->fs.disk->disk_max)
		err = fstatfs(o->store->data.fd, st) ? -errno : 0;
	else
		err = tmpfs_statfs(sb, st);
	st->f_type = OVERLAYFS_SUPER_MAGIC;
	return err;
}

static int overlay_sync(struct super *sb, struct hostfd *fd)
{
	struct overlay *o = sb->priv;

	if (!o->store)
		return 0;
	fd->fd = fcntl(o->store->data.fd, F_DUPFD_CLOEXEC, 3);
	return fd->fd < 0 ? -errno : 1;
}

static void overlay_begin(struct super *sb)
{
	struct overlay *o = sb->priv;

	o->given_to = o->fs.next_ino;
}

static void overlay_release_super(struct super *sb)
{
	struct overlay *o = sb->priv;

	while (!list_empty(&o->pinned)) {
		struct lower *l = list_first(&o->pinned, struct lower, pin);

		list_del(&l->pin);
		inode_put(l->self);
	}
	super_put(o->lower);
	store_close(o->store);
	free(o);
}

/* The tree's root and, with an upper layer, all that is kept there. */
static int make_root(struct super *sb, const char *upper, char *why, size_t size)
{
	struct overlay *o = sb->priv;
	int err = upper ? store_open(upper, &o->store, why, size) : 0;

	if (!err)
		err = lower_node(sb, inode_get(o->lower->root), NULL, NULL, 0, &sb->root);
	if (!err && upper)
		err = store_load(o, sb->root, why, size);
	return err;
}

int overlay_super(struct super *lower, u64 max_bytes, const char *upper, struct super **out, char *why,
		  size_t size)
{
	struct super *sb = calloc(1, sizeof *sb);
	struct overlay *o = calloc(1, sizeof *o);
	int err;

	if (!sb || !o) {
		super_put(lower);
		free(o);
		free(sb);
		return -ENOMEM;
	}
	tmpfs_setup(&o->fs, lower->k->vfs, max_bytes);
	o->fs.disk = lower->k->vfs;
	o->fs.memory = upper ? NULL : lower->k->vfs;
	o->fs.kinds = &overlay_kinds;
	o->fs.next_ino = FIRST_INO;
	o->lower = lower;
	list_init(&o->pinned);
	sb->k = lower->k;
	sb->type = sb->source = "overlay";
	sb->dev = lower->dev;
	sb->priv = o;
	sb->begin = overlay_begin;
	sb->changes = overlay_changes;
	sb->statfs = overlay_statfs;
	sb->sync = overlay_sync;
	sb->release = overlay_release_super;
	err = make_root(sb, upper, why, size);
	if (err) {
		super_put(sb);
		return err;
	}
	o->given_from = o->fs.next_ino;
	*out = sb;
	return 0;
}

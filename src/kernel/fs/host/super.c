/* SPDX-License-Identifier: Apache-2.0 */
/* The host's tree as a file system. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "fs/host/host.h"
#include "host/file.h"

/* Linux: what is changed is changed for everybody at once. Here: what the host changes in a tree that is read-only to guests
 * shows late, names and directories after a second at most, attributes of files after a tenth, because nobody tells husk
 * of it. */
#define BELIEVE_NS      1000000000UL
#define BELIEVE_FILE_NS 100000000UL

/* What is neither a file nor a directory is shown, never opened. */
#define COMMON                                                                           \
	.getattr = host_getattr, .ownership = host_ownership, .getxattr = host_getxattr, \
	.listxattr = host_listxattr, .release = host_release_inode
const struct inode_kinds host_kinds = {
	.file = {COMMON, .open = host_open},
	.dir = {COMMON, .lookup = host_lookup, .glance = host_glance, .revalidate = host_revalidate,
		.absence = host_absence, .open = host_open, .list = host_list, .hide = host_hide},
	.link = {COMMON, .readlink = host_readlink},
	.special = {COMMON},
};

#define WRITABLE .setattr = host_setattr, .setxattr = host_setxattr, .removexattr = host_removexattr
const struct inode_kinds host_writable_kinds = {
	.file = {COMMON, WRITABLE, .open = host_open},
	.dir = {COMMON, WRITABLE, .lookup = host_lookup, .revalidate = host_revalidate,
		.absence = host_absence, .open = host_open, .create = host_create, .symlink = host_symlink,
		.link = host_link, .unlink = host_unlink, .rmdir = host_rmdir, .rename = host_rename,
		.tmpfile = host_tmpfile, .hide = host_hide},
	.link = {COMMON, WRITABLE, .readlink = host_readlink},
	.special = {COMMON, WRITABLE},
};

static int host_statfs(struct super *sb, struct statfs *st)
{
	if (fstatfs(hnode(sb->root)->fd.fd, st))
		return -errno;
	if (sb->read_only)
		st->f_flags |= ST_RDONLY;
	return 0;
}

static int host_sync_super(struct super *sb, struct hostfd *fd)
{
	int err = sb->read_only
			  ? 0
			  : host_reopen(hnode(sb->root)->fd, sb->root->type == S_IFDIR ? O_DIRECTORY : 0, fd);

	return err ? err : !sb->read_only;
}

static void host_release_super(struct super *sb)
{
	struct hostfs *fs = sb->priv;

	host_hidden_free(fs);
	free(fs->glances);
	free(fs->nodes);
	free(fs);
}

int host_super(struct kernel *k, struct hostfd dir, const char *source, bool writable, struct super **out)
{
	struct super *sb = calloc(1, sizeof *sb);
	struct hostfs *fs = calloc(1, sizeof *fs);
	int err = sb && fs ? hnodes_resize(fs, BUCKETS) : -ENOMEM;

	if (!err) {
		list_init(&fs->lru);
		list_init(&fs->hidden);
		list_init(&fs->idle);
		fs->sb = sb;
		sb->k = k;
		sb->type = "husk-host";
		sb->source = "/dev/root";
		sb->read_only = !writable;
		fs->writable = writable;
		fs->believe_ns = writable ? 0 : BELIEVE_NS;
		fs->believe_file_ns = writable ? 0 : BELIEVE_FILE_NS;
		sb->priv = fs;
		sb->statfs = host_statfs;
		sb->sync = host_sync_super;
		sb->release = host_release_super;
		err = hnode_get(fs, &dir, NULL, NULL, &sb->root);
	}
	if (err) {
		host_close(&dir);
		if (fs)
			free(fs->nodes);
		free(fs);
		free(sb);
		return err;
	}
	sb->dev = hnode(sb->root)->dev;
	*out = sb;
	return 0;
}

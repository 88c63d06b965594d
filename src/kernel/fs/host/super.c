/* SPDX-License-Identifier: Apache-2.0 */
/* The host's tree as a file system. */
#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "fs/host/host.h"
#include "host/file.h"

/* What is neither a file nor a directory is shown, never opened. */
#define COMMON .getattr = host_getattr, .release = host_release_inode
const struct inode_kinds host_kinds = {
	.file = {COMMON, .open = host_open},
	.dir = {COMMON, .lookup = host_lookup, .revalidate = host_revalidate, .open = host_open},
	.link = {COMMON, .readlink = host_readlink},
	.special = {COMMON},
};

static int host_statfs(struct super *sb, struct statfs *st)
{
	if (fstatfs(hnode(sb->root)->fd.fd, st))
		return -errno;
	st->f_flags |= ST_RDONLY;
	return 0;
}

static void host_release_super(struct super *sb)
{
	free(sb->priv);
}

int host_super(struct kernel *k, struct hostfd dir, const char *source, struct super **out)
{
	struct super *sb = calloc(1, sizeof *sb);
	struct hostfs *fs = calloc(1, sizeof *fs);
	int err = sb && fs ? 0 : -ENOMEM;

	if (!err) {
		for (int i = 0; i < BUCKETS; i++)
			list_init(&fs->nodes[i]);
		list_init(&fs->lru);
		fs->sb = sb;
		sb->k = k;
		sb->type = "husk-host";
		sb->source = "/dev/root";
		sb->read_only = true;
		sb->priv = fs;
		sb->statfs = host_statfs;
		sb->release = host_release_super;
		err = hnode_get(fs, &dir, NULL, NULL, &sb->root);
	}
	if (err) {
		host_close(&dir);
		free(fs);
		free(sb);
		return err;
	}
	sb->dev = hnode(sb->root)->dev;
	*out = sb;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a task stands: its root, its working directory, its umask (kernel/fs_struct.c). */
#include <stdlib.h>

#include "vfs/inode.h"

struct fs_info *fs_info_new(struct kernel *k)
{
	struct fs_info *fs = calloc(1, sizeof *fs);

	if (!fs)
		return NULL;
	object_count(k, "fs_info", 1);
	fs->k = k;
	fs->refs = 1;
	fs->umask = 022;
	fs->root = fs->cwd = (struct path){k->vfs->root, k->vfs->root->root};
	path_get(&fs->root);
	path_get(&fs->cwd);
	return fs;
}

struct fs_info *fs_info_get(struct fs_info *fs)
{
	fs->refs++;
	return fs;
}

struct fs_info *fs_info_copy(struct fs_info *fs)
{
	struct fs_info *n = malloc(sizeof *n);

	if (!n)
		return NULL;
	object_count(fs->k, "fs_info", 1);
	*n = *fs;
	n->refs = 1;
	path_get(&n->root);
	path_get(&n->cwd);
	return n;
}

void fs_info_put(struct fs_info *fs)
{
	if (!fs || --fs->refs)
		return;
	object_count(fs->k, "fs_info", -1);
	path_put(&fs->root);
	path_put(&fs->cwd);
	free(fs);
}

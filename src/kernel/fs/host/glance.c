/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A glance at the host's tree: the attributes of a name that no inode is made for.
 *
 * Most files of a tree that is looked through (git status, du, ls -l, make) are asked for their attributes once. An inode
 * here, one of the overlay above and a name in the cache would cost several times what the host takes to answer. So the
 * first time a name gets none; what the host said is kept for a moment, and who asks again, or opens the file, has it made
 * into a node without asking the host once more.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/host/host.h"

#define GLANCES  32 /* a power of two */
#define MOST_LEN 47

struct glance {
	u64 dir, when; /* the directory's id, 0: none; as hnode.st_ns */
	struct kstat st;
	u8 len;
	char name[MOST_LEN];
};

/* Where what is known of @name is, or would be; NULL: nowhere. */
static struct glance *place(const struct hnode *dir, const char *name, size_t len)
{
	u64 hash = dir->id;

	if (!dir->fs->glances || len > MOST_LEN)
		return NULL;
	for (size_t i = 0; i < len; i++)
		hash = name_hash_add(hash, name[i]);
	return &dir->fs->glances[hash * 0x9e3779b97f4a7c15UL >> 32 & (GLANCES - 1)];
}

static bool is_fresh(const struct glance *g, const struct hnode *dir, const char *name, size_t len)
{
	return g->dir == dir->id && g->len == len && !memcmp(g->name, name, len) &&
	       hostfs_now(dir->fs) - g->when < dir->fs->believe_file_ns;
}

bool glance_take(struct hnode *dir, const char *name, size_t len, struct kstat *st, u64 *when)
{
	struct glance *g = place(dir, name, len);

	if (!g || !is_fresh(g, dir, name, len))
		return false;
	*st = g->st;
	*when = g->when;
	g->dir = 0;
	return true;
}

static void keep(struct glance *g, const struct hnode *dir, const char *name, size_t len,
		 const struct kstat *st)
{
	g->dir = dir->id;
	g->when = hostfs_now(dir->fs);
	g->st = *st;
	g->len = (u8)len;
	memcpy(g->name, name, len);
}

int host_glance(struct inode *i, const char *name, size_t len, bool link, struct kstat *st)
{
	struct hnode *dir = hnode(i);
	char text[MOST_LEN + 1];
	struct hostfd fd;
	struct glance *g;
	int err;

	if (!dir->fs->glances)
		dir->fs->glances = zalloc(GLANCES * sizeof *dir->fs->glances);
	g = place(dir, name, len);
	if (!g || is_fresh(g, dir, name, len))
		return -EAGAIN;
	memcpy(text, name, len);
	text[len] = 0;
	err = hnode_fd(dir, &fd);
	if (!err)
		err = host_read_stat(fd, text, st);
	if (err)
		return err == -ESTALE ? -ENOENT : err;
	keep(g, dir, name, len, st);
	/* What it stands for has to be made, or is there and may know better. */
	if ((st->mode & S_IFMT) == S_IFDIR || ((st->mode & S_IFMT) == S_IFLNK && !link) ||
	    hnode_find(dir->fs, st))
		return -EAGAIN;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A glance at the host's tree: the attributes of a name that no inode is made for.
 *
 * Most files of a tree that is looked through (git status, du, ls -l, make) are asked for their attributes once or twice.
 * An inode here, one of the overlay above and a name in the cache would cost several times what the host takes to answer.
 * So the first times a name gets none: what the host said is kept for as long as a file's attributes are believed, and
 * serves once more. Who goes on asking, or opens the file, has it made into a node without asking the host again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/host/host.h"

#define GLANCES  1024 /* a power of two */
#define PLACES   (2 * GLANCES)
#define MOST_LEN 47
#define SERVES   2 /* times, the first one with the host's help */

struct glance {
	u64 dir, when; /* the directory's id, 0: none; as hnode.st_ns */
	struct kstat st;
	u8 len, served;
	char name[MOST_LEN];
};

/* The oldest is written over; a place knows the last one of its names. What is not used is never touched. */
struct glances {
	struct glance kept[GLANCES];
	u16 place[PLACES];
	u32 next;
};

/* The place of @name; NULL: it is not kept. */
static u16 *place(const struct hnode *dir, const char *name, size_t len)
{
	u64 hash = dir->id;

	if (!dir->fs->glances || len > MOST_LEN)
		return NULL;
	for (size_t i = 0; i < len; i++)
		hash = name_hash_add(hash, name[i]);
	return &dir->fs->glances->place[hash * 0x9e3779b97f4a7c15UL >> 32 & (PLACES - 1)];
}

/* What is known of @name there and still to be believed. */
static struct glance *find(const struct hnode *dir, u16 at, const char *name, size_t len)
{
	struct glance *g = &dir->fs->glances->kept[at];

	return g->dir == dir->id && g->len == len && !memcmp(g->name, name, len) &&
			       hostfs_now(dir->fs) - g->when < dir->fs->believe_file_ns
		       ? g
		       : NULL;
}

bool glance_take(struct hnode *dir, const char *name, size_t len, struct kstat *st, u64 *when)
{
	u16 *b = place(dir, name, len);
	struct glance *g = b ? find(dir, *b, name, len) : NULL;

	if (!g)
		return false;
	*st = g->st;
	*when = g->when;
	g->dir = 0;
	return true;
}

static void keep(struct hnode *dir, u16 *b, const char *name, size_t len, const struct kstat *st)
{
	struct glances *all = dir->fs->glances;
	u32 at = all->next++ % GLANCES;
	struct glance *g = &all->kept[at];

	*b = (u16)at;
	g->dir = dir->id;
	g->when = hostfs_now(dir->fs);
	g->st = *st;
	g->len = (u8)len;
	g->served = 1;
	memcpy(g->name, name, len);
}

/* Whether an inode has to be made of it, or may be there and know better: of a file with one name there is none, or the
 * name is in the cache. */
static bool wants_inode(const struct hnode *dir, const struct kstat *st, bool link)
{
	u32 type = st->mode & S_IFMT;

	return type == S_IFDIR || (type == S_IFLNK && !link) || (st->nlink > 1 && hnode_find(dir->fs, st));
}

int host_glance(struct inode *i, const char *name, size_t len, bool link, struct kstat *st)
{
	struct hnode *dir = hnode(i);
	char text[MOST_LEN + 1];
	struct hostfd fd;
	struct glance *g;
	u16 *b;
	int err;

	if (!list_empty(&dir->fs->hidden))
		return -EAGAIN;
	if (!dir->fs->glances)
		dir->fs->glances = calloc(1, sizeof *dir->fs->glances);
	b = place(dir, name, len);
	if (!b)
		return -EAGAIN;
	g = find(dir, *b, name, len);
	if (g && (g->served == SERVES || wants_inode(dir, &g->st, link)))
		return -EAGAIN;
	if (g) {
		g->served++;
		*st = g->st;
		return 0;
	}
	memcpy(text, name, len);
	text[len] = 0;
	err = hnode_fd(dir, &fd);
	if (!err)
		err = host_read_stat(fd, text, st);
	if (err)
		return err == -ESTALE ? -ENOENT : err;
	keep(dir, b, name, len, st);
	return wants_inode(dir, st, link) ? -EAGAIN : 0;
}

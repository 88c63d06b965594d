/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of nodes in synthetic trees, and who may do what with them.
 *
 * A node's attributes are its entry's, or its process's. Inodes come and go, so what a guest changes of those of the system
 * (chmod, chown, touch) is kept beside the tree, by (entry, owner): there are only so many of these. Nothing is kept of a
 * process's nodes: Linux, too, sets their owners anew with each look-up.
 */
#include "vfs/synth_impl.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS 64

struct changed {
	struct changed *next;
	const struct synth_entry *entry;
	u64 owner;
	struct iattr attr;
	struct timespec ctime;
};

struct synth_changes {
	bool any;
	struct changed *buckets[BUCKETS];
};

struct synth_changes *synth_changes_new(void)
{
	return calloc(1, sizeof(struct synth_changes));
}

void synth_changes_free(struct super *sb)
{
	struct synth_changes *c = sb->priv;

	for (size_t i = 0; i < BUCKETS; i++) {
		while (c->buckets[i]) {
			struct changed *first = c->buckets[i];

			c->buckets[i] = first->next;
			free(first);
		}
	}
	free(c);
}

/* Of /proc only what is everybody's is kept: in whose directory it was found does not matter. */
static u64 kept_owner(struct inode *i)
{
	return is_proc(i->sb) ? 0 : node_of(i)->owner;
}

/* The link to what was changed of @i, or to where it would be. */
static struct changed **find_changed(struct inode *i)
{
	struct synth_changes *c = i->sb->priv;
	const struct synth_entry *e = node_of(i)->entry;
	u64 owner = kept_owner(i);
	struct changed **link = &c->buckets[((u64)e / sizeof *e + owner) % BUCKETS];

	while (*link && ((*link)->entry != e || (*link)->owner != owner))
		link = &(*link)->next;
	return link;
}

static void apply_changed(struct inode *i, struct kstat *st)
{
	struct synth_changes *all = i->sb->priv;
	const struct changed *c = all->any ? *find_changed(i) : NULL;

	if (!c)
		return;
	if (c->attr.valid & ATTR_MODE)
		st->mode = (st->mode & S_IFMT) | (c->attr.mode & 07777);
	if (c->attr.valid & ATTR_UID)
		st->uid = c->attr.uid;
	if (c->attr.valid & ATTR_GID)
		st->gid = c->attr.gid;
	if (c->attr.valid & ATTR_ATIME)
		st->atime = c->attr.atime;
	if (c->attr.valid & ATTR_MTIME)
		st->mtime = c->attr.mtime;
	st->ctime = c->ctime;
}

static int keep_changed(struct inode *i, const struct iattr *a)
{
	struct synth_changes *all = i->sb->priv;
	struct changed **link = find_changed(i), *c = *link;

	if (!c)
		c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->entry = node_of(i)->entry;
	c->owner = kept_owner(i);
	c->attr.valid |= a->valid & ~ATTR_SIZE;
	if (a->valid & ATTR_MODE)
		c->attr.mode = a->mode;
	if (a->valid & ATTR_UID)
		c->attr.uid = a->uid;
	if (a->valid & ATTR_GID)
		c->attr.gid = a->gid;
	if (a->valid & ATTR_ATIME)
		c->attr.atime = a->atime;
	if (a->valid & ATTR_MTIME)
		c->attr.mtime = a->mtime;
	clock_gettime(CLOCK_REALTIME_COARSE, &c->ctime);
	*link = c;
	all->any = true;
	return 0;
}

int synth_getattr(struct inode *i, struct kstat *st)
{
	struct snode *s = i->priv;
	const struct synth_entry *e = s->node.entry;

	*st = (struct kstat){
		.dev = i->sb->dev,
		.ino = i->ino,
		.mode = e->mode,
		.nlink = S_ISDIR(e->mode) ? 2 : 1,
		.rdev = e->rdev,
		.size = e->size,
		.blksize = is_sysfs(i->sb) ? PAGE_SIZE : 1024,
		.atime = s->made,
		.mtime = s->made,
		.ctime = s->made,
	};
	if (e->ops && e->ops->owner)
		e->ops->owner(&s->node, &st->uid, &st->gid);
	if (e->ops && e->ops->attr)
		e->ops->attr(&s->node, st);
	for (const struct synth_entry *c = e->children; c && c->name; c++)
		if (S_ISDIR(c->mode))
			st->nlink++;
	apply_changed(i, st);
	return 0;
}

/* What permission hangs on: for whom a directory is open anyway, it has such a mode. */
int synth_dir_ownership(struct inode *i, struct ownership *o)
{
	const struct synth_ops *ops = node_of(i)->entry->ops;
	struct kstat st = {.mode = node_of(i)->entry->mode};

	if (ops && ops->owner)
		ops->owner(node_of(i), &st.uid, &st.gid);
	apply_changed(i, &st);
	*o = (struct ownership){st.mode, st.uid, st.gid};
	if (ops && ops->open_to && ops->open_to(node_of(i), i->k->current))
		o->mode |= 0777;
	return 0;
}

/* fs/attr.c: may_setattr(); fs/proc/base.c: proc_setattr(); fs/proc/proc_sysctl.c: proc_sys_setattr(). */
int synth_setattr(struct inode *i, const struct iattr *a)
{
	const u32 access = ATTR_MODE | ATTR_UID | ATTR_GID;
	struct synth_node *n = node_of(i);
	const struct synth_ops *ops = n->entry->ops;

	if (ops && ops->fixed && a->valid & ~ATTR_SIZE)
		return -EPERM;
	if (ops && ops->setattr)
		return ops->setattr(n, a);
	if (n->setting)
		return a->valid & access ? -EPERM : 0;
	if (ops && ops->owner)
		return a->valid & ATTR_MODE ? -EPERM : 0;
	return a->valid & ~ATTR_SIZE ? keep_changed(i, a) : 0;
}

/* fs/proc/proc_sysctl.c: test_perm() */
static int setting_permission(struct inode *i, const struct cred *cred, int mask)
{
	u32 mode = node_of(i)->entry->mode;

	if (!cred->euid)
		mode >>= 6;
	else if (!cred->egid || cred_in_group(cred, 0))
		mode >>= 3;
	return mask & ~mode & 7 ? -EACCES : 1;
}

int synth_permission(struct inode *i, const struct cred *cred, int mask)
{
	struct synth_node *n = node_of(i);

	if (mask & MAY_WRITE && n->entry->ops && n->entry->ops->fixed)
		return -EPERM;
	if (n->entry->ops && n->entry->ops->closes && n->entry->ops->gone(n))
		return -ESRCH;
	return n->setting ? setting_permission(i, cred, mask) : 0;
}

/* Trees that can have attributes have none here. */
long synth_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	return is_sysfs(i->sb) ? -ENODATA : -EOPNOTSUPP;
}

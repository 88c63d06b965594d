/* SPDX-License-Identifier: Apache-2.0 */
/* devpts: the tree at /dev/pts, one node a pseudo-terminal, and the ways to open them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/cred.h"
#include "core/task.h"
#include "fs/pty.h"
#include "vfs/notify.h"
#include "vfs/synth.h"
#include "vfs/walk.h"

static const struct synth_entry slave_entry;

/* Who owns a node: a pty's index, and which of those that have had it. */
static u64 owner_of(const struct pty *p)
{
	return (u64)p->number << 32 | p->index;
}

/* The one of @index that has a master; nullable. */
static struct pty *pty_at(struct kernel *k, u64 index)
{
	struct pty *p = k->ptys && index < PTY_MAX ? k->ptys->at[index] : NULL;

	return p && p->master ? p : NULL;
}

static struct pty *node_pty(struct synth_node *n)
{
	struct pty *p = pty_at(n->k, (u32)n->owner);

	return p && owner_of(p) == n->owner ? p : NULL;
}

static int pts_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
		      const struct synth_entry **entry, u64 *owner)
{
	struct pty *p;
	u64 index = 0;

	if (!len || len > 4 || (name[0] == '0' && len > 1))
		return -ENOENT;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		index = index * 10 + (u64)(name[i] - '0');
	}
	p = pty_at(n->k, index);
	if (!p)
		return -ENOENT;
	*entry = &slave_entry;
	*owner = owner_of(p);
	return 0;
}

/* A name's key is its number plus one. */
static bool pts_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	while (n->k->ptys && *key < PTY_MAX) {
		if (pty_at(n->k, (*key)++)) {
			*type = IFTODT(S_IFCHR);
			snprintf(name, 64, "%lu", *key - 1);
			return true;
		}
	}
	return false;
}

static void slave_attr(struct synth_node *n, struct kstat *st)
{
	const struct pty *p = node_pty(n);

	st->rdev = makedev(136, (u32)n->owner);
	st->nlink = p ? 1 : 0;
	st->uid = p ? p->uid : 0;
	st->gid = p ? p->gid : GROUP_TTY;
	if (p)
		st->mode = S_IFCHR | p->mode;
}

/* As mesg(1), login(1) and terminals change it. */
static int slave_setattr(struct synth_node *n, const struct iattr *a)
{
	struct pty *p = node_pty(n);

	if (!p)
		return -ENOENT;
	if (a->valid & ATTR_MODE)
		p->mode = a->mode & 07777;
	if (a->valid & ATTR_UID)
		p->uid = a->uid;
	if (a->valid & ATTR_GID)
		p->gid = a->gid;
	return 0;
}

static int slave_open(struct synth_node *n, struct task *t, u32 flags, struct file **out)
{
	struct pty *p = node_pty(n);
	int err;

	if (p && p->exclusive[0] && !capable(t, CAP_SYS_ADMIN))
		return -EBUSY;
	err = p ? pty_open_slave(p, flags & ~(u32)O_NOCTTY, out) : -EIO;

	if (!err && !(flags & O_NOCTTY) && file_readable(*out) && t->group)
		n->k->ops.tty_opened(t, &p->tty);
	return err;
}

/* ---- names that come and go ---- */

/* The tree's root; NULL where none is mounted. */
static struct dentry *pts_dentry(struct kernel *k)
{
	struct mount *m;

	if (!k->vfs)
		return NULL;
	list_for_each (m, &k->vfs->mounts, node)
		if (!strcmp(m->sb->type, "devpts"))
			return m->root;
	return NULL;
}

void devpts_made(struct pty *p)
{
	struct dentry *root = pts_dentry(p->tty.k);
	char name[16];

	if (!root || !p->tty.k->vfs->nmarks)
		return;
	snprintf(name, sizeof name, "%u", p->index);
	notify_name(root->inode, IN_CREATE, name, NULL, 0);
}

void devpts_gone(struct pty *p)
{
	struct dentry *root = pts_dentry(p->tty.k), *d = NULL;
	char name[16];

	snprintf(name, sizeof name, "%u", p->index);
	if (root)
		dentry_find(root, name, strlen(name), &d);
	p->master = false;
	if (!root)
		return;
	notify_name(root->inode, IN_DELETE, name, NULL, 0);
	if (d) {
		dentry_drop(d, true);
		dentry_put(d);
	}
}

int devpts_open_peer(struct pty *p, struct task *t, u32 flags, struct file **out)
{
	char name[32];
	struct path path;
	int err;

	snprintf(name, sizeof name, "/dev/pts/%u", p->index);
	err = path_lookup(t, AT_FDCWD, name, LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	err = vfs_open_path(t, &path, flags & ~(u32)O_CLOEXEC, out);
	path_put(&path);
	if (!err && (pty_file_tty(*out) != &p->tty)) {
		file_put(*out);
		err = -EIO;
	}
	return err;
}

/* As Linux numbers them: the root, ptmx, the slaves. */
static u64 slave_ino(u64 owner)
{
	return 3 + (u32)owner;
}

static u64 ptmx_ino(u64 owner)
{
	return 2;
}

static int ptmx_node_open(struct synth_node *n, struct task *t, u32 flags, struct file **out)
{
	return ptmx_open(n->k, t, flags, out);
}

static const struct synth_ops slave_node_ops = {
	.open = slave_open, .attr = slave_attr, .setattr = slave_setattr, .ino = slave_ino};
static const struct synth_ops ptmx_ops = {.open = ptmx_node_open, .ino = ptmx_ino};
static const struct synth_ops root_ops = {.lookup = pts_lookup, .next = pts_next};

static const struct synth_entry slave_entry = {"", S_IFCHR | 0620, &slave_node_ops};

static const struct synth_entry root_entries[] = {
	{"ptmx", S_IFCHR, &ptmx_ops, NULL, 5 << 8 | 2},
	{},
};

static const struct synth_entry pts_root = {"", S_IFDIR | 0755, &root_ops, root_entries};

int devpts_super(struct kernel *k, struct super **out)
{
	return synth_super(k, "devpts", &pts_root, out);
}

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
#include "vfs/inode.h"
#include "vfs/synth.h"
#include "vfs/walk.h"

static const struct synth_entry slave_entry;

static struct pty *pty_find(struct kernel *k, u64 index)
{
	struct pty *p;

	if (!k->ptys.next)
		return NULL;
	list_for_each (p, &k->ptys, node)
		if (p->index == index && p->master)
			return p;
	return NULL;
}

static int pts_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
		      const struct synth_entry **entry, u64 *owner)
{
	u64 index = 0;

	if (!len || len > 4 || (name[0] == '0' && len > 1))
		return -ENOENT;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		index = index * 10 + (u64)(name[i] - '0');
	}
	if (!pty_find(n->k, index))
		return -ENOENT;
	*entry = &slave_entry;
	*owner = index;
	return 0;
}

/* A name's key is its number plus one. */
static bool pts_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	const struct pty *p;
	u64 best = ~0UL;

	if (!n->k->ptys.next)
		return false;
	list_for_each (p, &n->k->ptys, node)
		if (p->master && p->index + 1UL > *key)
			best = min(best, p->index + 1UL);
	if (best == ~0UL)
		return false;
	*key = best;
	*type = IFTODT(S_IFCHR);
	snprintf(name, 64, "%lu", best - 1);
	return true;
}

static void slave_attr(struct synth_node *n, struct kstat *st)
{
	const struct pty *p = pty_find(n->k, n->owner);

	st->rdev = makedev(136, (u32)n->owner);
	st->uid = p ? p->uid : 0;
	st->gid = p ? p->gid : GROUP_TTY;
	if (p)
		st->mode = S_IFCHR | p->mode;
}

/* As mesg(1), login(1) and terminals change it. */
static int slave_setattr(struct synth_node *n, const struct iattr *a)
{
	struct pty *p = pty_find(n->k, n->owner);

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
	struct pty *p = pty_find(n->k, n->owner);
	int err;

	if (p && p->exclusive[0] && !capable(t, CAP_SYS_ADMIN))
		return -EBUSY;
	err = p ? pty_open_slave(p, flags & ~(u32)O_NOCTTY, out) : -EIO;

	if (!err && !(flags & O_NOCTTY) && file_readable(*out) && t->group)
		n->k->ops.tty_opened(t, &p->tty);
	return err;
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

static const struct synth_ops slave_node_ops = {
	.open = slave_open, .attr = slave_attr, .setattr = slave_setattr};
static const struct synth_ops ptmx_ops = {.open = ptmx_open};
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

/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's tree: the root below its layer, husk's own mounts, then the command line's. */
#include "boot/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/dev.h"
#include "fs/proc.h"
#include "fs/pty.h"
#include "fs/sysfs.h"
#include "vfs/inode.h"

/* Whether @path is @dir or lies below it; both absolute. */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strcmp(dir, "/") ? strlen(dir) : 0;

	return !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

/* An in-memory tree at @dir. Where the working directory lies below it, that stays to be seen, below a layer of its
 * own. */
static int mount_memory(struct sandbox *s, const char *dir, u32 mode, u32 uid, u32 gid)
{
	const struct sandbox_config *c = s->config;
	int err = vfs_mount_tmpfs(&s->k, dir, mode, uid, gid, 0);

	if (!err && c->cwd && is_below(c->cwd, dir) && strcmp(c->cwd, dir))
		err = vfs_mount_overlay(&s->k, c->cwd, c->cwd);
	return err == -ENOENT ? 0 : err;
}

static int mount_super(struct sandbox *s, int (*make)(struct kernel *k, struct super **out), const char *path)
{
	struct super *sb;
	int err = make(&s->k, &sb);

	return err ? err : vfs_mount_super(&s->k, sb, path, false);
}

/* What is said of an error of one of the command line's mounts. */
static const char *why_not(const struct sandbox_mount *m, int err)
{
	if (err == -EBUSY && m->kind == MOUNT_HIDE)
		return "a mount begins there; leave that out, or mount an empty tree over it with --tmpfs";
	if (err == -EBUSY)
		return "the root itself is what --root says";
	return strerror(-err);
}

/* Each of the command line's mounts; an error names it. */
static int mount_one(struct sandbox *s, const struct sandbox_mount *m)
{
	static const char *const doing[] = {
		[MOUNT_TMPFS] = "cannot mount a tmpfs at",
		[MOUNT_BIND] = "cannot bind",
		[MOUNT_RO_BIND] = "cannot bind",
		[MOUNT_HIDE] = "cannot hide",
	};
	const char *upper = s->config->upper;
	int err = 0;

	/* What later runs believe, no guest may write. */
	if (m->kind == MOUNT_BIND && upper && (is_below(upper, m->src) || is_below(m->src, upper))) {
		snprintf(s->result->why, sizeof s->result->why,
			 "cannot bind %s: the guest could write to its upper layer, %s", m->src, upper);
		return -EINVAL;
	}
	switch (m->kind) {
	case MOUNT_TMPFS:
		err = vfs_mount_tmpfs(&s->k, m->dst, 0755, s->config->uid, s->config->gid, m->size);
		break;
	case MOUNT_BIND:
	case MOUNT_RO_BIND:
		err = vfs_bind_host(&s->k, m->src, m->dst, m->kind == MOUNT_BIND);
		break;
	case MOUNT_HIDE:
		err = vfs_hide(&s->k, m->dst);
		if (err == -EOPNOTSUPP) {
			snprintf(s->result->why, sizeof s->result->why,
				 "cannot hide %s: only what the root and binds have can be hidden; to hide a "
				 "directory of "
				 "/proc, /sys or /dev mount an empty tree over it (--tmpfs %s)",
				 m->dst, m->dst);
			return err;
		}
		break;
	}
	if (!err)
		return 0;
	if (m->src && strcmp(m->src, m->dst))
		snprintf(s->result->why, sizeof s->result->why, "%s %s at %s: %s", doing[m->kind], m->src,
			 m->dst, why_not(m, err));
	else
		snprintf(s->result->why, sizeof s->result->why, "%s %s: %s", doing[m->kind], m->dst,
			 why_not(m, err));
	return err;
}

int sandbox_mount_all(struct sandbox *s)
{
	const struct sandbox_config *c = s->config;
	int err;

	/* What is made on the host by a bind has the mode that the guest gives. */
	umask(0);
	err = vfs_init(&s->k, c->root, c->upper, s->result->why, sizeof s->result->why);

	if (!err && s->result->why[0]) { /* what the user should know of the layer all the same */
		fprintf(stderr, "husk: %s\n", s->result->why);
		s->result->why[0] = 0;
	}
	if (!err)
		s->k.vfs->disk_max = c->disk_limit;
	if (!err)
		err = mount_super(s, proc_super, "/proc");
	if (!err)
		err = mount_super(s, sysfs_super, "/sys");
	if (!err)
		err = mount_super(s, dev_super, "/dev");
	if (!err)
		err = mount_super(s, devpts_super, "/dev/pts");
	if (!err)
		err = mount_memory(s, "/dev/shm", 01777, 0, 0);
	if (!err)
		err = mount_memory(s, "/tmp", 01777, 0, 0);
	if (!err)
		err = mount_memory(s, "/run", 0755, 0, 0);
	if (!err && c->upper) {
		err = vfs_hide(&s->k, c->upper);
		/* It is the working directory, which has a layer of its own. */
		err = err == -EBUSY ? 0 : err;
	}
	for (size_t i = 0; !err && i < c->nmounts; i++) {
		err = mount_one(s, &c->mounts[i]);
		if (err)
			return err;
	}
	if (!err)
		vfs_begin(&s->k);
	if (err == -ENOSPC && c->disk_limit)
		snprintf(s->result->why, sizeof s->result->why,
			 "--disk-limit: %llu bytes do not hold the guest's empty trees; give 64K at least",
			 (unsigned long long)c->disk_limit);
	return err ? sandbox_fail(s, "cannot mount the guest's tree", err) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synthetic trees: inodes from tables.
 *
 * An inode is (entry, owner): a static child inherits its directory's owner, so that /proc/PID/status knows
 * its PID; a dynamic directory's lookup() names another. Nothing is kept once nobody uses it; what exists is
 * asked for each time.
 *
 * A directory's offsets: 0 and 1 are "." and "..", then one per static child, then those plus the dynamic
 * keys.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "vfs/simple.h"
#include "vfs/synth_impl.h"

#define MAX_STORE 65536

/* An open regular file: the text as it was at the first read, or at the last one from offset 0. */
struct synth_file {
	char *text;
	size_t size;
	bool used;
	u64 about; /* synth_ops.about when it was opened */
};

static const struct inode_ops dir_inode_ops, file_inode_ops, text_link_ops, place_link_ops, device_inode_ops;

/* Entries are told apart by how far they lie from one place in this program, which is no secret: numbers made of their
 * addresses would tell guests where the kernel process is. */
static u64 node_ino(const struct synth_entry *e, u64 owner)
{
	u64 place = (u64)e - (u64)&dir_inode_ops;
	u64 h = (place >> 3) * 0x9e3779b97f4a7c15UL ^ owner * 0xff51afd7ed558ccdUL;

	if (e->ops && e->ops->ino)
		return e->ops->ino(owner);
	h ^= h >> 32;
	return (h & 0x7fffffff) | 0x40000000;
}

static const struct inode_ops *ops_of(const struct synth_entry *e)
{
	switch (e->mode & S_IFMT) {
	case S_IFDIR:
		return &dir_inode_ops;
	case S_IFREG:
		return &file_inode_ops;
	case S_IFLNK:
		return e->ops->follow ? &place_link_ops : &text_link_ops;
	default:
		return &device_inode_ops;
	}
}

struct synth_node *synth_node(struct inode *i, const struct synth_entry *entry)
{
	return i && i->ops == ops_of(entry) && node_of(i)->entry == entry ? node_of(i) : NULL;
}

/* @dir: where it is; nullable. */
static struct inode *make_inode(struct super *sb, const struct synth_node *dir, const struct synth_entry *e,
				u64 owner)
{
	struct snode *s = calloc(1, sizeof *s);
	struct inode *i;

	if (!s)
		return NULL;
	s->node = (struct synth_node){.k = sb->k, .entry = e, .data = e->data, .owner = owner};
	s->node.born = e->ops && e->ops->born ? e->ops->born(&s->node) : dir ? dir->born : 0;
	s->node.setting = (dir && dir->setting) || (e->ops && e->ops->settings);
	clock_gettime(CLOCK_REALTIME_COARSE, &s->made);
	i = inode_new(sb->k, sb, ops_of(e), e->mode & S_IFMT, sb->root ? node_ino(e, owner) : 1, s);
	if (!i)
		free(s);
	return i;
}

static void synth_release(struct inode *i)
{
	free(i->priv);
}

/* ---- directories ---- */

static bool is_gone(struct synth_node *n)
{
	return n->entry->ops && n->entry->ops->gone && n->entry->ops->gone(n);
}

static int find_entry(struct inode *dir, struct task *t, const char *name, size_t len,
		      const struct synth_entry **entry, u64 *owner)
{
	struct synth_node *n = node_of(dir);
	const struct synth_entry *c;

	if (is_gone(n))
		return -ENOENT;
	for (c = n->entry->children; c && c->name; c++) {
		if (strlen(c->name) == len && !memcmp(c->name, name, len)) {
			*entry = c;
			*owner = n->owner;
			return 0;
		}
	}
	if (!n->entry->ops || !n->entry->ops->lookup)
		return -ENOENT;
	*owner = n->owner;
	return n->entry->ops->lookup(n, t, name, len, entry, owner);
}

static int synth_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	const struct synth_entry *e;
	u64 owner;
	int err = find_entry(dir, dir->k->current, name, len, &e, &owner);

	if (err)
		return err;
	*out = make_inode(dir->sb, node_of(dir), e, owner);
	return *out ? 0 : -ENOMEM;
}

/* Names that a task or an open file keeps in the cache are good while they lead to the same node. */
static u64 synth_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	struct synth_node *n = node_of(i);
	const struct synth_entry *e;
	u64 owner;

	if (i->ops->release != synth_release || find_entry(dir, dir->k->current, name, len, &e, &owner) ||
	    e != n->entry || owner != n->owner)
		return 0;
	return e->ops && e->ops->born && e->ops->born(n) != n->born ? 0 : 1;
}

static bool emit_dynamic(struct file *f, struct dir_context *ctx, u64 base)
{
	struct synth_node *n = node_of(f->inode);
	struct task *t = f->k->current;
	u64 key = f->pos - base, owner = 0, ino = 1;
	const struct synth_entry *e;
	char name[64];
	u8 type = DT_UNKNOWN;

	if (!n->entry->ops->next(n, t, &key, name, &type))
		return false;
	if (!n->entry->ops->lookup(n, t, name, strlen(name), &e, &owner))
		ino = node_ino(e, owner);
	if (!ctx->emit(ctx, name, strlen(name), ino, type, base + key))
		return false;
	f->pos = base + key;
	return true;
}

static int dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct synth_node *n = node_of(f->inode);
	const struct synth_entry *c = n->entry->children;
	u64 at = 2;

	if (is_gone(n))
		return -ENOENT;
	if (!dir_emit_dots(f, ctx))
		return 0;
	for (; c && c->name; c++, at++) {
		if (at < f->pos)
			continue;
		if (!ctx->emit(ctx, c->name, strlen(c->name), node_ino(c, n->owner), IFTODT(c->mode), at + 1))
			return 0;
		f->pos = at + 1;
	}
	if (n->entry->ops && n->entry->ops->next)
		while (emit_dynamic(f, ctx, at))
			;
	return 0;
}

#define DIR_OPS .read = dir_read, .iterate = dir_iterate, .rw = RW_READ_PLAIN
static const struct file_ops terminal_dir_ops = {DIR_OPS, .seek = dir_seek, .sync = sync_nothing};
static const struct file_ops dir_file_ops = {DIR_OPS, .seek = empty_seek};

static int dir_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct synth_node *n = node_of(i);
	int err = n->entry->ops && n->entry->ops->check ? n->entry->ops->check(n, t) : 0;

	return err ? err
		   : file_of_inode(i, is_devpts(i->sb) ? &terminal_dir_ops : &dir_file_ops, flags, NULL, out);
}

/* ---- regular files ---- */

static u64 about(struct synth_node *n)
{
	return n->entry->ops->about ? n->entry->ops->about(n) : 0;
}

/* Whether what the file was opened about is gone, and another one in its place. */
static bool is_past(struct synth_node *n, const struct synth_file *s)
{
	u64 now = about(n);

	return now && s->about && now != s->about;
}

static int load(struct file *f, struct task *t)
{
	struct synth_node *n = node_of(f->inode);
	struct synth_file *s = f->priv;
	size_t size = 0;
	char *text = NULL;
	int err = -EINVAL;

	if (is_past(n, s)) {
		text = calloc(1, 1);
		err = !text ? -ENOMEM : n->entry->ops->past;
	} else if (n->entry->ops->show) {
		err = n->entry->ops->show(n, t, &text, &size);
	}
	if (err) {
		free(text);
		return err;
	}
	free(s->text);
	s->text = text;
	s->size = size;
	s->used = false;
	return 0;
}

static long file_read(struct file *f, struct uio *to, u64 *pos)
{
	struct synth_file *s = f->priv;
	long n;

	if (!s->text || (!*pos && s->used && !node_of(f->inode)->entry->ops->early)) {
		int err = load(f, f->k->current);

		if (err)
			return err;
	}
	if (*pos >= s->size) {
		s->used |= !s->size;
		return 0;
	}
	n = uio_to_user(to, s->text + *pos, min(to->left, s->size - *pos));
	if (n > 0) {
		*pos += (u64)n;
		s->used = true;
	}
	return n;
}

static long file_write(struct file *f, struct uio *from, u64 *pos)
{
	struct synth_node *n = node_of(f->inode);
	size_t size = min(from->left, (size_t)MAX_STORE);
	char *text;
	long got;

	/* Who may do everything has opened what nobody can write (fs/proc/inode.c: proc_reg_write()). */
	if (!n->entry->ops->store)
		return n->entry->ops->owner ? -EINVAL : -EIO;
	text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	got = uio_from_user(from, text, size);
	if (got > 0) {
		int err;

		text[got] = 0;
		err = n->entry->ops->store(n, f->k->current, text, (size_t)got);
		if (err) {
			from->done -= (size_t)got;
			from->left += (size_t)got;
			got = err;
		} else {
			*pos += (u64)got;
		}
	}
	free(text);
	return got;
}

static void file_release(struct file *f)
{
	struct synth_file *s = f->priv;

	free(s->text);
	free(s);
}

static u32 always_ready(struct file *f, struct poll_table *pt)
{
	return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

/* fs/namespace.c: mounts_poll() */
static u32 mounts_poll(struct file *f, struct poll_table *pt)
{
	return EPOLLIN | EPOLLRDNORM;
}

/* What was not read yet is news (fs/kernfs/file.c: kernfs_generic_poll()). */
static u32 attribute_poll(struct file *f, struct poll_table *pt)
{
	struct synth_file *s = f->priv;

	return always_ready(f, pt) | (s->text ? 0 : EPOLLERR | EPOLLPRI);
}

static s64 attribute_seek(struct file *f, s64 offset, int whence)
{
	return sized_seek(f, offset, whence, PAGE_SIZE);
}

/* Whether it is one of the network's tables: in processes' directories, but not theirs. */
static bool is_net(const struct synth_node *n, const struct super *sb)
{
	return is_proc(sb) && n->owner && !n->entry->ops->owner;
}

/* Of a file that has no size, without any bound (fs/read_write.c: default_llseek()). */
static s64 setting_seek(struct file *f, s64 offset, int whence)
{
	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		if (offset >= 0)
			return -ENXIO;
		offset = whence == SEEK_HOLE ? 0 : offset;
		whence = SEEK_SET;
	}
	return seek_within(f, offset, whence, 0, INT64_MAX);
}

/* fs/proc/inode.c: proc_reg_mmap() */
static int unmappable(struct file *f, int prot, int flags, struct mmap_backing *backing)
{
	return -EIO;
}

#define FILE_OPS .read = file_read, .write = file_write, .release = file_release

/* The system's, read only: seq_files. */
static const struct file_ops system_ops = {FILE_OPS, .seek = dir_seek, .poll = always_ready,
					   .mmap = unmappable, .rw = RW_NO_PWRITE};
static const struct file_ops net_ops = {FILE_OPS, .seek = dir_seek, .poll = always_ready, .mmap = unmappable,
					.rw = RW_READ_PLAIN | RW_WRITE_PLAIN | RW_NO_PWRITE};
static const struct file_ops setting_ops = {FILE_OPS, .seek = setting_seek, .poll = always_ready};
/* Those of processes are of Linux's older kind. */
static const struct file_ops process_ops = {FILE_OPS, .seek = dir_seek,
					    .rw = RW_READ_PLAIN | RW_WRITE_PLAIN | RW_NO_PWRITE};
#define VALUE_RW RW_READ_PLAIN | RW_WRITE_PLAIN
static const struct file_ops process_value_ops = {FILE_OPS, .seek = empty_seek, .rw = VALUE_RW};
static const struct file_ops process_setting_ops = {FILE_OPS, .seek = setting_seek, .rw = VALUE_RW};
static const struct file_ops mounts_ops = {FILE_OPS, .seek = dir_seek, .poll = mounts_poll,
					   .rw = RW_NO_PWRITE};
/* sysfs */
static const struct file_ops attribute_ops = {FILE_OPS, .seek = attribute_seek, .poll = attribute_poll,
					      .sync = sync_nothing, .rw = RW_NO_PWRITE};

static const struct file_ops *file_ops_of(const struct synth_node *n, const struct super *sb)
{
	const struct synth_ops *ops = n->entry->ops;

	if (is_sysfs(sb))
		return &attribute_ops;
	if (ops->tells)
		return &mounts_ops;
	if (is_net(n, sb))
		return &net_ops;
	if (n->owner)
		return ops->setting ? &process_setting_ops : ops->value ? &process_value_ops : &process_ops;
	return n->setting ? &setting_ops : &system_ops;
}

static bool opens_to_write(u32 flags)
{
	return (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
}

static int file_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct synth_node *n = node_of(i);
	struct synth_file *s;
	struct file *f;
	int err;

	if (n->entry->ops->open) {
		err = n->entry->ops->open(n, t, flags, out);
		if (!err && !(*out)->inode)
			(*out)->inode = inode_get(i);
		return err;
	}
	/* These are as their modes say, whoever asks (fs/kernfs/file.c: kernfs_fop_open(); fs/proc/proc_net.c:
	 * seq_open_net()). */
	if (opens_to_write(flags) && !n->entry->ops->store && (is_sysfs(i->sb) || is_net(n, i->sb)))
		return -EACCES;
	err = n->entry->ops->check ? n->entry->ops->check(n, t) : 0;
	if (err)
		return err;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->about = about(n);
	err = file_of_inode(i, file_ops_of(n, i->sb), flags, s, &f);
	if (err) {
		free(s);
		return err;
	}
	if (n->entry->ops->early && file_readable(f))
		err = load(f, t);
	if (err)
		file_put(f);
	else
		*out = f;
	return err;
}

/* ---- links and devices ---- */

static long link_readlink(struct inode *i, char *buf, size_t size)
{
	struct synth_node *n = node_of(i);

	return n->entry->ops->readlink ? n->entry->ops->readlink(n, i->k->current, buf, size) : -EINVAL;
}

static int link_follow(struct inode *i, struct task *t, struct path *out)
{
	return node_of(i)->entry->ops->follow(node_of(i), t, out);
}

static int device_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct synth_node *n = node_of(i);
	struct file *f;
	int err = n->entry->ops && n->entry->ops->open ? n->entry->ops->open(n, t, flags, &f) : -ENXIO;

	if (err)
		return err;
	/* What a device's own file says about itself wins; a fresh one is described by its node. */
	if (!f->inode)
		f->inode = inode_get(i);
	*out = f;
	return 0;
}

/* fs/kernfs/dir.c: kernfs_iop_rename() */
static int dir_rename(struct inode *dir, const char *name, size_t len, struct inode *target,
		      struct inode *new_dir, const char *new_name, size_t new_len, struct inode *over,
		      u32 flags, const struct cred *cred)
{
	return is_sysfs(dir->sb) && flags ? -EINVAL : -EPERM;
}

#define NODE_OPS                                                                            \
	.getattr = synth_getattr, .setattr = synth_setattr, .permission = synth_permission, \
	.getxattr = synth_getxattr, .release = synth_release

static const struct inode_ops dir_inode_ops = {
	NODE_OPS,
	.ownership = synth_dir_ownership,
	.lookup = synth_lookup,
	.revalidate = synth_revalidate,
	.rename = dir_rename,
	.open = dir_open,
};
static const struct inode_ops file_inode_ops = {
	NODE_OPS,
	.open = file_open,
};
static const struct inode_ops text_link_ops = {
	NODE_OPS,
	.readlink = link_readlink,
};
static const struct inode_ops place_link_ops = {
	NODE_OPS,
	.readlink = link_readlink,
	.follow = link_follow,
};
static const struct inode_ops device_inode_ops = {
	NODE_OPS,
	.open = device_open,
};

/* ---- the file system ---- */

static int synth_statfs(struct super *sb, struct statfs *st)
{
	memset(st, 0, sizeof *st);
	st->f_type = is_proc(sb) ? PROC_SUPER_MAGIC : is_sysfs(sb) ? SYSFS_MAGIC : DEVPTS_SUPER_MAGIC;
	st->f_bsize = st->f_frsize = PAGE_SIZE;
	st->f_namelen = 255;
	return 0;
}

int synth_super(struct kernel *k, const char *type, const struct synth_entry *root, struct super **out)
{
	struct super *sb = calloc(1, sizeof *sb);

	if (!sb)
		return -ENOMEM;
	sb->k = k;
	sb->type = sb->source = type;
	sb->dev = makedev(0, k->vfs->next_dev++);
	sb->no_cache = true;
	sb->statfs = synth_statfs;
	sb->lookup_first = is_proc(sb);
	sb->release = synth_changes_free;
	sb->priv = synth_changes_new();
	sb->root = sb->priv ? make_inode(sb, NULL, root, 0) : NULL;
	if (!sb->root) {
		free(sb->priv);
		free(sb);
		return -ENOMEM;
	}
	*out = sb;
	return 0;
}

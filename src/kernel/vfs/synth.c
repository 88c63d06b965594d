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
#include "vfs/synth.h"

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

#define MAX_STORE 65536

struct snode {
	struct synth_node node;
	struct timespec made;
};

/* An open regular file: the text as it was at the first read, or at the last one from offset 0. */
struct synth_file {
	char *text;
	size_t size;
	bool used;
	u64 about; /* synth_ops.about when it was opened */
};

static const struct inode_ops dir_inode_ops, file_inode_ops, text_link_ops, place_link_ops, device_inode_ops;

static struct synth_node *node_of(struct inode *i)
{
	return &((struct snode *)i->priv)->node;
}

static u64 node_ino(const struct synth_entry *e, u64 owner)
{
	u64 h = ((u64)e >> 3) * 0x9e3779b97f4a7c15UL ^ owner * 0xff51afd7ed558ccdUL;

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

static struct inode *make_inode(struct super *sb, const struct synth_entry *e, u64 owner)
{
	struct snode *s = calloc(1, sizeof *s);
	struct inode *i;

	if (!s)
		return NULL;
	s->node = (struct synth_node){.k = sb->k, .entry = e, .data = e->data, .owner = owner};
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

/* Whether it is a tree of devices, which Linux keeps as a tmpfs. */
static bool is_devtmpfs(const struct super *sb)
{
	return !strcmp(sb->type, "devtmpfs");
}

static int synth_getattr(struct inode *i, struct kstat *st)
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
		.blksize = strcmp(i->sb->type, "proc") ? PAGE_SIZE : 1024,
		.atime = s->made,
		.mtime = s->made,
		.ctime = s->made,
	};
	if (is_devtmpfs(i->sb))
		st->btime = s->made;
	if (e->ops && e->ops->owner)
		e->ops->owner(&s->node, &st->uid, &st->gid);
	if (e->ops && e->ops->attr)
		e->ops->attr(&s->node, st);
	for (const struct synth_entry *c = e->children; c && c->name; c++)
		if (S_ISDIR(c->mode))
			st->nlink++;
	return 0;
}

/* What permission hangs on: for whom a directory is open anyway, it has such a mode. */
static int dir_ownership(struct inode *i, struct ownership *o)
{
	const struct synth_ops *ops = node_of(i)->entry->ops;
	struct kstat st;
	int err = synth_getattr(i, &st);

	*o = (struct ownership){st.mode, st.uid, st.gid};
	if (ops && ops->open_to && ops->open_to(node_of(i), i->k->current))
		o->mode |= 0555;
	return err;
}

/* Truncation is what `>` does to a file that takes what is written; the rest cannot be changed. */
static int synth_setattr(struct inode *i, const struct iattr *a)
{
	struct synth_node *n = node_of(i);

	if (n->entry->ops && n->entry->ops->setattr)
		return n->entry->ops->setattr(n, a);
	return a->valid & ~(ATTR_SIZE | ATTR_ATIME | ATTR_MTIME) ? -EPERM : 0;
}

/* ---- directories ---- */

static int find_entry(struct inode *dir, struct task *t, const char *name, size_t len,
		      const struct synth_entry **entry, u64 *owner)
{
	struct synth_node *n = node_of(dir);
	const struct synth_entry *c;

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
	*out = make_inode(dir->sb, e, owner);
	return *out ? 0 : -ENOMEM;
}

/* Names that a task or an open file keeps in the cache are good while they lead to the same node. */
static u64 synth_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	struct synth_node *n = node_of(i);
	const struct synth_entry *e;
	u64 owner;

	return i->ops->release == synth_release && !find_entry(dir, dir->k->current, name, len, &e, &owner) &&
			       e == n->entry && owner == n->owner
		       ? 1
		       : 0;
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

/* Seeks as in a file of @size bytes, on file systems that know no large files (fs/read_write.c: generic_file_llseek()). */
static s64 sized_seek(struct file *f, s64 offset, int whence, s64 size)
{
	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow(offset, (s64)f->pos, &offset))
			return -EINVAL;
		break;
	case SEEK_END:
		if (__builtin_add_overflow(offset, size, &offset))
			return -EINVAL;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0 || offset >= size)
			return -ENXIO;
		offset = whence == SEEK_HOLE ? size : offset;
		break;
	default:
		return -EINVAL;
	}
	if (offset < 0 || offset > INT32_MAX)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

static s64 empty_seek(struct file *f, s64 offset, int whence)
{
	return sized_seek(f, offset, whence, 0);
}

#define DIR_OPS .read = dir_read, .iterate = dir_iterate, .rw = RW_READ_PLAIN
static const struct file_ops device_dir_ops = {DIR_OPS, .seek = dir_seek};
static const struct file_ops dir_file_ops = {DIR_OPS, .seek = empty_seek};

static int dir_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct synth_node *n = node_of(i);
	int err = n->entry->ops && n->entry->ops->check ? n->entry->ops->check(n, t) : 0;

	return err ? err
		   : file_of_inode(i, is_devtmpfs(i->sb) ? &device_dir_ops : &dir_file_ops, flags, NULL, out);
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
	if (*pos >= s->size)
		return 0;
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
	char *text = malloc(size + 1);
	long got;

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

#define FILE_OPS .read = file_read, .write = file_write, .release = file_release

/* The system's, read only: seq_files. */
static const struct file_ops system_ops = {FILE_OPS, .seek = dir_seek, .poll = always_ready,
					   .rw = RW_NO_PWRITE};
/* What may be written of them are settings. */
static const struct file_ops setting_ops = {FILE_OPS, .seek = dir_seek, .poll = always_ready};
/* Those of processes are of Linux's older kind. */
static const struct file_ops process_ops = {FILE_OPS, .seek = dir_seek,
					    .rw = RW_READ_PLAIN | RW_WRITE_PLAIN | RW_NO_PWRITE};
static const struct file_ops process_value_ops = {FILE_OPS, .seek = dir_seek,
						  .rw = RW_READ_PLAIN | RW_WRITE_PLAIN};
static const struct file_ops mounts_ops = {FILE_OPS, .seek = dir_seek, .poll = mounts_poll,
					   .rw = RW_NO_PWRITE};
/* sysfs */
static const struct file_ops attribute_ops = {FILE_OPS, .seek = attribute_seek, .poll = attribute_poll,
					      .sync = sync_nothing, .rw = RW_NO_PWRITE};

static const struct file_ops *file_ops_of(const struct synth_node *n, const struct super *sb)
{
	const struct synth_ops *ops = n->entry->ops;

	if (!strcmp(sb->type, "sysfs"))
		return &attribute_ops;
	if (ops->tells)
		return &mounts_ops;
	if (n->owner)
		return ops->value ? &process_value_ops : &process_ops;
	return ops->store ? &setting_ops : &system_ops;
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
	if (flags & O_ACCMODE && !n->entry->ops->store)
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

static const struct inode_ops dir_inode_ops = {
	.getattr = synth_getattr,
	.ownership = dir_ownership,
	.setattr = synth_setattr,
	.lookup = synth_lookup,
	.revalidate = synth_revalidate,
	.open = dir_open,
	.release = synth_release,
};
static const struct inode_ops file_inode_ops = {
	.getattr = synth_getattr,
	.setattr = synth_setattr,
	.open = file_open,
	.release = synth_release,
};
static const struct inode_ops text_link_ops = {
	.getattr = synth_getattr,
	.readlink = link_readlink,
	.release = synth_release,
};
static const struct inode_ops place_link_ops = {
	.getattr = synth_getattr,
	.readlink = link_readlink,
	.follow = link_follow,
	.release = synth_release,
};
static const struct inode_ops device_inode_ops = {
	.getattr = synth_getattr,
	.setattr = synth_setattr,
	.open = device_open,
	.release = synth_release,
};

/* ---- the file system ---- */

static int synth_statfs(struct super *sb, struct statfs *st)
{
	memset(st, 0, sizeof *st);
	st->f_type = !strcmp(sb->type, "proc")     ? PROC_SUPER_MAGIC
		     : !strcmp(sb->type, "devpts") ? DEVPTS_SUPER_MAGIC
		     : !strcmp(sb->type, "sysfs")  ? SYSFS_MAGIC
						   : TMPFS_MAGIC;
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
	sb->root = make_inode(sb, root, 0);
	if (!sb->root) {
		free(sb);
		return -ENOMEM;
	}
	*out = sb;
	return 0;
}

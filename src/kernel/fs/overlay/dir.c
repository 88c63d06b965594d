/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing the overlay's directories: the lower names first, then those that only the overlay has.
 *
 * The lower directory is read whole when a listing begins: a name's offset is its place in that, so it stays right
 * whatever is changed meanwhile. A lower name that the guest has changed keeps its place; one that was replaced or
 * removed is looked up when its turn comes.
 *
 *	0, 1		"." and ".."
 *	2 ...		the lower names
 *	OWN_OFFSET ...	the entries that cover no lower name, by their order
 */
#include "fs/overlay/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define OWN_OFFSET (1UL << 40)

struct lower_name {
	u32 text; /* where the name begins in names->text */
	u8 len, type;
	u64 ino;
};

/* A lower directory's names, as they were. */
struct lower_names {
	struct dir_context ctx;
	struct lower_name *name;
	char *text;
	size_t count, room, used, text_room;
	bool full; /* no memory */
};

struct overlay_dir {
	struct lower_names names;
	bool read;
};

static bool add_name(struct dir_context *ctx, const char *name, size_t len, u64 ino, u32 d_type, u64 next_pos)
{
	struct lower_names *s = container_of(ctx, struct lower_names, ctx);

	if (len <= 2 && name[0] == '.' && (len == 1 || name[1] == '.'))
		return true;
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct lower_name *more = realloc(s->name, room * sizeof *more);

		s->full = !more;
		if (!more)
			return false;
		s->name = more;
		s->room = room;
	}
	if (s->used + len > s->text_room) {
		size_t room = s->text_room ? 2 * s->text_room : 2048;
		char *more = realloc(s->text, room);

		s->full = !more;
		if (!more)
			return false;
		s->text = more;
		s->text_room = room;
	}
	s->name[s->count++] = (struct lower_name){(u32)s->used, (u8)len, (u8)d_type, ino};
	memcpy(s->text + s->used, name, len);
	s->used += len;
	return true;
}

static void names_free(struct lower_names *s)
{
	free(s->name);
	free(s->text);
	*s = (struct lower_names){0};
}

/* Lists the directory below @i by @emit of @ctx. */
static int list_lower(struct inode *i, struct dir_context *ctx)
{
	struct inode *below = tnode(i)->lower->inode;
	struct file *f;
	int err = below->ops->list ? below->ops->list(below, ctx) : -EOPNOTSUPP;
	u64 before;

	if (err != -EOPNOTSUPP)
		return err;
	err = below->ops->open ? below->ops->open(below, i->k->current, O_RDONLY | O_DIRECTORY, &f)
			       : -ENOTDIR;
	if (err)
		return err;
	do {
		before = f->pos;
		err = f->ops->iterate(f, ctx);
	} while (!err && f->pos != before);
	file_put(f);
	return err;
}

static int read_lower(struct inode *i, struct lower_names *s)
{
	int err;

	names_free(s);
	s->ctx.emit = add_name;
	err = list_lower(i, &s->ctx);
	if (!err && s->full)
		err = -ENOMEM;
	if (err)
		names_free(s);
	return err;
}

/* ---- emptiness ---- */

struct finder {
	struct dir_context ctx;
	struct tnode *dir;
	bool found;
};

static bool find_visible(struct dir_context *ctx, const char *name, size_t len, u64 ino, u32 d_type,
			 u64 next_pos)
{
	struct finder *s = container_of(ctx, struct finder, ctx);

	if (len <= 2 && name[0] == '.' && (len == 1 || name[1] == '.'))
		return true;
	s->found = !tentry_any(s->dir, name, len);
	return !s->found;
}

int overlay_check_empty(struct inode *dir)
{
	struct finder s = {.ctx.emit = find_visible, .dir = tnode(dir)};
	struct lower *l = tnode(dir)->lower;
	int err = 0;

	if (dir->type != S_IFDIR)
		return 0;
	if (tnode(dir)->nentries)
		return -ENOTEMPTY;
	if (l && l->merged)
		err = list_lower(dir, &s.ctx);
	return err ? err : s.found ? -ENOTEMPTY : 0;
}

/* ---- getdents ---- */

static bool emit_entry(struct dir_context *ctx, struct tentry *e, u64 next)
{
	return ctx->emit(ctx, e->name, e->len, e->inode->ino, IFTODT(e->inode->type), next);
}

/* False: the reader has no more room. */
static bool emit_lower(struct file *f, struct dir_context *ctx, struct lower_names *s)
{
	struct tnode *dir = tnode(f->inode);

	for (; f->pos - 2 < s->count; f->pos++) {
		const struct lower_name *n = &s->name[f->pos - 2];
		const char *text = s->text + n->text;
		struct tentry *e = tentry_any(dir, text, n->len);

		if (e && !e->inode)
			continue;
		if (e ? !emit_entry(ctx, e, f->pos + 1)
		      : !ctx->emit(ctx, text, n->len, n->ino, n->type, f->pos + 1))
			return false;
	}
	f->pos = OWN_OFFSET;
	return true;
}

static int dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct tnode *dir = tnode(f->inode);
	struct overlay_dir *d = f->priv;
	struct tentry *e;

	if (dir->lower && dir->lower->merged && (!d->read || !f->pos)) {
		int err = read_lower(f->inode, &d->names);

		if (err)
			return err;
		d->read = true;
	}
	overlay_accessed(f);
	if (!dir_emit_dots(f, ctx))
		return 0;
	if (f->pos < OWN_OFFSET && !emit_lower(f, ctx, &d->names))
		return 0;
	for (e = tentry_from(dir, f->pos - OWN_OFFSET); e; e = tentry_from(dir, f->pos - OWN_OFFSET)) {
		if (!e->covers && !emit_entry(ctx, e, OWN_OFFSET + e->order + 1))
			return 0;
		f->pos = OWN_OFFSET + e->order + 1;
	}
	return 0;
}

static int dir_sync(struct file *f, struct hostfd *fd)
{
	return store_sync(f->inode, fd);
}

static void dir_release(struct file *f)
{
	struct overlay_dir *d = f->priv;

	names_free(&d->names);
	free(d);
}

static const struct file_ops overlay_dir_ops = {
	.read = dir_read,
	.rw = RW_READ_PLAIN,
	.seek = dir_seek,
	.iterate = dir_iterate,
	.sync = dir_sync,
	.release = dir_release,
	.told_whole = true,
};

/* Whether husk may list the lower directory: opens it where its mode leaves that open. */
static int check_listable(struct inode *i)
{
	struct inode *below = tnode(i)->lower->inode;
	struct kstat st;
	struct file *f;
	int err = below->ops->getattr(below, &st);

	if (err || st.mode & S_IROTH || !below->ops->open)
		return err;
	err = below->ops->open(below, i->k->current, O_RDONLY | O_DIRECTORY, &f);
	if (!err)
		file_put(f);
	return err;
}

/* Linux refuses the opening of a directory that may not be read; what husk itself may not read is refused here. */
int overlay_open_dir(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct lower *l = tnode(i)->lower;
	int err = l && l->merged ? check_listable(i) : 0;
	struct overlay_dir *d;

	if (err)
		return err;
	d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	err = file_of_inode(i, &overlay_dir_ops, flags, d, out);
	if (err)
		free(d);
	return err;
}

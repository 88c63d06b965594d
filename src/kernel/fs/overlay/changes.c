/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest's tree has that the lower one has not, and the other way round.
 *
 * A directory that stands where it stood is left as it was but for its entries: those alone are looked at, so the work
 * is that of the changes and not of the tree. One that came from elsewhere, or is new, is compared name by name with
 * the lower directory of that path, if there is one. Directories that are still to be looked at wait on a list, for a
 * guest's tree may be deep.
 */
#include "fs/overlay/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
	struct list node;
	struct inode *dir;   /* owned: of the overlay */
	struct inode *below; /* owned: the lower layer's directory of this path; NULL: none */
	char *path;          /* owned; "" for the root */
};

struct comparison {
	struct overlay *o;
	struct list waiting;
	change_fn *tell;
	void *arg;
	int err;
};

static void later(struct comparison *c, struct inode *dir, struct inode *below, const char *path)
{
	struct waiting *w = malloc(sizeof *w);
	char *text = strdup(path);

	if (!w || !text) {
		free(w);
		free(text);
		c->err = -ENOMEM;
		return;
	}
	*w = (struct waiting){.dir = inode_get(dir), .path = text};
	if (below && below->type == S_IFDIR)
		w->below = inode_get(below);
	list_add_tail(&c->waiting, &w->node);
}

static void waiting_free(struct waiting *w)
{
	list_del(&w->node);
	inode_put(w->dir);
	inode_put(w->below);
	free(w->path);
	free(w);
}

static void tell(struct comparison *c, char what, const char *path)
{
	if (!c->err)
		c->err = c->tell(c->arg, what, path);
}

/* The lower layer's @name in @dir (nullable): a reference, or NULL. */
static struct inode *find_below(struct inode *dir, const char *name, size_t len)
{
	struct inode *found;

	return dir && !dir->ops->lookup(dir, name, len, &found) ? found : NULL;
}

static bool is_given(struct comparison *c, struct inode *i)
{
	return !tnode(i)->lower && i->ino > c->o->given_from && i->ino <= c->o->given_to;
}

/* @i is at @path, where the lower layer has @below (nullable). */
static void compare_object(struct comparison *c, struct inode *i, struct inode *below, const char *path)
{
	struct lower *l = tnode(i)->lower;
	bool in_place = l && below == l->inode;

	if (in_place ? l->changed : !is_given(c, i))
		tell(c, below ? 'C' : 'A', path);
	if (i->type == S_IFDIR)
		later(c, i, below, path);
}

static char *join(const struct waiting *w, const char *name, size_t len)
{
	size_t above = strlen(w->path);
	char *path = malloc(above + len + 2);

	if (path) {
		memcpy(path, w->path, above);
		path[above] = '/';
		memcpy(path + above + 1, name, len);
		path[above + 1 + len] = 0;
	}
	return path;
}

/* One name of a directory: @i is what the guest sees there, NULL: nothing. */
static void compare_name(struct comparison *c, const struct waiting *w, const char *name, size_t len,
			 struct inode *i)
{
	struct inode *below = find_below(w->below, name, len);
	char *path = join(w, name, len);

	if (!path)
		c->err = -ENOMEM;
	else if (i)
		compare_object(c, i, below, path);
	else if (below)
		tell(c, 'D', path);
	free(path);
	inode_put(below);
}

/* A directory in its place. */
static void compare_entries(struct comparison *c, const struct waiting *w)
{
	struct rb_node *rb;

	for (rb = rb_first(&tnode(w->dir)->by_name); rb && !c->err; rb = rb_next(rb)) {
		struct tentry *e = rb_entry(rb, struct tentry, name_node);

		if (!e->hidden || e->inode)
			compare_name(c, w, e->name, e->len, e->inode);
	}
}

struct each_name {
	struct dir_context ctx;
	struct comparison *c;
	const struct waiting *w;
	bool gone; /* of the lower directory, those that the guest does not see; else of the guest's, all */
};

static bool each_name(struct dir_context *ctx, const char *name, size_t len, u64 ino, u32 d_type,
		      u64 next_pos)
{
	struct each_name *n = container_of(ctx, struct each_name, ctx);
	struct inode *i = NULL;

	if (len <= 2 && name[0] == '.' && (len == 1 || name[1] == '.'))
		return true;
	overlay_lookup(n->w->dir, name, len, &i);
	if (n->gone != !!i)
		compare_name(n->c, n->w, name, len, i);
	inode_put(i);
	return !n->c->err;
}

/* False: husk may not list the directory, or the host has removed it meanwhile. */
static bool list_names(struct comparison *c, struct inode *dir, struct each_name *n)
{
	struct file *f;
	u64 before;
	int err = dir->ops->open(dir, dir->k->current, O_RDONLY | O_DIRECTORY, &f);

	while (!err) {
		before = f->pos;
		err = f->ops->iterate(f, &n->ctx);
		if (err || f->pos == before) {
			file_put(f);
			break;
		}
	}
	if (err == -EACCES || err == -ENOENT || err == -ESTALE)
		return false;
	if (err && !c->err)
		c->err = err;
	return true;
}

/* A directory that is not what lay there. Of names that husk cannot list no guest has heard either: those that guests gave
 * are left to tell. */
static void compare_names(struct comparison *c, const struct waiting *w)
{
	struct each_name n = {.ctx.emit = each_name, .c = c, .w = w};

	if (!list_names(c, w->dir, &n))
		compare_entries(c, w);
	n.gone = true;
	if (w->below && !c->err)
		list_names(c, w->below, &n);
}

int overlay_changes(struct super *sb, change_fn *fn, void *arg)
{
	struct comparison c = {.o = sb->priv, .tell = fn, .arg = arg};

	list_init(&c.waiting);
	later(&c, sb->root, c.o->lower->root, "");
	while (!list_empty(&c.waiting)) {
		struct waiting *w = list_first(&c.waiting, struct waiting, node);
		struct lower *l = tnode(w->dir)->lower;

		if (!c.err && l && l->merged && l->inode == w->below)
			compare_entries(&c, w);
		else if (!c.err)
			compare_names(&c, w);
		waiting_free(w);
	}
	return c.err;
}

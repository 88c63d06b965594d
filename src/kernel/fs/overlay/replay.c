/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the log of an upper layer back (docs/upper.md): whole transactions only. A last one that was cut short by a
 * killed run is dropped; anything else that makes no sense is damage, and the layer is refused.
 *
 * Nothing in the log is trusted: numbers are bounded, names are checked, and what is not to be reached from the root
 * afterwards is let go.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/overlay/store.h"
#include "fs/overlay/words.h"
#include "host/file.h"

#define MAX_ID        (1UL << 28)
#define COMPACT_ABOVE 4096 /* records */

struct replay {
	struct overlay *o;
	struct inode *root;
	struct inode **inodes; /* by number; references */
	size_t count;
	char *text; /* the log */
	size_t size;
	u64 names; /* entries made */
};

/* ---- records ---- */

static struct inode *inode_at(struct replay *r, u64 id)
{
	return id < r->count ? r->inodes[id] : NULL;
}

static int keep(struct replay *r, u64 id, struct inode *i)
{
	if (id >= r->count) {
		size_t count = r->count ? r->count : 1024;
		struct inode **more;

		while (count <= id)
			count *= 2;
		more = realloc(r->inodes, count * sizeof *more);
		if (!more)
			return -ENOMEM;
		memset(more + r->count, 0, (count - r->count) * sizeof *more);
		r->inodes = more;
		r->count = count;
	}
	r->inodes[id] = i;
	return 0;
}

/* The lower layer's object at @path, a reference; NULL: there is none of @type. */
static struct inode *find_lower(struct replay *r, const char *path, u32 type)
{
	struct inode *at = inode_get(r->o->lower->root), *next;

	while (at && *path) {
		const char *name = path + strspn(path, "/");
		size_t len = strcspn(name, "/");

		if (!len)
			break;
		if (at->type != S_IFDIR || len > 255 || at->ops->lookup(at, name, len, &next))
			next = NULL;
		inode_put(at);
		at = next;
		path = name + len;
	}
	if (at && at->type != type) {
		inode_put(at);
		at = NULL;
	}
	return at;
}

/* Lets @i lie over the lower object at @path. What the host has removed meanwhile is gone. */
static int attach(struct replay *r, struct inode *i, const char *path, const char *flags)
{
	struct inode *below = find_lower(r, path, i->type);
	struct lower *l;
	struct kstat st;
	int err;

	if (!below || below->above || below->ops->getattr(below, &st)) {
		inode_put(below);
		return 0;
	}
	err = lower_attach(i, below, path);
	if (err)
		return err;
	l = tnode(i)->lower;
	l->owned = true;
	l->merged = strchr(flags, 'm');
	l->data_below = strchr(flags, 'b');
	l->changed = strchr(flags, 'c');
	l->dev = st.dev;
	i->ino = st.ino;
	return 0;
}

static int make_inode(struct replay *r, u64 id, u32 mode, const char *flags, const char *path,
		      struct inode **out)
{
	struct inode *i;
	int err = tnode_new(r->root->k, r->root->sb, &r->o->fs, mode, 0, 0, &i);

	if (err)
		return err;
	tnode(i)->stored = id;
	if (*path)
		err = attach(r, i, path, flags);
	if (!err)
		err = keep(r, id, i);
	if (err)
		inode_put(i);
	else
		*out = i;
	return err;
}

/* I ID MODE UID GID RDEV NLINK ATIME MTIME CTIME BTIME FLAGS LOWER TARGET */
static int replay_inode(struct replay *r, char *at)
{
	struct timespec atime, mtime, ctime, btime;
	u64 id, mode, uid, gid, rdev, nlink;
	char *flags, *path, *target;
	struct inode *i;
	struct tnode *n;
	int err = 0;

	if (!word_number(&at, 10, MAX_ID, &id) || !id || !word_number(&at, 8, S_IFMT | 07777, &mode) ||
	    !word_number(&at, 10, UINT32_MAX, &uid) || !word_number(&at, 10, UINT32_MAX, &gid) ||
	    !word_number(&at, 10, UINT64_MAX, &rdev) || !word_number(&at, 10, UINT32_MAX, &nlink) ||
	    !word_time(&at, &atime) || !word_time(&at, &mtime) || !word_time(&at, &ctime) ||
	    !word_time(&at, &btime))
		return -EINVAL;
	flags = word_next(&at);
	path = word_next(&at);
	target = word_next(&at);
	if (!flags || word_unescape(path) < 0 || word_unescape(target) < 0)
		return -EINVAL;
	i = id == 1 ? r->root : inode_at(r, id);
	if (i && i->type != (mode & S_IFMT))
		return -EINVAL;
	if (id == 1)
		err = tnode(i)->lower->owned ? 0 : overlay_own(i);
	else if (!i)
		err = make_inode(r, id, (u32)mode, flags, path, &i);
	if (err)
		return err;
	n = tnode(i);
	if (i->type == S_IFLNK && !n->target) {
		n->target = strdup(target);
		if (!n->target)
			return -ENOMEM;
	}
	n->mode = (u32)mode;
	n->uid = (u32)uid;
	n->gid = (u32)gid;
	n->rdev = rdev;
	n->nlink = (u32)nlink;
	n->atime = atime;
	n->mtime = mtime;
	n->ctime = ctime;
	n->btime = btime;
	n->kept = strchr(flags, 'd');
	n->told = r->o->store->compactions;
	if (n->lower) {
		n->lower->changed = strchr(flags, 'c');
		if (!strchr(flags, 'b'))
			n->lower->data_below = false;
	}
	r->o->store->next_id = max(r->o->store->next_id, id + 1);
	return 0;
}

/* N DIR ID COVERS NAME */
static int replay_name(struct replay *r, char *at)
{
	u64 dir_id, id;
	char *covers, *name;
	struct inode *dir, *i;
	struct tentry *e;
	long len;
	int err;

	if (!word_number(&at, 10, MAX_ID, &dir_id) || !word_number(&at, 10, MAX_ID, &id))
		return -EINVAL;
	covers = word_next(&at);
	name = word_next(&at);
	len = word_unescape(name);
	dir = dir_id == 1 ? r->root : inode_at(r, dir_id);
	i = inode_at(r, id);
	if (!covers || !word_is_name(name, len) || !dir || dir->type != S_IFDIR || (id && !i) || i == dir)
		return -EINVAL;
	e = tentry_any(tnode(dir), name, (size_t)len);
	if (e && e->inode == i) {
		e->covers = *covers == 'c';
		return 0;
	}
	if (e && e->inode) {
		e->covers = false;
		inode_put(tentry_leave(tnode(dir), e));
	}
	err = tentry_enter(tnode(dir), name, (size_t)len, i ? inode_get(i) : NULL);
	if (err) {
		inode_put(i);
		return err;
	}
	tentry_any(tnode(dir), name, (size_t)len)->covers = *covers == 'c';
	r->names++;
	return 0;
}

/* R DIR NAME */
static int replay_removal(struct replay *r, char *at)
{
	struct inode *dir;
	struct tentry *e;
	char *name;
	u64 id;
	long len;

	if (!word_number(&at, 10, MAX_ID, &id))
		return -EINVAL;
	name = word_next(&at);
	len = word_unescape(name);
	dir = id == 1 ? r->root : inode_at(r, id);
	if (!dir || dir->type != S_IFDIR || !word_is_name(name, len))
		return -EINVAL;
	e = tentry_any(tnode(dir), name, (size_t)len);
	if (!e || !e->inode)
		return 0;
	e->covers = false;
	inode_put(tentry_leave(tnode(dir), e));
	return 0;
}

/* X ID NAME VALUE; Y ID NAME */
static int replay_xattr(struct replay *r, char *at, bool set)
{
	struct inode *i;
	char *name, *value;
	long size = 0;
	u64 id;

	if (!word_number(&at, 10, MAX_ID, &id))
		return -EINVAL;
	name = word_next(&at);
	value = set ? word_next(&at) : NULL;
	i = id == 1 ? r->root : inode_at(r, id);
	if (!i || word_unescape(name) <= 0 || (set && (size = word_unescape(value)) < 0))
		return -EINVAL;
	if (set)
		return tmpfs_setxattr(i, name, value, (size_t)size, 0);
	tmpfs_removexattr(i, name);
	return 0;
}

static int replay_line(struct replay *r, char *line)
{
	if (line[0] && line[1] == ' ')
		switch (line[0]) {
		case 'I':
			return replay_inode(r, line + 2);
		case 'N':
			return replay_name(r, line + 2);
		case 'R':
			return replay_removal(r, line + 2);
		case 'X':
		case 'Y':
			return replay_xattr(r, line + 2, line[0] == 'X');
		}
	return -EINVAL;
}

/* ---- transactions ---- */

/* Where the transaction at @at ends, behind its checksum: NULL when there is no such line. */
static char *find_end(struct replay *r, char *at)
{
	char *line = at, *end = r->text + r->size, *newline;

	for (; line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			return NULL;
		if (line[0] == 'E' && line[1] == ' ')
			return newline + 1;
	}
	return NULL;
}

static bool is_whole(char *at, char *end)
{
	char *last = end - 11; /* "E %08x\n" */
	unsigned long sum;

	if (last < at || last[0] != 'E')
		return false;
	sum = strtoul(last + 2, NULL, 16);
	return sum == store_checksum(at, (size_t)(last - at));
}

static int replay_transaction(struct replay *r, char *at, char *end)
{
	int err = 0;

	end -= 11;
	while (!err && at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));

		if (!newline)
			return -EINVAL;
		*newline = 0;
		err = memchr(at, 0, (size_t)(newline - at)) ? -EINVAL : replay_line(r, at);
		at = newline + 1;
		r->o->store->records++;
	}
	return err;
}

/* The offset up to which all is whole, or -EINVAL when something whole follows what is not. */
static int replay_all(struct replay *r, size_t *whole)
{
	char *at = r->text, *end;
	int err;

	while (at < r->text + r->size) {
		end = find_end(r, at);
		*whole = (size_t)(at - r->text);
		if (!end)
			return 0;
		if (!is_whole(at, end))
			return end == r->text + r->size || !find_end(r, end) ? 0 : -EINVAL;
		err = replay_transaction(r, at, end);
		if (err)
			return err;
		at = end;
	}
	*whole = r->size;
	return 0;
}

/* ---- afterwards ---- */

/* What was written to the file is gone, and neither is it empty: it can be removed, or begun anew. */
static void note_lost(struct store *s, struct inode *i)
{
	struct tnode *n = tnode(i);

	n->lost = true;
	if (i->refs > 1 && !s->lost_files++) /* a name leads there */
		s->first_lost = n->stored;
}

/* Sizes and times of bytes are those of their file @name; a file that nothing was written to has none. */
static int take_size(struct replay *r, struct inode *i, const char *name)
{
	struct tnode *n = tnode(i);
	struct stat st;

	if (fstatat(r->o->store->data.fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT && n->kept)
			note_lost(r->o->store, i);
		return errno == ENOENT ? 0 : -errno;
	}
	if (!S_ISREG(st.st_mode))
		return -EBADF;
	n->size = st.st_size;
	n->charged = (u64)st.st_blocks * 512;
	tmpfs_charge(n->fs, 0, n->charged);
	n->mtime = st.st_mtim;
	n->atime = st.st_atim;
	return 0;
}

/* Of all regular files whose bytes are the layer's. An error names the file. */
static int take_sizes(struct replay *r, char *why, size_t size)
{
	char name[STORE_NAME_SIZE];

	for (size_t id = 0; id < r->count; id++) {
		struct inode *i = r->inodes[id];
		int err;

		if (!i || i->type != S_IFREG || data_below(i))
			continue;
		store_data_name(tnode(i)->stored, name);
		err = take_size(r, i, name);
		if (err) {
			snprintf(why, size, "data/%s of the upper layer is not a file of husk's: %s", name,
				 err == -EBADF ? "not a regular file" : strerror(-err));
			return err;
		}
	}
	return 0;
}

static void finish(struct replay *r)
{
	if (r->o->store->unclean)
		store_sweep(r->o->store, r->inodes, r->count);
	for (size_t id = 0; id < r->count; id++) {
		struct inode *i = r->inodes[id];

		if (!i)
			continue;
		/* Each name made a reference. Those that are missing are lower names, of a lower file. */
		if (tnode(i)->lower && tnode(i)->nlink > (u32)i->refs - 1)
			overlay_pin(i);
		else if (i->refs == 1)
			tnode(i)->nlink = 0; /* nothing leads there: its bytes go with it */
		inode_put(i);
	}
	free(r->inodes);
}

static int read_log(struct store *s, struct replay *r)
{
	struct stat st;

	if (fstat(s->log.fd, &st))
		return -errno;
	r->text = malloc((size_t)st.st_size + 1);
	if (!r->text)
		return -ENOMEM;
	while (r->size < (size_t)st.st_size) {
		ssize_t n = pread(s->log.fd, r->text + r->size, (size_t)st.st_size - r->size, (off_t)r->size);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		r->size += (size_t)n;
	}
	r->text[r->size] = 0;
	return 0;
}

int store_load(struct overlay *o, struct inode *root, char *why, size_t size)
{
	struct replay r = {.o = o, .root = root};
	struct store *s = o->store;
	size_t whole = 0, live;
	int err = read_log(s, &r);

	*why = 0;
	if (!err)
		err = replay_all(&r, &whole);
	if (!err)
		err = take_sizes(&r, why, size);
	if (!err && ftruncate(s->log.fd, (off_t)whole))
		err = -errno;
	s->log_size = whole;
	s->used = 0;
	if (err == -EINVAL && !*why)
		snprintf(why, size,
			 "the log of the upper layer is damaged near byte %zu; nothing was changed", whole);
	else if (err && !*why)
		snprintf(why, size, "cannot read the log of the upper layer: %s", strerror(-err));
	live = o->fs.used_inodes + r.names;
	if (err) {
		/* What was not read must not be taken for gone. */
		for (size_t id = 0; id < r.count; id++)
			inode_put(r.inodes[id]);
		free(r.inodes);
	} else {
		finish(&r);
	}
	free(r.text);
	s->loaded = !err;
	if (!err && s->lost_files) {
		char name[STORE_NAME_SIZE];

		store_data_name(s->first_lost, name);
		snprintf(why, size,
			 "%lu files of the upper layer have lost their bytes (data/%s is not there): to read "
			 "them is "
			 "an I/O error, until they are removed or overwritten",
			 s->lost_files, name);
	}
	if (!err && s->records > COMPACT_ABOVE && s->records > 2 * live) {
		err = store_compact(o, root);
		if (err)
			snprintf(why, size, "cannot write the log of the upper layer: %s", strerror(-err));
	}
	return err;
}

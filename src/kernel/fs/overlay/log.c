/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of an upper layer (docs/upper.md): what one call has changed is put together in a buffer, and written as one
 * transaction; when most of what it tells is past, it is written anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/overlay/store.h"
#include "host/file.h"

#define COMPACT_ABOVE 100000 /* records, while guests run */

/* ---- records ---- */

u32 store_checksum(const char *text, size_t size)
{
	u32 h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		h = (h ^ (u8)text[i]) * 16777619U;
	return h;
}

static bool make_room(struct store *s, size_t more)
{
	size_t room = s->room ? s->room : 1024;
	char *buf;

	if (s->used + more <= s->room)
		return true;
	while (room < s->used + more)
		room *= 2;
	buf = realloc(s->buf, room);
	if (!buf) {
		s->lost = true;
		return false;
	}
	s->buf = buf;
	s->room = room;
	return true;
}

__attribute__((format(printf, 2, 3))) static void put(struct store *s, const char *format, ...)
{
	va_list args;

	if (!make_room(s, 512))
		return;
	va_start(args, format);
	s->used += (size_t)vsnprintf(s->buf + s->used, 512, format, args);
	va_end(args);
}

/* A word: what is not a plain character as %XX; nothing as %. */
static void put_word(struct store *s, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	if (!make_room(s, 3 * len + 2))
		return;
	s->buf[s->used++] = ' ';
	for (size_t i = 0; i < len; i++) {
		u8 c = (u8)text[i];

		if (c > ' ' && c < 127 && c != '%') {
			s->buf[s->used++] = (char)c;
			continue;
		}
		s->buf[s->used++] = '%';
		s->buf[s->used++] = hex[c >> 4];
		s->buf[s->used++] = hex[c & 15];
	}
	if (!len)
		s->buf[s->used++] = '%';
}

static void put_time(struct store *s, struct timespec t)
{
	put(s, " %ld.%09ld", t.tv_sec, t.tv_nsec);
}

u64 store_id(struct inode *i)
{
	struct tnode *n = tnode(i);

	if (!n->stored)
		n->stored = i == i->sb->root ? 1 : store_of(i)->next_id++;
	return n->stored;
}

/* What the log does not know yet is told with its extended attributes. */
static void put_inode(struct store *s, struct inode *i)
{
	struct tnode *n = tnode(i);
	struct lower *l = n->lower;
	bool first = n->told != s->compactions;

	put(s, "I %lu %o %u %u %lu %u", store_id(i), n->mode, n->uid, n->gid, n->rdev, n->nlink);
	put_time(s, n->atime);
	put_time(s, n->mtime);
	put_time(s, n->ctime);
	put_time(s, n->btime);
	put(s, " %s%s%s%s-", l && l->data_below ? "b" : "", l && l->merged ? "m" : "",
	    l && l->changed ? "c" : "", n->kept ? "d" : "");
	put_word(s, l ? l->path : "", l ? strlen(l->path) : 0);
	put_word(s, n->target ? n->target : "", n->target ? strlen(n->target) : 0);
	put(s, "\n");
	s->records++;
	n->told = s->compactions;
	if (first)
		store_xattrs(i);
}

void store_inode(struct inode *i)
{
	struct store *s = store_of(i);

	/* What has no name yet is told with its first; what has none any more is not. */
	if (s && (tnode(i)->nlink || tnode(i)->stored))
		put_inode(s, i);
}

static void put_name(struct store *s, struct inode *dir, struct tentry *e)
{
	put(s, "N %lu %lu %s", store_id(dir), e->inode ? store_id(e->inode) : 0, e->covers ? "c" : "-");
	put_word(s, e->name, e->len);
	put(s, "\n");
	s->records++;
}

void store_name(struct inode *dir, const char *name, size_t len)
{
	struct store *s = store_of(dir);
	struct tentry *e;

	if (!s)
		return;
	e = tentry_any(tnode(dir), name, len);
	if (e) {
		if (e->inode && tnode(e->inode)->told != s->compactions)
			put_inode(s, e->inode);
		put_name(s, dir, e);
		return;
	}
	put(s, "R %lu", store_id(dir));
	put_word(s, name, len);
	put(s, "\n");
	s->records++;
}

void store_xattr(struct inode *i, const char *name, const void *value, size_t size)
{
	struct store *s = store_of(i);

	/* A file without a name may not be known yet. */
	if (!s || tnode(i)->told != s->compactions)
		return;
	put(s, "%s %lu", value ? "X" : "Y", store_id(i));
	put_word(s, name, strlen(name));
	if (value)
		put_word(s, value, size);
	put(s, "\n");
	s->records++;
}

void store_xattrs(struct inode *i)
{
	long n = tmpfs_listxattr(i, NULL, 0), size;
	char *names = n > 0 && store_of(i) ? malloc((size_t)n) : NULL, *value;

	if (n <= 0 || !store_of(i))
		return;
	store_of(i)->lost |= !names;
	n = names ? tmpfs_listxattr(i, names, (size_t)n) : 0;
	for (char *at = names; at && at < names + n; at += strlen(at) + 1) {
		size = tmpfs_getxattr(i, at, NULL, 0);
		value = malloc(size > 0 ? (size_t)size : 1);
		store_of(i)->lost |= !value;
		if (value && size >= 0 && (!size || tmpfs_getxattr(i, at, value, (size_t)size) == size))
			store_xattr(i, at, value, (size_t)size);
		free(value);
	}
	free(names);
}

static int append(struct store *s, const char *text, size_t size)
{
	u64 at = s->log_size;

	while (size) {
		ssize_t n = pwrite(s->log.fd, text, size, (off_t)at);

		if (n < 0)
			return -errno;
		text += n;
		at += (u64)n;
		size -= (size_t)n;
	}
	s->log_size = at;
	return 0;
}

/* Ends the transaction in the buffer by its checksum and writes it. */
static int flush(struct store *s)
{
	size_t used = s->used;
	int err;

	if (s->lost)
		return -ENOMEM;
	if (!used)
		return 0;
	put(s, "E %08x\n", store_checksum(s->buf, used));
	err = s->lost ? -ENOMEM : append(s, s->buf, s->used);
	s->used = err ? used : 0;
	/* Half a transaction at the end would be taken for damage once something follows it. */
	if (err)
		(void)!ftruncate(s->log.fd, (off_t)s->log_size);
	return err;
}

/* A run that goes on making and removing names must not fill the disk with what was. Without room for a new log the old
 * one grows on. What the command line hides is in the log alone. */
static void bound_log(struct inode *any)
{
	struct overlay *o = overlay_of(any);
	u64 live = o->fs.used_inodes + o->fs.used_names;

	if (o->store->records > COMPACT_ABOVE && o->store->records > 8 * live && !o->hides)
		store_compact(o, any->sb->root);
}

int store_commit(struct inode *any, int err)
{
	struct store *s = store_of(any);
	int failed = s ? flush(s) : 0;

	if (s && !failed)
		bound_log(any);
	return err ? err : failed;
}

/* ---- compaction ---- */

static int compact_directory(struct overlay *o, struct inode *dir)
{
	struct store *s = o->store;
	struct rb_node *rb;

	for (rb = rb_first(&tnode(dir)->by_name); rb; rb = rb_next(rb)) {
		struct tentry *e = rb_entry(rb, struct tentry, name_node);

		if (e->inode && tnode(e->inode)->told != s->compactions)
			put_inode(s, e->inode);
		put_name(s, dir, e);
	}
	return s->lost ? -ENOMEM : 0;
}

/* Directories that wait are chained by their doomed-to-be entries: a list of its own keeps the stack small. */
struct pending {
	struct list node;
	struct inode *dir;
};

static int add_pending(struct list *all, struct inode *dir)
{
	struct pending *p = malloc(sizeof *p);

	if (!p)
		return -ENOMEM;
	p->dir = dir;
	list_add_tail(all, &p->node);
	return 0;
}

static int compact_all(struct overlay *o, struct inode *root)
{
	struct list all;
	struct lower *l;
	int err;

	list_init(&all);
	put_inode(o->store, root);
	err = add_pending(&all, root);
	while (!list_empty(&all)) {
		struct pending *p = list_first(&all, struct pending, node);
		struct rb_node *rb;

		if (!err)
			err = compact_directory(o, p->dir);
		for (rb = rb_first(&tnode(p->dir)->by_name); rb && !err; rb = rb_next(rb)) {
			struct inode *i = rb_entry(rb, struct tentry, name_node)->inode;

			if (i && i->type == S_IFDIR)
				err = add_pending(&all, i);
		}
		list_del(&p->node);
		free(p);
	}
	/* Files that only lower names lead to. */
	list_for_each (l, &o->pinned, pin) {
		if (tnode(l->self)->told != o->store->compactions)
			put_inode(o->store, l->self);
	}
	return o->store->lost ? -ENOMEM : err;
}

/* A new log beside the old one takes its place in one step. */
int store_compact(struct overlay *o, struct inode *root)
{
	struct store *s = o->store, old = *s;
	struct hostfd fresh;
	int err;

	fresh.fd =
		openat(s->data.fd, "../log.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fresh.fd < 0)
		return -errno;
	s->log = fresh;
	s->log_size = s->records = s->used = 0;
	s->compactions++;
	err = compact_all(o, root);
	if (!err)
		err = flush(s);
	if (!err && (fdatasync(fresh.fd) ||
		     syscall(SYS_renameat2, s->data.fd, "../log.new", s->data.fd, "../log", 0)))
		err = -errno;
	if (err) {
		host_close(&fresh);
		s->log = old.log;
		s->log_size = old.log_size;
		s->records = old.records;
		s->used = 0;
		s->lost = false;
		return err;
	}
	host_close(&old.log);
	free(s->buf);
	s->buf = NULL;
	s->room = 0;
	return 0;
}

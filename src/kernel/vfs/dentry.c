/* SPDX-License-Identifier: Apache-2.0 */
/* Dentries: references, the hash of names, the cache of unused ones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/donate.h"
#include "vfs/notify.h"

#define FIRST_BUCKETS   256 /* a page */
#define MOST_BUCKETS    65536
#define DENTRIES_CACHED 16384
#define MOST_SPARED     64 /* used ones that are passed over for each that goes */

static inline u32 hash_below(const struct dentry *parent, u64 name_hash)
{
	return (u32)((name_hash ^ (u64)parent >> 4) * 0x9e3779b97f4a7c15UL >> 32);
}

static u32 hash_name(const struct dentry *parent, const char *name, size_t len)
{
	u64 h = 0;

	for (size_t i = 0; i < len; i++)
		h = name_hash_add(h, name[i]);
	return hash_below(parent, h);
}

static struct list *bucket(const struct vfs *v, u32 hash)
{
	return v->dentries ? &v->dentries[hash & (v->nbuckets - 1)] : NULL;
}

/* Without memory for it lists get longer; without any table nothing is cached. */
static void resize_table(struct vfs *v, u32 nbuckets)
{
	struct list *old = v->dentries, *fresh = malloc(nbuckets * sizeof *fresh);
	u32 nold = v->nbuckets;

	if (!fresh)
		return;
	for (u32 i = 0; i < nbuckets; i++)
		list_init(&fresh[i]);
	v->dentries = fresh;
	v->nbuckets = nbuckets;
	for (u32 i = 0; i < nold; i++) {
		struct dentry *d, *tmp;

		list_for_each_safe (d, tmp, &old[i], hash_node) {
			list_del(&d->hash_node);
			list_add_tail(bucket(v, d->hash), &d->hash_node);
		}
	}
	free(old);
}

static void table_grow(struct vfs *v)
{
	if (!v->dentries)
		resize_table(v, FIRST_BUCKETS);
	else if (v->ndentries > v->nbuckets && v->nbuckets < MOST_BUCKETS)
		resize_table(v, 2 * v->nbuckets);
}

static void lru_leave(struct dentry *d)
{
	if (list_empty(&d->lru_node))
		return;
	list_del(&d->lru_node);
	d->k->vfs->ncached--;
}

/* Frees @d: its parent, whose reference is the caller's now. */
static struct dentry *dentry_free(struct dentry *d)
{
	struct dentry *parent = d->parent;

	lru_leave(d);
	list_del(&d->hash_node);
	if (d->unlinked)
		notify_unlinked(d);
	inode_put(d->inode);
	object_count(d->k, "dentry", -1);
	d->k->vfs->ndentries--;
	free(d);
	return parent;
}

static struct dentry *dentry_alloc(struct kernel *k, struct super *sb, struct inode *inode)
{
	struct dentry *d = malloc(sizeof *d);

	if (!d)
		return NULL;
	memset(d, 0, offsetof(struct dentry, name));
	d->name[0] = 0;
	object_count(k, "dentry", 1);
	k->vfs->ndentries++;
	d->k = k;
	d->refs = 1;
	d->sb = sb;
	d->inode = inode;
	list_init(&d->hash_node);
	list_init(&d->lru_node);
	list_init(&d->mounts);
	return d;
}

struct dentry *dentry_root(struct super *sb)
{
	struct dentry *d = dentry_alloc(sb->k, sb, sb->root);

	if (d)
		inode_get(sb->root);
	return d;
}

struct dentry *dentry_get(struct dentry *d)
{
	d->refs++;
	return d;
}

/* Drops a reference, and those that fall with it: up the tree by a loop, for a guest's tree may be deep. Who is in the list
 * stays where it is while it is used again: its neighbours are in nobody's cache. */
static void put_chain(struct dentry *d)
{
	while (d && !--d->refs) {
		struct vfs *v = d->k->vfs;

		if (d->parent && !d->unlinked && !list_empty(&d->hash_node) && !d->sb->no_cache) {
			d->used = !list_empty(&d->lru_node);
			if (!d->used) {
				list_add_tail(&v->lru, &d->lru_node);
				v->ncached++;
			}
			return;
		}
		d = dentry_free(d);
	}
}

void dentry_put(struct dentry *d)
{
	struct kernel *k = d ? d->k : NULL;

	put_chain(d);
	if (k && k->vfs->ncached > DENTRIES_CACHED)
		dentries_shrink(k, DENTRIES_CACHED);
}

void dentries_shrink(struct kernel *k, int keep)
{
	struct vfs *v = k->vfs;
	int spared = 0;

	while (v->ncached > keep) {
		struct dentry *d = list_first(&v->lru, struct dentry, lru_node);

		lru_leave(d);
		if (d->refs)
			continue;
		if (d->used && keep && spared++ < MOST_SPARED) {
			d->used = false;
			list_add_tail(&v->lru, &d->lru_node);
			v->ncached++;
			continue;
		}
		put_chain(dentry_free(d));
	}
}

static void set_name(struct dentry *d, struct dentry *parent, const char *name, size_t len)
{
	struct list *b;

	d->hash = hash_name(parent, name, len);
	d->len = (u8)len;
	memcpy(d->name, name, len);
	d->name[len] = 0;
	table_grow(d->k->vfs);
	b = bucket(d->k->vfs, d->hash);
	if (b)
		list_add(b, &d->hash_node);
}

struct dentry *dentry_make(struct dentry *parent, const char *name, size_t len, struct inode *inode)
{
	struct dentry *d = dentry_alloc(parent->k, parent->sb, inode);

	if (!d) {
		inode_put(inode);
		return NULL;
	}
	d->parent = dentry_get(parent);
	set_name(d, parent, name, len);
	return d;
}

/* Frees one of a name that is not there. */
static void forget_absent(struct dentry *d)
{
	dentry_put(dentry_free(d));
}

void dentry_absent(struct dentry *parent, const char *name, size_t len)
{
	struct inode *dir = parent->inode;
	u64 stamp = dir->ops->absence ? dir->ops->absence(dir) : 0;
	struct dentry *d = stamp ? dentry_make(parent, name, len, NULL) : NULL;

	if (!d)
		return;
	d->absence = stamp;
	dentry_put(d);
}

int dentry_find(struct dentry *parent, const char *name, size_t len, struct dentry **out)
{
	struct inode *dir = parent->inode;
	u32 hash = hash_name(parent, name, len);
	struct list *b = bucket(parent->k->vfs, hash);
	struct dentry *d;

	if (!b)
		return -EAGAIN;
	list_for_each (d, b, hash_node) {
		if (d->hash != hash || d->parent != parent || d->len != len || memcmp(d->name, name, len))
			continue;
		if (!d->inode) {
			if (d->absence == dir->ops->absence(dir))
				return -ENOENT;
			forget_absent(d);
			return -EAGAIN;
		}
		/* A mount point stays, whatever becomes of what is below it. */
		if (dir->ops->revalidate && d->until <= d->k->now && list_empty(&d->mounts)) {
			d->until = dir->ops->revalidate(dir, name, len, d->inode);
			if (!d->until) {
				dentry_drop(dentry_get(d), d->sb->no_cache);
				dentry_put(d);
				return -EAGAIN;
			}
		}
		*out = dentry_get(d);
		return 0;
	}
	return -EAGAIN;
}

/* Names are short: a few comparisons of words, which may overlap, beat the library's call. */
static inline bool same_name(const char *a, const char *b, size_t len)
{
	const size_t word = sizeof(u64), half = sizeof(u32);

	if (len >= word) {
		for (size_t at = 0; at < len - word; at += word)
			if (memcmp(a + at, b + at, word))
				return false;
		return !memcmp(a + len - word, b + len - word, word);
	}
	if (len >= half)
		return !memcmp(a, b, half) && !memcmp(a + len - half, b + len - half, half);
	return len && a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1];
}

struct dentry *dentry_cached(struct dentry *parent, const char *name, size_t len, u64 name_hash)
{
	u32 hash = hash_below(parent, name_hash);
	struct list *b = bucket(parent->k->vfs, hash);
	struct dentry *d;

	if (!b)
		return NULL;
	list_for_each (d, b, hash_node) {
		if (d->hash != hash || d->parent != parent || d->len != len || !same_name(d->name, name, len))
			continue;
		if (!d->inode)
			return d->absence == parent->inode->ops->absence(parent->inode) ? d : NULL;
		if (parent->inode->ops->revalidate && d->until <= d->k->now && list_empty(&d->mounts))
			return NULL;
		return d;
	}
	return NULL;
}

void dentry_drop(struct dentry *d, bool unlinked)
{
	list_del(&d->hash_node);
	d->unlinked = unlinked;
	notify_dropped(d);
}

void dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t len)
{
	struct dentry *old = d->parent;

	list_del(&d->hash_node);
	d->parent = dentry_get(parent);
	set_name(d, parent, name, len);
	dentry_put(old);
	if (parent->inode->marks)
		donate_watched(d->k);
}

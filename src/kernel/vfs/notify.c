/* SPDX-License-Identifier: Apache-2.0 */
/* Notification: from what happened to the marks that want to know (fs/notify/fsnotify.c). */
#include "vfs/notify.h"

#include <fcntl.h>
#include <string.h>

#include "vfs/donate.h"

/* Where names are not kept, each look-up of one that nobody uses makes another inode: what is watched is used. */
void notify_mark_add(struct notify_mark *m, struct inode *i, struct dentry *d)
{
	m->inode = inode_get(i);
	m->name = d && d->sb->no_cache && !d->unlinked ? dentry_get(d) : NULL;
	m->next = i->marks;
	i->marks = m;
	i->k->vfs->nmarks++;
	notify_mark_want(m, m->mask);
}

void notify_mark_want(struct notify_mark *m, u32 mask)
{
	m->mask = mask;
	if (mask & (IN_ACCESS | IN_MODIFY))
		donate_watched(m->inode->k);
}

void notify_mark_remove(struct notify_mark *m)
{
	struct inode *i = m->inode;
	struct notify_mark **link = &i->marks;

	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	i->k->vfs->nmarks--;
	m->inode = NULL;
	if (m->name)
		dentry_put(m->name);
	m->name = NULL;
	inode_put(i);
}

void notify_dropped(struct dentry *d)
{
	for (struct notify_mark *m = d->inode ? d->inode->marks : NULL; m; m = m->next) {
		if (m->name == d) {
			m->name = NULL;
			dentry_put(d);
		}
	}
}

static void tell(struct inode *i, const struct notify_event *e)
{
	struct notify_mark *m, *next;

	if (!i->marks)
		return;
	inode_get(i); /* a mark may be the last to hold it */
	for (m = i->marks; m; m = next) {
		next = m->next;
		if (m->mask & e->mask & IN_ALL_EVENTS)
			m->event(m, e);
	}
	inode_put(i);
}

static bool inode_wants(const struct inode *i, u32 mask)
{
	for (const struct notify_mark *m = i->marks; m; m = m->next)
		if (m->mask & mask)
			return true;
	return false;
}

/* What goes through devices, FIFOs and sockets is none of their directory's (fs/notify/fsnotify.c:
 * __fsnotify_parent()): who may list it would learn when a terminal is typed at. */
static bool tells_parent(const struct dentry *d, u32 mask)
{
	u32 type = d->inode->type;

	return d->parent &&
	       (!(mask & (IN_ACCESS | IN_MODIFY)) || type == S_IFREG || type == S_IFDIR || type == S_IFLNK);
}

bool notify_wants(const struct file *f, u32 mask)
{
	const struct dentry *d = f->path ? f->path->dentry : NULL;

	if (!f->k->vfs->nmarks || f->ops->untold)
		return false;
	if (!d)
		return f->inode && inode_wants(f->inode, mask);
	return inode_wants(d->inode, mask) || (tells_parent(d, mask) && inode_wants(d->parent->inode, mask));
}

static u32 kind_of(const struct inode *i)
{
	return i->type == S_IFDIR ? IN_ISDIR : 0;
}

void notify_inode(struct inode *i, u32 mask)
{
	struct notify_event e = {.mask = mask | kind_of(i)};

	tell(i, &e);
}

void notify_name(struct inode *dir, u32 mask, const char *name, struct inode *child, u32 cookie)
{
	struct notify_event e = {.mask = mask | (child ? kind_of(child) : 0),
				 .cookie = cookie,
				 .name = name,
				 .len = strlen(name)};

	tell(dir, &e);
}

/* @unlinked: that it is gone is for those to know who do not want to hear of such. */
static void tell_dentry(struct dentry *d, u32 mask, bool parent, bool unlinked)
{
	struct notify_event e = {.mask = mask | kind_of(d->inode), .unlinked = unlinked};

	if (!d->k->vfs->nmarks)
		return;
	if (parent && d->parent && d->parent->inode->marks) {
		e.name = d->name;
		e.len = d->len;
		tell(d->parent->inode, &e);
		e.name = NULL;
	}
	tell(d->inode, &e);
}

void notify_dentry(struct dentry *d, u32 mask)
{
	tell_dentry(d, mask, true, false);
}

void notify_file(struct file *f, u32 mask)
{
	struct dentry *d = f->path ? f->path->dentry : NULL;

	if (f->ops->untold)
		return;
	if (d)
		tell_dentry(d, mask, tells_parent(d, mask), d->unlinked);
	else if (f->inode)
		notify_inode(f->inode, mask);
}

void notify_open(struct file *f)
{
	if (f->flags & O_PATH)
		return;
	f->opened = true;
	notify_file(f, IN_OPEN);
}

void notify_close(struct file *f)
{
	if (f->opened)
		notify_file(f, file_writable(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

void notify_change(struct dentry *d, const struct iattr *a)
{
	const u32 both = ATTR_ATIME | ATTR_MTIME;
	u32 mask = 0;

	if (!d->k->vfs->nmarks)
		return;
	if (a->valid & ATTR_SIZE || (a->valid & both) == ATTR_MTIME)
		mask = IN_MODIFY;
	else if ((a->valid & both) == ATTR_ATIME)
		mask = IN_ACCESS;
	if (a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) || (a->valid & both) == both)
		mask |= IN_ATTRIB;
	if (mask)
		notify_dentry(d, mask);
}

void notify_unlinked(struct dentry *d)
{
	struct inode *i = d->inode;
	struct kstat st;

	if (!i->marks || i->ops->getattr(i, &st) || st.nlink)
		return;
	inode_get(i);
	notify_inode(i, IN_DELETE_SELF);
	while (i->marks)
		i->marks->gone(i->marks);
	inode_put(i);
}

u32 notify_cookie(struct kernel *k)
{
	return ++k->vfs->next_cookie;
}

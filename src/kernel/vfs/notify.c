/* SPDX-License-Identifier: Apache-2.0 */
/* Notification: from what happened to the marks that want to know (fs/notify/fsnotify.c). */
#include "vfs/notify.h"

#include <fcntl.h>
#include <string.h>

#include "vfs/donate.h"

void notify_mark_add(struct notify_mark *m, struct inode *i)
{
	m->inode = inode_get(i);
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
	inode_put(i);
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

bool notify_wants(const struct file *f, u32 mask)
{
	const struct dentry *d = f->path ? f->path->path.dentry : NULL;

	if (!f->k->vfs->nmarks)
		return false;
	if (!d)
		return f->inode && inode_wants(f->inode, mask);
	return inode_wants(d->inode, mask) || (d->parent && inode_wants(d->parent->inode, mask));
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
	struct notify_event e = {
		.mask = mask | kind_of(child), .cookie = cookie, .name = name, .len = strlen(name)};

	tell(dir, &e);
}

void notify_dentry(struct dentry *d, u32 mask)
{
	struct notify_event e = {.mask = mask | kind_of(d->inode), .unlinked = d->unlinked};

	if (!d->k->vfs->nmarks)
		return;
	if (d->parent && d->parent->inode->marks) {
		e.name = d->name;
		e.len = d->len;
		tell(d->parent->inode, &e);
		e.name = NULL;
	}
	tell(d->inode, &e);
}

void notify_file(struct file *f, u32 mask)
{
	if (f->path)
		notify_dentry(f->path->path.dentry, mask);
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
		mask = IN_ATTRIB;
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

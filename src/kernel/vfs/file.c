/* SPDX-License-Identifier: Apache-2.0 */
/* Open file descriptions: making, sharing, ending; their attributes. */
#include "vfs/file.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "core/task.h"
#include "vfs/anon.h"
#include "vfs/async.h"
#include "vfs/dnotify.h"
#include "vfs/donate.h"
#include "vfs/lock.h"
#include "vfs/notify.h"

int file_new(struct kernel *k, const struct file_ops *ops, u32 flags, struct inode *inode, void *priv,
	     struct file **out)
{
	struct file *f = zalloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	object_count(k, "file", 1);
	f->k = k;
	f->refs = 1;
	f->ops = ops;
	f->flags = flags & ~(u32)(O_NOCTTY | O_TRUNC); /* for opening alone */
	f->inode = inode;
	f->priv = priv;
	f->cred = k->current ? cred_get(k->current->cred) : NULL;
	f->donate_at = DONATE_AFTER;
	list_init(&f->epoll_items);
	*out = f;
	return 0;
}

struct file *file_get(struct file *f)
{
	f->refs++;
	return f;
}

void file_put(struct file *f)
{
	if (!f || --f->refs)
		return;
	/* Whoever is told may look at the file once more. */
	f->refs = 1;
	if (f->donated)
		file_take_back(f);
	while (!list_empty(&f->epoll_items)) {
		struct file_link *link = list_first(&f->epoll_items, struct file_link, node);

		list_del(&link->node);
		link->gone(link);
	}
	notify_close(f);
	file_async_end(f);
	file_dnotify_end(f, NULL);
	locks_release_file(f);
	if (f->ops->release)
		f->ops->release(f);
	if (f->path) {
		path_inode(f->path)->writers -= f->writes;
		path_inode(f->path)->runners -= f->runs;
		path_put(f->path);
	}
	inode_put(f->inode);
	cred_put(f->cred);
	object_count(f->k, "file", -1);
	free(f);
}

int path_getattr(const struct path *p, struct kstat *st)
{
	int err = path_inode(p)->ops->getattr(path_inode(p), st);

	st->mnt_id = (u64)p->mnt->id;
	st->fs_flags = path_inode(p)->fs_flags;
	return err;
}

int file_getattr(struct file *f, struct kstat *st)
{
	int err;

	if (!f->inode) {
		shared_attributes(st);
		return 0;
	}
	err = f->inode->ops->getattr(f->inode, st);
	st->mnt_id = f->path ? (u64)f->path->mnt->id : 0;
	st->fs_flags = f->inode->fs_flags;
	return err;
}

int path_setattr(struct task *t, const struct path *p, struct iattr *attr)
{
	struct inode *i = path_inode(p);
	int err;

	if (path_read_only(p))
		return -EROFS;
	if (attr->valid & ATTR_SIZE)
		attr_drop_privileges(t, i, attr);
	err = i->ops->setattr ? i->ops->setattr(i, attr) : -EPERM;
	if (!err)
		notify_change(p->dentry, attr);
	return err;
}

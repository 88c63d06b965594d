/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes: made, shared, released. */
#include "vfs/inode.h"

#include <stdlib.h>

#include "base/alloc.h"

struct inode *inode_new(struct kernel *k, struct super *sb, const struct inode_ops *ops, u32 type, u64 ino,
			void *priv)
{
	struct inode *i = zalloc(sizeof *i);

	if (!i)
		return NULL;
	object_count(k, "inode", 1);
	i->k = k;
	i->refs = 1;
	i->ops = ops;
	i->sb = sb;
	i->type = type;
	i->ino = ino;
	i->priv = priv;
	list_init(&i->locks);
	wait_queue_init(&i->lock_wait);
	return i;
}

struct inode *inode_get(struct inode *i)
{
	i->refs++;
	return i;
}

void inode_put(struct inode *i)
{
	if (!i || --i->refs)
		return;
	object_count(i->k, "inode", -1);
	if (i->ops->release)
		i->ops->release(i);
	free(i);
}

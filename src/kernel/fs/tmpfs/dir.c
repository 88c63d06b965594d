/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: listing directories. */
#include <dirent.h>

#include "fs/tmpfs/tmpfs.h"
#include "vfs/simple.h"

struct tentry *tentry_from(struct tnode *dir, u64 order)
{
	struct rb_node *rb = dir->by_order.node, *found = NULL;

	while (rb) {
		if (rb_entry(rb, struct tentry, order_node)->order >= order) {
			found = rb;
			rb = rb->left;
		} else {
			rb = rb->right;
		}
	}
	return rb_entry_or_null(found, struct tentry, order_node);
}

static int dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct tnode *dir = tnode(f->inode);
	struct tentry *e;

	tnode_read_by(dir, f);
	if (!dir_emit_dots(f, ctx))
		return 0;
	for (e = tentry_from(dir, f->pos); e; e = tentry_from(dir, f->pos)) {
		if (!ctx->emit(ctx, e->name, e->len, e->inode->ino, IFTODT(e->inode->type), e->order + 1))
			return 0;
		f->pos = e->order + 1;
	}
	return 0;
}

const struct file_ops tmpfs_dir_ops = {.read = dir_read,
				       .rw = RW_READ_PLAIN,
				       .seek = dir_seek,
				       .iterate = dir_iterate,
				       .sync = sync_nothing,
				       .told_whole = true};

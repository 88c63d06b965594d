/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay's regular files. One kind of open file serves both layers: as long as the bytes are the lower file's
 * it reads those, by an open file of the lower layer in its priv; from the first write on it is tmpfs's.
 */
#include "fs/overlay/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfs/donate.h"

#define PIECE (128 * 1024)

/* The open file of the lower layer, borrowed; NULL: the bytes are the overlay's own. */
static int lower_file(struct file *f, struct file **out)
{
	struct inode *below;
	struct file *low = f->priv;
	int err = 0;

	*out = NULL;
	if (!data_below(f->inode)) {
		f->priv = NULL;
		if (low)
			file_put(low);
		return 0;
	}
	if (!low) {
		below = tnode(f->inode)->lower->inode;
		err = below->ops->open(below, f->k->current, O_RDONLY, &low);
		if (!err)
			f->priv = low;
	}
	*out = low;
	return err;
}

/* Those who have mapped the lower file learn that it is another one. */
static void tell_mappings(struct inode *i)
{
	struct lower *l = tnode(i)->lower;
	struct kstat st;
	u64 size = INT64_MAX; /* of one that has vanished */

	if (l->shown && !l->inode->ops->getattr(l->inode, &st))
		size = (u64)st.size;
	if (l->shown)
		i->k->ops.file_moved(i->k, i, size);
	l->shown = false;
}

void overlay_data_moved(struct inode *i)
{
	struct lower *l = tnode(i)->lower;

	donate_moved(i);
	l->data_below = false;
	l->changed = true;
	tell_mappings(i);
}

int overlay_copy_data(struct inode *i, u64 size, bool nowait)
{
	struct lower *l = tnode(i)->lower;
	struct tnode *n = tnode(i);
	struct timespec mtime = n->mtime, ctime = n->ctime;
	char *buf = NULL;
	struct file *low;
	u64 at = 0;
	long got = 0;
	int err = 0;

	n->size = 0;
	if (!size)
		goto done;
	err = store_open_data(i);
	/* What a killed run had begun to copy. */
	if (!err && hostfd_valid(n->memfd) && ftruncate(n->memfd.fd, 0))
		err = -errno;
	if (err)
		return err;
	err = l->inode->ops->open(l->inode, i->k->current, O_RDONLY | (nowait ? O_NONBLOCK : 0), &low);
	if (err)
		return err;
	buf = malloc(PIECE);
	if (!buf)
		err = -ENOMEM;
	while (!err && at < size) {
		got = file_pread(low, buf, min(size - at, (u64)PIECE), at, false);
		if (got <= 0)
			break;
		err = tnode_store(n, buf, (size_t)got, at);
		at += (u64)got;
	}
	if (!err && got < 0)
		err = (int)got;
	free(buf);
	file_put(low);
	if (err) {
		tnode_free_data(n);
		n->size = 0;
		return err;
	}
done:
	n->mtime = mtime;
	n->ctime = ctime;
	overlay_data_moved(i);
	store_times(i);
	store_inode(i);
	return 0;
}

/* Makes the bytes the overlay's own. */
static int own_data(struct file *f, bool may_wait)
{
	bool first = tnode(f->inode)->lower && !tnode(f->inode)->lower->changed;
	int err = overlay_own(f->inode);

	if (!err && data_below(f->inode))
		err = may_wait ? overlay_copy_later(f->inode, UINT64_MAX)
			       : overlay_copy_data(f->inode, UINT64_MAX, false);
	if (!err && first) {
		overlay_changed(f->inode);
		store_inode(f->inode);
	}
	if (!err)
		err = store_open_data(f->inode);
	return store_commit(f->inode, err);
}

int overlay_before_change(struct inode *i, u64 size, struct wait_queue **wait)
{
	int err = size && data_below(i) ? overlay_own(i) : 0;

	if (!err && size && data_below(i))
		err = overlay_copy_later(i, size);
	if (err == -EAGAIN) {
		*wait = &tnode(i)->lower->copied;
		err = 0;
	}
	return store_commit(i, err);
}

static long file_read(struct file *f, struct uio *to, u64 *pos)
{
	struct file *low;
	long done;
	int err = lower_file(f, &low);

	if (err)
		return err;
	if (!low && (tnode(f->inode)->size || tnode(f->inode)->lost))
		err = store_open_data(f->inode);
	if (err)
		return err;
	if (!low)
		return tmpfs_file_ops.read(f, to, pos);
	done = low->ops->read(low, to, pos);
	if (done >= 0)
		overlay_accessed(f);
	return done;
}

static long file_write(struct file *f, struct uio *from, u64 *pos)
{
	struct tnode *n = tnode(f->inode);
	int err = from->left ? own_data(f, from->task) : 0;
	u32 mode = n->mode;
	long done;

	if (err)
		return err;
	done = tmpfs_file_ops.write(f, from, pos);
	/* It may take set-user-id away. */
	if (n->mode == mode)
		return done;
	store_inode(f->inode);
	err = store_commit(f->inode, 0);
	return err ? err : done;
}

static u32 file_poll(struct file *f, struct poll_table *pt)
{
	struct lower *l = tnode(f->inode)->lower;
	struct file *low = f->priv;
	u32 ready = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;

	if (low && data_below(f->inode) && low->ops->poll)
		ready = low->ops->poll(low, pt);
	if (l && l->copying) {
		poll_wait(pt, &l->copied);
		ready &= ~(u32)(EPOLLOUT | EPOLLWRNORM);
	}
	return ready;
}

static s64 file_seek(struct file *f, s64 offset, int whence)
{
	struct file *low;
	s64 pos;
	int err = lower_file(f, &low);

	if (err)
		return err;
	if (!low) {
		err = whence > SEEK_END && tnode(f->inode)->size ? store_open_data(f->inode) : 0;
		return err ? err : tmpfs_file_ops.seek(f, offset, whence);
	}
	low->pos = f->pos;
	pos = low->ops->seek(low, offset, whence);
	if (pos >= 0)
		f->pos = (u64)pos;
	return pos;
}

/* Linux: what private mappings show of later writes is not specified, and they show them. Here: one of a file of the
 * lower tree that was made before the first write goes on showing the lower file, up to the end that this had, as on
 * Linux's overlayfs, because the mapping is the host's own. (There shared ones do so, too; here they are made anew:
 * mm/moved.c.) */
static int file_mmap(struct file *f, int prot, int flags, struct mmap_backing *backing)
{
	struct file *low;
	int err = 0;

	if ((flags & MAP_TYPE) != MAP_PRIVATE && file_writable(f))
		err = own_data(f, false);
	if (!err)
		err = lower_file(f, &low);
	if (!err && !low)
		err = store_open_data(f->inode);
	if (err)
		return err;
	if (low)
		tnode(f->inode)->lower->shown = true;
	return low ? low->ops->mmap(low, prot, flags, backing) : tmpfs_file_ops.mmap(f, prot, flags, backing);
}

static int file_donate(struct file *f, struct hostfd *out)
{
	struct file *low;
	int err = lower_file(f, &low);

	if (err)
		return err;
	if (low)
		return low->ops->donate ? low->ops->donate(low, out) : -EOPNOTSUPP;
	err = store_open_data(f->inode);
	return err ? err : tmpfs_file_ops.donate(f, out);
}

static long file_fallocate(struct file *f, int mode, u64 offset, u64 len)
{
	long err = own_data(f, false);

	return err ? err : tmpfs_file_ops.fallocate(f, mode, offset, len);
}

static int file_cachestat(struct file *f, u64 offset, u64 size, struct host_cache *out)
{
	struct file *low;
	int err = lower_file(f, &low);

	if (err)
		return err;
	if (low)
		return low->ops->cachestat(low, offset, size, out);
	err = tnode(f->inode)->size ? store_open_data(f->inode) : 0;
	return err ? err : tmpfs_file_ops.cachestat(f, offset, size, out);
}

static void file_release(struct file *f)
{
	struct file *low = f->priv;

	if (low)
		file_put(low);
	tnode(f->inode)->opens--;
	store_close_data(f->inode);
	tnode_settle(tnode(f->inode));
}

static int file_sync_fds(struct file *f, struct hostfd *fd)
{
	return store_sync(f->inode, fd);
}

static const struct file_ops overlay_file_ops = {
	.read = file_read,
	.write = file_write,
	.always_waits = true,
	.poll = file_poll,
	.seek = file_seek,
	.mmap = file_mmap,
	.donate = file_donate,
	.sync = file_sync_fds,
	.cachestat = file_cachestat,
	.fallocate = file_fallocate,
	.release = file_release,
};

/* Who only writes opens the lower file too: what husk may not read it cannot copy, which is better said now than by the
 * first write. */
int overlay_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct file *f, *low;
	int err = file_of_inode(i, &overlay_file_ops, flags, NULL, &f);

	if (err)
		return err;
	tnode(i)->opens++;
	if (!(flags & O_TRUNC)) {
		err = lower_file(f, &low);
		if (err) {
			file_put(f);
			return err;
		}
	}
	*out = f;
	return 0;
}

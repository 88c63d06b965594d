/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: open regular files, and memfds with their seals. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/tmpfs/tmpfs.h"
#include "host/file.h"
#include "vfs/notify.h"

#define MAX_SIZE INT64_MAX
#define DYING_NS 1000000 /* between two looks whether ended processes have let go */

static long file_read(struct file *f, struct uio *to, u64 *pos)
{
	struct tnode *n = tnode(f->inode);
	char *buf = f->k->vfs->piece;
	long done = 0;

	while (to->left && *pos < (u64)n->size) {
		size_t size = min(to->left, (size_t)((u64)n->size - *pos));
		const char *from;
		long moved;

		if (hostfd_valid(n->memfd)) {
			ssize_t got = pread(n->memfd.fd, buf, min(size, VFS_PIECE), (off_t)*pos);

			if (got <= 0)
				return done ? done : got < 0 ? -errno : 0;
			size = (size_t)got;
			from = buf;
		} else if (*pos < n->cap) {
			size = min(size, n->cap - (size_t)*pos);
			from = n->data + *pos;
		} else {
			from = NULL;
		}
		moved = from ? uio_to_user(to, from, size) : uio_zero(to, size);
		if (moved <= 0)
			return done ? done : moved;
		*pos += (u64)moved;
		done += moved;
		if ((size_t)moved < size)
			break;
	}
	tnode_read_by(n, f);
	return done;
}

/* A write of whoever's call it is, from guest memory or from another file. */
static void drop_privileges(struct file *f, struct tnode *n, struct task *t)
{
	u32 mode = n->mode & (S_ISUID | S_ISGID) && t ? mode_unprivileged(t->cred, n->mode, n->gid) : n->mode;

	if (mode == n->mode)
		return;
	n->mode = mode;
	tnode_changed(n);
	if (f->path)
		notify_dentry(f->path->dentry, IN_ATTRIB);
}

static long file_write(struct file *f, struct uio *from, u64 *pos)
{
	struct tnode *n = tnode(f->inode);
	long done = 0;

	if (!from->left)
		return 0;
	if (n->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (*pos >= (u64)MAX_SIZE)
		return -EFBIG;
	from->left = min(from->left, (u64)MAX_SIZE - *pos);
	if (n->seals & F_SEAL_GROW) {
		if (*pos >= (u64)n->size)
			return -EPERM;
		from->left = min(from->left, (u64)n->size - *pos);
	}
	tnode_note_reads(n);
	drop_privileges(f, n, f->k->current);
	while (from->left) {
		long moved = tnode_write(n, from, *pos, f->k->vfs->piece);

		if (moved <= 0) {
			done = done ? done : moved;
			break;
		}
		*pos += (u64)moved;
		done += moved;
		n->size = max(n->size, (s64)*pos);
	}
	if (done > 0)
		tnode_changed(n);
	return done;
}

/* Where data (SEEK_DATA) or a hole (SEEK_HOLE) begins at @offset or after it; -ENXIO: nowhere. */
static s64 find_extent(const struct tnode *n, s64 offset, int whence)
{
	s64 filled = (s64)align_up(n->cap, PAGE_SIZE);

	if (offset < 0 || offset >= n->size)
		return -ENXIO;
	if (hostfd_valid(n->memfd)) {
		offset = lseek(n->memfd.fd, offset, whence);
		return offset < 0 ? -errno : offset;
	}
	if (whence == SEEK_HOLE)
		return max(offset, min(n->size, filled));
	return offset < filled ? offset : -ENXIO;
}

static s64 file_seek(struct file *f, s64 offset, int whence)
{
	struct tnode *n = tnode(f->inode);

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		offset = find_extent(n, offset, whence);
		if (offset < 0)
			return offset;
		whence = SEEK_SET;
	}
	return seek_within(f, offset, whence, n->size, INT64_MAX);
}

static int file_mmap(struct file *f, int prot, int flags, struct mmap_backing *backing)
{
	struct tnode *n = tnode(f->inode);
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	bool writable = shared && file_writable(f);
	int err;

	if (shared && n->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		if (prot & PROT_WRITE)
			return -EPERM;
		writable = false;
	}
	err = tnode_to_memfd(n);
	if (!err && !writable && !hostfd_valid(n->read_fd))
		err = host_reopen(n->memfd, O_RDONLY, &n->read_fd);
	if (err)
		return err == -EMFILE ? -ENFILE : err;
	if (writable && tnode_reserve(n, (u64)n->size))
		return -ENOMEM;
	tnode_read_by(n, f);
	*backing = (struct mmap_backing){.fd = writable ? n->memfd : n->read_fd};
	return 0;
}

/* In a memfd, where it is opened once more. */
static int file_donate(struct file *f, struct hostfd *out)
{
	struct tnode *n = tnode(f->inode);
	int err = f->flags & O_NOATIME ? -EOPNOTSUPP : tnode_to_memfd(n);

	if (!err)
		err = host_reopen(n->memfd, 0, out);
	if (err)
		return err;
	if (!n->donated)
		n->host_atime = tmpfs_now();
	n->donated = true;
	return 0;
}

/* What is kept in husk's own memory is all there. */
static int file_cachestat(struct file *f, u64 offset, u64 size, struct host_cache *out)
{
	struct tnode *n = tnode(f->inode);
	u64 first = offset / PAGE_SIZE, end = size ? (offset + size - 1) / PAGE_SIZE + 1 : ~0UL;

	if (hostfd_valid(n->memfd))
		return host_cachestat(n->memfd, offset, size, out);
	end = min(end, (u64)align_up(min((u64)n->size, (u64)n->cap), PAGE_SIZE) / PAGE_SIZE);
	if (first < end)
		out->pages = end - first;
	return 0;
}

static long file_fallocate(struct file *f, int mode, u64 offset, u64 len)
{
	struct tnode *n = tnode(f->inode);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return mode & FALLOC_FL_KEEP_SIZE ? tnode_punch(n, offset, len) : -EOPNOTSUPP;
	/* Also when the size stays (mm/shmem.c: shmem_fallocate()). */
	err = file_size_limit(f->k->current, f->inode, offset + len);
	if (err)
		return err;
	return tnode_allocate(n, mode & FALLOC_FL_KEEP_SIZE, offset, len);
}

/* Linux: an ended process has no mappings left. Here: its host process may take a moment longer to let go. */
static long wait_for_dying(struct task *t)
{
	t->call.deadline = kernel_now(t->k) + DYING_NS;
	return call_wait(t);
}

/* F_ADD_SEALS and F_GET_SEALS. A memfd of the host carries the seals too, so that mappings that are there
 * count. */
static long file_fcntl(struct file *f, struct task *t, int cmd, u64 arg)
{
	const u32 content = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	struct tnode *n = tnode(f->inode);
	int seals = (int)arg, host_seals;

	if (cmd == F_GETPIPE_SZ || cmd == F_SETPIPE_SZ)
		return -EBADF;
	if (cmd == F_GET_SEALS)
		return n->seals;
	if (cmd != F_ADD_SEALS)
		return -EINVAL;
	if (!file_writable(f))
		return -EPERM;
	if ((u32)arg & ~(content | F_SEAL_SEAL | F_SEAL_EXEC))
		return -EINVAL;
	if (n->seals & F_SEAL_SEAL)
		return -EPERM;
	/* What may be executed and shall stay so does not change any more either. */
	if (seals & F_SEAL_EXEC && n->mode & 0111)
		seals |= (int)content;
	/* The host's F_SEAL_SEAL would keep later ones from being carried over; that one and the mode's seal are
	 * minded here alone. */
	host_seals = seals & (int)content;
	if (hostfd_valid(n->memfd) && host_seals && fcntl(n->memfd.fd, F_ADD_SEALS, host_seals))
		return errno == EBUSY && t->k->trap_ops->spaces_dying(t->k->trap) ? wait_for_dying(t)
										  : -errno;
	n->seals |= seals;
	return 0;
}

static void memfd_link_name(struct file *f, char *buf, size_t size)
{
	struct tnode *n = tnode(f->inode);

	snprintf(buf, size, "/memfd:%s (deleted)", n->name ? n->name : "");
}

#define COMMON_OPS                                                                                           \
	.read = file_read, .write = file_write, .seek = file_seek, .mmap = file_mmap, .donate = file_donate, \
	.sync = sync_nothing, .fallocate = file_fallocate, .fcntl = file_fcntl, .cachestat = file_cachestat

static void file_release(struct file *f)
{
	tnode(f->inode)->opens--;
	tnode_settle(tnode(f->inode));
}

const struct file_ops tmpfs_file_ops = {COMMON_OPS, .release = file_release};
const struct file_ops tmpfs_memfd_ops = {COMMON_OPS, .link_name = memfd_link_name};

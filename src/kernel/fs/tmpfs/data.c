/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: the bytes of regular files.
 *
 * A file begins in kernel memory. It moves to a memfd at its first mmap() or when it outgrows
 * HUSK_TMPFS_SMALL, since a memfd per file would end at the host's descriptor limit. The kernel touches a
 * memfd by pread and pwrite only, never through a mapping, which a guest's truncation could turn into a
 * SIGBUS.
 *
 * What a memfd takes is known to the host; it is measured after each megabyte written, and before a write is
 * refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/tmpfs/tmpfs.h"
#include "host/file.h"

#define HUSK_TMPFS_SMALL (1 << 20)
#define MEASURE_AFTER    (1 << 20)
#define BIG_HOLE         (4 * PAGE_SIZE)
#define ALLOCATE_ONCE    (16UL << 20)
#define MAX_SIZE         INT64_MAX
#define MEMFDS_KEPT      64      /* of small files that nobody has open, in a tree */
#define DYING_NS         1000000 /* between two looks whether ended processes have let go */

/* ---- what it takes ---- */

static void charge(struct tnode *n, u64 bytes)
{
	if (n->fs)
		tmpfs_charge(n->fs, n->charged, bytes);
	n->charged = bytes;
}

u64 tnode_measure(struct tnode *n)
{
	struct stat st;

	if (!hostfd_valid(n->memfd) || fstat(n->memfd.fd, &st))
		return n->charged;
	charge(n, max((u64)st.st_blocks * 512, n->reserved));
	n->written = 0;
	return (u64)st.st_blocks * 512;
}

/* Whether @more bytes may come in. */
static bool has_room(struct tnode *n, u64 more)
{
	struct tmpfs *fs = n->fs;

	if (!fs || n->written + more <= tmpfs_free(fs))
		return true;
	tnode_measure(n);
	return more <= tmpfs_free(fs);
}

/* @size bytes went to the memfd at @pos: beyond the end they are new, before it they may have filled holes, which
 * shows when it is measured. */
static void wrote(struct tnode *n, u64 pos, u64 size)
{
	u64 end = pos + size, more = end > (u64)n->size ? min(size, end - (u64)n->size) : 0;

	charge(n, n->charged + more);
	n->written += size - more;
	if (n->written > MEASURE_AFTER)
		tnode_measure(n);
}

/*
 * Makes sure that a memfd of @size bytes could be filled whole.
 *
 * Linux: a hole that cannot be filled is a SIGBUS when it is touched. Here: the mapping (or the growth of a mapped
 * file) is refused, since the host fills holes without asking husk, and the bound must hold.
 */
static int reserve(struct tnode *n, u64 size)
{
	u64 want = align_up(size, PAGE_SIZE);

	if (want <= n->reserved)
		return 0;
	if (want > n->charged && !has_room(n, want - n->charged))
		return -ENOSPC;
	n->reserved = want;
	tnode_measure(n);
	return 0;
}

/* ---- where it is ---- */

static int grow(struct tnode *n, size_t need)
{
	/* What is written at once takes no more than it is; what grows grows by doubling. */
	size_t cap = n->cap ? n->cap : align_up(need, 64UL);
	char *data;

	if (need <= n->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	if (!has_room(n, align_up(cap, PAGE_SIZE) - n->charged))
		return -ENOSPC;
	data = realloc(n->data, cap);
	if (!data)
		return -ENOSPC;
	memset(data + n->cap, 0, cap - n->cap);
	n->data = data;
	n->cap = cap;
	charge(n, align_up(cap, PAGE_SIZE));
	return 0;
}

static int write_fully(struct hostfd fd, const char *data, size_t size, u64 pos)
{
	while (size) {
		ssize_t done = pwrite(fd.fd, data, size, (off_t)pos);

		if (done < 0)
			return -errno;
		data += done;
		size -= (size_t)done;
		pos += (size_t)done;
	}
	return 0;
}

/* Moves the data to a memfd. */
static int to_memfd(struct tnode *n)
{
	struct hostfd fd = HOSTFD_NONE;
	int err;

	if (hostfd_valid(n->memfd))
		return 0;
	err = host_memfd(n->name ? n->name : "tmpfs", &fd);
	if (err)
		return err;
	err = ftruncate(fd.fd, n->size) ? -errno : 0;
	if (!err)
		err = write_fully(fd, n->data, min((size_t)n->size, n->cap), 0);
	if (err) {
		host_close(&fd);
		return err;
	}
	free(n->data);
	n->data = NULL;
	n->cap = 0;
	n->memfd = fd;
	n->fs->nmemfds++;
	tnode_measure(n);
	return 0;
}

static void close_memfd(struct tnode *n)
{
	if (hostfd_valid(n->memfd) && !n->stored)
		n->fs->nmemfds--;
	host_close(&n->memfd);
	host_close(&n->read_fd);
	n->reserved = 0;
}

void tnode_settle(struct tnode *n)
{
	size_t size = (size_t)n->size, got = 0;
	char *data;

	if (n->opens || !hostfd_valid(n->memfd) || n->name || n->stored || n->size > HUSK_TMPFS_SMALL ||
	    n->fs->nmemfds <= MEMFDS_KEPT)
		return;
	data = malloc(size ? size : 1);
	while (data && got < size) {
		ssize_t more = pread(n->memfd.fd, data + got, size - got, (off_t)got);

		if (more <= 0)
			break;
		got += (size_t)more;
	}
	if (!data || got < size) { /* it stays where it is */
		free(data);
		return;
	}
	close_memfd(n);
	n->data = data;
	n->cap = size;
	charge(n, align_up(size, PAGE_SIZE));
}

/* Makes room for bytes from @pos up to @size, in memory or in a memfd, where a big hole is one. Without descriptors to
 * spare a file stays in memory. */
static int prepare(struct tnode *n, u64 pos, u64 size)
{
	int err;

	if (hostfd_valid(n->memfd))
		return 0;
	if (size > HUSK_TMPFS_SMALL || pos >= align_up(n->cap, PAGE_SIZE) + BIG_HOLE) {
		err = to_memfd(n);
		if ((err != -EMFILE && err != -ENFILE) || size > 64U * HUSK_TMPFS_SMALL)
			return err;
	}
	return grow(n, size);
}

void tnode_free_data(struct tnode *n)
{
	free(n->data);
	n->data = NULL;
	n->cap = 0;
	close_memfd(n);
	charge(n, 0);
}

/* Ends data in memory at @size, below @cap, and gives back what is mostly unused then. */
static void cut(struct tnode *n, size_t size)
{
	char *data;

	if (!size) {
		tnode_free_data(n);
		return;
	}
	if ((u64)n->size > size)
		memset(n->data + size, 0, min((size_t)n->size, n->cap) - size);
	if (n->cap <= PAGE_SIZE || size > n->cap / 4)
		return;
	data = realloc(n->data, size);
	if (data) {
		n->data = data;
		n->cap = size;
		charge(n, align_up(size, PAGE_SIZE));
	}
}

int tnode_resize(struct tnode *n, s64 size)
{
	if ((size < n->size && n->seals & F_SEAL_SHRINK) || (size > n->size && n->seals & F_SEAL_GROW))
		return -EPERM;
	if (!hostfd_valid(n->memfd)) {
		if ((u64)size < n->cap)
			cut(n, (size_t)size);
	} else {
		if (n->reserved && size > n->size && reserve(n, (u64)size))
			return -ENOSPC;
		if (ftruncate(n->memfd.fd, size))
			return -errno;
		n->reserved = min(n->reserved, align_up((u64)size, PAGE_SIZE));
	}
	n->size = size;
	if (hostfd_valid(n->memfd) && (!size || n->charged > (u64)size))
		tnode_measure(n);
	return 0;
}

/* ---- reading and writing ---- */

/* Linux's relatime: an access is noted when it is the first after a change, or a day has passed. */
static void accessed(struct file *f, struct tnode *n)
{
	struct timespec now;

	if (f->flags & O_NOATIME)
		return;
	now = tmpfs_now();
	if (n->atime.tv_sec < n->mtime.tv_sec || n->atime.tv_sec < n->ctime.tv_sec ||
	    now.tv_sec - n->atime.tv_sec >= 86400 ||
	    (n->atime.tv_sec == n->mtime.tv_sec && n->atime.tv_nsec <= n->mtime.tv_nsec) ||
	    (n->atime.tv_sec == n->ctime.tv_sec && n->atime.tv_nsec <= n->ctime.tv_nsec))
		n->atime = now;
}

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
	accessed(f, n);
	return done;
}

/* A write by who may not keep them takes set-user-id and (executable) set-group-id away. */
static void drop_privileges(struct tnode *n, struct task *t)
{
	u32 drop = 0;

	if (!(n->mode & (S_ISUID | S_ISGID)) || (t && capable(t, CAP_FSETID)))
		return;
	drop |= n->mode & S_ISUID;
	if (n->mode & S_IXGRP)
		drop |= n->mode & S_ISGID;
	n->mode &= ~drop;
}

/* One piece: into memory directly, or by a buffer into the memfd. Bytes or -errno; nothing is consumed on
 * errors. */
static long write_piece(struct tnode *n, struct uio *from, u64 pos, char *buf)
{
	size_t size = from->left;
	long got;
	int err = prepare(n, pos, pos + size);

	if (err)
		return err;
	if (!hostfd_valid(n->memfd)) {
		u64 end;

		got = uio_from_user(from, n->data + pos, size);
		/* Bytes that came before the rest failed to must not show when the file grows. */
		end = got > 0 ? pos + (u64)got : pos;
		end = max(end, (u64)n->size);
		if (end < pos + size)
			memset(n->data + end, 0, pos + size - end);
		return got;
	}
	size = min(size, VFS_PIECE);
	if (n->fs && !has_room(n, size))
		return -ENOSPC;
	got = uio_from_user(from, buf, size);
	if (got <= 0)
		return got;
	err = write_fully(n->memfd, buf, (size_t)got, pos);
	if (err) {
		from->done -= (size_t)got;
		from->left += (size_t)got;
		return err;
	}
	wrote(n, pos, (u64)got);
	return got;
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
	while (from->left) {
		long moved = write_piece(n, from, *pos, f->k->vfs->piece);

		if (moved <= 0) {
			done = done ? done : moved;
			break;
		}
		*pos += (u64)moved;
		done += moved;
		n->size = max(n->size, (s64)*pos);
	}
	if (done > 0) {
		drop_privileges(n, from->task);
		tnode_changed(n);
	}
	return done;
}

int tnode_store(struct tnode *n, const char *data, size_t size, u64 pos)
{
	int err = prepare(n, pos, pos + size);

	if (err)
		return err;
	if (hostfd_valid(n->memfd)) {
		if (!has_room(n, size))
			return -ENOSPC;
		err = write_fully(n->memfd, data, size, pos);
		if (err)
			return err;
		wrote(n, pos, size);
	} else {
		memcpy(n->data + pos, data, size);
	}
	n->size = max(n->size, (s64)(pos + size));
	return 0;
}

static s64 file_seek(struct file *f, s64 offset, int whence)
{
	struct tnode *n = tnode(f->inode);
	s64 pos = offset;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow(offset, (s64)f->pos, &pos))
			return -EINVAL;
		break;
	case SEEK_END:
		if (__builtin_add_overflow(offset, n->size, &pos))
			return -EINVAL;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0 || offset >= n->size)
			return -ENXIO;
		if (hostfd_valid(n->memfd)) {
			pos = lseek(n->memfd.fd, offset, whence);
			if (pos < 0)
				return -errno;
		} else if (whence == SEEK_HOLE) {
			pos = max(offset, min(n->size, (s64)align_up(n->cap, PAGE_SIZE)));
		} else if (offset >= (s64)align_up(n->cap, PAGE_SIZE)) {
			return -ENXIO;
		}
		break;
	default:
		return -EINVAL;
	}
	if (pos < 0)
		return -EINVAL;
	f->pos = (u64)pos;
	return pos;
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
	err = to_memfd(n);
	if (!err && !writable && !hostfd_valid(n->read_fd))
		err = host_reopen(n->memfd, O_RDONLY, &n->read_fd);
	if (err)
		return err == -EMFILE ? -ENFILE : err;
	if (writable && reserve(n, (u64)n->size))
		return -ENOMEM;
	accessed(f, n);
	*backing = (struct mmap_backing){.fd = writable ? n->memfd : n->read_fd};
	return 0;
}

static void punch_memory(struct tnode *n, u64 start, u64 end)
{
	end = min(end, (u64)n->cap);
	if (start < end)
		memset(n->data + start, 0, end - start);
}

static long file_fallocate(struct file *f, int mode, u64 offset, u64 len)
{
	struct tnode *n = tnode(f->inode);
	u64 end = offset + len, rest = 0;
	bool keep = mode & FALLOC_FL_KEEP_SIZE;
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (!keep)
			return -EOPNOTSUPP;
		if (n->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		if (!hostfd_valid(n->memfd))
			punch_memory(n, offset, end);
		else if (fallocate(n->memfd.fd, mode, (off_t)offset, (off_t)len))
			return -errno;
		tnode_measure(n);
		tnode_changed(n);
		return 0;
	}
	if (!keep && n->seals & F_SEAL_GROW && end > (u64)n->size)
		return -EPERM;
	if (!has_room(n, end > n->charged ? end - n->charged : 0))
		return -ENOSPC;
	err = prepare(n, offset, end);
	if (err)
		return err;
	/* The host fills pages with zeroes: some milliseconds for a piece, seconds for a big file. */
	if (hostfd_valid(n->memfd) && len > ALLOCATE_ONCE) {
		mode |= FALLOC_FL_KEEP_SIZE;
		len = rest = ALLOCATE_ONCE;
	}
	if (hostfd_valid(n->memfd) && fallocate(n->memfd.fd, mode, (off_t)offset, (off_t)len))
		return -errno;
	tnode_measure(n);
	if (rest)
		return (long)rest;
	if (!keep && end > (u64)n->size)
		n->size = (s64)end;
	tnode_changed(n);
	return 0;
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

#define COMMON_OPS                                                                    \
	.read = file_read, .write = file_write, .seek = file_seek, .mmap = file_mmap, \
	.fsync = fsync_nothing, .fallocate = file_fallocate, .fcntl = file_fcntl

static void file_release(struct file *f)
{
	tnode(f->inode)->opens--;
	tnode_settle(tnode(f->inode));
}

const struct file_ops tmpfs_file_ops = {COMMON_OPS, .release = file_release};
const struct file_ops tmpfs_memfd_ops = {COMMON_OPS, .link_name = memfd_link_name};

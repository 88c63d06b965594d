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
#include <linux/falloc.h>
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
#define MEMFDS_KEPT      64 /* of small files that nobody has open, in a tree */

/* ---- when it was read ---- */

/* Linux's relatime: an access at @when is noted when it is the first after a change, or a day has passed. */
void tnode_accessed(struct tnode *n, const struct timespec *when)
{
	if (!timespec_before(&n->mtime, &n->atime) || !timespec_before(&n->ctime, &n->atime) ||
	    when->tv_sec - n->atime.tv_sec >= 86400)
		n->atime = *when;
}

void tnode_read_by(struct tnode *n, const struct file *f)
{
	struct timespec now;

	if (f->flags & O_NOATIME)
		return;
	now = tmpfs_now();
	tnode_accessed(n, &now);
}

/* Linux: the first access after a change is noted. Here: of those that guests make by themselves it is the last one before
 * somebody asks or changes the file again, because the host keeps no other. */
static void read_by_guests(struct tnode *n, const struct stat *st)
{
	bool again = timespec_before(&n->host_atime, &st->st_atim);

	if (!n->donated || (!again && !(n->maybe_read && timespec_before(&n->atime, &st->st_atim))))
		return;
	if (again)
		n->maybe_read = false;
	n->host_atime = st->st_atim;
	tnode_accessed(n, &st->st_atim);
}

void tnode_note_reads(struct tnode *n)
{
	struct stat st;

	if (n->donated && hostfd_valid(n->memfd) && !fstat(n->memfd.fd, &st))
		read_by_guests(n, &st);
}

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
	read_by_guests(n, &st);
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
int tnode_reserve(struct tnode *n, u64 size)
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

int tnode_to_memfd(struct tnode *n)
{
	struct hostfd fd = HOSTFD_NONE;
	int err;

	if (hostfd_valid(n->memfd))
		return 0;
	err = host_memfd(n->name ? n->name : "tmpfs", &fd);
	if (err)
		return err;
	err = ftruncate(fd.fd, n->size) ? -errno : 0;
	/* The host's access time tells of guests that read by themselves: it is not for what is read here. */
	if (!err && fcntl(fd.fd, F_SETFL, O_NOATIME))
		err = -errno;
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
		err = tnode_to_memfd(n);
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
		if (n->reserved && size > n->size && tnode_reserve(n, (u64)size))
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

/* ---- changing them ---- */

long tnode_write(struct tnode *n, struct uio *from, u64 pos, char *buf)
{
	size_t size = from->left, piece = uio_pieces(from);
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
	size = min(size, piece ? piece : VFS_PIECE);
	if (n->fs && !has_room(n, size))
		return -ENOSPC;
	got = uio_from_user(from, buf, size);
	if (got <= 0)
		return got;
	uio_ahead(from, piece);
	err = write_fully(n->memfd, buf, (size_t)got, pos);
	if (err) {
		from->done -= (size_t)got;
		from->left += (size_t)got;
		return err;
	}
	wrote(n, pos, (u64)got);
	return got;
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

static void punch_memory(struct tnode *n, u64 start, u64 end)
{
	end = min(end, (u64)n->cap);
	if (start < end)
		memset(n->data + start, 0, end - start);
}

int tnode_punch(struct tnode *n, u64 offset, u64 len)
{
	if (n->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (!hostfd_valid(n->memfd))
		punch_memory(n, offset, offset + len);
	else if (fallocate(n->memfd.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			   (off_t)len))
		return -errno;
	tnode_measure(n);
	tnode_changed(n);
	return 0;
}

long tnode_allocate(struct tnode *n, bool keep_size, u64 offset, u64 len)
{
	int mode = keep_size ? FALLOC_FL_KEEP_SIZE : 0, err;
	u64 end = offset + len, rest = 0;

	if (n->seals & F_SEAL_GROW && end > (u64)n->size)
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
	if (!keep_size && end > (u64)n->size)
		n->size = (s64)end;
	tnode_changed(n);
	return 0;
}

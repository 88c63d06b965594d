/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors over guest buffers. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/task.h"

#define UIO_MAXIOV 1024
#define LONG_AHEAD (128UL * 1024) /* of so many bytes and more some are copied while others are written */
#define LONG_MOVE  (256UL * 1024) /* who waits for so much sleeps by then */

void uio_init(struct uio *u, struct task *task, u64 addr, size_t size)
{
	memset(u, 0, sizeof *u);
	u->task = task;
	if (task) {
		u->one.base = addr;
		u->one.len = size;
	} else {
		u->kernel = (char *)addr;
	}
	u->iov = &u->one;
	u->count = 1;
	u->left = min(size, MAX_RW_COUNT);
}

void uio_init_iov(struct uio *u, struct task *task, const struct user_iovec *iov, int count)
{
	memset(u, 0, sizeof *u);
	u->task = task;
	u->iov = iov;
	u->count = count;
	for (int i = 0; i < count; i++)
		u->left += iov[i].len;
}

long uio_read_iovec(struct task *t, u64 addr, u64 count, struct user_iovec **out)
{
	struct user_iovec *iov;
	u64 total = 0;
	int err;

	if (count > UIO_MAXIOV)
		return -EINVAL;
	iov = calloc(count ? count : 1, sizeof *iov);
	if (!iov)
		return -ENOMEM;
	err = user_read(t, iov, addr, count * sizeof *iov);
	for (u64 i = 0; !err && i < count; i++) {
		if ((s64)iov[i].len < 0)
			err = -EINVAL;
		iov[i].len = min(iov[i].len, MAX_RW_COUNT - total);
		total += iov[i].len;
	}
	if (err) {
		free(iov);
		return err;
	}
	*out = iov;
	return (long)total;
}

/* The place of the next bytes: their guest address, and how many lie there in one piece. */
static u64 uio_piece(struct uio *u, size_t *size)
{
	while (u->count && u->at == u->iov->len) {
		u->iov++;
		u->count--;
		u->at = 0;
	}
	*size = min(*size, (size_t)(u->iov->len - u->at));
	return u->iov->base + u->at;
}

static void uio_advance(struct uio *u, size_t n)
{
	u->at += n;
	u->left -= n;
	u->done += n;
}

long uio_to_user(struct uio *u, const void *from, size_t size)
{
	size_t moved = 0;

	size = min(size, u->left);
	if (!u->task) {
		if (from != u->kernel + u->done)
			memcpy(u->kernel + u->done, from, size);
		uio_advance(u, size);
		return (long)size;
	}
	while (moved < size) {
		size_t piece = size - moved, ok;
		u64 addr = uio_piece(u, &piece);
		int err;

		ok = user_writable(u->task, addr, piece);
		if (!ok)
			return moved ? (long)moved : -EFAULT;
		piece = min(piece, ok);
		err = user_write(u->task, addr, (const char *)from + moved, piece);
		if (err)
			return moved ? (long)moved : err;
		uio_advance(u, piece);
		moved += piece;
	}
	return (long)moved;
}

long uio_to_user_whole(struct uio *u, const void *from, size_t size)
{
	struct uio before = *u;
	long n = uio_to_user(u, from, size);

	if (n >= 0 && (size_t)n < size)
		n = -EFAULT;
	if (n < 0)
		*u = before;
	return n;
}

/* What is left of its call is to put away what came last. */
static void rouse(struct task *t)
{
	const struct trap_ops *trap = t->k->trap_ops;

	if (trap->rouse)
		trap->rouse(t->thread);
}

long uio_from_user(struct uio *u, void *to, size_t size)
{
	size_t moved = 0;

	size = min(size, u->left);
	if (!u->task) {
		memcpy(to, u->kernel + u->done, size);
		uio_advance(u, size);
		return (long)size;
	}
	while (moved < size) {
		size_t piece = size - moved;
		u64 addr = uio_piece(u, &piece);
		long n = piece ? user_read_part(u->task, (char *)to + moved, addr, piece) : 0;

		if (n < 0)
			return moved && n == -EFAULT ? (long)moved : n;
		uio_advance(u, (size_t)n);
		moved += (size_t)n;
		if ((size_t)n < piece)
			return (long)moved;
	}
	if (!u->left && u->done >= LONG_MOVE)
		rouse(u->task);
	return (long)moved;
}

size_t uio_pieces(const struct uio *u)
{
	const struct task *t = u->task;
	const struct trap_ops *trap;

	if (!t || u->done + u->left < LONG_AHEAD || t->mem.stale || t->mem.in)
		return 0;
	trap = t->k->trap_ops;
	return trap->can_ahead && trap->can_ahead(t->thread) ? TRAP_COPY_MAX : 0;
}

void uio_ahead(struct uio *u, size_t size)
{
	struct task *t = u->task;
	u64 addr;

	size = min(size, u->left);
	if (!size || !uio_pieces(u))
		return;
	addr = uio_piece(u, &size);
	if (user_readable(t, addr, size) == size)
		t->k->trap_ops->ahead(t->thread, addr, size);
}

long uio_zero(struct uio *u, size_t size)
{
	static const char zeros[16384];
	size_t moved = 0;

	size = min(size, u->left);
	while (moved < size) {
		long n = uio_to_user(u, zeros, min(size - moved, sizeof zeros));

		if (n <= 0)
			return moved ? (long)moved : n;
		moved += (size_t)n;
	}
	return (long)moved;
}

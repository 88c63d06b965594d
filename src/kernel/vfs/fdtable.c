/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables: arrays that grow, with a byte per descriptor for close-on-exec. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "vfs/dnotify.h"
#include "vfs/donate.h"
#include "vfs/inode.h"
#include "vfs/lock.h"

#define FIRST_FDS 64
#define MOST_FDS  (1 << 30) /* whatever the limit is: tables double, and are counted in ints */

struct fdtable {
	struct kernel *k;
	u64 id;
	int refs;
	int size;     /* slots */
	int low_free; /* no free one below */
	struct file **files;
	u8 *cloexec;
};

static int grow(struct fdtable *ft, int want)
{
	int size = ft->size ? ft->size : FIRST_FDS;
	struct file **files;
	u8 *cloexec;

	while (size < want)
		size *= 2;
	files = realloc(ft->files, (size_t)size * sizeof(struct file *));
	if (!files)
		return -ENOMEM;
	ft->files = files;
	cloexec = realloc(ft->cloexec, (size_t)size);
	if (!cloexec)
		return -ENOMEM;
	ft->cloexec = cloexec;
	memset(files + ft->size, 0, (size_t)(size - ft->size) * sizeof(struct file *));
	memset(cloexec + ft->size, 0, (size_t)(size - ft->size));
	ft->size = size;
	return 0;
}

struct fdtable *fdtable_new(struct kernel *k)
{
	struct fdtable *ft = calloc(1, sizeof *ft);

	if (!ft)
		return NULL;
	ft->k = k;
	ft->id = ++k->fdtables;
	ft->refs = 1;
	if (grow(ft, 1)) {
		free(ft->files);
		free(ft);
		return NULL;
	}
	object_count(k, "fdtable", 1);
	return ft;
}

struct fdtable *fdtable_get(struct fdtable *ft)
{
	ft->refs++;
	return ft;
}

struct fdtable *fdtable_copy(struct fdtable *ft)
{
	struct fdtable *n = fdtable_new(ft->k);

	if (!n)
		return NULL;
	if (grow(n, ft->size)) {
		fdtable_put(n);
		return NULL;
	}
	for (int fd = 0; fd < ft->size; fd++) {
		n->files[fd] = ft->files[fd] ? file_get(ft->files[fd]) : NULL;
		n->cloexec[fd] = ft->cloexec[fd];
	}
	n->low_free = ft->low_free;
	return n;
}

/* What close() of one descriptor does besides dropping the reference: all record locks of the table on that file go, unless
 * it was but a place (O_PATH). */
static void close_file(struct fdtable *ft, struct file *f, int fd)
{
	if (f->donated)
		donate_unnamed(f, ft, fd);
	if (!(f->flags & O_PATH)) {
		locks_release_owner(f, ft);
		file_dnotify_end(f, ft);
	}
	if (f->ops->flush)
		f->ops->flush(f);
	file_put(f);
}

u64 fdtable_id(const struct fdtable *ft)
{
	return ft->id;
}

bool fdtable_shared(const struct fdtable *ft)
{
	return ft->refs > 1;
}

void fdtable_put(struct fdtable *ft)
{
	if (!ft || --ft->refs)
		return;
	for (int fd = 0; fd < ft->size; fd++)
		if (ft->files[fd])
			close_file(ft, ft->files[fd], fd);
	object_count(ft->k, "fdtable", -1);
	free(ft->files);
	free(ft->cloexec);
	free(ft);
}

int fdtable_exec(struct task *t)
{
	struct fdtable *ft = t->files;

	if (ft->refs > 1) {
		struct fdtable *own = fdtable_copy(ft);

		if (!own)
			return -ENOMEM;
		fdtable_put(ft);
		t->files = ft = own;
	}
	for (int fd = 0; fd < ft->size; fd++)
		if (ft->files[fd] && ft->cloexec[fd])
			fd_close(t, fd);
	return 0;
}

static int limit(struct task *t)
{
	u64 soft = t->k->ops.limit(t, RLIMIT_NOFILE);

	return (int)min(soft, (u64)MOST_FDS);
}

static int lowest_free(struct task *t, int from)
{
	struct fdtable *ft = t->files;
	int fd = max(from, ft->low_free);

	while (fd < ft->size && ft->files[fd])
		fd++;
	return fd >= limit(t) ? -EMFILE : fd;
}

int fd_room(struct task *t)
{
	return min(lowest_free(t, 0), 0);
}

/* No descriptor for @f, whose reference came with the call. */
static int turn_away(struct file *f, int err)
{
	file_put(f);
	return err;
}

int fd_install_from(struct task *t, struct file *f, bool cloexec, int from)
{
	struct fdtable *ft = t->files;
	int fd = lowest_free(t, from);

	if (fd < 0)
		return turn_away(f, fd);
	if (fd >= ft->size && grow(ft, fd + 1))
		return turn_away(f, -ENOMEM);
	ft->files[fd] = f;
	ft->cloexec[fd] = cloexec;
	if (from <= ft->low_free)
		ft->low_free = fd + 1;
	if (f->donated)
		donate_named(f, t, fd);
	return fd;
}

int fd_install(struct task *t, struct file *f, bool cloexec)
{
	return fd_install_from(t, f, cloexec, 0);
}

int fd_install_pair(struct task *t, struct file *const ends[2], bool cloexec, u64 addr)
{
	int fds[2], err;

	fds[0] = fd_install(t, ends[0], cloexec);
	if (fds[0] < 0) {
		file_put(ends[1]);
		return fds[0];
	}
	fds[1] = fd_install(t, ends[1], cloexec);
	err = fds[1] < 0 ? fds[1] : user_write(t, addr, fds, sizeof fds);
	if (err >= 0)
		return 0;
	fd_close(t, fds[0]);
	if (fds[1] >= 0)
		fd_close(t, fds[1]);
	return err;
}

int fd_install_at(struct task *t, struct file *f, bool cloexec, int fd)
{
	struct fdtable *ft = t->files;
	struct file *old;

	if (fd < 0 || fd >= limit(t))
		return turn_away(f, -EBADF);
	if (fd >= ft->size && grow(ft, fd + 1))
		return turn_away(f, -ENOMEM);
	old = ft->files[fd];
	ft->files[fd] = f;
	ft->cloexec[fd] = cloexec;
	if (old)
		close_file(ft, old, fd);
	if (f->donated)
		donate_named(f, t, fd);
	return fd;
}

int fd_get_path(struct task *t, int fd, struct file **out)
{
	struct fdtable *ft = t->files;

	if (fd < 0 || fd >= ft->size || !ft->files[fd])
		return -EBADF;
	*out = file_get(ft->files[fd]);
	return 0;
}

int fd_get(struct task *t, int fd, struct file **out)
{
	struct file *f;
	int err = fd_get_path(t, fd, &f);

	if (err)
		return err;
	if (f->flags & O_PATH) {
		file_put(f);
		return -EBADF;
	}
	*out = f;
	return 0;
}

int fd_close(struct task *t, int fd)
{
	struct fdtable *ft = t->files;
	struct file *f;

	if (fd < 0 || fd >= ft->size || !ft->files[fd])
		return -EBADF;
	f = ft->files[fd];
	ft->files[fd] = NULL;
	ft->low_free = min(ft->low_free, fd);
	close_file(ft, f, fd);
	return 0;
}

int fdtable_size(const struct fdtable *ft)
{
	return ft->size;
}

bool fd_cloexec(struct fdtable *ft, int fd)
{
	return fd >= 0 && fd < ft->size && ft->cloexec[fd];
}

void fd_set_cloexec(struct fdtable *ft, int fd, bool on)
{
	if (fd >= 0 && fd < ft->size)
		ft->cloexec[fd] = on;
}

int fdtable_next(struct fdtable *ft, int fd, struct file **out)
{
	for (fd = max(fd, 0); fd < ft->size; fd++) {
		if (ft->files[fd]) {
			*out = ft->files[fd];
			return fd;
		}
	}
	return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Donated files: given to a guest's stub, named, taken back. */
#include "vfs/donate.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/file.h"
#include "vfs/notify.h"

#define MAX_DONATED 256 /* of a sandbox: each takes a descriptor of husk's */
#define MAX_NAMES   8   /* descriptors of one file: others have it taken back */
#define MAX_BACKOFF 10

/* An address space that has been given files, by one descriptor table for good: others that run on it ask the kernel. */
struct donee {
	u64 table;
	struct list given; /* struct donated, the oldest first */
};

struct donated {
	struct file *file; /* borrowed: it owns this */
	struct trap_space *space;
	struct list on_vfs, on_donee;
	struct hostfd fd; /* owned; none: the offset is the kernel's, the stub reads at others */
	u32 number;
	u32 device; /* TRAP_DEVICE_*: no file of the host's, and no number */
	int nnames;
	short names[MAX_NAMES]; /* the guest's descriptors */
};

/* The offset of the host's open file, taken away from who might still use it: they find nothing there. */
static u64 take_offset(struct hostfd fd)
{
	off_t pos = lseek(fd.fd, TRAP_OFFSET_TAKEN, SEEK_CUR);

	return (u64)(pos >= 0 ? pos - TRAP_OFFSET_TAKEN : lseek(fd.fd, 0, SEEK_CUR));
}

/* The more often, the later again. */
static void put_off(struct file *f)
{
	f->taken = (u8)min(f->taken + 1, MAX_BACKOFF);
	f->donate_at = f->uses + (DONATE_AFTER << f->taken);
}

void file_take_back(struct file *f)
{
	struct donated *d = f->donated;
	const struct trap_ops *ops = f->k->trap_ops;

	f->donated = NULL;
	while (d->nnames)
		ops->donate_unname(d->space, d->names[--d->nnames]);
	if (hostfd_valid(d->fd))
		f->pos = take_offset(d->fd);
	if (!d->device)
		ops->donate_end(d->space, d->number);
	host_close(&d->fd);
	list_del(&d->on_vfs);
	list_del(&d->on_donee);
	f->k->vfs->ndonated--;
	free(d);
	put_off(f);
}

/* What a stub does with @f by itself. */
static u32 events_of(const struct file *f)
{
	return f->ops->device ? IN_ACCESS | IN_MODIFY : IN_ACCESS;
}

/* Whether @t's filters always allow what its stub would do without asking them. */
static bool may_read(const struct task *t)
{
	return !t->seccomp_mode ||
	       (t->allowed.known && t->allowed.chain == t->seccomp && t->allowed.mode == t->seccomp_mode &&
		(t->allowed.ways & SHORT_DONATED) == SHORT_DONATED);
}

/* Whether @t's address space may be given files by its descriptor table. */
static bool may_have(struct task *t)
{
	struct trap_space *space = t->thread->space;

	return t->k->trap_ops->donate && !space->no_files && !t->k->tracer && !t->trace && may_read(t) &&
	       !t->vfork_parent && (!space->donee || space->donee->table == fdtable_id(t->files));
}

static struct donee *donee_get(struct task *t)
{
	struct trap_space *space = t->thread->space;

	if (!space->donee) {
		space->donee = calloc(1, sizeof *space->donee);
		if (!space->donee)
			return NULL;
		space->donee->table = fdtable_id(t->files);
		list_init(&space->donee->given);
	}
	return space->donee;
}

/* Opens @d->file for it, with its offset if that can be the host's: 0 or -errno. */
static int open_for(struct donated *d)
{
	struct file *f = d->file;
	int err = f->ops->donate(f, &d->fd);

	if (err || file_writable(f))
		return err;
	/* Where the host's file system knows no such offset it could not be taken back. */
	if (f->pos < TRAP_OFFSET_TAKEN && lseek(d->fd.fd, TRAP_OFFSET_TAKEN + (off_t)f->pos, SEEK_SET) >= 0 &&
	    lseek(d->fd.fd, (off_t)f->pos, SEEK_SET) == (off_t)f->pos)
		return 0;
	host_close(&d->fd);
	return -EOPNOTSUPP;
}

/* What a stub may do with the device @f, as it is open. */
static u32 device_of(const struct file *f)
{
	return f->ops->device &
	       ((file_writable(f) ? TRAP_DEVICE_SINK : 0) | (file_readable(f) ? TRAP_DEVICE_ZEROS : 0));
}

/* Gives the space a descriptor of @d->fd, as @d->number. */
static int give_number(struct donated *d, struct donee *donee)
{
	const struct trap_ops *ops = d->file->k->trap_ops;
	int err = ops->donate(d->space, d->fd, &d->number);

	while (err == -ENOSPC && !list_empty(&donee->given)) {
		file_take_back(list_first(&donee->given, struct donated, on_donee)->file);
		err = ops->donate(d->space, d->fd, &d->number);
	}
	if (!err && file_writable(d->file))
		host_close(&d->fd);
	return err;
}

static int give(struct donated *d, struct donee *donee)
{
	struct vfs *vfs = d->file->k->vfs;
	int err;

	if (vfs->ndonated >= MAX_DONATED)
		file_take_back(list_first(&vfs->donated, struct donated, on_vfs)->file);
	err = d->device ? 0 : give_number(d, donee);
	if (err)
		return err;
	list_add_tail(&vfs->donated, &d->on_vfs);
	list_add_tail(&donee->given, &d->on_donee);
	vfs->ndonated++;
	d->file->donated = d;
	return 0;
}

static void name(struct donated *d, int fd)
{
	if (fd >= TRAP_DONATED_FDS || d->nnames == MAX_NAMES)
		return;
	d->names[d->nnames++] = (short)fd;
	if (d->device)
		d->file->k->trap_ops->donate_device(d->space, fd, d->device);
	else
		d->file->k->trap_ops->donate_name(d->space, fd, d->number, !hostfd_valid(d->fd));
}

/* All of @t's descriptors for the file. */
static void name_all(struct donated *d, struct task *t)
{
	struct file *f;

	for (int fd = 0; (fd = fdtable_next(t->files, fd, &f)) >= 0; fd++)
		if (f == d->file)
			name(d, fd);
}

/* Linux: /proc/PID/io counts every read. Here: those that a stub makes by itself are missing, because only the guest could
 * count them. */
void donate_use(struct task *t, int fd, struct file *f)
{
	struct donated *d;
	struct donee *donee;
	u32 device = device_of(f);
	int err;

	f->donate_at = f->uses + DONATE_AFTER;
	if (f->donated || f->moving || fd >= TRAP_DONATED_FDS || !may_have(t) ||
	    !(f->ops->device ? device != 0 : file_readable(f)) || notify_wants(f, events_of(f)))
		return;
	donee = donee_get(t);
	d = donee ? calloc(1, sizeof *d) : NULL;
	if (!d)
		return;
	d->file = f;
	d->space = t->thread->space;
	d->fd = HOSTFD_NONE;
	d->device = device;
	err = device ? 0 : open_for(d);
	if (!err)
		err = give(d, donee);
	if (err) {
		host_close(&d->fd);
		free(d);
		put_off(f);
		return;
	}
	/* Beside the table's one reference the call has one. */
	if (f->refs > 2)
		name_all(d, t);
	else
		name(d, fd);
}

static bool is_about(const struct trap_space *space, const struct fdtable *ft)
{
	return space->donee && space->donee->table == fdtable_id(ft);
}

void donate_named(struct file *f, struct task *t, int fd)
{
	if (f->donated->space == t->thread->space && is_about(f->donated->space, t->files))
		name(f->donated, fd);
}

void donate_unnamed(struct file *f, struct fdtable *ft, int fd)
{
	struct donated *d = f->donated;

	if (!is_about(d->space, ft))
		return;
	for (int i = 0; i < d->nnames; i++) {
		if (d->names[i] != fd)
			continue;
		d->names[i] = d->names[--d->nnames];
		f->k->trap_ops->donate_unname(d->space, fd);
		break;
	}
	if (!d->nnames)
		file_take_back(f);
}

bool donate_serves(const struct task *t)
{
	const struct trap_space *space = t->thread->space;

	return space->donee && !list_empty(&space->donee->given) && is_about(space, t->files);
}

void donate_moved(struct inode *i)
{
	struct donated *d, *next;

	list_for_each_safe (d, next, &i->k->vfs->donated, on_vfs)
		if (d->file->inode == i)
			file_take_back(d->file);
}

void donate_watched(struct kernel *k)
{
	struct donated *d, *next;

	list_for_each_safe (d, next, &k->vfs->donated, on_vfs)
		if (notify_wants(d->file, events_of(d->file)))
			file_take_back(d->file);
}

static void take_back_all(struct trap_space *space)
{
	while (space->donee && !list_empty(&space->donee->given))
		file_take_back(list_first(&space->donee->given, struct donated, on_donee)->file);
}

void donate_forbid(struct task *t)
{
	if (!t->thread)
		return;
	t->thread->space->no_files = true;
	take_back_all(t->thread->space);
}

void donate_space_ends(struct trap_space *space)
{
	take_back_all(space);
	free(space->donee);
	space->donee = NULL;
}

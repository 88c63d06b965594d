/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Donated files: regular files that a guest's stub reads by itself, through a descriptor of the host's.
 *
 * A file that has been read or sought some times is opened once more on the host, for reading alone, and that goes to
 * the guest's process. It is then the business of one address space with one descriptor table (struct donee). As long
 * as it is, the file's own offset is that of the host's open file, and nothing of husk's looks at it: whoever must,
 * the kernel itself (file_pos()) or another process that shares the open file, has it taken back first, in one step
 * that no read of the guest's can come in between. Files open for writing too keep their offset in the kernel: of
 * those the stub answers pread64 alone.
 *
 * Devices that keep nothing (/dev/null, /dev/zero) need neither: the stub is told which descriptors stand for one.
 *
 * Taken back is also a file whose reads (or writes) a watcher wants to hear of, what lies elsewhere from now on, and all of
 * a process that gets a filter of its own which looks at such calls, since the stub's are not subject to it.
 */
#ifndef HUSK_KERNEL_VFS_DONATE_H
#define HUSK_KERNEL_VFS_DONATE_H

#include "core/kernel.h"
#include "vfs/inode.h"

/* Calls after which a file is donated: what they cost as turns is then about what giving it costs. */
#define DONATE_AFTER 12
/* Of this size two are enough: the bytes go by way of the kernel process. */
#define DONATE_BIG 65536

/* @t has read @moved of @size bytes of @f, or sought in it (or written to a device), by its descriptor @fd: which may now be
 * worth donating. */
void donate_use(struct task *t, int fd, struct file *f);
static inline void donate_used(struct task *t, int fd, struct file *f, u64 size, u64 moved)
{
	if (!(f->ops->donate || f->ops->device) || size > TRAP_DONATED_READ)
		return;
	f->uses += size >= DONATE_BIG && moved == size ? DONATE_AFTER / 2 : 1;
	if (f->uses >= f->donate_at)
		donate_use(t, fd, f);
}
/* The donated @f has got the descriptor @fd of @t's table; loses @fd of @ft. */
void donate_named(struct file *f, struct task *t, int fd);
void donate_unnamed(struct file *f, struct fdtable *ft, int fd);
/* Whether @t's calls are about what its address space has been given. */
bool donate_serves(const struct task *t);
/* Reads of @i are husk's business again for a while: its bytes are about to be somewhere else. */
void donate_moved(struct inode *i);
/* Some watch has begun, or a name has moved: of what is donated, files whose reads somebody wants to hear of are taken
 * back. */
void donate_watched(struct kernel *k);
/* @t's address space is never given anything any more. */
void donate_forbid(struct task *t);
/* @space is about to go. */
void donate_space_ends(struct trap_space *space);

#endif

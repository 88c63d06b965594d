/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of descriptors behind a call (channel/known.h).
 *
 * Behind a call that has made a descriptor or was about one, programs ask for its flags, list the end of a directory, and
 * close it. That is told with the answer, so that it takes no turn. It holds while no other guest thread runs: whatever
 * could be seen of a close that the kernel has not heard of, or could change what was told, takes somebody else who runs,
 * and it is taken back before anybody is let go. What would happen without anybody running is left out: whoever waits for
 * a lock on the file, or watches it, is to hear of its closing at once, and so is the last user of a pipe. So it is
 * regular files and directories, open for reading, without locks.
 */
#include "task/known.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "vfs/inode.h"

/* Which argument of a call is a descriptor, plus 1; MADE: its result is. */
#define MADE 7
static const u8 about[] = {
	[SYS_read] = 1,      [SYS_open] = MADE, [SYS_close] = 0,      [SYS_fstat] = 1,
	[SYS_mmap] = 5,      [SYS_pread64] = 1, [SYS_readv] = 1,      [SYS_dup] = MADE,
	[SYS_fcntl] = 1,     [SYS_fstatfs] = 1, [SYS_getdents64] = 1, [SYS_fadvise64] = 1,
	[SYS_openat] = MADE, [SYS_statx] = 1,   [SYS_newfstatat] = 1, [SYS_openat2] = MADE,
};

/* Whether nobody but the table's user could tell that @f has been closed. */
static bool closes_quietly(const struct file *f)
{
	const struct inode *i = f->inode;

	return i && (i->type == S_IFREG || i->type == S_IFDIR) && !file_writable(f) && !f->donated &&
	       !f->async && !f->dnotify && !f->ops->flush && !f->runs && f->path &&
	       !f->path->dentry->unlinked && list_empty(&i->locks) && list_empty(&f->epoll_items);
}

static struct file *file_at(struct task *t, int fd)
{
	struct file *f;

	return fd >= 0 && fdtable_next(t->files, fd, &f) == fd ? f : NULL;
}

/* The descriptors that the call was about, the one that it has made first. */
static void find(const struct task *t, long result, int fd[2])
{
	const struct call *c = &t->call;
	u32 arg = c->nr < ARRAY_SIZE(about) ? about[c->nr] : 0;

	fd[0] = fd[1] = -1;
	if (arg == MADE)
		fd[0] = (int)result;
	else if (arg)
		fd[0] = (int)c->arg[arg - 1];
	if (c->nr == SYS_fcntl && ((int)c->arg[1] == F_DUPFD || (int)c->arg[1] == F_DUPFD_CLOEXEC)) {
		fd[1] = fd[0];
		fd[0] = (int)result;
	}
}

/* kernel_ops.known_tell */
static void known_tell(struct task *t)
{
	struct trap_known *known = &t->thread->known;
	bool listed = known->bits & KNOWN_LISTED;
	struct file *f;

	known->bits = 0;
	if (!t->returning_call || (long)t->thread->regs.rax < 0 ||
	    (t->thread->short_ways & SHORT_KNOWN) != SHORT_KNOWN || t->k->vfs->nmarks)
		return;
	find(t, (long)t->thread->regs.rax, known->fd);
	f = file_at(t, known->fd[0]);
	if (!f)
		return;
	known->flags = file_status_flags(f);
	known->bits = (u8)(KNOWN_FLAGS | (fd_cloexec(t->files, known->fd[0]) ? KNOWN_CLOEXEC : 0) |
			   (listed ? KNOWN_LISTED : 0) | (closes_quietly(f) ? KNOWN_CLOSE_0 : 0));
	f = file_at(t, known->fd[1]);
	if (f && closes_quietly(f))
		known->bits |= KNOWN_CLOSE_1;
	t->k->lent = t;
}

/* kernel_ops.known_closed */
static void known_closed(struct task *t)
{
	struct trap_thread *th = t->thread;

	for (int i = 0; i < 2; i++)
		if (th->closed & KNOWN_CLOSE_0 << i)
			fd_close(t, th->known.fd[i]);
	th->closed = 0;
}

/* kernel_ops.known_end */
static void known_end(struct kernel *k)
{
	struct task *t = k->lent;

	k->lent = NULL;
	if (!t->thread || t->thread->space->dead)
		return;
	t->thread->closed = k->trap_ops->known_take(t->thread);
	known_closed(t);
}

void known_forget(struct task *t)
{
	if (t->k->lent == t)
		t->k->lent = NULL;
}

void known_init(struct kernel *k)
{
	k->ops.known_tell = known_tell;
	k->ops.known_end = known_end;
	k->ops.known_closed = known_closed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl(2): what holds for every file, and job control on terminals; the rest is the file's own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "core/task.h"
#include "fs/hostio.h"
#include "fs/pty.h"
#include "sys/files.h"
#include "task/life.h"
#include "task/ctty.h"
#include "task/signal.h"
#include "task/task_ops.h"
#include "vfs/async.h"
#include "vfs/inode.h"

/* Linux 6.9 */
#define HUSK_FS_IOC_GETFSUUID      0x80111500u
#define HUSK_FS_IOC_GETFSSYSFSPATH 0x80811501u

typedef long ioctl_fn(struct task *t, struct file *f, int fd, u64 arg);

/* ---- every file ---- */

static long set_cloexec(struct task *t, struct file *f, int fd, u64 arg)
{
	fd_set_cloexec(t->files, fd, true);
	return 0;
}

static long clear_cloexec(struct task *t, struct file *f, int fd, u64 arg)
{
	fd_set_cloexec(t->files, fd, false);
	return 0;
}

static long set_nonblock(struct task *t, struct file *f, int fd, u64 arg)
{
	int on;
	long err = user_get(t, &on, arg);

	if (err < 0)
		return err;
	f->flags = on ? f->flags | O_NONBLOCK : f->flags & ~(u32)O_NONBLOCK;
	return 0;
}

static long set_async(struct task *t, struct file *f, int fd, u64 arg)
{
	int on;
	long err = user_get(t, &on, arg);

	if (err < 0)
		return err;
	if (!on == !(f->flags & O_ASYNC))
		return 0;
	return file_can_async(f) ? file_set_async(f, fd, on) : -ENOTTY;
}

static long block_size(struct task *t, struct file *f, int fd, u64 arg)
{
	struct kstat st;
	int err = file_getattr(f, &st), size;

	if (err)
		return err;
	size = (int)st.blksize;
	return user_put(t, arg, &size);
}

static bool is_regular(const struct file *f)
{
	return f->inode && f->inode->type == S_IFREG && !inode_is_pidfd(f->inode);
}

/* What the file takes, rounded as st_blocks is. */
static long whole_size(struct task *t, struct file *f, int fd, u64 arg)
{
	struct kstat st;
	int err = file_getattr(f, &st);
	s64 bytes;

	if (err)
		return err;
	if (!is_regular(f) && !(f->inode && f->inode->type == S_IFDIR))
		return -ENOTTY;
	bytes = f->inode->type == S_IFREG ? (s64)st.blocks * 512 : 0;
	return user_put(t, arg, &bytes);
}

/* Blocks on a disk are nothing that a guest could use: as on a file system without them. */
static long map_block(struct task *t, struct file *f, int fd, u64 arg)
{
	if (!is_regular(f))
		return -ENOTTY;
	return capable(t, CAP_SYS_RAWIO) ? -EINVAL : -EPERM;
}

/* Sharing of blocks between files: the checks of Linux, then what file systems answer that have none; programs copy
 * then. */
static long clone_from(struct task *t, struct file *to, int from_fd)
{
	struct file *from;
	long err = fd_get(t, from_fd, &from);

	if (err)
		return err;
	if ((from->inode ? from->inode->sb : NULL) != (to->inode ? to->inode->sb : NULL))
		err = -EXDEV;
	else if (!from->inode || !to->inode)
		err = from->inode == to->inode ? -EINVAL : -EXDEV;
	else if (from->inode->type == S_IFDIR || to->inode->type == S_IFDIR)
		err = -EISDIR;
	else if (from->inode->type != S_IFREG || to->inode->type != S_IFREG)
		err = -EINVAL;
	else if (!file_readable(from) || !file_writable(to) || to->flags & O_APPEND)
		err = -EBADF;
	else
		err = -EOPNOTSUPP;
	file_put(from);
	return err;
}

static long clone_file(struct task *t, struct file *f, int fd, u64 arg)
{
	return clone_from(t, f, (int)arg);
}

static long clone_range(struct task *t, struct file *f, int fd, u64 arg)
{
	struct file_clone_range range;
	long err = user_get(t, &range, arg);

	return err ? err : clone_from(t, f, (int)range.src_fd);
}

/* Nothing shares blocks here, and they lie nowhere; what is wrong with the request comes first (fs/remap_range.c:
 * vfs_dedupe_file_range()). */
static long share_blocks(struct task *t, struct file *f, int fd, u64 arg)
{
	struct file_dedupe_range range;
	long err = user_get(t, &range, arg);
	size_t size;

	if (err)
		return err;
	size = sizeof range + range.dest_count * sizeof range.info[0];
	if (size > PAGE_SIZE)
		return -ENOMEM;
	if (user_readable(t, arg, size) < size)
		return -EFAULT;
	if (!file_readable(f) || range.reserved1 || range.reserved2)
		return -EINVAL;
	if (f->inode && f->inode->type == S_IFDIR)
		return -EISDIR;
	return f->inode && f->inode->type == S_IFREG && file_readable(f) ? -EOPNOTSUPP : -EINVAL;
}

static long map_extents(struct task *t, struct file *f, int fd, u64 arg)
{
	return -EOPNOTSUPP;
}

/* What is left of a regular file; -ENOTTY for all others, which know better themselves. */
static long bytes_left(struct task *t, struct file *f, u64 arg)
{
	struct kstat st;
	int n;

	if (!is_regular(f) || file_getattr(f, &st) < 0)
		return -ENOTTY;
	n = st.size - (s64)*file_pos(f);
	return user_put(t, arg, &n);
}

/* What file systems say of themselves, as by one without a name of that kind. */
static long no_name(struct task *t, struct file *f, int fd, u64 arg)
{
	return -ENOTTY;
}

static const struct {
	u32 cmd;
	ioctl_fn *fn;
	bool passed_on; /* to the file, which may have another word for -ENOTTY */
} generic[] = {
	{FIOCLEX, set_cloexec},
	{FIONCLEX, clear_cloexec},
	{FIONBIO, set_nonblock},
	{FIOASYNC, set_async},
	{FIGETBSZ, block_size},
	{FIOQSIZE, whole_size},
	{FIBMAP, map_block, true},
	{FICLONE, clone_file},
	{FICLONERANGE, clone_range},
	{FIDEDUPERANGE, share_blocks},
	{FS_IOC_FIEMAP, map_extents},
	{HUSK_FS_IOC_GETFSUUID, no_name},
	{HUSK_FS_IOC_GETFSSYSFSPATH, no_name},
	{FS_IOC_GETFLAGS, ioctl_get_flags, true},
	{FS_IOC_SETFLAGS, ioctl_set_flags, true},
	{FS_IOC_FSGETXATTR, ioctl_get_xflags, true},
	{FS_IOC_FSSETXATTR, ioctl_set_xflags, true},
};

/* ---- sockets and terminals: who gets their signals ---- */

static bool asks_owner(const struct file *f, u32 cmd)
{
	return (cmd == FIOSETOWN || cmd == SIOCSPGRP || cmd == FIOGETOWN || cmd == SIOCGPGRP) && f->inode &&
	       f->inode->type == S_IFSOCK;
}

static long owner_ioctl(struct task *t, struct file *f, u32 cmd, u64 arg)
{
	int who = (int)file_get_owner(f);
	long err;

	if (cmd == FIOGETOWN || cmd == SIOCGPGRP)
		return user_put(t, arg, &who);
	err = user_get(t, &who, arg);
	return err ? err : file_set_owner(t, f, who);
}

/* ---- terminals ---- */

static long get_pgrp(struct task *t, struct file *f, int fd, u64 arg)
{
	struct tty *tty = file_tty(f);

	if (!pty_is_master(f) && task_ctty(t) != tty)
		return -ENOTTY;
	return user_put(t, arg, &tty->pgid);
}

static bool pgrp_in_session(struct kernel *k, int pgid, int sid, bool *exists)
{
	struct thread_group *g;

	*exists = false;
	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		if (g->pgid != pgid)
			continue;
		*exists = true;
		if (g->sid == sid)
			return true;
	}
	return false;
}

static long set_pgrp(struct task *t, struct file *f, int fd, u64 arg)
{
	struct tty *tty = file_tty(f);
	bool exists;
	int pgid;
	long err;

	if (task_ctty(t) != tty || tty->sid != t->group->sid)
		return -ENOTTY;
	err = user_get(t, &pgid, arg);
	if (err < 0)
		return err;
	err = ctty_check_change(t, tty);
	if (err < 0)
		return err;
	if (pgid < 0)
		return -EINVAL;
	if (!pgrp_in_session(t->k, pgid, tty->sid, &exists))
		return exists ? -EPERM : -ESRCH;
	tty->pgid = pgid;
	return 0;
}

static long get_sid(struct task *t, struct file *f, int fd, u64 arg)
{
	struct tty *tty = file_tty(f);

	if (pty_is_master(f) ? !tty->sid : task_ctty(t) != tty)
		return -ENOTTY;
	return user_put(t, arg, &tty->sid);
}

static long take_ctty(struct task *t, struct file *f, int fd, u64 arg)
{
	struct tty *tty = file_tty(f);
	struct thread_group *g = t->group;

	if (g->session_leader && task_ctty(t) == tty)
		return 0;
	if (!g->session_leader || g->ctty)
		return -EPERM;
	if (tty->sid) {
		/* Stealing is for CAP_SYS_ADMIN, by argument 1. */
		if (arg != 1 || !capable(t, CAP_SYS_ADMIN))
			return -EPERM;
		ctty_clear(t->k, tty);
	}
	ctty_set(g, tty);
	return 0;
}

static long drop_ctty(struct task *t, struct file *f, int fd, u64 arg)
{
	struct tty *tty = file_tty(f);
	siginfo_t info;

	if (pty_is_master(f) || task_ctty(t) != tty)
		return -ENOTTY;
	if (!t->group->session_leader) {
		t->group->ctty = NULL;
		return 0;
	}
	info = signal_info(SIGHUP, SI_KERNEL);
	signal_send_pgrp(t->k, tty->pgid, &info);
	info = signal_info(SIGCONT, SI_KERNEL);
	signal_send_pgrp(t->k, tty->pgid, &info);
	ctty_clear(t->k, tty);
	return 0;
}

static long refuse(struct task *t, struct file *f, int fd, u64 arg)
{
	/* TIOCSTI would type into the caller's shell, TIOCCONS take the host's console. */
	return call_refuse(t, -EPERM);
}

static const struct {
	u32 cmd;
	ioctl_fn *fn;
} terminal[] = {
	{TIOCGPGRP, get_pgrp},  {TIOCSPGRP, set_pgrp},  {TIOCGSID, get_sid},
	{TIOCSCTTY, take_ctty}, {TIOCNOTTY, drop_ctty}, {TIOCSTI, refuse},
	{TIOCCONS, refuse},     {TIOCSETD, refuse},     {TIOCVHANGUP, refuse},
};

/* Changes of a terminal that a background process is stopped for. */
static bool changes_tty(u32 cmd)
{
	switch (cmd) {
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case 0x402c542b: /* TCSETS2, TCSETSW2, TCSETSF2 */
	case 0x402c542c:
	case 0x402c542d:
	case TCSBRK:
	case TCSBRKP:
	case TCXONC:
	case TCFLSH:
		return true;
	}
	return false;
}

static long do_ioctl(struct task *t, struct file *f, int fd, u32 cmd, u64 arg)
{
	struct tty *tty = file_tty(f);
	long err;

	for (size_t i = 0; i < ARRAY_SIZE(generic); i++) {
		if (generic[i].cmd != cmd)
			continue;
		err = generic[i].fn(t, f, fd, arg);
		if (err != -ENOTTY || !generic[i].passed_on)
			return err;
	}
	if (asks_owner(f, cmd))
		return owner_ioctl(t, f, cmd, arg);
	if (tty) {
		for (size_t i = 0; i < ARRAY_SIZE(terminal); i++)
			if (terminal[i].cmd == cmd)
				return terminal[i].fn(t, f, fd, arg);
		err = changes_tty(cmd) && !pty_is_master(f) ? ctty_check_change(t, tty) : 0;
		if (err < 0)
			return err;
	}
	err = f->ops->ioctl ? f->ops->ioctl(f, t, cmd, arg) : -ENOTTY;
	return err == -ENOTTY && cmd == FIONREAD ? bytes_left(t, f, arg) : err;
}

long sys_ioctl(struct task *t, struct call *c)
{
	/* One that waits (a seccomp listener's) goes on with its file, whatever becomes of the descriptor. */
	long r = c->file ? 0 : fd_get(t, (int)c->arg[0], &c->file);

	return r < 0 ? r : do_ioctl(t, c->file, (int)c->arg[0], (u32)c->arg[1], c->arg[2]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Process descriptors (pidfd_open(2)): a file that holds a group and becomes readable when that ends. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "task/life.h"
#include "task/proc_pid.h"
#include "vfs/anon.h"
#include "vfs/simple.h"
#include "vfs/xattr.h"

#define PIDFS_DEV 5 /* a device without a name, as on Linux */

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct thread_group *g = f->priv;

	poll_wait(pt, &g->exit_wait);
	return g->zombie ? EPOLLIN | EPOLLRDNORM : 0;
}

static void pidfd_release(struct file *f)
{
	group_put(f->priv);
}

static void pidfd_show(struct file *f, struct text *out)
{
	struct thread_group *g = f->priv;
	int pid = g->zombie && list_empty(&g->threads) ? -1 : g->tgid;

	text_add(out, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_ops;

/* ---- what is told of the process: PIDFD_GET_INFO and its relatives (fs/pidfs.c: pidfd_ioctl()) ---- */

#define PIDFD_TYPE     0xff
#define PIDFD_NR_FIRST 1 /* PIDFD_GET_CGROUP_NAMESPACE */
#define PIDFD_NR_LAST  10
#define PIDFD_NR_INFO  11

#define INFO_PID      1u
#define INFO_CREDS    2u
#define INFO_CGROUPID 4u
#define INFO_EXIT     8u
#define INFO_SMALLEST 64u /* Linux 6.13 */

/* struct pidfd_info (linux/pidfd.h) */
struct info {
	u64 mask, cgroupid;
	u32 pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	s32 exit_code;
	u32 coredump_mask, spare;
};

/* All processes are in the cgroup that is the root. */
static void info_cgroup(struct info *info)
{
	info->cgroupid = 1;
	info->mask |= INFO_CGROUPID;
}

static void info_process(struct info *info, const struct thread_group *g)
{
	const struct cred *c = g->leader->cred;

	info->mask |= INFO_PID | INFO_CREDS;
	info_cgroup(info);
	info->pid = info->tgid = (u32)g->tgid;
	info->ppid = (u32)(g->parent ? g->parent->tgid : HUSK_INIT_PID);
	info->ruid = c->uid;
	info->rgid = c->gid;
	info->euid = c->euid;
	info->egid = c->egid;
	info->suid = c->suid;
	info->sgid = c->sgid;
	info->fsuid = c->fsuid;
	info->fsgid = c->fsgid;
}

static long get_info(struct task *t, const struct thread_group *g, u32 size, u64 addr)
{
	char zero[64] = {0};
	struct info info = {0};
	u64 asked;
	long err;

	if (!addr)
		return -EINVAL;
	err = user_get(t, &asked, addr);
	if (err)
		return err;
	if (!g->leader && !(asked & INFO_EXIT))
		return -ESRCH;
	if (!g->leader) {
		info.exit_code = g->exit_status;
		info.mask |= INFO_EXIT;
		info_cgroup(&info);
	} else {
		info_process(&info, g);
	}
	err = user_write(t, addr, &info, min((size_t)size, sizeof info));
	for (u64 at = sizeof info; !err && at < size; at += sizeof zero)
		err = user_write(t, addr + at, zero, min((size_t)(size - at), sizeof zero));
	return err;
}

/* There is one of each kind, for everybody. */
static long get_namespace(struct task *t, const struct thread_group *g, u32 kind, u64 arg)
{
	/* In the order of PIDFD_GET_*_NAMESPACE. */
	static const char *const names[] = {
		"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children",
		"user",   "uts"};

	if (!g->leader)
		return -ESRCH;
	if (arg)
		return -EINVAL;
	if (!proc_may_read(t, g->leader))
		return -EACCES;
	return g->zombie ? -ESRCH : namespace_fd(t, names[kind]);
}

static long pidfd_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	struct thread_group *g = f->priv;
	u32 generation = 0;

	if (cmd == FS_IOC_GETVERSION)
		return arg ? user_put(t, arg, &generation) : -EINVAL;
	if (_IOC_TYPE(cmd) != PIDFD_TYPE)
		return -ENOTTY;
	if (_IOC_NR(cmd) == PIDFD_NR_INFO && _IOC_SIZE(cmd) >= INFO_SMALLEST)
		return get_info(t, g, _IOC_SIZE(cmd), arg);
	if (_IOC_DIR(cmd) || _IOC_SIZE(cmd) || _IOC_NR(cmd) < PIDFD_NR_FIRST || _IOC_NR(cmd) > PIDFD_NR_LAST)
		return -ENOTTY;
	return get_namespace(t, g, _IOC_NR(cmd) - PIDFD_NR_FIRST, arg);
}

/* ---- a file system of its own, in which a process is a file (fs/pidfs.c) ---- */

/* The process as a file. Kept by its group, and beyond that by who has it open by name alone. */
struct pidfs_node {
	struct thread_group *group; /* borrowed; NULL: nobody can open it any more */
	struct xattrs xattrs;
	bool asked; /* to change them, once */
};

/* It has no type for who asks. */
static int node_getattr(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){.dev = PIDFS_DEV, .ino = i->ino, .mode = 0700, .nlink = 1, .blksize = PAGE_SIZE};
	return 0;
}

static int node_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct pidfs_node *n = i->priv;
	int err = n->group ? file_of_inode(i, &pidfd_ops, flags, n->group, out) : -ESRCH;

	if (!err)
		group_get(n->group);
	return err;
}

/* As long as nobody has changed any, whichever is asked for is an empty one. */
static long node_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct pidfs_node *n = i->priv;

	return n->asked ? xattrs_get(&n->xattrs, name, buf, size) : 0;
}

static int node_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	struct pidfs_node *n = i->priv;

	n->asked = true;
	return xattrs_set(&n->xattrs, name, value, size, flags);
}

static long node_listxattr(struct inode *i, char *buf, size_t size)
{
	struct pidfs_node *n = i->priv;

	return xattrs_list(&n->xattrs, buf, size);
}

static int node_removexattr(struct inode *i, const char *name)
{
	struct pidfs_node *n = i->priv;

	n->asked = true;
	return xattrs_remove(&n->xattrs, name);
}

static void node_release(struct inode *i)
{
	struct pidfs_node *n = i->priv;

	xattrs_free(&n->xattrs);
	free(n);
}

static const struct inode_ops node_ops = {
	.getattr = node_getattr,
	.setattr = fixed_setattr,
	.open = node_open,
	.xattr_spaces = XATTRS_TRUSTED,
	.getxattr = node_getxattr,
	.setxattr = node_setxattr,
	.listxattr = node_listxattr,
	.removexattr = node_removexattr,
	.release = node_release,
};

static struct inode *group_node(struct thread_group *g)
{
	struct pidfs_node *n;

	if (g->pidfs)
		return g->pidfs;
	n = calloc(1, sizeof *n);
	if (!n)
		return NULL;
	n->group = g;
	g->pidfs = inode_new(g->k, NULL, &node_ops, S_IFREG, ++g->k->anon_ino, n);
	if (!g->pidfs)
		free(n);
	else
		g->pidfs->hollow = true;
	return g->pidfs;
}

void pidfs_group_gone(struct thread_group *g)
{
	if (!g->pidfs)
		return;
	((struct pidfs_node *)g->pidfs->priv)->group = NULL;
	inode_put(g->pidfs);
	g->pidfs = NULL;
}

bool inode_is_pidfd(const struct inode *i)
{
	return i->ops == &node_ops;
}

/* ---- open ones ---- */

static const struct file_ops pidfd_ops = {
	.show = pidfd_show,
	.poll = pidfd_poll,
	.ioctl = pidfd_ioctl,
	.release = pidfd_release,
	.name = "[pidfd]",
};

int pidfd_new(struct thread_group *g, u32 flags, struct file **out)
{
	struct inode *i = group_node(g);
	int err = i ? file_of_inode(i, &pidfd_ops, O_RDWR | flags, g, out) : -ENOMEM;

	if (!err)
		group_get(g);
	return err;
}

struct thread_group *pidfd_group(const struct file *f)
{
	return f->ops == &pidfd_ops ? f->priv : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/ns: the namespaces, of which there is one of each kind (namespaces(7), ioctl_ns(2); fs/nsfs.c).
 *
 * What a link leads to is a file of a tree that is mounted nowhere. It can be opened, to be held and asked about; whether
 * two processes share a namespace is seen by the inode's number.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "task/life.h"
#include "task/proc_pid.h"
#include "vfs/anon.h"
#include "vfs/simple.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

struct namespace
{
	const char *kind;
	u32 ino; /* as Linux numbers its first ones */
	int flag;
};

static const struct namespace namespaces[] = {
	{"cgroup", 4026531835, CLONE_NEWCGROUP}, {"ipc", 4026531839, CLONE_NEWIPC},
	{"mnt", 4026531832, CLONE_NEWNS},        {"net", 4026531833, CLONE_NEWNET},
	{"pid", 4026531836, CLONE_NEWPID},       {"time", 4026531834, CLONE_NEWTIME},
	{"user", 4026531837, CLONE_NEWUSER},     {"uts", 4026531838, CLONE_NEWUTS},
};

/* That of a link's name: pid_for_children is a pid namespace. */
static const struct namespace *namespace_of(const char *name)
{
	size_t len = strcspn(name, "_");

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (strlen(namespaces[i].kind) == len && !memcmp(namespaces[i].kind, name, len))
			return &namespaces[i];
	return NULL;
}

static void namespace_text(const struct namespace *ns, char *text, size_t size)
{
	snprintf(text, size, "%s:[%u]", ns->kind, ns->ino);
}

/* ---- what the links lead to ---- */

static int make_path(struct kernel *k, const struct namespace *ns, struct path *out);

long namespace_fd(struct task *t, const char *name)
{
	struct path p;
	struct file *f;
	long err = make_path(t->k, namespace_of(name), &p);

	if (err)
		return err;
	err = vfs_open_path(t, &p, O_RDONLY, &f);
	path_put(&p);
	return err ? err : fd_install(t, f, true);
}

static long ns_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	const struct namespace *ns = f->inode->priv;
	u32 uid = 0;

	switch (cmd) {
	case NS_GET_NSTYPE:
		return ns->flag;
	case NS_GET_USERNS:
		return ns->flag == CLONE_NEWUSER ? -EPERM : namespace_fd(t, "user");
	case NS_GET_PARENT:
		return ns->flag & (CLONE_NEWUSER | CLONE_NEWPID) ? -EPERM : -EINVAL;
	case NS_GET_OWNER_UID:
		return ns->flag == CLONE_NEWUSER ? user_put(t, arg, &uid) : -EINVAL;
	}
	return -ENOTTY;
}

static const struct file_ops ns_file_ops = {.ioctl = ns_ioctl};

bool file_is_namespace(const struct file *f, u32 *type)
{
	if (f->ops != &ns_file_ops)
		return false;
	*type = (u32)((const struct namespace *)f->inode->priv)->flag;
	return true;
}

static int ns_getattr(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){.dev = makedev(0, 4),
			     .ino = i->ino,
			     .mode = S_IFREG | 0444,
			     .nlink = 1,
			     .blksize = PAGE_SIZE};
	st->atime = st->mtime = st->ctime = (struct timespec){(s64)(i->k->boot_realtime_ns / 1000000000), 0};
	return 0;
}

static int ns_setattr(struct inode *i, const struct iattr *a)
{
	return a->valid ? -EPERM : 0;
}

static int ns_permission(struct inode *i, const struct cred *cred, int mask)
{
	return mask & MAY_WRITE ? -EPERM : 0;
}

static int ns_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	return file_of_inode(i, &ns_file_ops, flags, NULL, out);
}

static const struct inode_ops ns_inode_ops = {
	.getattr = ns_getattr, .setattr = ns_setattr, .permission = ns_permission, .open = ns_open};

static int make_path(struct kernel *k, const struct namespace *ns, struct path *out)
{
	struct inode *i = inode_new(k, NULL, &ns_inode_ops, S_IFREG, ns->ino, (void *)ns);
	char text[40];
	int err;

	if (!i)
		return -ENOMEM;
	i->hollow = true;
	namespace_text(ns, text, sizeof text);
	err = anon_path(i, text, out);
	inode_put(i);
	return err;
}

/* ---- the links ---- */

/* Whether @t may know of them: 0, -ENOENT, -EACCES. */
static int check(struct synth_node *n, struct task *t)
{
	struct task *owner = proc_node_task(n);

	if (n->owner == HUSK_INIT_PID)
		return t && !capable(t, CAP_SYS_PTRACE) ? -EACCES : 0;
	if (!owner)
		return -ENOENT;
	return t && !proc_may_read(t, owner) ? -EACCES : 0;
}

static long ns_readlink(struct synth_node *n, struct task *t, char *buf, size_t size)
{
	const struct namespace *ns = namespace_of(n->entry->name);
	int err = check(n, t);
	char text[40];

	if (err)
		return err;
	namespace_text(ns, text, sizeof text);
	size = min(strlen(text), size);
	memcpy(buf, text, size);
	return (long)size;
}

static int ns_follow(struct synth_node *n, struct task *t, struct path *out)
{
	int err = check(n, t);

	return err ? err : make_path(n->k, namespace_of(n->entry->name), out);
}

static const struct synth_ops ns_ops = {
	.readlink = ns_readlink, .follow = ns_follow, .owner = proc_node_owner};

#define NAMESPACE(node)                       \
	{                                     \
		node, S_IFLNK | 0777, &ns_ops \
	}

const struct synth_entry proc_ns_entries[] = {
	NAMESPACE("cgroup"),
	NAMESPACE("ipc"),
	NAMESPACE("mnt"),
	NAMESPACE("net"),
	NAMESPACE("pid"),
	NAMESPACE("pid_for_children"),
	NAMESPACE("time"),
	NAMESPACE("time_for_children"),
	NAMESPACE("user"),
	NAMESPACE("uts"),
	{},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: the calls, and who may touch which name space (xattr(7); fs/xattr.c).
 *
 * Linux: POSIX access control lists are attributes too (system.posix_acl_access). Here: there are none, as on a file
 * system without them, because every permission check would have to know them; programs fall back on modes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>

#include "sys/files.h"
#include "vfs/anon.h"
#include "vfs/notify.h"

/* linux/posix_acl_xattr.h */
#define ACL_VERSION 2
#define ACL_HEADER  4u
#define ACL_ENTRY   8u

#define AT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

/* What a call asks for, in kernel memory. */
struct request {
	char name[XATTR_NAME_MAX + 1];
	u64 addr;    /* of the guest's buffer */
	size_t size; /* its size, at most what an attribute (or a list) may have */
	char *buf;   /* owned; of that size */
	int flags;
};

/* The guest's struct xattr_args. */
struct user_xattr_args {
	u64 value;
	u32 size, flags;
};

static bool has_prefix(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/* Whether there may be such a name on @i: 0, -EOPNOTSUPP, -EINVAL for a bare prefix. */
static int check_space(const struct inode *i, const char *name)
{
	static const struct {
		const char *prefix;
		u32 space;
	} spaces[] = {{XATTR_USER_PREFIX, XATTRS_USER},
		      {XATTR_TRUSTED_PREFIX, XATTRS_TRUSTED},
		      {XATTR_SECURITY_PREFIX, XATTRS_SECURITY},
		      {XATTR_SYSTEM_PREFIX, XATTRS_SYSTEM}};
	u32 known = i->ops->xattr_spaces ? i->ops->xattr_spaces : XATTRS_COMMON;

	for (size_t k = 0; k < ARRAY_SIZE(spaces); k++) {
		if (!has_prefix(name, spaces[k].prefix))
			continue;
		if (!(known & spaces[k].space))
			break;
		return name[strlen(spaces[k].prefix)] ? 0 : -EINVAL;
	}
	return -EOPNOTSUPP;
}

/* Inodes that no security module looks at (S_PRIVATE). */
static bool is_private(const struct inode *i)
{
	return i->ops->setattr == fixed_setattr;
}

/* Linux's xattr_permission() and what its security modules add for security.*. */
static int check_permission(struct task *t, struct inode *i, const char *name, int mask)
{
	bool write = mask & MAY_WRITE;
	struct kstat st;
	int err;

	/* Nobody may write to it at all. */
	if (write && i->ops->permission && i->ops->permission(i, t->cred, MAY_WRITE) == -EPERM)
		return -EPERM;
	if (has_prefix(name, XATTR_SECURITY_PREFIX)) {
		if (!write || is_private(i) || capable(t, CAP_SYS_ADMIN))
			return 0;
		return !strcmp(name, XATTR_NAME_CAPS) && capable(t, CAP_SETFCAP) ? 0 : -EPERM;
	}
	if (has_prefix(name, XATTR_SYSTEM_PREFIX))
		return 0;
	if (has_prefix(name, XATTR_TRUSTED_PREFIX)) {
		if (capable(t, CAP_SYS_ADMIN))
			return 0;
		return write ? -EPERM : -ENODATA;
	}
	if (has_prefix(name, XATTR_USER_PREFIX)) {
		if (i->type != S_IFREG && i->type != S_IFDIR)
			return write ? -EPERM : -ENODATA;
		err = i->ops->getattr(i, &st);
		if (err)
			return err;
		if (i->type == S_IFDIR && st.mode & S_ISVTX && write && st.uid != t->cred->fsuid &&
		    !capable(t, CAP_FOWNER))
			return -EPERM;
	}
	return inode_permission(t->cred, i, mask);
}

/* ---- the arguments, before the file is looked for ---- */

static long read_name(struct task *t, u64 addr, struct request *r)
{
	long n = user_string(t, r->name, addr, sizeof r->name);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? n : 0;
}

static long prepare_set(struct task *t, struct request *r, u64 name, u64 value, u64 size, u64 flags)
{
	long err;

	if (flags & ~(u64)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = read_name(t, name, r);
	if (err)
		return err;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	r->flags = (int)flags;
	r->size = size;
	r->buf = malloc(size ? size : 1);
	return r->buf ? user_read(t, r->buf, value, size) : -ENOMEM;
}

static long prepare_get(struct task *t, struct request *r, u64 name, u64 value, u64 size)
{
	long err = read_name(t, name, r);

	if (err)
		return err;
	r->addr = value;
	r->size = min(size, (u64)XATTR_SIZE_MAX);
	r->buf = malloc(r->size ? r->size : 1);
	return r->buf ? 0 : -ENOMEM;
}

static long prepare_list(struct request *r, u64 list, u64 size)
{
	r->addr = list;
	r->size = min(size, (u64)XATTR_LIST_MAX);
	r->buf = malloc(r->size ? r->size : 1);
	return r->buf ? 0 : -ENOMEM;
}

/* ---- on a file ---- */

static void tell(struct target *g)
{
	if (g->bare)
		notify_inode(g->bare, IN_ATTRIB);
	else
		notify_dentry(g->path.dentry, IN_ATTRIB);
}

typedef long xattr_fn(struct task *t, struct target *g, struct request *r);

/* Whether the attribute may be changed. @has_op: the file system can. */
static int may_change(struct task *t, struct target *g, const struct request *r, bool has_op)
{
	int err = target_read_only(g) ? -EROFS : check_permission(t, target_inode(g), r->name, MAY_WRITE);

	return err ? err : has_op ? check_space(target_inode(g), r->name) : -EOPNOTSUPP;
}

/* Capabilities of a program have one of two forms (security/commoncap.c: cap_convert_nscap()). */
static bool is_caps(const struct request *r)
{
	u32 magic;

	if (r->size != XATTR_CAPS_SZ_2 && r->size != XATTR_CAPS_SZ_3)
		return false;
	memcpy(&magic, r->buf, sizeof magic);
	return (magic & VFS_CAP_REVISION_MASK) ==
	       (r->size == XATTR_CAPS_SZ_2 ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3);
}

/* An access control list is looked at before the file is asked whether it has any (fs/posix_acl.c:
 * posix_acl_from_xattr()): 0, or what is wrong with it. */
static int check_acl(const struct request *r)
{
	u32 version;

	if (!r->size ||
	    (strcmp(r->name, XATTR_NAME_POSIX_ACL_ACCESS) && strcmp(r->name, XATTR_NAME_POSIX_ACL_DEFAULT)))
		return 0;
	if (r->size < ACL_HEADER)
		return -EINVAL;
	memcpy(&version, r->buf, sizeof version);
	if (version != ACL_VERSION)
		return -EOPNOTSUPP;
	return (r->size - ACL_HEADER) % ACL_ENTRY ? -EINVAL : 0;
}

static long do_set(struct task *t, struct target *g, struct request *r)
{
	struct inode *i = target_inode(g);
	int err = target_read_only(g) ? -EROFS : check_acl(r);

	if (err)
		return err;

	if (r->size && !strcmp(r->name, XATTR_NAME_CAPS) && !is_caps(r))
		return -EINVAL;
	err = may_change(t, g, r, i->ops->setxattr);

	if (!err)
		err = i->ops->setxattr(i, r->name, r->buf, r->size, r->flags);
	if (!err)
		tell(g);
	return err;
}

static long do_remove(struct task *t, struct target *g, struct request *r)
{
	struct inode *i = target_inode(g);
	int err = may_change(t, g, r, i->ops->removexattr);

	if (!err)
		err = i->ops->removexattr(i, r->name);
	if (!err)
		tell(g);
	return err;
}

static long give(struct task *t, struct request *r, long n)
{
	long err = n > 0 && r->size ? user_write(t, r->addr, r->buf, (size_t)n) : 0;

	return err ? err : n;
}

static long do_get(struct task *t, struct target *g, struct request *r)
{
	struct inode *i = target_inode(g);
	int err = check_permission(t, i, r->name, MAY_READ);

	if (!err)
		err = i->ops->getxattr ? check_space(i, r->name) : -EOPNOTSUPP;
	if (err == -EINVAL && !i->ops->xattr_spaces && i->ops->getxattr(i, r->name, NULL, 0) == -EOPNOTSUPP)
		err = -EOPNOTSUPP;
	return err ? err : give(t, r, i->ops->getxattr(i, r->name, r->buf, r->size));
}

/* Takes the names that the task may not see out of the list of @n bytes. */
static long filter_list(struct task *t, char *list, long n)
{
	long to = 0, len;

	if (capable(t, CAP_SYS_ADMIN))
		return n;
	for (long from = 0; from < n; from += len) {
		len = (long)strlen(list + from) + 1;
		if (has_prefix(list + from, XATTR_TRUSTED_PREFIX))
			continue;
		memmove(list + to, list + from, (size_t)len);
		to += len;
	}
	return to;
}

static long do_list(struct task *t, struct target *g, struct request *r)
{
	struct inode *i = target_inode(g);
	char *all;
	long n;

	if (!i->ops->listxattr)
		return 0;
	all = malloc(XATTR_LIST_MAX);
	if (!all)
		return -ENOMEM;
	n = i->ops->listxattr(i, all, XATTR_LIST_MAX);
	/* How much there would be is told in any case. */
	if (n == -ERANGE)
		n = !r->size ? i->ops->listxattr(i, NULL, 0) : r->size == XATTR_LIST_MAX ? -E2BIG : -ERANGE;
	else if (n > 0)
		n = filter_list(t, all, n);
	if (n > 0 && r->size && (size_t)n > r->size)
		n = r->size == XATTR_LIST_MAX ? -E2BIG : -ERANGE;
	if (n > 0 && r->size)
		memcpy(r->buf, all, (size_t)n);
	free(all);
	return give(t, r, n);
}

/* ---- the calls ---- */

static long prepare(struct task *t, struct call *c, xattr_fn *fn, struct request *r)
{
	const u64 *arg = c->arg + 1;

	if (fn == do_set)
		return prepare_set(t, r, arg[0], arg[1], arg[2], (u32)arg[3]);
	if (fn == do_get)
		return prepare_get(t, r, arg[0], arg[1], arg[2]);
	return fn == do_list ? prepare_list(r, arg[0], arg[1]) : read_name(t, arg[0], r);
}

/* The call's end: @n is what preparing it and finding @g have said. */
static long on_target(struct task *t, struct target *g, xattr_fn *fn, struct request *r, long n)
{
	if (!n)
		n = fn(t, g, r);
	target_put(g);
	free(r->buf);
	return n;
}

static long by_path(struct task *t, struct call *c, xattr_fn *fn, int at_flags)
{
	struct request r = {0};
	struct target g = {0};
	long n = prepare(t, c, fn, &r);

	if (!n)
		n = target_path(t, AT_FDCWD, c->arg[0], at_flags, &g);
	return on_target(t, &g, fn, &r, n);
}

static long by_fd(struct task *t, struct call *c, xattr_fn *fn)
{
	struct request r = {0};
	struct target g = {0};
	long n = prepare(t, c, fn, &r);

	if (!n)
		n = target_fd(t, (int)c->arg[0], &g);
	return on_target(t, &g, fn, &r, n);
}

long sys_getxattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_get, 0);
}

long sys_lgetxattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_get, AT_SYMLINK_NOFOLLOW);
}

long sys_fgetxattr(struct task *t, struct call *c)
{
	return by_fd(t, c, do_get);
}

long sys_setxattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_set, 0);
}

long sys_lsetxattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_set, AT_SYMLINK_NOFOLLOW);
}

long sys_fsetxattr(struct task *t, struct call *c)
{
	return by_fd(t, c, do_set);
}

long sys_listxattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_list, 0);
}

long sys_llistxattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_list, AT_SYMLINK_NOFOLLOW);
}

long sys_flistxattr(struct task *t, struct call *c)
{
	return by_fd(t, c, do_list);
}

long sys_removexattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_remove, 0);
}

long sys_lremovexattr(struct task *t, struct call *c)
{
	return by_path(t, c, do_remove, AT_SYMLINK_NOFOLLOW);
}

long sys_fremovexattr(struct task *t, struct call *c)
{
	return by_fd(t, c, do_remove);
}

/* The newer ones, by descriptor and path: @r is prepared. */
static long by_at(struct task *t, struct call *c, xattr_fn *fn, struct request *r, long n)
{
	struct target g = {0};

	if (!n)
		n = target_at(t, (int)c->arg[0], c->arg[1], (int)c->arg[2], &g);
	return on_target(t, &g, fn, r, n);
}

/* struct xattr_args of @size bytes at @addr: more than is known must be zero. */
static long read_args(struct task *t, u64 addr, u64 size, struct user_xattr_args *args)
{
	if (size < sizeof *args)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return user_read_struct(t, args, sizeof *args, addr, size);
}

long sys_setxattrat(struct task *t, struct call *c)
{
	struct user_xattr_args args;
	struct request r = {0};
	long n;

	if ((u32)c->arg[2] & ~(u32)AT_FLAGS)
		return -EINVAL;
	n = read_args(t, c->arg[4], c->arg[5], &args);
	if (!n)
		n = prepare_set(t, &r, c->arg[3], args.value, args.size, args.flags);
	return by_at(t, c, do_set, &r, n);
}

long sys_getxattrat(struct task *t, struct call *c)
{
	struct user_xattr_args args;
	struct request r = {0};
	long n;

	if ((u32)c->arg[2] & ~(u32)AT_FLAGS)
		return -EINVAL;
	n = read_args(t, c->arg[4], c->arg[5], &args);
	if (!n && args.flags)
		n = -EINVAL;
	if (!n)
		n = prepare_get(t, &r, c->arg[3], args.value, args.size);
	return by_at(t, c, do_get, &r, n);
}

long sys_listxattrat(struct task *t, struct call *c)
{
	struct request r = {0};

	if ((u32)c->arg[2] & ~(u32)AT_FLAGS)
		return -EINVAL;
	return by_at(t, c, do_list, &r, prepare_list(&r, c->arg[3], c->arg[4]));
}

long sys_removexattrat(struct task *t, struct call *c)
{
	struct request r = {0};

	if ((u32)c->arg[2] & ~(u32)AT_FLAGS)
		return -EINVAL;
	return by_at(t, c, do_remove, &r, read_name(t, c->arg[3], &r));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: getdents, chdir, chroot, getcwd. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>

#include "sys/files.h"
#include "vfs/notify.h"

#define MAX_BATCH 65536

_Static_assert(MAX_BATCH <= VFS_PIECE, "entries are packed in vfs->piece");

/* Entries on their way into a guest's buffer, packed in kernel memory first. */
struct packer {
	struct dir_context ctx;
	char *buf;
	size_t size, used;
	bool old;  /* getdents: struct linux_dirent */
	bool full; /* an entry did not fit */
};

/* struct linux_dirent64: ino, off, reclen, type, name; struct linux_dirent: ino, off, reclen, name, type at
 * the end. */
static bool pack(struct dir_context *ctx, const char *name, size_t len, u64 ino, u32 d_type, u64 next_pos)
{
	struct packer *p = container_of(ctx, struct packer, ctx);
	size_t name_at = p->old ? 18 : 19;
	u16 reclen = (u16)align_up(name_at + len + (p->old ? 2 : 1), 8UL);
	char *at = p->buf + p->used;

	if (reclen > p->size - p->used) {
		p->full = true;
		return false;
	}
	memset(at, 0, reclen);
	memcpy(at, &ino, 8);
	memcpy(at + 8, &next_pos, 8);
	memcpy(at + 16, &reclen, 2);
	memcpy(at + name_at, name, len);
	at[p->old ? reclen - 1 : 18] = (char)d_type;
	p->used += reclen;
	return true;
}

static long read_entries(struct task *t, struct file *f, u64 addr, u32 count, bool old)
{
	struct packer p = {.ctx.emit = pack, .size = min(count, (u32)MAX_BATCH), .old = old};
	long err;

	if (!f->ops->iterate)
		return -ENOTDIR;
	if (f->path && f->path->dentry->unlinked)
		return -ENOENT;
	p.buf = t->k->vfs->piece;
	err = f->ops->iterate(f, &p.ctx);
	if (!err && p.full && !p.used)
		err = -EINVAL;
	if (!err)
		err = user_write(t, addr, p.buf, p.used);
	if (!err && !p.full && f->ops->told_whole)
		t->thread->known.bits = KNOWN_LISTED;
	if (!err)
		notify_file(f, IN_ACCESS);
	return err ? err : (long)p.used;
}

static long do_getdents(struct task *t, struct call *c, bool old)
{
	struct file *f;
	long n = fd_get(t, (int)c->arg[0], &f);

	if (n)
		return n;
	n = read_entries(t, f, c->arg[1], (u32)c->arg[2], old);
	file_put(f);
	return n;
}

long sys_getdents(struct task *t, struct call *c)
{
	return do_getdents(t, c, true);
}

long sys_getdents64(struct task *t, struct call *c)
{
	return do_getdents(t, c, false);
}

/* Makes @p (consumed) the working directory, or the root. */
static long enter(struct task *t, struct path *p, struct path *place)
{
	long err = path_inode(p)->type == S_IFDIR ? inode_permission(t->cred, path_inode(p), MAY_EXEC)
						  : -ENOTDIR;

	if (!err && place == &t->fs->root && !capable(t, CAP_SYS_CHROOT))
		err = -EPERM;
	if (err) {
		path_put(p);
		return err;
	}
	path_put(place);
	*place = *p;
	return 0;
}

long sys_chdir(struct task *t, struct call *c)
{
	struct path p;
	long err = user_lookup(t, AT_FDCWD, c->arg[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	return err ? err : enter(t, &p, &t->fs->cwd);
}

long sys_fchdir(struct task *t, struct call *c)
{
	struct path p;
	struct file *f;
	long err = fd_get_path(t, (int)c->arg[0], &f);

	if (err)
		return err;
	if (f->path) {
		p = *f->path;
		path_get(&p);
		err = enter(t, &p, &t->fs->cwd);
	} else {
		err = -ENOTDIR;
	}
	file_put(f);
	return err;
}

long sys_chroot(struct task *t, struct call *c)
{
	struct path p;
	long err = user_lookup(t, AT_FDCWD, c->arg[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	return err ? err : enter(t, &p, &t->fs->root);
}

long sys_getcwd(struct task *t, struct call *c)
{
	char text[PATH_MAX];
	long n;

	if (t->fs->cwd.dentry->unlinked)
		return -ENOENT;
	n = path_text(t, &t->fs->cwd, text, sizeof text, false);
	if (n < 0)
		return n;
	if ((u64)n + 1 > c->arg[1])
		return -ERANGE;
	n++;
	if (user_write(t, c->arg[0], text, (size_t)n))
		return -EFAULT;
	return n;
}

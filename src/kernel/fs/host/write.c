/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's tree where it may be written (--bind): making, removing and renaming names, changing attributes.
 *
 * Everything is done by a directory's descriptor and one name, or by the object's own descriptor, so a symlink that
 * somebody puts in the way leads nowhere. What husk's own user may not do, the host refuses. The caller has checked the
 * guest's permissions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/host/host.h"
#include "host/file.h"

/* The directory's descriptor and the terminated name. -EPERM: guests must not see what the host has there. */
static int place(struct inode *dir, const char *name, size_t len, struct hostfd *fd, char *text)
{
	if (len > 255)
		return -ENAMETOOLONG;
	if (host_is_hidden(hnode(dir), name, len))
		return -EPERM;
	memcpy(text, name, len);
	text[len] = 0;
	return hnode_fd(hnode(dir), fd);
}

/* A new file by @dir and @text, for reading and writing. Who makes a file reads it whatever @mode says: where the host would
 * not let anybody do so later, *reader does. */
static int make_file(struct hostfd dir, const char *text, int flags, u32 mode, struct hostfd *made,
		     struct hostfd *reader)
{
	bool blind = !(mode & S_IRUSR);
	char path[HOST_FD_PATH];
	int err;

	*reader = HOSTFD_NONE;
	mode &= 07777;
	made->fd = openat(dir.fd, text, flags | O_RDWR | O_CLOEXEC, mode | S_IRUSR);
	if (made->fd < 0)
		return -errno;
	if (!blind)
		return 0;
	err = host_reopen(*made, 0, reader);
	host_fd_path(*made, path);
	if (!err && chmod(path, mode))
		err = -errno;
	if (err) {
		host_close(reader);
		host_close(made);
	}
	return err;
}

/* The node of a new file has its descriptors, which are consumed. */
static void keep_made(struct hnode *h, struct hostfd *made, struct hostfd *reader)
{
	if (hostfd_valid(*made) && !hostfd_valid(h->fresh))
		h->fresh = *made;
	else
		host_close(made);
	if (!hostfd_valid(*reader))
		return;
	if (hostfd_valid(h->data)) {
		host_close(reader);
		return;
	}
	h->data = *reader;
	h->readers++;
	hnode_data_put(h);
}

/* Linux: new objects are the guest's user's. Here: they are the host user's that husk runs as, because that is whose
 * rights write through a bind. */
int host_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const struct cred *cred,
		struct inode **out)
{
	struct hostfd fd, made = HOSTFD_NONE, reader = HOSTFD_NONE;
	char text[256];
	int err = place(dir, name, len, &fd, text);

	if (err)
		return err;
	switch (mode & S_IFMT) {
	case S_IFREG:
		err = make_file(fd, text, O_CREAT | O_EXCL | O_NOFOLLOW, mode, &made, &reader);
		break;
	case S_IFDIR:
		err = mkdirat(fd.fd, text, mode & 07777) ? -errno : 0;
		break;
	case S_IFIFO:
	case S_IFSOCK:
		err = mknodat(fd.fd, text, mode, 0) ? -errno : 0;
		break;
	default:
		err = -EPERM;
	}
	if (!err)
		err = host_lookup(dir, name, len, out);
	if (!err) {
		keep_made(hnode(*out), &made, &reader);
	} else {
		host_close(&made);
		host_close(&reader);
	}
	return err;
}

int host_tmpfile(struct inode *dir, u32 mode, bool linkable, const struct cred *cred, struct inode **out)
{
	struct hostfd fd, made, held, reader;
	int err = hnode_fd(hnode(dir), &fd);

	if (!err)
		err = make_file(fd, ".", O_TMPFILE | (linkable ? 0 : O_EXCL), mode, &made, &reader);
	if (err)
		return err;
	held.fd = fcntl(made.fd, F_DUPFD_CLOEXEC, 3);
	err = held.fd < 0 ? -errno : hnode_get(hnode(dir)->fs, &held, dir, "#tmpfile", out);
	if (err) {
		host_close(&held);
		host_close(&made);
		host_close(&reader);
		return err;
	}
	hnode_hold(hnode(*out));
	keep_made(hnode(*out), &made, &reader);
	return 0;
}

int host_symlink(struct inode *dir, const char *name, size_t len, const char *target, const struct cred *cred,
		 struct inode **out)
{
	struct hostfd fd;
	char text[256];
	int err = place(dir, name, len, &fd, text);

	if (!err && symlinkat(target, fd.fd, text))
		err = -errno;
	return err ? err : host_lookup(dir, name, len, out);
}

int host_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct hostfd fd, object;
	char text[256], from[HOST_FD_PATH];
	int err = hnode_hold(hnode(target));

	if (!err)
		err = hnode_fd(hnode(target), &object);
	if (!err)
		err = place(dir, name, len, &fd, text);
	if (err)
		return err;
	host_fd_path(object, from);
	return linkat(AT_FDCWD, from, fd.fd, text, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

static int host_remove(struct inode *dir, const char *name, size_t len, struct inode *target, int flags)
{
	struct hostfd fd;
	char text[256];
	int err;

	/* Whoever has it open goes on with it: the name will lead there no more. */
	hnode_hold(hnode(target));
	err = place(dir, name, len, &fd, text);
	if (err)
		return err;
	return unlinkat(fd.fd, text, flags) ? -errno : 0;
}

int host_unlink(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	return host_remove(dir, name, len, target, 0);
}

int host_rmdir(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	return host_remove(dir, name, len, target, AT_REMOVEDIR);
}

int host_rename(struct inode *dir, const char *name, size_t len, struct inode *target, struct inode *new_dir,
		const char *new_name, size_t new_len, struct inode *over, u32 flags, const struct cred *cred)
{
	char text[256], new_text[256];
	struct hostfd from, to;
	int err;

	hnode_hold(hnode(target));
	if (over)
		hnode_hold(hnode(over));
	err = place(dir, name, len, &from, text);
	if (!err)
		err = hnode_hold(hnode(dir));
	if (!err)
		err = place(new_dir, new_name, new_len, &to, new_text);
	if (err)
		return err;
	if (syscall(SYS_renameat2, from.fd, text, to.fd, new_text, flags))
		return -errno;
	hnode_moved(hnode(target), new_dir, new_text);
	if (over && flags & RENAME_EXCHANGE)
		hnode_moved(hnode(over), dir, text);
	return 0;
}

/* ---- attributes ---- */

static int change_times(const char *path, const struct iattr *a)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

	if (a->valid & ATTR_ATIME)
		ts[0] = a->atime;
	if (a->valid & ATTR_MTIME)
		ts[1] = a->mtime;
	return utimensat(AT_FDCWD, path, ts, 0) ? -errno : 0;
}

int host_setattr(struct inode *i, const struct iattr *a)
{
	char path[HOST_FD_PATH];
	struct hostfd fd;
	int err = hnode_fd(hnode(i), &fd);

	if (err)
		return err == -ESTALE ? -ENOENT : err;
	host_fd_path(fd, path);
	if (a->valid & (ATTR_UID | ATTR_GID) &&
	    fchownat(fd.fd, "", a->valid & ATTR_UID ? a->uid : (uid_t)-1,
		     a->valid & ATTR_GID ? a->gid : (gid_t)-1, AT_EMPTY_PATH))
		err = -errno;
	if (!err && a->valid & ATTR_MODE && i->type != S_IFLNK && chmod(path, a->mode & 07777))
		err = -errno;
	if (!err && a->valid & ATTR_SIZE)
		err = host_truncate(a->file, path, a->size);
	if (!err && a->valid & (ATTR_ATIME | ATTR_MTIME))
		err = change_times(path, a);
	i->cuts += !err && a->valid & ATTR_SIZE;
	hnode(i)->st_ns = 0;
	return err;
}

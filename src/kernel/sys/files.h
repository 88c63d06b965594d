/* SPDX-License-Identifier: Apache-2.0 */
/* What the file handlers share: small steps around struct path and guest structures. */
#ifndef HUSK_KERNEL_SYS_FILES_H
#define HUSK_KERNEL_SYS_FILES_H

#include "vfs/inode.h"

/* Reads the path at guest address @addr and resolves it. Negative values (CALL_FETCH too) are passed on. */
long user_lookup(struct task *t, int dirfd, u64 addr, u32 flags, struct path *out);
/* The parent of the name at @addr. */
struct parent {
	struct path dir; /* owned on success */
	char last[256];
	enum last_type type;
	bool slashes;
};
/* @flags: 0 or LOOKUP_LONG. */
long user_parent(struct task *t, int dirfd, u64 addr, u32 flags, struct parent *out);

/* What a call looks at or changes: a path of its own or that of an open file (sys/attr.c). */
struct target {
	struct path path;   /* owned */
	struct inode *bare; /* owned: an open file without a path */
};
struct inode *target_inode(struct target *g);
void target_put(struct target *g);
/* 0, -EBADF; @g is always to be put. */
long target_fd(struct task *t, int fd, struct target *g);
/* @at_flags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
long target_path(struct task *t, int dirfd, u64 addr, int at_flags, struct target *g);
/* As target_path(), but an empty path, or none, with AT_EMPTY_PATH is the open file @dirfd, not one opened by O_PATH. */
long target_at(struct task *t, int dirfd, u64 addr, int at_flags, struct target *g);
bool target_read_only(struct target *g);

/* A structure of @size bytes at @addr into the @known of @to: what the guest's lacks is zero, what it has more must be
 * (lib/usercopy.c: copy_struct_from_user()). 0, -E2BIG, -EFAULT, CALL_FETCH; @size is at most a page. */
long user_read_struct(struct task *t, void *to, size_t known, u64 addr, u64 size);

/* Turns a kstat into the guest's struct stat. */
long put_stat(struct task *t, u64 addr, const struct kstat *st);

/* sys/locks.c: fcntl's record locks (may park) and leases. */
long fcntl_lock(struct task *t, struct call *c, struct file *f, int cmd, u64 addr);
long fcntl_set_lease(struct task *t, struct file *f, u64 arg);
/* sys/fcntl.c: F_GETOWN and F_SETOWN, for sockets' ioctls too. */
long file_get_owner(struct file *f);
long file_set_owner(struct task *t, struct file *f, int who);

/* sys/splice.c: as splice(2), between files without offsets of the call's; may park. */
long splice_to_pipe(struct task *t, struct file *in, struct file *out, size_t count);
/* sys/file_attr.c: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR. -ENOTTY where no flags are
 * kept. */
long ioctl_get_flags(struct task *t, struct file *f, int fd, u64 arg);
long ioctl_set_flags(struct task *t, struct file *f, int fd, u64 arg);
long ioctl_get_xflags(struct task *t, struct file *f, int fd, u64 arg);
long ioctl_set_xflags(struct task *t, struct file *f, int fd, u64 arg);

#endif

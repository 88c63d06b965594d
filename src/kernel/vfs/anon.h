/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes of files without a name: pipes and sockets, which fstat() must describe, and the one of all others. */
#ifndef HUSK_KERNEL_VFS_ANON_H
#define HUSK_KERNEL_VFS_ANON_H

#include "vfs/inode.h"

/* An inode of no file system with @mode (type and permissions), owned by @cred's ids. NULL: no memory. */
struct inode *anon_inode_new(struct kernel *k, const struct cred *cred, u32 mode);
/* The same of a socket; @protocol: its attribute system.sockprotoname, static. */
struct inode *anon_socket_new(struct kernel *k, const struct cred *cred, const char *protocol);
/* The inode of a file, borrowed: its own, or the one that files without their own share (an epoll instance, an eventfd, ...),
 * as Linux's do, which is made when it is first asked for. NULL: no memory. */
struct inode *file_inode(struct file *f);
/* The attributes of that one. */
void shared_attributes(struct kstat *st);
/* What changing the attributes of such a file comes to, whoever asks: -EOPNOTSUPP (fs/anon_inodes.c, fs/pidfs.c). */
int fixed_setattr(struct inode *i, const struct iattr *attr);
/* A path that leads to @i and nowhere else, as /proc/self/fd/N of a pipe does; @name is what path_text() says of it, as far
 * as there is room. 0 or -ENOMEM; references for the caller. */
int anon_path(struct inode *i, const char *name, struct path *out);
/* Whether @p is such a one. */
bool path_is_anon(const struct path *p);
/* What is told of a file that has no path: "pipe:[12]", "anon_inode:[eventfd]". */
void file_link_name(struct file *f, char *buf, size_t size);
/* The path that @f was opened by, or one that leads to what it is and nowhere else. As anon_path(). */
int file_place(struct file *f, struct path *out);
/* lseek() on files that ignore it: 0 for ever. */
s64 anon_seek(struct file *f, s64 offset, int whence);

#endif

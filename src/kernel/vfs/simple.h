/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces that file systems have in common: operations by type, directories' small operations, opening. */
#ifndef HUSK_KERNEL_VFS_SIMPLE_H
#define HUSK_KERNEL_VFS_SIMPLE_H

#include "vfs/inode.h"

/* A file system's operations by the inode's type. @special: FIFOs, sockets, devices. */
struct inode_kinds {
	struct inode_ops file, dir, link, special;
};

const struct inode_ops *inode_ops_of(const struct inode_kinds *kinds, u32 type /* S_IFMT bits */);

/* An open file of @i with @ops; @priv is the file's on success. 0, -ENOMEM, -ENFILE. */
int file_of_inode(struct inode *i, const struct file_ops *ops, u32 flags, void *priv, struct file **out);

/* lseek() by SEEK_SET, SEEK_CUR or SEEK_END in a file that ends at @end (fs/read_write.c: generic_file_llseek_size()): the new
 * offset. -EINVAL: another @whence, or an offset that is negative or beyond @most. */
s64 seek_within(struct file *f, s64 offset, int whence, s64 end, s64 most);
/* For files whose offset may be set but has no end: directories, texts. */
s64 dir_seek(struct file *f, s64 offset, int whence);
/* As in a file of @size bytes (of none), on file systems that know no large files (fs/read_write.c:
 * generic_file_llseek()). */
s64 sized_seek(struct file *f, s64 offset, int whence, s64 size);
s64 empty_seek(struct file *f, s64 offset, int whence);
/* -EISDIR. */
long dir_read(struct file *f, struct uio *to, u64 *pos);
/* "." and ".." at offsets 0 and 1; false: the reader has no more room. Afterwards f->pos is at least 2. */
bool dir_emit_dots(struct file *f, struct dir_context *ctx);
/* What is in memory, or is not written, is as safe as it gets: 0. */
int sync_nothing(struct file *f, struct hostfd *fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs: pipe(7), fifo(7). */
#ifndef HUSK_KERNEL_FS_PIPE_H
#define HUSK_KERNEL_FS_PIPE_H

#include "vfs/file.h"

struct pipe;
struct cred;

/* The two ends of a new pipe; @flags: O_NONBLOCK, O_DIRECT. 0, -ENOMEM or -ENFILE; both files are the
 * caller's. */
int pipe_open_pair(struct kernel *k, const struct cred *cred, u32 flags, struct file **reader,
		   struct file **writer);
/* Whether @f is an end of a pipe or FIFO. */
bool file_is_pipe(const struct file *f);
/* Copies up to @count bytes that are in the pipe of @in to the pipe of @out (another one) and leaves them where they are:
 * bytes, 0 at the end, -EAGAIN, -ENOMEM, or -EPIPE and a signal for @t. */
long pipe_tee(struct file *in, struct file *out, struct task *t, size_t count);

/* vmsplice(2): what fits of @from comes into the pipe @f, each page of memory (and each piece of a vector) as a page that no
 * other write joins. Bytes; -EAGAIN when there is no room at all; -EFAULT when not even the first can be read. */
long pipe_pages(struct file *f, struct uio *from);

/* For splice(2). Bytes that can be taken out of the pipe of @f, or that surely fit into it (page-wise writes); -EAGAIN
 * when none, 0 when the writers have gone, -EPIPE when the readers have. */
long pipe_filled(struct file *f);
long pipe_room(struct file *f);
/* Copies up to @size bytes out without taking them; takes @size bytes away. */
long pipe_look(struct file *f, char *buf, size_t size);
void pipe_skip(struct file *f, size_t size);

/* The FIFO opener that vfs calls for S_IFIFO inodes is registered here. */
void pipe_init(struct kernel *k);

#endif

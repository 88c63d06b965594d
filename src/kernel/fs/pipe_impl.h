/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pipes: what pipe.c (data) and fifo.c (making and opening) share. */
#ifndef HUSK_KERNEL_FS_PIPE_IMPL_H
#define HUSK_KERNEL_FS_PIPE_IMPL_H

#include "base/types.h"
#include "core/kernel.h"
#include "core/wait.h"
#include "vfs/file.h"

#define PIPE_DEFAULT_SLOTS 16u
#define PIPE_MAX_SIZE      (1UL << 20) /* /proc/sys/fs/pipe-max-size */

struct pipe_page {
	char *data; /* owned, one page */
	u32 at, len;
	bool packet;
	bool closed; /* a writer's bytes never join it */
};

struct pipe {
	struct kernel *k;
	struct pipe_page *ring; /* owned; slots (a power of two) of them */
	unsigned slots, tail, used;
	char *spare; /* owned, nullable: one page ready for the next write */
	unsigned readers, writers;
	bool nameless;                      /* pipe(2)'s: opens by /proc/PID/fd never wait */
	u64 reader_opens, writer_opens;     /* ever, for blocking FIFO opens */
	struct wait_queue rd_wait, wr_wait; /* readers wait on the first, writers on the second */
};

struct pipe *pipe_alloc(struct kernel *k);
void pipe_free(struct pipe *p);

/* @f (whose priv is @p) has become one more end of @p, or one less: true when it was the last. */
void pipe_end_opened(struct pipe *p, struct file *f);
bool pipe_end_closed(struct pipe *p, struct file *f);

long pipe_read(struct file *f, struct uio *to, u64 *pos);
long pipe_write(struct file *f, struct uio *from, u64 *pos);
u32 pipe_poll(struct file *f, struct poll_table *pt);
long pipe_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg);
long pipe_fcntl(struct file *f, struct task *t, int cmd, u64 arg);

#endif

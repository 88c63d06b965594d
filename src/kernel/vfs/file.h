/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and descriptor tables.
 *
 * struct file is one open file description: it is made by open, pipe, ..., shared by dup, fork and
 * SCM_RIGHTS, and released when the last reference goes. File operations never park and never look at
 * O_NONBLOCK: one that cannot go on answers -EAGAIN, and the generic code (vfs/rw.c) waits on what poll()
 * names and tries again, or passes -EAGAIN on to a guest that asked not to block.
 */
#ifndef HUSK_KERNEL_VFS_FILE_H
#define HUSK_KERNEL_VFS_FILE_H

#include <fcntl.h>

#include "core/usermem.h"
#include "core/wait.h"
#include "host/types.h"

#define HUSK_O_LARGEFILE 0100000 /* libc's is 0 where files are large anyway */

struct file;
struct inode;
struct mount;
struct dentry;
struct text;
struct dir_context;
struct kernel;
struct fdtable;
struct host_cache;
struct call;

/* Collects the wait queues that a poll()ing task, or an epoll instance, must wait on. NULL pointer: only
 * look. */
struct poll_table {
	int (*add)(struct poll_table *pt, struct wait_queue *q); /* 0 or -ENOMEM */
	struct task *task;
	int error;
	u32 events; /* EPOLL* bits that are waited for, so that others' queues may be left out; 0: any */
};

/* In poll(): names @q. */
static inline void poll_wait(struct poll_table *pt, struct wait_queue *q)
{
	if (pt && !pt->error)
		pt->error = pt->add(pt, q);
}

/* A table's add() for who only looks, but must say for which task (a signalfd shows its poller's signals). */
static inline int poll_add_none(struct poll_table *pt, struct wait_queue *q)
{
	return 0;
}

/* As poll_wait(), for a queue that is woken for @events only. Errors and hang-ups must wake every queue. */
static inline void poll_wait_for(struct poll_table *pt, struct wait_queue *q, u32 events)
{
	if (pt && (!pt->events || (pt->events & events)))
		poll_wait(pt, q);
}

/* In file->epoll_items: whoever must know that a file goes away. file_put() takes each off the list and calls
 * gone() when the last reference went, before ops->release(). */
struct file_link {
	struct list node;
	void (*gone)(struct file_link *link);
};

/* What mmap() of a file needs of its file system. */
struct mmap_backing {
	struct hostfd fd; /* borrowed; to be mapped into the guest: not writable unless the mapping may be */
	u64 offset;       /* what to add to the mapping's offset */
	bool zero;        /* private anonymous memory instead (/dev/zero) */
};

/* Linux's FMODE_NOWAIT; files that it reads or writes by the older operations, a buffer at a time: they know no flag but
 * RWF_HIPRI and no splice(2); what cannot be spliced from all the same; and what is not written at an offset of the
 * call's (fs/seq_file.c: no FMODE_PWRITE). */
#define RW_NOWAIT      1
#define RW_READ_PLAIN  2
#define RW_WRITE_PLAIN 4
#define RW_UNSPLICED   8
#define RW_NO_PWRITE   16

struct file_ops {
	/* Bytes moved, 0 at the end of file, or -errno. @pos: the offset to use and to advance; ignored by
	 * streams. */
	long (*read)(struct file *f, struct uio *to, u64 *pos);
	long (*write)(struct file *f, struct uio *from, u64 *pos);
	/* EPOLL* bits that hold now. NULL: always ready (EPOLLIN|EPOLLOUT|EPOLLRDNORM|EPOLLWRNORM). */
	u32 (*poll)(struct file *f, struct poll_table *pt);
	/* The new offset or -errno; NULL: -ESPIPE. */
	s64 (*seek)(struct file *f, s64 offset, int whence);
	/* -ENOTTY when unknown; NULL: -ENOTTY. */
	long (*ioctl)(struct file *f, struct task *t, u32 cmd, u64 arg);
	/* Fills *backing for a mapping with @prot and @flags (MAP_*): 0 or -errno; NULL: -ENODEV. */
	int (*mmap)(struct file *f, int prot, int flags, struct mmap_backing *backing);
	/* Directory entries from f->pos on: calls emit() until it answers false. 0 or -errno. */
	int (*iterate)(struct file *f, struct dir_context *ctx);
	/* What @f is open to, opened once more on the host, for reading alone: its bytes, size and holes are those of @f, until
	 * donate_moved() is called. *out is the caller's. 0, or -EOPNOTSUPP and others while it cannot be. NULL: never. */
	int (*donate)(struct file *f, struct hostfd *out);
	/* TRAP_DEVICE_*: what a guest's stub may do by itself. */
	u32 device;
	/* The host's descriptors that are to be brought to disk for fsync(), borrowed: how many of @fd (SYNC_FDS), or
	 * -errno. NULL: -EINVAL. */
	int (*sync)(struct file *f, struct hostfd *fd);
	/* What of @size bytes from @offset on (0: all) is in memory: 0 or -errno. NULL: nothing. */
	int (*cachestat)(struct file *f, u64 offset, u64 size, struct host_cache *out);
	/* 0; or how many bytes from @offset on are done (less than @len, the size is as it was): to be called again for
	 * the rest; or -errno. */
	long (*fallocate)(struct file *f, int mode, u64 offset, u64 len);
	/* The fcntl commands of one kind of file: F_SETPIPE_SZ, F_GETPIPE_SZ (NULL: -EBADF), F_ADD_SEALS,
	 * F_GET_SEALS (NULL: -EINVAL). */
	long (*fcntl)(struct file *f, struct task *t, int cmd, u64 arg);
	/* One descriptor of it was closed: nullable. */
	int (*flush)(struct file *f);
	/* The last reference went; frees f->priv. */
	void (*release)(struct file *f);
	/* What /proc/PID/fd shows for files without a path ("pipe:[12]"): into @buf. NULL:
	 * "anon_inode:[name]". */
	void (*link_name)(struct file *f, char *buf, size_t size);
	/* What /proc/PID/fdinfo adds to the lines of every file: nullable. */
	void (*show)(struct file *f, struct text *out);
	const char *name;    /* for anonymous files */
	u8 rw;               /* RW_*: what preadv2(2), pwritev2(2) and splice(2) may ask for */
	bool async;          /* knows O_ASYNC, though without an inode, or without anything to poll */
	bool stream;         /* no offset: lseek and pread answer ESPIPE */
	bool offset_outside; /* f->pos may not be it: seek() knows */
	bool told_whole; /* a directory: once all was listed, nothing but what guests make is left to list */
	bool between;    /* guests alone end the waits of guests for it: a pipe, a socket */
	bool untold;     /* watchers hear nothing of it: each opening of the node is something of its own */
	bool always_waits; /* -EAGAIN is waited for even with O_NONBLOCK: a file that a disk is read for */
};

struct dir_context {
	/* False: the buffer is full. @next_pos is the offset with which the entry after this one begins. */
	bool (*emit)(struct dir_context *ctx, const char *name, size_t len, u64 ino, u32 d_type,
		     u64 next_pos);
};

/* Whom a file's news is for (O_ASYNC), as fcntl set it. */
struct file_owner {
	int type;      /* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP */
	int id;        /* 0: nobody */
	int signal;    /* F_SETSIG; 0: a plain SIGIO */
	u32 uid, euid; /* of who set it: it must be allowed to signal the owner */
};

struct async;
struct dnotify;
struct donated;
struct change;

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

struct file {
	struct kernel *k;
	int refs;
	const struct file_ops *ops;
	u32 flags;               /* O_* status flags and access mode, without O_CLOEXEC */
	u64 pos;                 /* of files with ops->donate: by file_pos() alone */
	struct donated *donated; /* owned; a guest reads it by itself (vfs/donate.h) */
	struct change *moving; /* borrowed: who moves the offset in several steps (vfs/change.c); nullable */
	u32 uses, donate_at;   /* calls that it might have answered; how many make it worth while */
	u8 taken;              /* how often it was taken back */
	struct inode *inode;   /* owned; NULL for anonymous files without one */
	struct path *path;     /* how it was opened: &own_path; NULL for anonymous files */
	struct path own_path;  /* owned */
	struct cred *cred;     /* owned; who opened it; NULL: husk itself */
	void *priv;
	struct wait_queue *wait; /* nullable; the queue of streams, for quick wakes */
	struct list epoll_items; /* struct file_link: epoll entries that watch this file */
	struct file_owner owner;
	struct async *async;     /* owned; O_ASYNC is on (vfs/async.c) */
	struct dnotify *dnotify; /* owned; signals for a directory (vfs/dnotify.c) */
	bool created;            /* this open made the file (F_CREATED_QUERY) */
	bool writes, runs;       /* counted among its path's inode's writers or runners */
	bool opened;             /* watchers were told of its opening, and will be of its end */
};

/* A new file with one reference (the caller's). @inode, nullable, is consumed on success. -ENOMEM, -ENFILE. */
int file_new(struct kernel *k, const struct file_ops *ops, u32 flags, struct inode *inode, void *priv,
	     struct file **out);
struct file *file_get(struct file *f);
void file_put(struct file *f);
/* Takes back what was donated of @f: its offset is in f->pos again. */
void file_take_back(struct file *f);
/* The file's own offset, for who is about to use or change it. */
static inline u64 *file_pos(struct file *f)
{
	if (f->donated)
		file_take_back(f);
	return &f->pos;
}
static inline bool file_readable(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY && (f->flags & O_ACCMODE) != O_ACCMODE &&
	       !(f->flags & O_PATH);
}
static inline bool file_writable(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY && (f->flags & O_ACCMODE) != O_ACCMODE &&
	       !(f->flags & O_PATH);
}
/* What fcntl(F_GETFL) gives. */
static inline u32 file_status_flags(const struct file *f)
{
	/* open() sets it on every 64-bit program's files; pipe() and the like don't. */
	return f->flags | (f->path && !(f->flags & O_PATH) ? HUSK_O_LARGEFILE : 0);
}

/* ---- descriptor tables ---- */

struct fdtable *fdtable_new(struct kernel *k);
struct fdtable *fdtable_get(struct fdtable *ft);
struct fdtable *fdtable_copy(struct fdtable *ft); /* fork: NULL on no memory */
void fdtable_put(struct fdtable *ft);             /* closes all when the last user goes */
u64 fdtable_id(const struct fdtable *ft);         /* of no other table, ever */
bool fdtable_shared(const struct fdtable *ft);    /* other tasks use it, too */
/* execve: a private table (if shared) without the close-on-exec descriptors. 0 or -ENOMEM. */
int fdtable_exec(struct task *t);

/* Gives @f (consumed, whatever comes of it) the lowest free descriptor >= @from (0), below the task's RLIMIT_NOFILE:
 * that, -EMFILE or -ENOMEM. */
int fd_install_from(struct task *t, struct file *f, bool cloexec, int from);
int fd_install(struct task *t, struct file *f, bool cloexec);
/* Whether a descriptor could be given now: 0 or -EMFILE, for calls that must not have had an effect without one. */
int fd_room(struct task *t);
/* Gives both @ends (consumed, whatever comes of it) a descriptor each and writes the two to @addr, as pipe(2) does: 0 or a
 * negative errno, and then none is left. */
int fd_install_pair(struct task *t, struct file *const ends[2], bool cloexec, u64 addr);
/* Puts @f (consumed as well) at exactly @fd, closing what is there (dup2): @fd, -EBADF or -ENOMEM. */
int fd_install_at(struct task *t, struct file *f, bool cloexec, int fd);
/* The file behind @fd, a reference for the caller to put: -EBADF. O_PATH files only by fd_get_path(). */
int fd_get(struct task *t, int fd, struct file **out);
int fd_get_path(struct task *t, int fd, struct file **out);
int fd_close(struct task *t, int fd);
bool fd_cloexec(struct fdtable *ft, int fd);
void fd_set_cloexec(struct fdtable *ft, int fd, bool on);
int fdtable_size(const struct fdtable *ft); /* slots, for /proc */
/* The next used descriptor >= @fd and its file (borrowed), or -1: for /proc/PID/fd and close_range. */
int fdtable_next(struct fdtable *ft, int fd, struct file **out);

/* ---- generic reading and writing (vfs/rw.c): the blocking loop around file_ops, for the handlers ---- */

/* Reads or writes @u at *pos (NULL: the file's own offset, kept and advanced). The whole call's result,
 * CALL_PARK included; keeps c->done over waits. */
long file_rw(struct task *t, struct call *c, struct file *f, struct uio *u, u64 *pos, bool write);
/* Writes kernel memory at *pos (which advances) for @t, within its RLIMIT_FSIZE: bytes, maybe fewer, or -errno.
 * Telling watchers is the caller's. */
long file_write_kernel(struct task *t, struct file *f, const void *data, size_t size, u64 *pos);
/* Nothing lies beyond INT64_MAX in a file with offsets: 0 or -EINVAL (fs/read_write.c: rw_verify_area). */
int file_range_check(const struct file *f, u64 pos, u64 size);
/* What of *@size bytes at @pos may be written to a file: 0 with *@size cut to RLIMIT_FSIZE; beyond it SIGXFSZ is sent and -EFBIG
 * returned (fs/read_write.c: generic_write_check_limits()). */
int file_write_limit(struct task *t, const struct file *f, u64 pos, u64 *size);
/* A file is to become @size bytes long: 0; when it would grow above RLIMIT_FSIZE, SIGXFSZ is sent and -EFBIG
 * returned. */
int file_size_limit(struct task *t, struct inode *i, u64 size);
/* Waits until the file may be ready for @events: CALL_PARK, or what call_wait() says. */
long file_wait(struct task *t, struct file *f, u32 events);
/* As file_wait(), for a file whose host is waited for (ops->always_waits): signals wait as well, as on Linux, and the end of
 * the task does not. */
long file_wait_host(struct task *t, struct file *f, u32 events);

#endif

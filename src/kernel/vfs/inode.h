/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes, names and mounts: the tree that guests see.
 *
 * An inode is one object of a file system, counted, with operations that its file system gives. A dentry is one name:
 * (parent, name) -> inode; the live ones form a tree, are found again by a hash, and stay cached for a while after
 * their last user (a bounded LRU; file systems that change by themselves say so by revalidate()). Dentries, not
 * strings, are what open files, working directories and mount points hold, so that rename moves them all. A path is a
 * mount and a dentry in it.
 *
 *	guest path --walk.c--> struct path --open.c--> struct file (file.h)
 *
 * Operations get plain arguments, never guest addresses, and never park. Permission checks by the guest's credentials
 * are made by the vfs (perm.c), not by file systems; read-only mounts and file systems answer EROFS (perm.c too).
 */
#ifndef HUSK_KERNEL_VFS_INODE_H
#define HUSK_KERNEL_VFS_INODE_H

#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "core/task.h"
#include "vfs/file.h"

struct inode_ops;
struct super;
struct path;

struct kstat {
	u64 dev, ino;
	u32 mode, nlink, uid, gid;
	u64 rdev;
	s64 size;
	u64 blocks; /* of 512 bytes */
	u32 blksize;
	struct timespec atime, mtime, ctime, btime;
	u64 mnt_id;   /* filled by the vfs */
	u32 fs_flags; /* the same: FS_*_FL */
};

/* What setattr() shall change. */
#define ATTR_MODE  1u
#define ATTR_UID   2u
#define ATTR_GID   4u
#define ATTR_SIZE  8u
#define ATTR_ATIME 16u
#define ATTR_MTIME 32u

struct iattr {
	u32 valid; /* ATTR_* */
	u32 mode, uid, gid;
	s64 size;
	struct timespec atime, mtime;
	struct file
		*file; /* NULL, or by which open file: one that may write need not ask who may (borrowed) */
};

/* What permission hangs on. */
struct ownership {
	u32 mode, uid, gid;
};

struct inode {
	struct kernel *k;
	int refs;
	const struct inode_ops *ops;
	struct super *sb;
	u32 type; /* S_IFMT bits */
	u64 ino;
	void *priv;          /* the file system's */
	void *pipe;          /* FIFO: fs/pipe's object while it is open */
	void *sock;          /* socket: net/unix's bound socket */
	struct inode *above; /* borrowed: the overlay's inode for this one of its lower layer; NULL: none */
	struct list locks;   /* struct file_lock: record locks and flock (vfs/lock.c) */
	struct wait_queue lock_wait;
	u32 cuts;             /* counts how often it has become shorter, for who has mapped it (mm/fault.c) */
	int writers, runners; /* files open for writing, and for running (execve): never both, ETXTBSY */
	struct change *change;     /* borrowed: who changes its bytes by slices (vfs/change.c); nullable */
	struct notify_mark *marks; /* who watches it (vfs/notify.c); nullable */
	bool hollow;               /* a process or a namespace: a regular file by its type alone, never run */
	u8 write_hint;             /* F_SET_RW_HINT: kept, and told to who asks */
	u32 fs_flags;              /* FS_IOC_SETFLAGS: the same */
};

#define XATTRS_USER     1u
#define XATTRS_TRUSTED  2u
#define XATTRS_SECURITY 4u
#define XATTRS_SYSTEM   8u
#define XATTRS_COMMON   (XATTRS_USER | XATTRS_TRUSTED | XATTRS_SECURITY)

/* All nullable: what is missing answers -EPERM for changes (-ENOTDIR for directory operations on others),
 * -EINVAL for readlink. @name is not NUL-terminated by contract: @len bytes, without '/', at most 255. New
 * objects belong to
 * @cred's fsuid and fsgid (or to the directory's group when that is set-group-id). */
struct inode_ops {
	int (*getattr)(struct inode *i, struct kstat *st); /* never NULL */
	/* Rules of its own before the usual ones: 0, go on by mode and capabilities; 1: @mask is granted; or -errno. By whom
	 * CAP_DAC_OVERRIDE lets search a directory it is not asked about searching. Nullable. */
	int (*permission)(struct inode *i, const struct cred *cred, int mask);
	/* Of that the little that each step of a path asks for. NULL: getattr() tells. */
	int (*ownership)(struct inode *i, struct ownership *o);
	int (*setattr)(struct inode *i, const struct iattr *attr);
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out); /* -ENOENT */
	/* The attributes of @name in @dir alone, for which no inode is made: 0, -ENOENT...; -EAGAIN: it is to be looked up.
	 * @link: a symlink's own. NULL: always -EAGAIN. */
	int (*glance)(struct inode *dir, const char *name, size_t len, bool link, struct kstat *st);
	/* Regular files, directories, FIFOs, sockets, devices by @mode's type. */
	int (*create)(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev,
		      const struct cred *cred, struct inode **out);
	int (*symlink)(struct inode *dir, const char *name, size_t len, const char *target,
		       const struct cred *cred, struct inode **out);
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *target);
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *target); /* files */
	int (*rmdir)(struct inode *dir, const char *name, size_t len, struct inode *target);  /* -ENOTEMPTY */
	/* @flags: RENAME_NOREPLACE is checked by the vfs; RENAME_EXCHANGE swaps; RENAME_WHITEOUT leaves a device 0:0
	 * of @cred's under the old name. @over: what the new name is, nullable. */
	int (*rename)(struct inode *dir, const char *name, size_t len, struct inode *target,
		      struct inode *new_dir, const char *new_name, size_t new_len, struct inode *over,
		      u32 flags, const struct cred *cred);
	/* The bytes up to @size are about to be changed otherwise than by a write: 0, or an error. A queue in *@wait, which
	 * is NULL: something that takes time goes on first; when the queue is woken, to be asked again. NULL: nothing does. */
	int (*before_change)(struct inode *i, u64 size, struct wait_queue **wait);
	/* O_TMPFILE: without a name; @linkable: link() may give it one (no O_EXCL). */
	int (*tmpfile)(struct inode *dir, u32 mode, bool linkable, const struct cred *cred,
		       struct inode **out);
	/* The target, up to @size bytes, not terminated: its length. */
	long (*readlink)(struct inode *i, char *buf, size_t size);
	/* A link that leads to a place, not to a text (/proc/self/fd/N): a path, references for the caller.
	 * NULL: text. */
	int (*follow)(struct inode *i, struct task *t, struct path *out);
	/* An open file for @flags (O_*; creation and permissions are done): 0, -errno, or CALL_PARK-like: see
	 * fifo_open. NULL: regular files and directories of file_ops @fops. */
	int (*open)(struct inode *i, struct task *t, u32 flags, struct file **out);
	/* All names of the directory by @ctx, at once, as far as it takes them: 0, or -errno; -EOPNOTSUPP (or NULL): only an
	 * open file lists them. */
	int (*list)(struct inode *dir, struct dir_context *ctx);
	/* A stamp: as long as it stays the same, a name that was not found in @dir is not there. 0, or NULL: it may be
	 * there at any time. */
	u64 (*absence)(struct inode *dir);
	/* Makes a name of a lower layer's unseen. NULL: cannot be. */
	int (*hide)(struct inode *dir, const char *name, size_t len);
	/* Until when (ns of k->now) @name in @dir is @i: what guests do to names the vfs sees by itself. 0: it is not
	 * any more, and is looked up anew; NULL: always. */
	u64 (*revalidate)(struct inode *dir, const char *name, size_t len, struct inode *i);
	u8 xattr_spaces; /* XATTRS_*: the name spaces that the file system knows; 0: user., trusted., security. */
	long (*getxattr)(struct inode *i, const char *name, void *buf, size_t size);
	int (*setxattr)(struct inode *i, const char *name, const void *value, size_t size, int flags);
	long (*listxattr)(struct inode *i, char *buf, size_t size);
	int (*removexattr)(struct inode *i, const char *name);
	/* A FIFO was read or written by @f: notes when. NULL: it is not noted. */
	void (*used)(struct inode *i, const struct file *f, bool written);
	void (*release)(struct inode *i); /* the last reference went: frees priv */
};

/* One change: @what is A, C or D, @path begins with a slash. 0, or a negative errno that ends the telling. */
typedef int change_fn(void *arg, char what, const char *path);

/* One instance of a file system. */
struct super {
	struct kernel *k;
	const char *type;   /* "tmpfs", as /proc/mounts shows it */
	const char *source; /* "tmpfs", "/dev/root" */
	char options[80];   /* ",size=1024k": what is told of it there beside rw or ro */
	u64 dev;            /* st_dev */
	bool read_only;
	bool lookup_first; /* that a name is not there ends any call, before it is asked who may make one (proc) */
	bool no_cache;      /* dentries are not kept after their last use (proc) */
	struct inode *root; /* owned */
	void *priv;
	int (*statfs)(struct super *sb, struct statfs *st);
	/* A descriptor of the host's file system that keeps what is written here, owned by the caller, for syncfs(): 1, 0
	 * for none, or -errno. NULL: none. */
	int (*sync)(struct super *sb, struct hostfd *fd);
	/* Guests begin: what is there now was given to them. What they have changed since. Both nullable. */
	void (*begin)(struct super *sb);
	int (*changes)(struct super *sb, change_fn *tell, void *arg);
	void (*release)(struct super *sb);
	int refs;
};

struct dentry {
	struct kernel *k;
	int refs;
	struct dentry *parent; /* owned; NULL for a root */
	struct inode *inode;   /* owned; NULL: there is no such name, a memory without users */
	u64 absence;           /* then: the directory's stamp */
	struct super *sb;
	struct list hash_node, lru_node;
	struct list mounts; /* struct mount on it, by on_node */
	u64 until;          /* as revalidate() said */
	bool unlinked;      /* removed from its directory: "(deleted)" */
	bool used;          /* again, since it came into the list of unused ones, or was passed over there */
	u32 hash;
	u8 len;
	char name[256];
};

/* A tree in the tree of all; there as long as the kernel is. */
struct mount {
	struct list node; /* in vfs->mounts, in the order of mounting */
	struct list on_node;
	int id;
	struct super *sb;
	struct mount *parent; /* NULL: the root */
	struct dentry *on;    /* owned; the mount point in the parent */
	struct dentry *root;  /* owned */
	bool read_only;
};

struct fs_info {
	struct kernel *k;
	int refs;
	struct path root, cwd;
	u32 umask;
};

#define LOCK_WAITER_LISTS 64
#define VFS_PIECE         (128UL * 1024)

struct vfs {
	struct kernel *k;
	struct list mounts;
	struct list *dentries; /* hash table of @nbuckets lists, a power of two; grows with @ndentries */
	u32 nbuckets, ndentries;
	struct list lru;
	int ncached;
	struct list donated; /* vfs/donate.c: struct donated, the oldest first */
	int ndonated;
	u32 nmarks, next_cookie;                     /* vfs/notify.c: watched inodes, cookies of moves */
	u32 inotify_instances, inotify_watches;      /* fs/inotify.c */
	struct inode *nameless;                      /* vfs/anon.c: owned, nullable: see file_inode() */
	struct list locks;                           /* vfs/lock.c: all struct file_lock, by on_vfs */
	struct list lock_waiters[LOCK_WAITER_LISTS]; /* vfs/lock.c: calls that wait for a lock, by owner */
	u64 nghosts;                                 /* vfs/ghost.c: made so far */
	int next_mount_id;
	struct super *memfds; /* in no mount: what the files of memfd_create take is counted in it */
	u64 next_dev;         /* minor number of the next anonymous st_dev */
	struct mount *root;
	u64 disk_max, disk_used; /* bytes in trees in memory; disk_max 0: no limit besides each tree's own */
	/* What all trees in memory and all memfds hold together. Linux: memory and swap bound it. Here: half of the memory
	 * does, because a guest's files must not end in the host's memory killer. */
	u64 memory_max, memory_used;
	/* What file operations of the service thread carry bytes in, between two calls of the host: nobody's for longer. */
	char piece[VFS_PIECE];
	/* fs/pipe: opens a FIFO. When the other end is missing and it must wait, it leaves the half-opened
	 * end in c->file and answers what call_wait() says; vfs_open_at(), run again, comes straight back
	 * here while c->file is set. On 0 the end is moved from c->file to *out. */
	long (*fifo_open)(struct task *t, struct call *c, struct inode *i, u32 flags, struct file **out);
};

/* ---- references ---- */
struct inode *inode_new(struct kernel *k, struct super *sb, const struct inode_ops *ops, u32 type, u64 ino,
			void *priv);
struct inode *inode_get(struct inode *i);
void inode_put(struct inode *i);
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
static inline void path_get(struct path *p)
{
	dentry_get(p->dentry);
}
/* And zeroes it; a zero path is fine. */
static inline void path_put(struct path *p)
{
	if (!p->dentry)
		return;
	if (p->dentry->refs > 1)
		p->dentry->refs--;
	else
		dentry_put(p->dentry);
	*p = (struct path){0};
}
static inline struct inode *path_inode(const struct path *p)
{
	return p->dentry->inode;
}
static inline bool path_equal(const struct path *a, const struct path *b)
{
	return a->mnt == b->mnt && a->dentry == b->dentry;
}
static inline bool path_is_mount_root(const struct path *p)
{
	return p->dentry == p->mnt->root;
}

/* The dentry of @name in @parent, made with @inode (consumed) when it is not cached; NULL: no memory. */
struct dentry *dentry_make(struct dentry *parent, const char *name, size_t len, struct inode *inode);
/* The cached and valid one: 0 with a reference in *out; -ENOENT: there is no such name, for sure; -EAGAIN: nobody knows.
 */
int dentry_find(struct dentry *parent, const char *name, size_t len, struct dentry **out);
/* As dentry_find(), if it is known for now without asking the file system: borrowed until the next call that may drop one;
 * else NULL. Without an inode: there is no such name, for sure. @hash: the name's, by name_hash_add(). */
struct dentry *dentry_cached(struct dentry *parent, const char *name, size_t len, u64 hash);
/* The hash of a name with the byte @c more; it begins with 0. */
static inline u64 name_hash_add(u64 hash, char c)
{
	return (hash << 7 | hash >> 57) ^ (u8)c; /* it is mixed when it is whole */
}
/* Remembers that a look-up has not found @name. */
void dentry_absent(struct dentry *parent, const char *name, size_t len);
/* Takes the name out of the cache; @unlinked: it has been removed from its directory. */
void dentry_drop(struct dentry *d, bool unlinked);
/* @d is called @name in @parent from now on. */
void dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t len);
/* Drops unused ones from the cache until @keep are left. */
void dentries_shrink(struct kernel *k, int keep);
/* A new one without a name, for @sb's root; NULL: no memory. */
struct dentry *dentry_root(struct super *sb);

struct fs_info *fs_info_new(struct kernel *k); /* root and cwd at /, umask 022 */
struct fs_info *fs_info_get(struct fs_info *fs);
struct fs_info *fs_info_copy(struct fs_info *fs);
void fs_info_put(struct fs_info *fs);

/* ---- changing bytes (vfs/change.c) ---- */

/* The call is about to change @i's bytes by slices: others wait until it ends. False: no memory. Its c->priv is taken. */
bool change_begin(struct task *t, struct call *c, struct inode *i);
/* The call is about to move the offset of @f, which others use too, in several steps. The same otherwise. */
bool offset_begin(struct task *t, struct call *c, struct file *f);
/* For calls that use @f's offset, before they do anything: 0, go on; CALL_PARK: the handler is to run again; or -errno. */
long offset_wait(struct task *t, struct file *f);
/* For calls that change bytes up to @size, before they do anything: 0, go on; CALL_PARK: the handler is to run again; or
 * -errno. */
long inode_change_wait(struct task *t, struct inode *i, u64 size);

/* ---- walking ---- */
#define LOOKUP_FOLLOW    1u  /* the last component's symlink too */
#define LOOKUP_DIRECTORY 2u  /* -ENOTDIR for anything else */
#define LOOKUP_EMPTY     4u  /* an empty path names the descriptor itself (AT_EMPTY_PATH) */
#define LOOKUP_LONG      8u  /* path_parent(): a last name that is too long is LAST_LONG */
#define LOOKUP_LINKED    16u /* linkat(2) with AT_EMPTY_PATH: by a descriptor that the caller opened itself */
/* And openat2's RESOLVE_* in the high half. */
#define LOOKUP_RESOLVE(r) ((u32)(r) << 16)

/* Resolves @path (kernel memory) from @dirfd (or AT_FDCWD) with Linux's rules and errors: *out holds
 * references. */
int path_lookup(struct task *t, int dirfd, const char *path, u32 flags, struct path *out);
/* The attributes of what path_lookup() would find; *root: whether that is a mount's root. */
int path_attributes(struct task *t, int dirfd, const char *path, u32 flags, struct kstat *st, bool *root);
/* All but the last component: its directory, and the component (without trailing slashes) in @last[256]. *last_type: which
 * kind of name that is; one that is LAST_LONG, with LOOKUP_LONG alone, is not told. *slashes: the path ended in '/'. 0 or
 * -errno. */
enum last_type { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT, LAST_LONG };
int path_parent(struct task *t, int dirfd, const char *path, u32 flags, struct path *dir, char *last,
		enum last_type *last_type, bool *slashes);
/* One component below @dir, following mounts but no symlink: 0 or -ENOENT... */
int path_child(const struct path *dir, const char *name, size_t len, struct path *out);
/* The same of a name that is made if it is not there: its absence is not remembered. */
int path_child_new(const struct path *dir, const char *name, size_t len, struct path *out);
/* Reads a guest's path: its length, -ENAMETOOLONG, -EFAULT, CALL_FETCH, -ENOENT when empty and not @empty_ok. */
long user_path(struct task *t, u64 addr, char *buf /* [4096] */, bool empty_ok);
/* The text of @p as @t sees it from its root (getcwd, /proc/PID/fd): its length; " (deleted)" is appended for
 * removed ones when @mark; -ENAMETOOLONG. Paths outside the root begin with "(unreachable)". */
long path_text(struct task *t, const struct path *p, char *buf, size_t size, bool mark);

/* ---- permission ---- */
#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4
/* 0, -EACCES, or -EROFS for MAY_WRITE on a read-only mount (not for FIFOs, sockets, devices). By fsuid/fsgid. */
int path_permission(struct task *t, const struct path *p, int mask);
bool path_read_only(const struct path *p);
int inode_permission(const struct cred *cred, struct inode *i, int mask);
int inode_ownership(struct inode *i, struct ownership *o);
/* @mode, of a file of group @gid, after a change of the content by @cred: it takes set-user-id and set-group-id away from a
 * regular file, unless @cred may keep them (fs/attr.c: setattr_should_drop_suidgid). */
u32 mode_unprivileged(const struct cred *cred, u32 mode, u32 gid);
/* Adds to @a what a change of the content by @t takes from the mode (mode_unprivileged()). */
void attr_drop_privileges(struct task *t, struct inode *i, struct iattr *a);
/* Whether names in @dir may be made; whether @victim may be removed from it (sticky bit; is_dir: rmdir). */
int may_create(struct task *t, const struct path *dir);
int may_delete(struct task *t, const struct path *dir, struct inode *victim, bool is_dir);

/* ---- removing ---- */
static inline bool path_is_mount_point(const struct path *p)
{
	return p->dentry == p->mnt->root || !list_empty(&p->dentry->mounts);
}
/* Takes @name out of @dir, and tells who watches: 0 or -errno, by @t's rights. @slashes: it was followed by some; @is_dir: a
 * directory is meant. */
int vfs_remove(struct task *t, const struct path *dir, const char *name, bool slashes, bool is_dir);

/* ---- opening ---- */
/* open(2) as a whole: a call step (FIFOs may park). *out on 0. */
long vfs_open_at(struct task *t, struct call *c, int dirfd, const char *path, u32 flags, u32 mode,
		 u32 resolve, struct file **out);
/* Opens what @p names, permissions checked by the caller. */
int vfs_open_path(struct task *t, const struct path *p, u32 flags, struct file **out);
/* For execve: a regular file with execute permission (-EACCES), opened for reading by the kernel. @at_flags:
 * AT_*. */
int vfs_open_exec(struct task *t, int dirfd, const char *path, int at_flags, struct file **out);
/* Whether @f is as memfd_create(2) gave it: a regular file with seals that was opened by no name. */
static inline bool file_is_memfd(const struct file *f)
{
	return !f->path && f->inode && f->inode->type == S_IFREG && f->ops->fcntl;
}
/* Whether O_DIRECT may be set: on regular files, but for memfds. */
static inline bool file_can_direct(const struct file *f)
{
	return f->inode && f->inode->type == S_IFREG && !(f->inode->sb && f->inode->sb->no_cache) &&
	       !file_is_memfd(f) && (f->ops->read || f->ops->write);
}
/* Reads into kernel memory: bytes or -errno. @waits: -EAGAIN when a disk is to be waited for, by file_wait_host(), and
 * telling watchers is the caller's. */
long file_pread(struct file *f, void *buf, size_t size, u64 offset, bool waits);
int file_getattr(struct file *f, struct kstat *st); /* anonymous files too */
int path_getattr(const struct path *p, struct kstat *st);
int path_setattr(struct task *t, const struct path *p, struct iattr *attr); /* checks are the caller's */

/* ---- mounts and file systems ---- */
int vfs_mount_super(struct kernel *k, struct super *sb /* consumed */, const char *path, bool read_only);
void super_put(struct super *sb);
int tmpfs_super(struct kernel *k, u32 mode, u32 uid, u32 gid, u64 max_bytes, struct super **out);
/* A tree that may be changed over one that stays as it is: @lower is consumed, also on failure. What is written
 * takes memory, up to @max_bytes, or is kept in the host's directory @upper (nullable): an error of that has a
 * sentence in @why. */
int overlay_super(struct super *lower, u64 max_bytes, const char *upper, struct super **out, char *why,
		  size_t size);
/* @writable: what guests change is changed on the host. */
int host_super(struct kernel *k, struct hostfd dir /* consumed */, const char *source, bool writable,
	       struct super **out);
/* A nameless regular file in memory (memfd_create): its inode and open file. */
int tmpfs_anonymous(struct kernel *k, const char *name, u32 flags, const struct cred *cred,
		    struct file **out);

/* ---- for boot ---- */
/* @upper, nullable: the host directory of the layer above the root. */
int vfs_init(struct kernel *k, const char *host_root, const char *upper, char *why, size_t size);
/* @max_bytes 0: half of the memory. */
int vfs_mount_tmpfs(struct kernel *k, const char *path, u32 mode, u32 uid, u32 gid, u64 max_bytes);
/* What @host_path holds, below an in-memory layer, at @path. */
int vfs_mount_overlay(struct kernel *k, const char *host_path, const char *path);
/* A directory or a file of the host's at @path. */
int vfs_bind_host(struct kernel *k, const char *host_path, const char *path, bool writable);
/* Takes what is at @path out of sight; 0 also when nothing is. -EOPNOTSUPP where the tree is not an overlay,
 * -EBUSY where a mount begins. */
int vfs_hide(struct kernel *k, const char *path);
/* All mounts are there. */
void vfs_begin(struct kernel *k);
/* Tells what guests have changed, in no order. 0 or a negative errno. */
int vfs_changes(struct kernel *k, change_fn *tell, void *arg);
void vfs_shutdown(struct kernel *k);

#endif

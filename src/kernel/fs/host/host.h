/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the host's tree: inodes for the host's objects.
 *
 * node.c finds and keeps them, glance.c does without, attr.c knows their attributes, open.c the descriptors by which they are
 * reached, file.c opens and reads them, write.c changes them, hide.c keeps names unseen, xattr.c has their extended
 * attributes, cold.c reads what is not in memory, super.c makes the file system.
 */
#ifndef HUSK_KERNEL_FS_HOST_HOST_H
#define HUSK_KERNEL_FS_HOST_HOST_H

#include "host/types.h"
#include "vfs/inode.h"
#include "vfs/simple.h"

#define BUCKETS  256 /* at first; always a power of two */
#define MAX_OPEN 256 /* descriptors of nodes */
#define FEW_OPEN 32  /* that are kept when the host has no more to give */
#define MAX_IDLE 64  /* descriptors for reading that nobody uses */

struct hostfs {
	struct super *sb;
	struct list *nodes; /* owned: struct hnode by (device, number), in @nbuckets lists */
	size_t nbuckets, nnodes;
	struct list lru; /* struct hnode with an open descriptor, the root's not among them */
	int nopen;
	struct list idle; /* struct hnode whose data nobody has open, by idle_node */
	int nidle;
	bool writable;              /* bound to be written through */
	u64 believe_ns;             /* how long names and directories' attributes are taken as they were */
	u64 believe_file_ns;        /* and files' attributes */
	u64 absence, absence_until; /* the stamp of names that are not there, and when it is another */
	struct glances *glances;    /* owned: glance.c's; nullable */
	u64 last_id;                /* of struct hnode */
	struct list hidden;         /* hide.c's */
};

struct hnode {
	struct hostfs *fs;
	struct inode *inode;
	struct list hash_node, lru_node;
	u64 id; /* no other node's, ever */
	u64 dev, ino;
	u32 type;
	struct timespec btime;
	struct hostfd fd;   /* O_PATH, or none now */
	bool lists;         /* directory: or open for reading, so that it can be listed, too */
	bool listed;        /* and was: its offset is not at the start */
	struct hostfd data; /* regular file: open for reading, for all who do */
	int readers;        /* open files that use it; none: it is in fs->idle */
	struct list idle_node;
	char *link; /* owned: a symlink's text, once it was read */
	/* Of a file that was just made, open for both: its mode may forbid to open it again. */
	struct hostfd fresh;
	struct inode *parent; /* owned; NULL for the root */
	char *name;           /* owned */
	struct kstat st;
	u64 st_ns;      /* when st was read; 0: never */
	u64 checked_ns; /* when the name was last seen to lead here */
};

static inline struct hnode *hnode(struct inode *i)
{
	return i->priv;
}

static inline u64 hostfs_now(const struct hostfs *fs)
{
	return fs->sb->k->now;
}

extern const struct inode_kinds host_kinds, host_writable_kinds; /* in super.c */

/* node.c */
/* The inode of what @fd stands for (@name in @parent); *fd is taken over, or left, when there is a node
 * already. */
int hnode_get(struct hostfs *fs, struct hostfd *fd, struct inode *parent, const char *name,
	      struct inode **out);
/* See inode_ops.absence. */
u64 host_absence(struct inode *dir);
/* It is @name in @parent now; it is held. */
void hnode_moved(struct hnode *h, struct inode *parent, const char *name);
/* The table of nodes, of @nbuckets (a power of two) lists: 0 or -ENOMEM, and all is as it was. */
int hnodes_resize(struct hostfs *fs, size_t nbuckets);
int host_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
/* The node of the object that @st tells of, borrowed; NULL: there is none. */
struct hnode *hnode_find(struct hostfs *fs, const struct kstat *st);
u64 host_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i);
long host_readlink(struct inode *i, char *buf, size_t size);
void host_release_inode(struct inode *i);

/* hide.c */
int host_hide(struct inode *dir, const char *name, size_t len);
/* Whether guests must not see @name in @dir. */
bool host_is_hidden(const struct hnode *dir, const char *name, size_t len);
void host_hidden_free(struct hostfs *fs);

/* glance.c */
int host_glance(struct inode *dir, const char *name, size_t len, bool link, struct kstat *st);
/* What a glance at @name in @dir has told a moment ago, and when: true, once. */
bool glance_take(struct hnode *dir, const char *name, size_t len, struct kstat *st, u64 *when);

/* attr.c */
/* Of @name below @fd; "": of what @fd stands for. */
int host_read_stat(struct hostfd fd, const char *name, struct kstat *st);
/* Whether @st tells of the node's object. Numbers are given to new files again; file systems that do not know when a file
 * was made say 0. */
bool hnode_is(const struct hnode *h, const struct kstat *st);
/* The node's attributes are @st, as of now; or as of @when, if it has no later ones. */
void hnode_take_stat(struct hnode *h, const struct kstat *st);
void hnode_take_stat_of(struct hnode *h, const struct kstat *st, u64 when);
int host_getattr(struct inode *i, struct kstat *st);
int host_ownership(struct inode *i, struct ownership *o);

/* open.c */
/* The node's descriptor, borrowed until the next call into this room. -ESTALE: the name leads elsewhere. */
int hnode_fd(struct hnode *h, struct hostfd *out);
/* The same of a directory, open for reading: -EAGAIN when it is open otherwise, or may not be read. */
int hnode_listing(struct hnode *h, struct hostfd *out);
/* The file's own descriptor for reading, borrowed until hnode_data_put(). */
int hnode_data_get(struct hnode *h, struct hostfd *out);
void hnode_data_put(struct hnode *h);
/* Opens what the node stands for once more, for @access (O_RDONLY, O_WRONLY, O_RDWR): *out is the caller's. Makes room when
 * the host has no descriptor to give. */
int hnode_reopen(struct hnode *h, u32 access, struct hostfd *out);
/* Opens @name below @dir by @open, making room when the host has no descriptor to give. */
int hnode_open_below(struct hnode *dir, const char *name,
		     int (*open)(struct hostfd dir, const char *name, struct hostfd *out),
		     struct hostfd *out);
/* Gives @h the descriptor @fd (consumed). */
void hnode_keep_open(struct hnode *h, struct hostfd fd);
/* Keeps the node's descriptor for as long as the node lives: its name is about to lead elsewhere. */
int hnode_hold(struct hnode *h);
void hnode_close(struct hnode *h);
void hnode_close_data(struct hnode *h);

/* write.c: for those that may be written */
int host_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const struct cred *cred,
		struct inode **out);
int host_tmpfile(struct inode *dir, u32 mode, bool linkable, const struct cred *cred, struct inode **out);
int host_symlink(struct inode *dir, const char *name, size_t len, const char *target, const struct cred *cred,
		 struct inode **out);
int host_link(struct inode *dir, const char *name, size_t len, struct inode *target);
int host_unlink(struct inode *dir, const char *name, size_t len, struct inode *target);
int host_rmdir(struct inode *dir, const char *name, size_t len, struct inode *target);
int host_rename(struct inode *dir, const char *name, size_t len, struct inode *target, struct inode *new_dir,
		const char *new_name, size_t new_len, struct inode *over, u32 flags, const struct cred *cred);
int host_setattr(struct inode *i, const struct iattr *a);
/* By @f, if it is an open file (borrowed, nullable), else by @path. */
int host_truncate(struct file *f, const char *path, s64 size);

/* xattr.c */
long host_getxattr(struct inode *i, const char *name, void *buf, size_t size);
long host_listxattr(struct inode *i, char *buf, size_t size);
int host_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags);
int host_removexattr(struct inode *i, const char *name);

/* file.c */
int host_open(struct inode *i, struct task *t, u32 flags, struct file **out);
int host_list(struct inode *i, struct dir_context *ctx);

#endif

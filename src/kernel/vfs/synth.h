/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synthetic trees (proc, dev): directories and files described by tables, contents made when they are opened.
 */
#ifndef HUSK_KERNEL_VFS_SYNTH_H
#define HUSK_KERNEL_VFS_SYNTH_H

#include "vfs/inode.h"

struct synth_ops;

/* One entry of a static table, ended by a NULL name. */
struct synth_entry {
	const char *name;
	u32 mode; /* type and permissions */
	const struct synth_ops *ops;
	const struct synth_entry *children; /* a static directory */
	u64 rdev;
	const void *data; /* for ops */
	u32 size;         /* what stat() shows */
};

/* What a node does; @data is the entry's data, @owner what a dynamic directory's lookup set (pid, descriptor,
 * ...). */
struct iattr;

struct synth_node {
	struct kernel *k;
	const struct synth_entry *entry;
	const void *data;
	u64 owner;
	u32 uid, gid; /* for ops->owner() to remember who it was */
	u64 born; /* which of those that have had the owner, in time: as ops->born() said of the nearest that has one */
	bool setting; /* it is, or is below, a directory of settings */
};

struct synth_ops {
	/* Regular files and directories: whether @t may open it, permissions being checked: 0 or -errno; nullable. */
	int (*check)(struct synth_node *n, struct task *t);
	/* What the text is about, where that may change: 0, or a number. What was opened about another one is empty, or
	 * reading it fails with @past; nullable. */
	u64 (*about)(struct synth_node *n);
	int past;
	bool early;   /* the text is that of the opening for good */
	bool value;   /* of a process: no seq_file of Linux's, so that pwrite(2) has its offset */
	bool setting; /* such a value, and lseek(2) goes anywhere */
	bool tells;   /* poll(2) tells of changes, of which there are none: the mounts */
	/* Directories of what comes and goes, which may come again under the same name: which one the owner is now. */
	u64 (*born)(struct synth_node *n);
	/* Directories: whether what they tell of has gone: nothing is found or listed (-ENOENT) any more, where @closes is
	 * set not even looked for (-ESRCH); nullable. */
	bool (*gone)(struct synth_node *n);
	bool closes;
	/* The whole text, when it is read; *out is malloc()ed, consumed. 0 or -errno. */
	int (*show)(struct synth_node *n, struct task *t, char **out, size_t *size);
	int (*store)(struct synth_node *n, struct task *t, const char *text,
		     size_t size); /* nullable: -EACCES at open */
	/* Symlinks: text, or a place. */
	long (*readlink)(struct synth_node *n, struct task *t, char *buf, size_t size);
	int (*follow)(struct synth_node *n, struct task *t, struct path *out);
	/* Dynamic directories: finds @name: fills *entry (static) and *owner; -ENOENT. */
	int (*lookup)(struct synth_node *n, struct task *t, const char *name, size_t len,
		      const struct synth_entry **entry, u64 *owner);
	/* The first name whose key is above *key: into @name[64], sets *key and *type (DT_*); false at the
	 * end. Keys order dynamic names (pids, descriptors). Listed after the static children. */
	bool (*next)(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type);
	/* Devices and other special opens. */
	int (*open)(struct synth_node *n, struct task *t, u32 flags, struct file **out);
	/* Changes what stat() shows of the node; nullable. */
	void (*attr)(struct synth_node *n, struct kstat *st);
	/* Mode, owner, group (permission is checked): 0 or -errno. NULL: a process's are as the process is, what is changed
	 * of others is kept. */
	int (*setattr)(struct synth_node *n, const struct iattr *a);
	bool fixed; /* nobody may write to it or change its attributes (Linux's S_IMMUTABLE): a process's directory */
	bool settings; /* a directory whose nodes, all the way down, have the rules of sysctl: the mode holds for root, too */
	/* Whether the task may do anything with the directory whatever its mode says; nullable. */
	bool (*open_to)(struct synth_node *n, struct task *t);
	/* The inode's number; NULL: one made of entry and owner. */
	u64 (*ino)(u64 owner);
	/* Owner ids of the node; NULL: 0, 0. */
	void (*owner)(struct synth_node *n, u32 *uid, u32 *gid);
};

/* The node of @i if it is one of @entry; else NULL. */
struct synth_node *synth_node(struct inode *i, const struct synth_entry *entry);
/* A file system from a static table; @type as /proc/mounts shows it. */
int synth_super(struct kernel *k, const char *type, const struct synth_entry *root, struct super **out);

#endif

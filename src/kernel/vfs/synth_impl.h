/* SPDX-License-Identifier: Apache-2.0 */
/* Between synth.c and synth_attr.c. */
#ifndef HUSK_KERNEL_VFS_SYNTH_IMPL_H
#define HUSK_KERNEL_VFS_SYNTH_IMPL_H

#include <string.h>

#include "vfs/synth.h"

struct snode {
	struct synth_node node;
	struct timespec made;
};

static inline struct synth_node *node_of(struct inode *i)
{
	return &((struct snode *)i->priv)->node;
}

/* Whether it is a tree of processes and settings; of the kernel's objects; of terminals. */
static inline bool is_proc(const struct super *sb)
{
	return !strcmp(sb->type, "proc");
}

static inline bool is_sysfs(const struct super *sb)
{
	return !strcmp(sb->type, "sysfs");
}

static inline bool is_devpts(const struct super *sb)
{
	return !strcmp(sb->type, "devpts");
}

/* struct inode_ops' of all nodes; directories have an ownership() besides. */
int synth_getattr(struct inode *i, struct kstat *st);
int synth_dir_ownership(struct inode *i, struct ownership *o);
int synth_setattr(struct inode *i, const struct iattr *a);
int synth_permission(struct inode *i, const struct cred *cred, int mask);
long synth_getxattr(struct inode *i, const char *name, void *buf, size_t size);

/* What guests changed of the attributes of nodes: made with a tree, freed with it. NULL: no memory. */
struct synth_changes *synth_changes_new(void);
void synth_changes_free(struct super *sb);

#endif

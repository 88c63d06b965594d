/* SPDX-License-Identifier: Apache-2.0 */
/* Who a task is: ids, groups, capabilities (credentials(7), capabilities(7)). Shared, never changed while
 * shared. */
#ifndef HUSK_KERNEL_CORE_CRED_H
#define HUSK_KERNEL_CORE_CRED_H

#include "base/types.h"

struct kernel;
struct task;

struct cred {
	struct kernel *k;
	int refs;
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u64 cap_permitted, cap_effective, cap_inheritable, cap_bounding, cap_ambient;
	u32 securebits;
	int ngroups;
	u32 *groups; /* owned */
};

/* A new one with the given ids, no groups, and all capabilities when @uid is 0. NULL: no memory. Owned by the
 * caller. */
struct cred *cred_new(struct kernel *k, u32 uid, u32 gid);
/* A private copy of @c to change; NULL: no memory. */
struct cred *cred_copy(const struct cred *c);
struct cred *cred_get(struct cred *c);
void cred_put(struct cred *c);
/* Makes @new (consumed) the task's credentials. */
void task_set_cred(struct task *t, struct cred *new);
/* Whether @gid is one of the task's groups (fsgid or supplementary). */
bool cred_in_group(const struct cred *c, u32 gid);
/* Whether the task has capability @cap (CAP_*) in effect. */
bool capable(const struct task *t, int cap);

#endif

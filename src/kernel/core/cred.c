/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: shared, counted, replaced as a whole. */
#include "core/cred.h"

#include <stdlib.h>
#include <string.h>

#include "core/task.h"

#define CAP_LAST 40

struct cred *cred_new(struct kernel *k, u32 uid, u32 gid)
{
	struct cred *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	object_count(k, "cred", 1);
	c->k = k;
	c->refs = 1;
	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	c->cap_bounding = (1UL << (CAP_LAST + 1)) - 1;
	if (!uid)
		c->cap_permitted = c->cap_effective = c->cap_bounding;
	return c;
}

struct cred *cred_copy(const struct cred *c)
{
	struct cred *n = malloc(sizeof *n);

	if (!n)
		return NULL;
	*n = *c;
	n->refs = 1;
	if (c->ngroups) {
		n->groups = malloc((size_t)c->ngroups * sizeof *n->groups);
		if (!n->groups) {
			free(n);
			return NULL;
		}
		memcpy(n->groups, c->groups, (size_t)c->ngroups * sizeof *n->groups);
	}
	object_count(c->k, "cred", 1);
	return n;
}

struct cred *cred_get(struct cred *c)
{
	c->refs++;
	return c;
}

void cred_put(struct cred *c)
{
	if (!c || --c->refs)
		return;
	object_count(c->k, "cred", -1);
	free(c->groups);
	free(c);
}

void task_set_cred(struct task *t, struct cred *new)
{
	cred_put(t->cred);
	t->cred = new;
}

bool cred_in_group(const struct cred *c, u32 gid)
{
	if (c->fsgid == gid)
		return true;
	for (int i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

bool capable(const struct task *t, int cap)
{
	return t->cred->cap_effective >> cap & 1;
}

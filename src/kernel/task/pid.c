/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pid table: who has which number, and the next one to give out.
 *
 * Numbers are few (pid_max is 32768, as Linux has it by default), so the table is an array: looking up is one
 * access, the ordered walk goes over a bitmap of group leaders. A number stays taken while it is a task's, a
 * process group's or a session's. 1 is husk itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "task/life.h"

#define RESERVED_PIDS 300 /* Linux: after the first round, low numbers are left alone */

struct pid_table {
	int last;
	int given;                       /* numbers on their way to a task, or a task's */
	struct task *task[HUSK_PID_MAX]; /* a reference each */
	u32 uses[HUSK_PID_MAX];
	u64 leaders[HUSK_PID_MAX / 64];
};

struct pid_table *pid_table_new(void)
{
	struct pid_table *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->last = HUSK_FIRST_PID - 1;
	p->uses[0] = p->uses[HUSK_INIT_PID] = 1;
	return p;
}

void pid_table_free(struct pid_table *p)
{
	free(p);
}

int pid_alloc(struct kernel *k)
{
	struct pid_table *p = k->pids;
	int pid = p->last;

	/* The host has its own table to fill: it must not become the guest's to exhaust (Linux: threads-max). */
	if (p->given >= HUSK_THREADS_MAX)
		return -EAGAIN;
	for (int i = 0; i < HUSK_PID_MAX; i++) {
		if (++pid >= HUSK_PID_MAX)
			pid = RESERVED_PIDS;
		if (p->uses[pid])
			continue;
		p->last = pid;
		p->uses[pid] = 1;
		p->given++;
		return pid;
	}
	return -EAGAIN;
}

void pid_use(struct kernel *k, int pid)
{
	if (pid > 0 && pid < HUSK_PID_MAX)
		k->pids->uses[pid]++;
}

void pid_unuse(struct kernel *k, int pid)
{
	if (pid > 0 && pid < HUSK_PID_MAX)
		k->pids->uses[pid]--;
}

static void leader_mark(struct pid_table *p, int pid, bool on)
{
	u64 bit = 1UL << (pid % 64);

	if (on)
		p->leaders[pid / 64] |= bit;
	else
		p->leaders[pid / 64] &= ~bit;
}

void pid_return(struct kernel *k, int pid)
{
	pid_unuse(k, pid);
	k->pids->given--;
	if (k->pids->last == pid)
		k->pids->last--;
}

void pid_bind(struct kernel *k, struct task *t)
{
	k->pids->task[t->tid] = task_get(t);
	if (t->group->leader == t)
		leader_mark(k->pids, t->tid, true);
}

void pid_unbind(struct task *t)
{
	struct pid_table *p = t->k->pids;

	if (p->task[t->tid] != t)
		return;
	p->task[t->tid] = NULL;
	p->given--;
	leader_mark(p, t->tid, false);
	pid_unuse(t->k, t->tid);
	task_put(t);
}

void pid_take_over(struct task *t)
{
	struct pid_table *p = t->k->pids;
	struct task *old = t->group->leader;

	p->task[t->tid] = NULL;
	p->given--;
	pid_unuse(t->k, t->tid);
	p->task[old->tid] = t; /* t's reference moves along */
	t->tid = old->tid;
	t->group->leader = t;
	task_put(old);
}

struct task *task_find(struct kernel *k, int tid)
{
	return tid > 0 && tid < HUSK_PID_MAX ? k->pids->task[tid] : NULL;
}

struct thread_group *group_find(struct kernel *k, int tgid)
{
	struct task *t = task_find(k, tgid);

	return t && t->group->tgid == tgid ? t->group : NULL;
}

struct thread_group *group_next(struct kernel *k, int after_tgid)
{
	struct pid_table *p = k->pids;
	int from = after_tgid + 1;
	u64 bits;

	if (from < 0 || from >= HUSK_PID_MAX)
		return NULL;
	bits = p->leaders[from / 64] & (~0UL << (from % 64));
	for (int word = from / 64;;) {
		if (bits)
			return p->task[word * 64 + __builtin_ctzl(bits)]->group;
		if (++word >= HUSK_PID_MAX / 64)
			return NULL;
		bits = p->leaders[word];
	}
}

struct thread_group *pgrp_first(struct kernel *k, int pgid)
{
	struct thread_group *g;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		if (g->pgid == pgid)
			return g;
	}
	return NULL;
}

u64 user_tasks(struct kernel *k, u32 uid)
{
	struct thread_group *g;
	u64 n = 0;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		if (g->leader->cred->uid == uid)
			n += (u64)max(g->nthreads, 1);
	}
	return n;
}

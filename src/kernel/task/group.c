/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thread groups: parents and children, process groups, sessions, and what their ends mean for others.
 *
 * References: the pid table holds each task, each task holds its group; a parent's list of children holds
 * none, for a group leaves it when it is reaped.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "fs/tty.h"
#include "task/life.h"
#include "task/short.h"
#include "task/signal.h"
#include "task/trace.h"

struct thread_group *group_new(struct kernel *k)
{
	struct thread_group *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->k = k;
	g->refs = 1;
	list_init(&g->threads);
	list_init(&g->children);
	list_init(&g->sibling);
	list_init(&g->news);
	wait_queue_init(&g->child_wait);
	wait_queue_init(&g->exit_wait);
	sigpending_init(&g->shared_pending);
	g->start_ns = kernel_now(k);
	object_count(k, "group", 1);
	return g;
}

struct thread_group *group_get(struct thread_group *g)
{
	g->refs++;
	return g;
}

void group_put(struct thread_group *g)
{
	if (!g || --g->refs)
		return;
	object_count(g->k, "group", -1);
	pidfs_group_gone(g);
	free(g);
}

void group_set_pgid(struct thread_group *g, int pgid)
{
	pid_use(g->k, pgid);
	pid_unuse(g->k, g->pgid);
	g->pgid = pgid;
	short_pgrp(g);
}

void group_set_sid(struct thread_group *g, int sid)
{
	pid_use(g->k, sid);
	pid_unuse(g->k, g->sid);
	g->sid = sid;
}

void group_set_parent(struct thread_group *g, struct thread_group *parent, int parent_tid)
{
	list_del(&g->sibling);
	g->parent = parent;
	g->parent_tid_of_death_signal = parent_tid;
	if (parent)
		list_add_tail(&parent->children, &g->sibling);
	short_parent(g);
}

/* Who adopts the children of @g: the nearest living ancestor that asked for it, or NULL, init. */
static struct thread_group *reaper_of(struct thread_group *g)
{
	struct thread_group *p;

	for (p = g->parent; p; p = p->parent) {
		if (p->subreaper && !p->zombie && p->nthreads > 0)
			return p;
	}
	return NULL;
}

static void pdeath_signals(struct thread_group *child)
{
	struct task *t;

	list_for_each (t, &child->threads, group_node) {
		siginfo_t info = signal_info(t->pdeath_signal, SI_USER);

		if (t->pdeath_signal && t->state != TASK_DEAD) {
			signal_send_group(child, &info);
			break;
		}
	}
}

static bool has_stopped_jobs(struct kernel *k, int pgid)
{
	struct thread_group *g;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		if (g->pgid == pgid && g->stopped)
			return true;
	}
	return false;
}

/* POSIX 3.2.2.2: stopped members of a newly orphaned process group get SIGHUP and SIGCONT. */
void group_check_orphans(struct thread_group *g, struct thread_group *parent)
{
	struct kernel *k = g->k;
	siginfo_t info;

	if (!parent || parent->pgid == g->pgid || parent->sid != g->sid)
		return;
	if (!pgrp_orphaned(k, g->pgid, g) || !has_stopped_jobs(k, g->pgid))
		return;
	info = signal_info(SIGHUP, SI_KERNEL);
	signal_send_pgrp(k, g->pgid, &info);
	info = signal_info(SIGCONT, SI_KERNEL);
	signal_send_pgrp(k, g->pgid, &info);
}

/* As group_check_orphans(), for a child that stays alive and lost its parent @from. */
static void child_lost_parent(struct thread_group *child, struct thread_group *from)
{
	siginfo_t info;

	if (child->zombie || from->pgid == child->pgid || from->sid != child->sid)
		return;
	if (!pgrp_orphaned(child->k, child->pgid, NULL) || !has_stopped_jobs(child->k, child->pgid))
		return;
	info = signal_info(SIGHUP, SI_KERNEL);
	signal_send_pgrp(child->k, child->pgid, &info);
	info = signal_info(SIGCONT, SI_KERNEL);
	signal_send_pgrp(child->k, child->pgid, &info);
}

static struct task *live_thread(struct thread_group *g)
{
	struct task *t;

	list_for_each (t, &g->threads, group_node) {
		if (t->state != TASK_DEAD)
			return t;
	}
	return NULL;
}

static void adopt(struct thread_group *child, struct thread_group *from, struct thread_group *to)
{
	struct task *t = to ? live_thread(to) : NULL;

	group_set_parent(child, to, t ? t->tid : 0);
	if (child->leader->exit_signal != -1)
		child->leader->exit_signal = SIGCHLD;
	child_lost_parent(child, from);
	if (!child->zombie)
		return;
	if (child->kept || child->leader->trace)
		return;
	if (to)
		signal_notify_parent(child, end_code(child->exit_status));
	else
		group_reap(child);
}

void group_leave_children(struct thread_group *g, struct task *dead, bool last)
{
	struct thread_group *child, *tmp, *to = last ? reaper_of(g) : g;
	struct task *heir = last ? NULL : live_thread(g);

	list_for_each_safe (child, tmp, &g->children, sibling) {
		if (!last && child->parent_tid_of_death_signal != dead->tid)
			continue;
		if (child->parent_tid_of_death_signal == dead->tid && !child->zombie)
			pdeath_signals(child);
		if (last)
			adopt(child, g, to);
		else
			child->parent_tid_of_death_signal = heir ? heir->tid : 0;
	}
}

void group_leave_session(struct thread_group *g)
{
	struct kernel *k = g->k;
	struct tty *tty = g->ctty;
	struct thread_group *other;
	int pgid = tty ? tty->pgid : g->tty_old_pgid;
	siginfo_t info;

	if (!g->session_leader)
		return;
	if (pgid > 0) {
		info = signal_info(SIGHUP, SI_KERNEL);
		signal_send_pgrp(k, pgid, &info);
		/* drivers/tty/tty_jobctrl.c, disassociate_ctty: only where the terminal was lost before. */
		info = signal_info(SIGCONT, SI_KERNEL);
		if (!tty)
			signal_send_pgrp(k, pgid, &info);
	}
	if (!tty)
		return;
	if (tty->sid == g->sid)
		tty->sid = tty->pgid = 0;
	for (other = group_next(k, 0); other; other = group_next(k, other->tgid)) {
		if (other->sid == g->sid)
			other->ctty = NULL;
	}
}

static void times_to_parent(struct thread_group *g, struct thread_group *p)
{
	p->cutime_ns += g->utime_ns + g->cutime_ns;
	p->cstime_ns += g->stime_ns + g->cstime_ns;
	p->cmin_flt += g->min_flt + g->cmin_flt;
	p->cmaj_flt += g->maj_flt + g->cmaj_flt;
	p->cnvcsw += g->nvcsw + g->cnvcsw;
	p->cnivcsw += g->nivcsw + g->cnivcsw;
	p->cmaxrss_kb = max(p->cmaxrss_kb, g->maxrss_kb);
	p->cmaxrss_kb = max(p->cmaxrss_kb, g->cmaxrss_kb);
}

void group_reap(struct thread_group *g)
{
	struct task *leader = g->leader;

	group_get(g);
	trace_forget(leader);
	if (g->parent)
		times_to_parent(g, g->parent);
	list_del(&g->sibling);
	g->parent = NULL;
	group_set_pgid(g, 0);
	group_set_sid(g, 0);
	list_del(&leader->group_node);
	wake_all(&g->exit_wait);
	pid_unbind(leader);
	/* A pidfd may still hold the group, but nobody finds it any more. */
	g->leader = NULL;
	group_put(g);
}

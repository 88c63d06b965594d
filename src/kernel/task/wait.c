/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait4(2) and waitid(2): a condition call. Each run looks at every child; what is found is taken (reaped, or
 * its stop or continuation marked as told) and only then written to the caller's memory, as in Linux.
 */
#include "task/wait.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "task/signal.h"

static bool chosen(const struct task *t, const struct wait_request *w, const struct thread_group *child)
{
	bool clone_child = child->leader->exit_signal != SIGCHLD;

	switch (w->type) {
	case P_PID:
		if (child->tgid != w->id)
			return false;
		break;
	case P_PGID:
		if (child->pgid != w->id)
			return false;
		break;
	case HUSK_P_PIDFD:
		if (child != w->group)
			return false;
		break;
	}
	if ((w->options & __WNOTHREAD) && child->parent_tid_of_death_signal != t->tid)
		return false;
	return (w->options & __WALL) || clone_child == !!(w->options & __WCLONE);
}

static void take_zombie(struct wait_request *w, struct thread_group *child)
{
	int status = child->exit_status;

	w->status = status;
	if (WIFEXITED(status)) {
		w->code = CLD_EXITED;
		w->detail = WEXITSTATUS(status);
	} else {
		w->code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
		w->detail = WTERMSIG(status);
	}
	group_rusage(child, HUSK_RUSAGE_BOTH, &w->usage);
	if (!(w->options & WNOWAIT))
		group_reap(child);
}

/* What @child has to tell: true, and *w filled. */
static bool take(struct wait_request *w, struct thread_group *child)
{
	w->pid = child->tgid;
	w->uid = child->leader->cred->uid;
	if (child->zombie) {
		if (!(w->options & WEXITED))
			return false;
		take_zombie(w, child);
		return true;
	}
	if ((w->options & WSTOPPED) && child->stopped && !child->stop_reported) {
		w->status = child->stop_signal << 8 | 0x7f;
		w->code = CLD_STOPPED;
		w->detail = child->stop_signal;
		if (!(w->options & WNOWAIT))
			child->stop_reported = true;
		group_rusage(child, HUSK_RUSAGE_BOTH, &w->usage);
		return true;
	}
	if ((w->options & WCONTINUED) && child->continued) {
		w->status = 0xffff;
		w->code = CLD_CONTINUED;
		w->detail = SIGCONT;
		if (!(w->options & WNOWAIT))
			child->continued = false;
		group_rusage(child, HUSK_RUSAGE_BOTH, &w->usage);
		return true;
	}
	return false;
}

long wait_for_child(struct task *t, struct wait_request *w)
{
	struct thread_group *child, *tmp;
	bool any = false;
	long r;

	memset(&w->usage, 0, sizeof w->usage);
	list_for_each_safe (child, tmp, &t->group->children, sibling) {
		if (!chosen(t, w, child))
			continue;
		any = true;
		if (take(w, child))
			return w->pid;
	}
	if (!any)
		return -ECHILD;
	if (w->options & WNOHANG)
		return 0;
	r = wait_add(&t->group->child_wait, t);
	return r < 0 ? r : call_wait(t);
}

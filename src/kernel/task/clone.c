/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New tasks: fork, vfork, clone, clone3 (kernel/fork.c).
 *
 * The child is made whole here and found in the pid table as TASK_NEW while the trap makes its host thread or
 * process. A process is on its way into the guest before that, where the trap can do so and nobody is to see it stopped
 * (start_ahead()): whether the host makes it is known later. The parent's call is staged:
 *
 *	task_clone()   checks, child's structures, order to the trap
 *	started_step   the host has done it: the child's registers and words; the child runs, the parent goes on
 *	written_step   (threads, rarely) the child's stub has written CLONE_PARENT_SETTID's word
 *	told_step      the tracer, if any, has heard of the child
 *	vfork_step     CLONE_VFORK: until the child has exec'd or ended; only a fatal signal ends the wait
 *
 * With CLONE_VM the child is a thread of the same host process whatever its guest group, a vfork child too.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mm.h"
#include "task/foresee.h"
#include "task/life.h"
#include "task/signal.h"
#include "task/seccomp.h"
#include "task/trace.h"
#include "vfs/inode.h"

#define CAP_SYS_ADMIN    21
#define CAP_SYS_RESOURCE 24
#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWCGROUP | HUSK_CLONE_NEWTIME)
#define HUSK_CLONE_NEWTIME       0x80UL
#define HUSK_CLONE_CLEAR_SIGHAND 0x100000000UL
#define TASK_SIZE_MAX            0x7ffffffff000UL

/* An order to the trap. It outlives the parent's call when the parent dies meanwhile. */
struct clone_order {
	struct task *parent; /* borrowed: its call owns the order; NULL: it is gone */
	struct task *child;  /* a reference */
	struct clone_request r;
	int tid;    /* of the child */
	int event;  /* PTRACE_EVENT_* that is told of it; 0: none */
	bool ahead; /* the child was let go before it was there */
	bool finished;
	long result;
};

/* ---- checks ---- */

static int check_flags(struct task *t, const struct clone_request *r)
{
	u64 f = r->flags;

	if ((f & CLONE_PIDFD) && (f & CLONE_PARENT_SETTID) && r->pidfd == r->parent_tid)
		return -EINVAL;
	if ((f & (CLONE_NEWNS | CLONE_FS)) == (CLONE_NEWNS | CLONE_FS))
		return -EINVAL;
	if ((f & (CLONE_NEWUSER | CLONE_FS)) == (CLONE_NEWUSER | CLONE_FS))
		return -EINVAL;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_THREAD) && (f & (CLONE_NEWUSER | CLONE_NEWPID)))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_DETACHED | CLONE_THREAD)))
		return -EINVAL;
	/* Linux: for who has CAP_SYS_ADMIN, a user namespace for everyone. Here: namespaces are refused. */
	if (f & NEW_NAMESPACES)
		return -EPERM;
	if ((f & CLONE_SETTLS) && r->tls >= TASK_SIZE_MAX)
		return -EPERM;
	return 0;
}

static int check_count(struct task *t)
{
	u64 limit = t->group->limits[RLIMIT_NPROC].rlim_cur;

	if (limit == RLIM_INFINITY || t->cred->uid == 0 || capable(t, CAP_SYS_RESOURCE) ||
	    capable(t, CAP_SYS_ADMIN))
		return 0;
	return user_tasks(t->k, t->cred->uid) >= limit ? -EAGAIN : 0;
}

/* ---- the child's parts ---- */

static int copy_group(struct task *t, struct task *child, const struct clone_request *r)
{
	struct thread_group *g, *from = t->group;

	if (r->flags & CLONE_THREAD) {
		child->group = group_get(from);
		child->exit_signal = -1;
		return 0;
	}
	g = group_new(t->k);
	if (!g)
		return -ENOMEM;
	child->group = g;
	child->exit_signal = r->flags & CLONE_PARENT ? from->leader->exit_signal : r->exit_signal;
	g->leader = child;
	memcpy(g->limits, from->limits, sizeof g->limits);
	cpu_limit_changed(g);
	g->oom_score_adj = from->oom_score_adj;
	g->borrows_space = r->flags & CLONE_VM;
	g->ctty = from->ctty;
	g->has_child_subreaper = from->has_child_subreaper || from->subreaper;
	return 0;
}

static int copy_resources(struct task *t, struct task *child, const struct clone_request *r)
{
	u64 f = r->flags;

	child->files = f & CLONE_FILES ? fdtable_get(t->files) : fdtable_copy(t->files);
	child->fs = f & CLONE_FS ? fs_info_get(t->fs) : fs_info_copy(t->fs);
	child->sighand = f & CLONE_SIGHAND ? sighand_get(t->sighand) : sighand_copy(t->sighand);
	/* A process has credentials of its own, alike as they are (kernel/cred.c: copy_creds()). */
	child->cred = f & CLONE_THREAD ? cred_get(t->cred) : cred_copy(t->cred);
	if (!child->files || !child->fs || !child->sighand || !child->cred)
		return -ENOMEM;
	if (f & HUSK_CLONE_CLEAR_SIGHAND)
		sighand_exec(child->sighand);
	if (f & CLONE_VM) {
		mm_use(t->mm);
		child->mm = t->mm;
	} else {
		child->mm = mm_fork(t->mm);
	}
	return child->mm ? 0 : -ENOMEM;
}

/* As sched_fork() in Linux's kernel/sched/core.c. */
static void inherit_schedule(const struct task *t, struct task *child)
{
	bool reset = t->sched_reset_on_fork, realtime = t->sched_priority != 0;

	child->ioprio = t->ioprio;
	child->nice = reset && (realtime || t->nice < 0) ? 0 : t->nice;
	if (reset && realtime)
		return;
	child->sched_policy = t->sched_policy;
	child->sched_priority = t->sched_priority;
}

static void copy_state(const struct task *t, struct task *child, const struct clone_request *r)
{
	memcpy(child->comm, t->comm, sizeof child->comm);
	child->no_new_privs = t->no_new_privs;
	child->no_tsc = t->no_tsc;
	seccomp_inherit(t, child);
	child->blocked = t->blocked;
	/* Two tasks on one memory must not share a signal stack; a vfork child's parent does not run
	 * meanwhile. */
	if ((r->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
		child->altstack = t->altstack;
	child->timer_slack_ns = t->timer_slack_ns;
	memcpy(child->cpu_mask, t->cpu_mask, sizeof child->cpu_mask);
	inherit_schedule(t, child);
	child->personality = t->personality;
	if (r->flags & CLONE_CHILD_CLEARTID)
		child->clear_child_tid = r->child_tid;
	if (r->flags & CLONE_CHILD_SETTID)
		child->set_child_tid = r->child_tid;
}

/* Puts the finished child among its kin. */
static void enroll(struct task *t, struct task *child, const struct clone_request *r)
{
	struct thread_group *g = child->group, *from = t->group;

	list_add_tail(&g->threads, &child->group_node);
	g->nthreads++;
	if (!(r->flags & CLONE_THREAD)) {
		g->tgid = child->tid;
		group_set_pgid(g, from->pgid);
		group_set_sid(g, from->sid);
		if (r->flags & CLONE_PARENT)
			group_set_parent(g, from->parent, from->parent_tid_of_death_signal);
		else
			group_set_parent(g, from, t->tid);
		t->k->stats.processes++;
	} else {
		g->threaded = true;
		t->k->stats.threads++;
	}
	pid_bind(t->k, child);
}

/* Which event a tracer gets of this: 0 for none. */
static int event_of(const struct task *t, const struct clone_request *r)
{
	int event = PTRACE_EVENT_FORK;

	if (r->flags & CLONE_UNTRACED)
		return 0;
	if (r->flags & CLONE_VFORK)
		event = PTRACE_EVENT_VFORK;
	else if ((r->flags & CLONE_THREAD) || r->exit_signal != SIGCHLD)
		event = PTRACE_EVENT_CLONE;
	return trace_event_wanted(t, event) ? event : 0;
}

static int make_child(struct task *t, const struct clone_request *r, struct task **out)
{
	struct task *child = task_alloc(t->k);
	int err;

	if (!child)
		return -ENOMEM;
	copy_state(t, child, r);
	err = copy_resources(t, child, r);
	if (!err)
		err = copy_group(t, child, r);
	if (!err)
		err = trace_inherit(t, child, (r->flags & CLONE_PTRACE) || event_of(t, r));
	if (!err)
		err = child->tid = pid_alloc(t->k);
	if (err < 0) {
		trace_forget(child);
		child->tid = 0;
		task_put(child);
		return err;
	}
	enroll(t, child, r);
	*out = child;
	return 0;
}

/* The host refused: the child was never there. */
static void unmake_child(struct task *child)
{
	struct thread_group *g = child->group;

	if (child->ending)
		return;
	child->ending = true;
	child->state = TASK_DEAD;
	trace_forget(child);
	sigpending_flush(&child->pending);
	task_drop_resources(child);
	g->nthreads--;
	list_del(&child->group_node);
	if (g->leader == child) {
		signal_group_exit(g);
		group_set_parent(g, NULL, 0);
		group_set_pgid(g, 0);
		group_set_sid(g, 0);
		pid_unbind(child);
		g->leader = NULL;
	} else {
		pid_unbind(child);
		if (g->exec_task && g->nthreads == 1)
			task_wake(g->exec_task);
	}
}

/* ---- the order ---- */

static void order_free(struct clone_order *o)
{
	task_put(o->child);
	free(o);
}

static void attach_space(struct task *child)
{
	if (child->mm->space)
		return;
	child->mm->space = child->thread->space;
	child->mm->space->owner = child->mm;
	seccomp_enter_space(child);
	trace_enter_space(child);
}

/* A host thread that never came is the trap's to forget, and its space. */
static void detach_space(struct task *child)
{
	child->state = TASK_NEW;
	child->thread = NULL;
	child->mm->space = NULL;
}

static void clone_done(void *arg, long result)
{
	struct clone_order *o = arg;

	o->finished = true;
	o->result = result;
	if (result < 0 && o->ahead && !o->child->ending)
		detach_space(o->child);
	else if (result < 0)
		o->child->thread = NULL;
	if (o->parent) {
		task_wake(o->parent);
		return;
	}
	/* Nobody waits for the child: its parent died with its host process. One that runs already goes on. */
	if (!o->child->ending && !(o->ahead && result >= 0)) {
		if (result >= 0)
			attach_space(o->child);
		unmake_child(o->child);
	}
	order_free(o);
}

static void order_drop(struct task *t, void *priv)
{
	struct clone_order *o = priv;

	if (o->child->vfork_parent == t) {
		o->child->vfork_parent = NULL;
		task_put(t);
	}
	if (o->finished || t->k->stopping)
		order_free(o);
	else
		o->parent = NULL;
}

/* ---- steps ---- */

static long end_step(struct task *t, struct call *c)
{
	return ((struct clone_order *)c->priv)->tid;
}

static long vfork_step(struct task *t, struct call *c)
{
	struct clone_order *o = c->priv;

	if (o->child->vfork_parent == t) {
		if (!(t->work & TASK_WORK_EXIT))
			return task_park(t);
		return o->tid;
	}
	c->step = end_step;
	return trace_event(t, PTRACE_EVENT_VFORK_DONE, (u64)o->tid) ? CALL_GONE : o->tid;
}

/* The tracer has heard of the child. */
static long told_step(struct task *t, struct call *c)
{
	struct clone_order *o = c->priv;

	if (!(o->r.flags & CLONE_VFORK))
		return o->tid;
	c->step = vfork_step;
	return vfork_step(t, c);
}

static void set_registers(struct task *child, const struct clone_request *r)
{
	struct guest_regs *regs = task_regs(child);

	regs->rax = 0;
	regs->orig_rax = ~0UL;
	if (r->stack)
		regs->rsp = r->stack;
	if (r->flags & CLONE_SETTLS)
		regs->fs_base = r->tls;
}

/* The child's way back from the call. */
static void run_child(struct task *t, struct clone_order *o)
{
	struct task *child = o->child;

	if (o->r.flags & CLONE_VFORK)
		child->vfork_parent = task_get(t);
	if (child->group->exiting || child->group->exec_task)
		child->work |= TASK_WORK_EXIT;
	signal_recalc(child);
	child->state = TASK_KERNEL;
	task_return(child);
}

/* The child goes its own way; the parent too, unless it waits for the child's exec. */
static long run_both(struct task *t, struct call *c)
{
	struct clone_order *o = c->priv;

	o->tid = o->child->tid;
	if (!o->ahead)
		run_child(t, o);
	c->step = told_step;
	if (o->event && trace_event(t, o->event, (u64)o->tid))
		return CALL_GONE;
	return told_step(t, c);
}

static long written_step(struct task *t, struct call *c)
{
	struct clone_order *o = c->priv;

	if (!o->finished)
		return task_park(t);
	return run_both(t, c);
}

/*
 * CLONE_PARENT_SETTID. With CLONE_VM the word must be right before either runs, and be written once: glibc
 * gives the same word to CLONE_CHILD_CLEARTID, so a late write would undo the child's end. True: the child's
 * stub has to do it.
 */
static bool write_parent_tid(struct task *t, struct clone_order *o)
{
	const struct trap_ops *ops = t->k->trap_ops;
	u32 tid = (u32)o->child->tid;
	u64 ok;

	if (!(o->r.flags & CLONE_VM)) {
		/* Linux: an unwritable word is no error here. */
		(void)user_write(t, o->r.parent_tid, &tid, sizeof tid);
		return false;
	}
	if (t->k->ops.access(t, o->r.parent_tid, sizeof tid, true, &ok) < 0)
		return false;
	if (!ops->ops_pending(t->mm->space) &&
	    ops->write(t->mm->space, o->r.parent_tid, &tid, sizeof tid) == sizeof tid)
		return false;
	return ops->copy_out(o->child->thread, o->r.parent_tid, &tid, sizeof tid) == sizeof tid;
}

/* Makes the child's thread ready to run: 0 or -errno. */
static int prepare_child(struct clone_order *o)
{
	struct task *child = o->child;
	u32 tid = (u32)child->tid;

	child->thread->owner = child;
	if (!(o->r.flags & CLONE_VM)) {
		attach_space(child);
		mm_fork_finish(child->mm);
		if (child->ending)
			return -ENOMEM;
	}
	set_registers(child, &o->r);
	task_times_start(child, o->r.flags & CLONE_VM);
	if (child->set_child_tid)
		(void)user_write(child, child->set_child_tid, &tid, sizeof tid);
	return 0;
}

/* Lets the child go before it is there: it need not come back to be told what to do. */
static void start_ahead(struct task *t, struct clone_order *o)
{
	if (!t->k->trap_ops->resumes_new || !o->child->thread || o->event || o->child->trace)
		return;
	o->ahead = true;
	if (!prepare_child(o))
		run_child(t, o);
}

static long started_step(struct task *t, struct call *c)
{
	struct clone_order *o = c->priv;
	struct task *child = o->child;
	int err;

	if (!o->finished)
		return task_park(t);
	if (o->result < 0 && !child->ending) {
		child->thread = NULL;
		unmake_child(child);
	}
	if (o->result < 0)
		return o->result == -ENOMEM ? -ENOMEM : -EAGAIN;
	if (!o->ahead) {
		if (child->ending)
			return -EAGAIN;
		err = prepare_child(o);
		if (err)
			return err;
	}
	if ((o->r.flags & CLONE_PARENT_SETTID) && write_parent_tid(t, o)) {
		o->finished = false;
		c->step = written_step;
		t->k->trap_ops->run(child->thread, clone_done, o);
		return task_park(t);
	}
	return run_both(t, c);
}

static int install_pidfd(struct task *t, struct task *child, const struct clone_request *r)
{
	struct file *f;
	int fd, err;

	err = pidfd_new(child->group, 0, &f);
	if (err)
		return err;
	fd = fd_install(t, f, true);
	if (fd < 0)
		return fd;
	err = user_write(t, r->pidfd, &fd, sizeof fd);
	if (err < 0)
		fd_close(t, fd);
	return err;
}

long task_clone(struct task *t, struct call *c, const struct clone_request *r)
{
	struct clone_order *o;
	int err = check_flags(t, r);

	if (err)
		return err;
	/* A child must not begin with its parent half way into a handler. */
	if (signal_pending(t))
		return -ERESTARTNOINTR;
	err = check_count(t);
	if (err)
		return err;
	foresee_end(t);
	o = calloc(1, sizeof *o);
	if (!o)
		return -ENOMEM;
	err = make_child(t, r, &o->child);
	if (err)
		goto free_order;
	if (r->flags & CLONE_PIDFD) {
		err = install_pidfd(t, o->child, r);
		if (err < 0)
			goto drop_child;
	}
	o->parent = t;
	o->r = *r;
	o->event = event_of(t, r);
	c->priv = o;
	c->priv_free = order_drop;
	c->step = started_step;
	if (r->flags & CLONE_VM)
		t->k->trap_ops->thread_new(t->thread, &o->child->thread, clone_done, o);
	else
		t->k->trap_ops->space_fork(t->thread, &o->child->thread, clone_done, o);
	if (!(r->flags & CLONE_VM))
		start_ahead(t, o);
	return task_park(t);

drop_child:
	unmake_child(o->child);
	task_put(o->child);
free_order:
	free(o);
	return err;
}

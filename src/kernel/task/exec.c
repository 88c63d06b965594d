/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve(2), in steps:
 *
 *	task_exec()    path, strings, file, "#!" lines, ELF headers, interpreter: nothing has happened yet, errors
 *	               return
 *	others_step    every other thread of the group ends; this one takes the leader's number
 *	released_step  robust list and clear_child_tid of the old memory are done; a new space is ordered, or the old
 *		       one emptied
 *	space_step     the task moves to the new space: no way back, a failure from here on kills
 *
 * Set-id bits give ids within the sandbox alone: on the host husk stays who it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mm.h"
#include "task/exec.h"
#include "task/foresee.h"
#include "task/signal.h"
#include "task/trace.h"
#include "vfs/donate.h"
#include "vfs/inode.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

/* ---- life ---- */

static struct exec *exec_new(struct task *t)
{
	struct exec *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->k = t->k;
	e->t = t;
	for (int i = 0; i < EXEC_PAGES; i++)
		e->pages[i].addr = ~0UL;
	exec_set_limit(t, e);
	return e;
}

static void exec_free(struct exec *e)
{
	if (e->thread)
		e->k->trap_ops->space_put(e->thread->space);
	if (e->file)
		file_put(e->file);
	if (e->interp)
		file_put(e->interp);
	elf_free(&e->image);
	elf_free(&e->interp_image);
	exec_free_strings(e);
	exec_linker_free(e->linker);
	free(e);
}

static void exec_drop(struct task *t, void *priv)
{
	struct exec *e = priv;

	if (t->group->exec_task == t)
		t->group->exec_task = NULL;
	if (e->ordered && !e->finished && !t->k->stopping) {
		e->t = NULL; /* freed when the trap has answered */
		return;
	}
	if (!e->finished)
		e->thread = NULL;
	exec_free(e);
}

static void space_ready(void *arg, long result)
{
	struct exec *e = arg;

	e->finished = true;
	e->result = result;
	if (result < 0)
		e->thread = NULL;
	if (e->t) {
		task_wake(e->t);
		return;
	}
	exec_free(e);
}

/* ---- finding the program ---- */

static int read_head(struct exec *e)
{
	long n;

	memset(e->head, 0, sizeof e->head);
	n = file_pread(e->file, e->head, sizeof e->head, 0, false);
	if (n < 0)
		return (int)n;
	e->head_size = (size_t)n;
	return 0;
}

static int open_interp(struct task *t, struct exec *e)
{
	char head[sizeof(Elf64_Ehdr)], *path;
	long n;
	int err = elf_interp(e->file, &e->image, &path);

	if (err || !path)
		return err;
	err = vfs_open_exec(t, AT_FDCWD, path, 0, &e->interp);
	free(path);
	if (err)
		return err;
	n = file_pread(e->interp, head, sizeof head, 0, false);
	if (n < 0)
		return (int)n;
	if ((size_t)n < sizeof head)
		return -EIO;
	return elf_read(e->interp, head, sizeof head, true, &e->interp_image);
}

/* Follows "#!" lines to an ELF program. */
static int find_format(struct task *t, struct exec *e)
{
	const char *script = e->path, *interp;
	int err;

	for (int depth = 0;; depth++) {
		if (depth > EXEC_MAX_SCRIPTS)
			return -ELOOP;
		err = read_head(e);
		if (err)
			return err;
		if (e->head[0] != '#' || e->head[1] != '!')
			break;
		err = exec_script(e, script, &interp);
		if (err)
			return err;
		file_put(e->file);
		e->file = NULL;
		err = vfs_open_exec(t, AT_FDCWD, interp, 0, &e->file);
		if (err)
			return err;
		script = interp;
	}
	err = elf_read(e->file, e->head, e->head_size, false, &e->image);
	return err ? err : open_interp(t, e);
}

/* ---- steps ---- */

static long reported_step(struct task *t, struct call *c)
{
	task_regs(t)->rax = 0;
	return CALL_NORETURN;
}

static long space_step(struct task *t, struct call *c)
{
	struct exec *e = c->priv;
	long r;

	if (!e->finished)
		return task_park(t);
	r = exec_commit(t, e);
	if (r != CALL_NORETURN || !t->trace)
		return r;
	/* What a tracer sees of an execve that has worked. */
	task_regs(t)->orig_rax = c->nr;
	task_regs(t)->rax = (u64)-ENOSYS;
	c->step = reported_step;
	return trace_event(t, PTRACE_EVENT_EXEC, (u64)e->old_tid) ? CALL_GONE : reported_step(t, c);
}

static void order_space(struct task *t, struct exec *e, trap_done_fn *done, void *arg)
{
	e->ordered = true;
	t->k->trap_ops->space_new(t->k->trap, &e->thread, done, arg);
}

/*
 * Whether the new program gets the old one's host process, emptied: a forked child's, which nobody else has to do with.
 * That spares making a process and ending one. But the stub that empties it is the old program's, which may have put itself
 * in its place and go on under the new program's name: never where that is more than its own.
 */
static bool may_stay(const struct task *t, const struct exec *e)
{
	const struct mm *mm = t->mm;

	return t->k->trap_ops->space_clear && mm->users == 1 && mm->space && !mm->space->dead &&
	       !mm->vmas.sealed && !t->trace && !t->group->borrows_space && !e->set_id && !e->hidden;
}

static bool empty_space(struct task *t)
{
	donate_space_ends(t->mm->space);
	return t->k->trap_ops->space_clear(t->thread);
}

static long released_step(struct task *t, struct call *c)
{
	struct exec *e = c->priv;

	if (!e->released)
		return task_park(t);
	c->step = space_step;
	if (may_stay(t, e) && empty_space(t)) {
		e->stays = e->finished = true;
		return space_step(t, c);
	}
	order_space(t, e, space_ready, e);
	return task_park(t);
}

static void released(struct task *t)
{
	struct exec *e = t->call.priv;

	e->released = true;
	task_wake(t);
}

/* The thread becomes the only one, under the leader's number. */
static void become_leader(struct task *t)
{
	struct thread_group *g = t->group, *child;
	struct task *old = g->leader;
	int old_tid = t->tid;

	if (t == old)
		return;
	/* Its tracer waits in vain for the old leader, as in Linux. */
	if (old->trace)
		wait_has_news(old->trace->tracer->group);
	trace_forget(old);
	t->start_ns = old->start_ns;
	list_del(&old->group_node);
	pid_take_over(t);
	list_for_each (child, &g->children, sibling)
		if (child->parent_tid_of_death_signal == old_tid)
			child->parent_tid_of_death_signal = t->tid;
}

static long others_step(struct task *t, struct call *c)
{
	struct thread_group *g = t->group;
	struct exec *e = c->priv;

	if (t->work & TASK_WORK_EXIT)
		return -EINTR;
	g->exec_task = t;
	if (!group_end_others(t))
		return task_park(t);
	g->exec_task = NULL;
	e->old_tid = t->tid;
	become_leader(t);
	c->step = released_step;
	mm_release(t, released);
	return released_step(t, c);
}

static int open_program(struct task *t, struct exec *e, int dirfd, u64 path, int flags)
{
	long n;

	n = user_string(t, e->path, path, sizeof e->path);
	if (n < 0)
		return (int)n;
	if (!n && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK))
		return -EINVAL;
	n = vfs_open_exec(t, dirfd, e->path, flags, &e->file);
	if (n)
		return (int)n;
	/* A descriptor's program is shown by the name under which a script's interpreter could open it. */
	if (!e->path[0])
		snprintf(e->path, sizeof e->path, "/dev/fd/%d", dirfd);
	else if (dirfd != AT_FDCWD && e->path[0] != '/') {
		char name[PATH_MAX];

		if (snprintf(name, sizeof name, "/dev/fd/%d/%s", dirfd, e->path) >= (int)sizeof name)
			return -ENAMETOOLONG;
		memcpy(e->path, name, sizeof name);
	}
	return 0;
}

long task_exec(struct task *t, struct call *c, int dirfd, u64 path, u64 argv, u64 envp, int flags)
{
	struct exec *e = c->priv;
	int err;

	if (t->too_many && user_tasks(t->k, t->cred->uid) > t->group->limits[RLIMIT_NPROC].rlim_cur)
		return -EAGAIN;
	t->too_many = false;
	if (!e) {
		e = exec_new(t);
		if (!e)
			return -ENOMEM;
		c->priv = e;
		c->priv_free = exec_drop;
	}
	if (!e->file) {
		err = open_program(t, e, dirfd, path, flags);
		if (err)
			return err;
	}
	err = exec_read_strings(t, e, &e->args, argv);
	if (!err)
		err = exec_read_strings(t, e, &e->env, envp);
	if (!err)
		err = exec_check_size(e);
	if (err || flags & AT_EXECVE_CHECK)
		return err;
	err = find_format(t, e);
	if (!err)
		err = exec_find_ids(t, e);
	if (err)
		return err;
	if (t->group->exec_task && t->group->exec_task != t)
		return -EAGAIN;
	c->step = others_step;
	return others_step(t, c);
}

/* ---- the first program ---- */

static void first_ready(void *arg, long result)
{
	struct exec *e = arg;
	struct task *t = e->t;

	e->finished = true;
	e->result = result;
	if (result < 0)
		e->thread = NULL;
	if (t->ending) {
		exec_free(e);
		task_put(t);
		return;
	}
	t->state = TASK_KERNEL;
	(void)exec_commit(t, e);
	exec_free(e);
	if (t->thread)
		task_return(t);
	else
		task_exit(t, SIGKILL);
	task_put(t);
}

static int first_task(struct kernel *k, struct task **out)
{
	struct task *t = task_alloc(k);

	if (!t)
		return -ENOMEM;
	t->group = group_new(k);
	t->sighand = sighand_new(k);
	t->tid = t->group && t->sighand ? pid_alloc(k) : -ENOMEM;
	if (t->tid < 0) {
		int err = t->tid;

		task_put(t);
		return err;
	}
	limits_first(t->group);
	t->group->leader = t;
	t->group->tgid = t->tid;
	t->group->session_leader = true;
	t->exit_signal = SIGCHLD;
	*out = t;
	return 0;
}

int task_prepare_first(struct kernel *k, const char *path, char *const argv[], char *const envp[],
		       struct fdtable *files, struct fs_info *fs, struct cred *cred, struct exec **out)
{
	struct task *t;
	struct exec *e;
	int err = k->pids ? first_task(k, &t) : -ENOMEM;

	if (err)
		return err;
	t->files = files;
	t->fs = fs;
	t->cred = cred;
	e = exec_new(t);
	err = e ? 0 : -ENOMEM;
	if (!err && snprintf(e->path, sizeof e->path, "%s", path) >= (int)sizeof e->path)
		err = -ENAMETOOLONG;
	if (!err)
		err = exec_copy_strings(&e->args, argv);
	if (!err)
		err = exec_copy_strings(&e->env, envp);
	if (!err)
		err = exec_check_size(e);
	if (!err)
		err = vfs_open_exec(t, AT_FDCWD, e->path, 0, &e->file);
	if (!err)
		err = find_format(t, e);
	if (!err)
		err = exec_find_ids(t, e);
	if (err)
		goto undo;
	if (e->interp && k->patches)
		e->linker = exec_linker_ahead(e->interp, &e->interp_image);
	list_add_tail(&t->group->threads, &t->group_node);
	t->group->nthreads = 1;
	group_set_pgid(t->group, t->tid);
	group_set_sid(t->group, t->tid);
	k->first = group_get(t->group);
	k->stats.processes++;
	pid_bind(k, t);
	*out = e;
	return 0;

undo:
	if (e)
		exec_free(e);
	/* The caller's again. */
	t->files = NULL;
	t->fs = NULL;
	t->cred = NULL;
	pid_return(k, t->tid);
	task_put(t);
	return err;
}

void task_start_first(struct exec *e)
{
	struct kernel *k = e->k;

	order_space(e->t, e, first_ready, e);
	if (e->linker && k->patches)
		exec_expect_linker(k, e->interp, e->linker);
	exec_linker_free(e->linker);
	e->linker = NULL;
}

void task_forget_first(struct exec *e)
{
	struct task *t = e->t;

	exec_free(e);
	task_put(t);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve(2), in steps (fs/exec.c):
 *
 *	task_exec()    path, strings, file, "#!" lines, ELF headers, interpreter: nothing has happened yet, errors
 *	               return
 *	others_step    every other thread of the group ends; this one takes the leader's number
 *	released_step  robust list and clear_child_tid of the old memory are done; a new space is ordered
 *	space_step     the task moves to the new space: no way back, a failure from here on kills
 *
 * Set-user-ID bits are ignored, as with no_new_privs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#include "mm/mm.h"
#include "task/exec.h"
#include "task/signal.h"
#include "vfs/inode.h"

#define ET_DYN_BASE (0x7ffffffff000UL / 3 * 2)
#define PIE_RND     (1UL << 28) /* pages */
#define USER_CS     0x33
#define USER_SS     0x2b
#define USER_FLAGS  0x202

/* ---- life ---- */

static struct exec *exec_new(struct task *t)
{
	struct exec *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->k = t->k;
	e->t = t;
	e->page_addr = ~0UL;
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
	n = file_pread(e->file, e->head, sizeof e->head, 0);
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
	n = file_pread(e->interp, head, sizeof head, 0);
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

/* ---- into the new space ---- */

static u64 random_pages(struct mm *mm, const struct task *t, u64 pages)
{
	return t->personality & ADDR_NO_RANDOMIZE ? 0 : mm->random(mm->k) % pages * PAGE_SIZE;
}

/* Where an image goes: *bias. The space is new, so that only the size matters. */
static int choose_bias(struct task *t, const struct elf_image *im, bool main_with_interp, u64 *bias)
{
	u64 size = im->max - im->min, at;

	*bias = 0;
	if (!im->loadable || im->max <= im->min || im->max > TRAP_GUEST_TOP)
		return -EINVAL;
	if (im->header.e_type == ET_EXEC)
		return 0;
	if (main_with_interp)
		at = align_up(ET_DYN_BASE + random_pages(t->mm, t, PIE_RND), im->align);
	else
		at = vma_gap_down(&t->mm->vmas, size, MM_MIN_ADDR, t->mm->mmap_base, im->align);
	if (!at)
		return -ENOMEM;
	*bias = at - im->min;
	return 0;
}

static int load(struct task *t, struct exec *e)
{
	struct mm *mm = t->mm;
	u64 bias, sp;
	int err;

	mm_map_vdso(mm);
	err = choose_bias(t, &e->image, e->interp != NULL, &bias);
	if (!err)
		err = elf_map(t, mm, e->file, &e->image, bias);
	if (err)
		return err;
	mm->start_code = e->image.start_code;
	mm->end_code = e->image.end_code;
	mm->start_data = e->image.start_data;
	mm->end_data = e->image.end_data;
	/* A loader that runs as the program itself lies in the mmap area: its heap goes where a program's
	 * would. */
	mm_set_brk(mm, e->image.header.e_type == ET_DYN && !e->interp ? ET_DYN_BASE : e->image.brk);
	if (e->interp) {
		err = choose_bias(t, &e->interp_image, false, &bias);
		if (!err)
			err = elf_map(t, mm, e->interp, &e->interp_image, bias);
		if (err)
			return err;
		e->interp_base = bias;
	}
	err = exec_stack(t, e, &sp);
	if (err < 0)
		return err;
	struct guest_regs *r = task_regs(t);
	memset(r, 0, sizeof *r);
	r->rip = e->interp ? e->interp_image.entry : e->image.entry;
	r->rsp = sp;
	r->cs = USER_CS;
	r->ss = USER_SS;
	r->eflags = USER_FLAGS;
	r->orig_rax = ~0UL;
	return 0;
}

static void set_comm(struct task *t, const char *path)
{
	const char *slash = strrchr(path, '/');

	snprintf(t->comm, sizeof t->comm, "%.15s", slash ? slash + 1 : path);
}

/* What an exec makes of capabilities where no file has any (cap_bprm_creds_from_file()). */
static int reset_caps(struct task *t)
{
	const struct cred *old = t->cred;
	bool root = !(old->securebits & SECBIT_NOROOT);
	u64 permitted = old->cap_ambient, effective = old->cap_ambient;
	struct cred *new;

	if (root && (!old->uid || !old->euid))
		permitted = old->cap_inheritable | old->cap_bounding;
	if (root && !old->euid)
		effective = permitted;
	if (t->no_new_privs) {
		permitted &= old->cap_permitted;
		effective &= permitted;
	}
	if (permitted == old->cap_permitted && effective == old->cap_effective && old->suid == old->euid &&
	    old->sgid == old->egid && !(old->securebits & SECBIT_KEEP_CAPS))
		return 0;
	new = cred_copy(old);
	if (!new)
		return -ENOMEM;
	new->cap_permitted = permitted;
	new->cap_effective = effective;
	new->suid = new->fsuid = new->euid;
	new->sgid = new->fsgid = new->egid;
	new->securebits &= ~(u32)SECBIT_KEEP_CAPS;
	task_set_cred(t, new);
	return 0;
}

/* What of a task does not survive an exec, besides its memory. */
static int reset_task(struct task *t, struct exec *e)
{
	struct sighand *own;
	int err = fdtable_exec(t);

	if (!err)
		err = reset_caps(t);
	if (err)
		return err;
	if (t->sighand->refs > 1) {
		own = sighand_copy(t->sighand);
		if (!own)
			return -ENOMEM;
		sighand_put(t->sighand);
		t->sighand = own;
	}
	sighand_exec(t->sighand);
	posix_timers_exec(t->group);
	signal_recalc(t);
	t->altstack.sp = t->altstack.size = 0;
	t->altstack.flags = SS_DISABLE;
	t->restart_block.fn = NULL;
	t->in_host_call = false;
	t->exit_signal = SIGCHLD;
	t->personality &= ~(READ_IMPLIES_EXEC | MMAP_PAGE_ZERO | STICKY_TIMEOUTS);
	t->group->execed = true;
	set_comm(t, e->path);
	return 0;
}

/* The task leaves its old space for the new one. */
static int move(struct task *t, struct exec *e)
{
	struct mm *mm = mm_new(t->k), *old = t->mm;
	struct trap_thread *old_thread = t->thread;

	if (!mm)
		return -ENOMEM;
	mm->space = e->thread->space;
	mm->space->owner = mm;
	mm_layout(mm, t->group->limits[RLIMIT_STACK].rlim_cur, !(t->personality & ADDR_NO_RANDOMIZE));
	mm->exe = file_get(e->file);
	group_times_close(t->group, old);
	t->group->borrows_space = false;
	usermem_reset(t);
	t->thread = e->thread;
	t->thread->owner = t;
	e->thread = NULL;
	t->mm = mm;
	if (old_thread) {
		old_thread->owner = NULL;
		if (old->users > 1 && old->space && !old->space->dead)
			t->k->trap_ops->thread_put(old_thread);
	}
	if (old)
		mm_unuse(old);
	vfork_done(t);
	t->cpu_base = 0;
	t->k->stats.execs++;
	return 0;
}

/* Past the point of no return: a failure is the group's death. */
static long commit(struct task *t, struct exec *e)
{
	int err = e->result < 0 ? (int)e->result : move(t, e);

	if (err < 0) {
		group_exit(t->group, SIGKILL);
		return err;
	}
	err = reset_task(t, e);
	if (!err)
		err = load(t, e);
	if (err)
		group_exit(t->group, SIGSEGV);
	return CALL_NORETURN;
}

/* ---- steps ---- */

static long space_step(struct task *t, struct call *c)
{
	struct exec *e = c->priv;

	if (!e->finished)
		return task_park(t);
	return commit(t, e);
}

static void order_space(struct task *t, struct exec *e, trap_done_fn *done, void *arg)
{
	e->ordered = true;
	t->k->trap_ops->space_new(t->k->trap, &e->thread, done, arg);
}

static long released_step(struct task *t, struct call *c)
{
	struct exec *e = c->priv;

	if (!e->released)
		return task_park(t);
	c->step = space_step;
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

	if (t->work & TASK_WORK_EXIT)
		return -EINTR;
	g->exec_task = t;
	if (!group_end_others(t))
		return task_park(t);
	g->exec_task = NULL;
	become_leader(t);
	c->step = released_step;
	mm_release(t, released);
	return released_step(t, c);
}

static int open_program(struct task *t, struct exec *e, int dirfd, u64 path, int flags)
{
	long n;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	n = user_string(t, e->path, path, sizeof e->path);
	if (n < 0)
		return (int)n;
	if (!n && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
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
	if (!err)
		err = find_format(t, e);
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
	(void)commit(t, e);
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
	limits_default(t->group->limits);
	t->group->leader = t;
	t->group->tgid = t->tid;
	t->group->session_leader = true;
	t->exit_signal = SIGCHLD;
	*out = t;
	return 0;
}

int task_start_first(struct kernel *k, const char *path, char *const argv[], char *const envp[],
		     struct fdtable *files, struct fs_info *fs, struct cred *cred)
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
	if (err)
		goto undo;
	list_add_tail(&t->group->threads, &t->group_node);
	t->group->nthreads = 1;
	group_set_pgid(t->group, t->tid);
	group_set_sid(t->group, t->tid);
	k->first = group_get(t->group);
	k->stats.processes++;
	pid_bind(k, t);
	order_space(t, e, first_ready, e);
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

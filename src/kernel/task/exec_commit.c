/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step of an exec: the task leaves its old space, drops what does not outlive an exec, and loads the program
 * into the new one.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>

#include "mm/mm.h"
#include "task/errand.h"
#include "task/exec.h"
#include "task/signal.h"
#include "task/dispatch.h"
#include "task/seccomp.h"
#include "task/trace.h"

#define ET_DYN_BASE (0x7ffffffff000UL / 3 * 2)
#define PIE_RND     (1UL << 28) /* pages */

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
		exec_read_linker(mm, e->interp, &e->interp_image);
		e->interp_base = bias;
	}
	err = exec_stack(t, e, &sp);
	if (err < 0)
		return err;
	*task_regs(t) = regs_at(e->interp ? e->interp_image.entry : e->image.entry, sp);
	return 0;
}

static void set_comm(struct task *t, const char *path)
{
	const char *slash = strrchr(path, '/');

	snprintf(t->comm, sizeof t->comm, "%.15s", slash ? slash + 1 : path);
}

/* What of a task does not survive an exec, besides its memory. */
static int reset_task(struct task *t, const struct exec *e)
{
	struct sighand *own;
	int err = fdtable_exec(t);

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
	dispatch_clear(t);
	if (t->trace)
		memset(t->trace->debug, 0, sizeof t->trace->debug);
	t->watched = false;
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

/* The old space is another address space's from now on; nothing is mapped in it. */
static void hand_space_on(struct mm *old, struct mm *mm)
{
	mm->space = old->space;
	mm->space->owner = mm;
	mm->space->no_files = false;
	old->space = NULL;
}

/* The task leaves its old space for the new one. */
static void change_space(struct task *t, struct exec *e, struct mm *mm)
{
	struct trap_thread *old_thread = t->thread;
	struct mm *old = t->mm;

	mm->space = e->thread->space;
	mm->space->owner = mm;
	group_times_close(t->group, old);
	t->group->borrows_space = false;
	t->thread = e->thread;
	t->thread->owner = t;
	e->thread = NULL;
	t->cpu_base = 0;
	if (!old_thread)
		return;
	old_thread->owner = NULL;
	if (old->users > 1 && old->space && !old->space->dead)
		t->k->trap_ops->thread_put(old_thread);
}

/* The task gets a new address space. */
static int move(struct task *t, struct exec *e)
{
	struct mm *mm = mm_new(t->k), *old = t->mm;

	if (!mm)
		return -ENOMEM;
	if (e->stays)
		hand_space_on(old, mm);
	else
		change_space(t, e, mm);
	mm_layout(mm, t->group->limits[RLIMIT_STACK].rlim_cur, !(t->personality & ADDR_NO_RANDOMIZE));
	mm->exe = file_get(e->file);
	if (e->hidden)
		mm->dumpable = 0;
	if (old)
		mm->dump_filter = old->dump_filter;
	usermem_reset(t);
	errand_leave(t);
	t->mm = mm;
	seccomp_enter_space(t);
	trace_enter_space(t);
	trace_leave_space(t, old);
	if (old)
		mm_unuse(old);
	vfork_done(t);
	t->k->stats.execs++;
	return 0;
}

long exec_commit(struct task *t, struct exec *e)
{
	int err = e->result < 0 ? (int)e->result : exec_take_ids(t, e);

	if (!err)
		err = move(t, e);
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

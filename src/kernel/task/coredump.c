/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a core file is written: a group's end by a signal (fs/coredump.c: coredump_wait(), do_coredump()).
 *
 * The thread that took the signal marks its group as ending, as any fatal signal does. Each thread, on its way to its end,
 * finds that a core is due and waits (coredump_holds()), so that its registers and vector state can be read. When the last has
 * come or has ended in another way, the first one opens the file and writes it piece by piece, other programs having
 * their turns in between; then all end. Linux's order; nothing is left to do for a group whose host process dies meanwhile.
 */
#include <stdlib.h>

#include "mm/mm.h"
#include "task/coredump.h"
#include "task/life.h"
#include "task/signal.h"

#define DUMPS                                                                                         \
	(SIG_BIT(SIGQUIT) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGABRT) | SIG_BIT(SIGBUS) | \
	 SIG_BIT(SIGFPE) | SIG_BIT(SIGSEGV) | SIG_BIT(SIGXCPU) | SIG_BIT(SIGXFSZ) | SIG_BIT(SIGSYS))
#define LEAST_LIMIT 4096UL /* RLIMIT_CORE below it: none */
#define PIECES      16     /* written between two turns of others */
#define CORE_FLAG   0x80   /* in the status that wait4() gives */

struct coredump {
	struct task *t; /* the thread that took the signal; not counted: coredump_leave() */
	siginfo_t info;
	bool begun, killed;
	struct file *file;      /* owned */
	struct core_file *core; /* owned */
};

static void held(struct task *t);

/* The task is not looked at again until it is woken. */
static void hold(struct task *t, void (*resume)(struct task *t))
{
	t->resume = resume;
	t->state = TASK_PARKED;
}

static bool is_held(const struct task *t)
{
	return t->state != TASK_RUNNING && t->resume == held;
}

static void held(struct task *t)
{
	if (t->group->dump)
		hold(t, held);
	else
		task_exit(t, t->group->exit_code);
}

static void wake_others(struct thread_group *g)
{
	struct task *t;

	list_for_each (t, &g->threads, group_node)
		if (!t->ending && is_held(t))
			task_wake(t);
}

static void drop(struct thread_group *g)
{
	struct coredump *d = g->dump;

	g->dump = NULL;
	if (d->core)
		core_file_free(d->core);
	if (d->file)
		file_put(d->file);
	free(d);
	wake_others(g);
}

static void finish(struct task *t, bool dumped)
{
	struct thread_group *g = t->group;

	if (dumped)
		g->exit_code |= CORE_FLAG;
	drop(g);
	t->resume = NULL;
	task_exit(t, g->exit_code);
}

/* ---- writing ---- */

static void write_on(struct task *t)
{
	struct coredump *d = t->group->dump;
	bool later = false;

	/* Somebody else may have woken it meanwhile. */
	list_del(&t->run_node);
	for (int i = 0; i < PIECES; i++) {
		if (d->killed || !core_file_write(d->core, write_on, &later)) {
			if (later)
				hold(t, held);
			else
				finish(t, true);
			return;
		}
	}
	hold(t, write_on);
	task_wake(t);
}

/* What was queued for the memory has been carried out. */
static void settled(struct task *t)
{
	struct coredump *d = t->group->dump;

	list_del(&t->run_node);
	if (!coredump_open(t, d->info.si_signo, &d->file))
		d->core = core_file_new(t, &d->info, d->file);
	if (d->core)
		write_on(t);
	else
		finish(t, false);
}

/* Begins when all threads are there that will be. */
static void look(struct thread_group *g)
{
	struct coredump *d = g->dump;
	struct task *t;

	if (d->begun)
		return;
	list_for_each (t, &g->threads, group_node)
		if (!t->ending && !is_held(t))
			return;
	d->begun = true;
	if (!usermem_settle(d->t, settled))
		settled(d->t);
}

/* ---- coming together ---- */

static bool wanted(const struct task *t, int signo)
{
	const struct mm *mm = t->mm;

	return (SIG_BIT(signo) & DUMPS) && !t->group->exiting && !t->group->exec_task && mm && mm->space &&
	       !mm->space->dead && mm->dumpable == 1 && t->group->limits[RLIMIT_CORE].rlim_cur >= LEAST_LIMIT;
}

bool coredump_begin(struct task *t, const siginfo_t *info)
{
	struct thread_group *g = t->group;
	struct coredump *d = wanted(t, info->si_signo) ? calloc(1, sizeof *d) : NULL;

	if (!d)
		return false;
	d->t = t;
	d->info = *info;
	g->dump = d;
	group_exit(g, info->si_signo);
	hold(t, held);
	look(g);
	return true;
}

bool coredump_holds(struct task *t)
{
	if (!t->group->dump)
		return false;
	hold(t, held);
	look(t->group);
	return true;
}

void coredump_leave(struct task *t)
{
	struct thread_group *g = t->group;

	if (!g->dump)
		return;
	if (g->dump->t == t)
		drop(g);
	else
		look(g);
}

void coredump_interrupt(struct thread_group *g)
{
	if (g->dump)
		g->dump->killed = true;
}

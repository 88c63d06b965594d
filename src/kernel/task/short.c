/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of short ways: what may be answered without the kernel, for whom.
 *
 * Nothing is while --strace writes calls down, or for who is traced. Under a filter it is what the filter always allows,
 * by the number alone. Memory calls need leave of the mm room (mm/leave.h). Private futexes are all the host's, or all the
 * kernel's, in a whole mm (mm->own_futexes). User dispatch, which comes before all of it, the stub asks by itself.
 */
#include "task/short.h"

#include "core/tracer.h"
#include "mm/leave.h"
#include "task/life.h"
#include "task/seccomp.h"
#include "task/signal.h"
#include "trap/short_numbers.h"
#include "vfs/donate.h"

#define ALL_WAYS      ((1u << NR_SHORT_CALLS) - 1)
#define ALL_CONSTANTS ((1u << NR_CONSTANT_CALLS) - 1)

#define SS_AUTODISARM_BIT (1u << 31)

static int parent_of(const struct thread_group *g)
{
	return g->parent ? g->parent->tgid : HUSK_INIT_PID;
}

/* What the task's filters let pass, whatever the arguments. A chain lives as long as what was built upon it, so that its
 * address tells whether it is still the same. */
static void ask_filters(struct task *t)
{
	if (t->allowed.known && t->allowed.chain == t->seccomp && t->allowed.mode == t->seccomp_mode)
		return;
	t->allowed.ways = t->allowed.constants = 0;
	for (u32 i = 0; i < NR_SHORT_CALLS; i++)
		t->allowed.ways |= (u32)seccomp_always_allows(t, short_numbers[i]) << i;
	for (u32 i = 0; i < NR_CONSTANT_CALLS; i++)
		t->allowed.constants |= (u32)seccomp_always_allows(t, constant_numbers[i]) << i;
	t->allowed.chain = t->seccomp;
	t->allowed.mode = t->seccomp_mode;
	t->allowed.known = true;
}

/* The constants of @set, as a thread has them: plus 1. */
static void tell_constants(struct task *t, u32 set)
{
	u32 *told = t->thread->constants;

	/* In every call: no loop, but where something is held back. */
	told[CONSTANT_getpid] = (u32)t->group->tgid + 1;
	told[CONSTANT_gettid] = (u32)t->tid + 1;
	told[CONSTANT_getppid] = (u32)parent_of(t->group) + 1;
	told[CONSTANT_getpgrp] = (u32)t->group->pgid + 1;
	told[CONSTANT_getuid] = t->cred->uid + 1;
	told[CONSTANT_geteuid] = t->cred->euid + 1;
	told[CONSTANT_getgid] = t->cred->gid + 1;
	told[CONSTANT_getegid] = t->cred->egid + 1;
	for (u32 i = 0; set != ALL_CONSTANTS && i < NR_CONSTANT_CALLS; i++)
		told[i] = set >> i & 1 ? told[i] : 0;
}

/* The stub may change the mask by rt_sigprocmask, or by dispatching a call. */
static void lend_mask(struct task *t)
{
	struct trap_thread *th = t->thread;

	th->mask_lent = t->k->trap_ops->mask_now &&
			((th->short_ways & (SHORT_BIT(rt_sigprocmask) | SHORT_BIT(rt_sigreturn))) ||
			 th->user_handler.on);
	th->mask = t->blocked;
	th->pending = signal_pending_set(t);
}

/* What a frame must say of the alternate stack for the stub to go back by it: that nothing changes. */
static bool lend_return(struct task *t)
{
	struct user_handler *h = &t->thread->user_handler;

	h->alt_sp = t->altstack.sp;
	h->alt_size = t->altstack.size;
	h->alt_flags = (u32)t->altstack.flags;
	/* Linux forgets here how to go on with an interrupted call. */
	return !t->restart_block.fn && !((u32)t->altstack.flags & SS_AUTODISARM_BIT);
}

/* kernel_ops.short_ways */
static void short_ways(struct task *t)
{
	u32 ways = ALL_WAYS, constants = ALL_CONSTANTS;

	t->thread->no_tsc = t->no_tsc;
	if (t->k->tracer || t->trace) {
		t->thread->short_ways = 0;
		t->thread->mask_lent = false;
		tell_constants(t, 0);
		return;
	}
	if (t->seccomp_mode) {
		ask_filters(t);
		ways = t->allowed.ways;
		constants = t->allowed.constants;
	}
	/* The vDSO reads the counter. */
	if (t->no_tsc)
		ways &= ~(SHORT_BIT(clock_gettime) | SHORT_BIT(gettimeofday));
	if (list_empty(&t->tracees))
		ways &= ~SHORT_FORESEEN;
	if (!t->k->trap_ops->known_take)
		ways &= ~SHORT_KNOWN;
	if (t->mm->own_futexes)
		ways &= ~SHORT_BIT(futex);
	if (!donate_serves(t))
		ways &= ~(SHORT_DONATED | SHORT_BIT(write));
	if (!mm_leave_give(t))
		ways &= ~SHORT_MEMORY;
	if (!lend_return(t))
		ways &= ~SHORT_BIT(rt_sigreturn);
	t->thread->short_ways = ways;
	lend_mask(t);
	tell_constants(t, constants);
}

static void tell_group(struct thread_group *g, enum constant_call call, int value)
{
	struct task *t;

	list_for_each (t, &g->threads, group_node)
		if (t->thread && t->state != TASK_DEAD)
			t->k->trap_ops->constant(t->thread, call, (u32)value);
}

void short_parent(struct thread_group *g)
{
	tell_group(g, CONSTANT_getppid, parent_of(g));
}

void short_pgrp(struct thread_group *g)
{
	tell_group(g, CONSTANT_getpgrp, g->pgid);
}

void short_init(struct kernel *k)
{
	k->ops.short_ways = short_ways;
}

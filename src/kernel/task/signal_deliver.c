/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pending signals do to a task on its way back to the guest: run handlers, stop the group, end it.
 *
 * Every deliverable signal gets its frame now, one on top of the other, so that the handler of the last runs
 * first and the others follow as each returns, unless a handler's mask holds them back.
 */
#include "core/tracer.h"
#include "task/coredump.h"
#include "task/signal.h"
#include "task/trace.h"

/* The default action ends the group, behind a core file where one is due. */
static void die(struct task *t, const siginfo_t *info)
{
	struct thread_group *g = t->group;
	int signo = info->si_signo;

	if (coredump_begin(t, info))
		return;
	if (!g->exiting)
		group_exit(g, signo);
	task_exit(t, g->exiting ? g->exit_code : signo);
}

/* The frame of @info's signal could not be written: SIGSEGV instead, which ends the task when it is that
 * one's. */
static void frame_failed(struct task *t, int signo)
{
	siginfo_t segv = signal_info(SIGSEGV, SI_KERNEL);

	if (signo == SIGSEGV)
		t->sighand->action[SIGSEGV - 1].handler = (u64)SIG_DFL;
	signal_force(t, &segv);
}

/* True when the task stops for its tracer before the handler's first instruction. */
static bool handle(struct task *t, struct k_sigaction *slot, const siginfo_t *info)
{
	struct k_sigaction action = *slot;
	int signo = info->si_signo;
	u64 mask;

	if (action.flags & SA_RESETHAND)
		slot->handler = (u64)SIG_DFL;
	call_restart(t, true, action.flags & SA_RESTART);
	t->in_host_call = false;
	if (signal_frame_push(t, &action, info) < 0) {
		frame_failed(t, signo);
		return false;
	}
	t->work &= ~TASK_WORK_SIGMASK;
	mask = t->blocked | action.mask;
	if (!(action.flags & SA_NODEFER))
		mask |= SIG_BIT(signo);
	task_set_blocked(t, mask);
	return trace_handler(t);
}

static bool stops(struct task *t, int signo)
{
	/* A stop from the terminal means nothing to a group that no shell could continue. */
	return signo == SIGSTOP || !pgrp_orphaned(t->k, t->group->pgid, NULL);
}

/* A signal has its effect: false when the task has ended, or stopped for its tracer. */
static bool act(struct task *t, const siginfo_t *info)
{
	int signo = info->si_signo;
	struct k_sigaction *slot = &t->sighand->action[signo - 1];

	if (t->k->tracer)
		t->k->tracer->signal(t->k->tracer, t, info);
	if (slot->handler == (u64)SIG_IGN && signo != SIGKILL)
		return true;
	if (slot->handler != (u64)SIG_DFL)
		return !handle(t, slot, info);
	if (SIG_BIT(signo) & SIGNAL_IGNORED)
		return true;
	if (SIG_BIT(signo) & SIGNAL_STOPS) {
		if (stops(t, signo))
			group_stop_begin(t, signo);
		return true;
	}
	die(t, info);
	return false;
}

bool signal_deliver(struct task *t)
{
	siginfo_t info;

	for (;;) {
		/* Stops and core files want all of the thread's state. */
		if (t->thread->no_xstate && !signal_frames_suffice(t)) {
			task_whole(t);
			return false;
		}
		if (t->work & TASK_WORK_EXIT) {
			if (coredump_holds(t))
				return false;
			task_exit(t, t->group->exiting ? t->group->exit_code : 0);
			return false;
		}
		if (t->stop.signal) {
			if (trace_answer(t, &info) && !act(t, &info))
				return false;
			continue;
		}
		if (t->trace) {
			if (trace_stop_due(t))
				return false;
		} else if (t->work & TASK_WORK_STOP) {
			task_stop_now(t);
			return false;
		}
		if (signal_dequeue(t, ~t->blocked, &info)) {
			t->stop.may_stop = true;
			if (t->trace && info.si_signo != SIGKILL && trace_signal(t, &info))
				return false;
			if (!(t->work & TASK_WORK_EXIT) && !act(t, &info))
				return false;
			continue;
		}
		if (!(t->work & TASK_WORK_SIGMASK))
			return true;
		/* No handler took the mask: the call ends, or starts again, before what it held back is
		 * looked at. */
		call_restart(t, false, false);
		t->work &= ~TASK_WORK_SIGMASK;
		task_set_blocked(t, t->saved_sigmask);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The stops of traced tasks: trace.h tells how they go (kernel/signal.c: ptrace_stop(), do_jobctl_trap()). */
#include <errno.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <string.h>

#include "core/call.h"
#include "task/errand.h"
#include "task/foresee.h"
#include "task/life.h"
#include "task/signal.h"
#include "task/trace.h"

#define EVENT_CODE(event) (SIGTRAP | (event) << 8)

/* Another thread has executed and taken the number, and nobody was told: who asks means the one that had it
 * (looks_like_a_spurious_pid()). */
static bool is_another(const struct task *t)
{
	return t->stop.code == EVENT_CODE(PTRACE_EVENT_EXEC) && t->stop.message != (u64)t->tid;
}

bool trace_is_stopped(const struct task *t)
{
	return t->state == TASK_TRACED && t->trace && !t->trace->listening && !(t->work & TASK_WORK_EXIT) &&
	       !is_another(t);
}

/* ---- telling ---- */

static int told_status(const struct task *t, int why)
{
	switch (why) {
	case CLD_TRAPPED:
		return t->stop.code & 0x7f;
	case CLD_STOPPED:
		return t->group->stop_signal & 0x7f;
	case CLD_CONTINUED:
		return SIGCONT;
	}
	return 0;
}

/* do_notify_parent() of a traced task: its end. */
static siginfo_t end_info(const struct task *t)
{
	const struct thread_group *g = t->group;
	bool whole = t == g->leader && g->zombie && !g->kept;
	int code = whole ? g->exit_status : t->exit_code;
	int signo = whole && !trace_by_stranger(t) ? t->exit_signal : SIGCHLD;
	siginfo_t info = signal_info(signo, end_code(code));

	info.si_status = code & 0x7f ? code & 0x7f : code >> 8 & 0xff;
	return info;
}

/* Linux: tells the times of the task as well. Here: 0, because they would have to be asked of the host at each stop. */
void trace_tell(struct task *t, int why)
{
	struct task *tracer = t->trace->tracer;
	const struct k_sigaction *chld;
	siginfo_t info;

	if (why == CLD_EXITED) {
		info = end_info(t);
	} else {
		info = signal_info(SIGCHLD, why);
		info.si_status = told_status(t, why);
	}
	info.si_pid = t->tid;
	info.si_uid = t->cred->uid;
	if (tracer->sighand && info.si_signo > 0) {
		chld = &tracer->sighand->action[SIGCHLD - 1];
		if (info.si_signo != SIGCHLD ||
		    (chld->handler != (u64)SIG_IGN && (why == CLD_EXITED || !(chld->flags & SA_NOCLDSTOP))))
			signal_send_group(tracer->group, &info);
	}
	if (list_empty(&t->trace->news))
		list_add_tail(&tracer->group->news, &t->trace->news);
	wait_has_news(tracer->group);
}

/* ---- stopping ---- */

static void recalc(struct task *t)
{
	const struct trace *tr = t->trace;

	if (t->stop.signal || (tr && (tr->want_stop || tr->notify)))
		t->work |= TASK_WORK_TRACE;
	else
		t->work &= ~TASK_WORK_TRACE;
}

/* What was queued for its memory has been carried out: it stops, unless its tracer has gone or it must end. */
static void stopped(struct task *t)
{
	struct trace *tr = t->trace;
	struct thread_group *g = t->group;
	bool group_done = false;

	if (!tr || (t->work & TASK_WORK_EXIT)) {
		task_continue(t);
		return;
	}
	if (t->stop.why == CLD_STOPPED && (t->work & TASK_WORK_STOP)) {
		t->work &= ~TASK_WORK_STOP;
		group_done = group_stop_done(g);
	}
	tr->want_stop = tr->listening = false;
	if (t->stop.has_info && t->stop.info.si_code >> 8 == PTRACE_EVENT_STOP)
		tr->notify = false;
	recalc(t);
	t->state = TASK_TRACED;
	t->nvcsw++;
	t->k->trap_ops->hand_off(t->thread);
	if (tr->reaching) {
		tr->reaching = false;
		task_wake(tr->tracer);
	}
	trace_tell(t, t->stop.why);
	if (group_done && trace_by_stranger(t))
		signal_notify_parent(g, CLD_STOPPED);
	/* Whoever has asked for its memory meanwhile does not wait until it goes on. */
	if (t->work & TASK_WORK_ERRAND)
		(void)errand_serve(t);
}

static void settle(struct task *t)
{
	if (!usermem_settle(t, stopped))
		stopped(t);
}

/* False when the task has to end instead. */
static bool stop(struct task *t, int code, int why, const siginfo_t *info, u64 message, trace_next *next)
{
	if (t->work & TASK_WORK_EXIT)
		return false;
	t->stop.code = code;
	t->stop.why = why;
	t->stop.message = message;
	t->stop.has_info = info;
	if (info)
		t->stop.info = *info;
	t->resume = next;
	t->state = TASK_KERNEL;
	settle(t);
	return true;
}

/* ptrace_do_notify() */
static bool stop_by_kernel(struct task *t, int signo, int code, int why, u64 message, trace_next *next)
{
	siginfo_t info = signal_info(signo, code);

	info.si_pid = t->tid;
	info.si_uid = t->cred->uid;
	return stop(t, code, why, &info, message, next);
}

void trace_resume(struct task *t, int answer)
{
	t->stop.code = answer;
	/* What was sent meanwhile did not choose it. */
	signal_recalc(t);
	task_continue(t);
}

/* ---- events ---- */

bool trace_event_wanted(const struct task *t, int event)
{
	return t->trace && (t->trace->options & 1u << event);
}

bool trace_event(struct task *t, int event, u64 message)
{
	siginfo_t info;

	if (trace_event_wanted(t, event))
		return stop_by_kernel(t, SIGTRAP, EVENT_CODE(event), CLD_TRAPPED, message, NULL);
	if (event == PTRACE_EVENT_EXEC && t->trace && !t->trace->seized) {
		info = signal_info_from(t, SIGTRAP, SI_USER);
		signal_send_task(t, &info);
	}
	return false;
}

bool trace_exit_event(struct task *t, int code, trace_next *next)
{
	if (!trace_event_wanted(t, PTRACE_EVENT_EXIT))
		return false;
	/* It is on its way: only what comes from now on shortens the stop. */
	t->work &= ~TASK_WORK_EXIT;
	return stop_by_kernel(t, SIGTRAP, EVENT_CODE(PTRACE_EVENT_EXIT), CLD_TRAPPED, (u64)code, next);
}

/* ---- calls ---- */

/* A signal with which the tracer answered a stop that is not for one. */
static void send_answer(struct task *t)
{
	siginfo_t info;

	if (t->stop.code <= 0 || t->stop.code > 64)
		return;
	info = signal_info(t->stop.code, SI_KERNEL);
	signal_send_task(t, &info);
}

static void entry_resumed(struct task *t)
{
	send_answer(t);
	task_run(t);
}

static void exit_resumed(struct task *t)
{
	send_answer(t);
	task_return(t);
}

static bool call_stop(struct task *t, u64 message, trace_next *next)
{
	int code = SIGTRAP | (t->trace->options & PTRACE_O_TRACESYSGOOD ? 0x80 : 0);

	return stop_by_kernel(t, SIGTRAP, code, CLD_TRAPPED, message, next);
}

static bool trace_entry(struct task *t)
{
	struct trace *tr = t->trace;

	t->stop.emulated = tr->emulate;
	return (tr->calls || tr->emulate) && call_stop(t, PTRACE_EVENTMSG_SYSCALL_ENTRY, entry_resumed);
}

/* A number that is -1, though it is 64 bits wide in the register, is no call. */
static bool trace_skips(struct task *t)
{
	return t->stop.emulated || (int)task_regs(t)->orig_rax == -1;
}

static bool trace_exit(struct task *t)
{
	siginfo_t info;

	if (t->watched)
		trace_watch_refresh(t);
	if (t->trace->emulate)
		return false;
	if (t->single_step) {
		/* Linux, user_single_step_report(): the step ends behind the instruction that made the call. */
		info = signal_info(SIGTRAP, TRAP_BRKPT);
		info.si_addr = (void *)task_regs(t)->rip;
		signal_force(t, &info);
		return false;
	}
	return t->trace->calls && call_stop(t, PTRACE_EVENTMSG_SYSCALL_EXIT, exit_resumed);
}

void trace_init(struct kernel *k)
{
	k->ops.trace_entry = trace_entry;
	k->ops.trace_skips = trace_skips;
	k->ops.trace_exit = trace_exit;
	k->ops.trace_step = trace_watch_step;
}

/* ---- signals ---- */

bool trace_signal(struct task *t, const siginfo_t *info)
{
	/* Linux: what was forced by a filter that kills is nobody else's. */
	if (t->sighand->action[info->si_signo - 1].flags & HUSK_SA_IMMUTABLE)
		return false;
	if (info->si_signo == SIGTRAP && info->si_code == TRAP_TRACE)
		trace_stepped(t);
	t->stop.signal = true;
	if (stop(t, info->si_signo, CLD_TRAPPED, info, 0, task_return))
		return true;
	t->stop.signal = false;
	return false;
}

/* In whose name a signal comes that the tracer has put in the place of another. */
static void sign(struct task *t, siginfo_t *info)
{
	struct thread_group *parent = t->group->parent;

	if (t->trace) {
		info->si_pid = t->trace->tracer->group->tgid;
		info->si_uid = t->trace->tracer->cred->uid;
	} else if (parent) {
		info->si_pid = parent->tgid;
		info->si_uid = parent->leader->cred->uid;
	}
}

bool trace_answer(struct task *t, siginfo_t *info)
{
	int signo = t->stop.code;

	if (!t->stop.signal)
		return false;
	t->stop.signal = false;
	recalc(t);
	if (signo <= 0 || signo > 64)
		return false;
	*info = t->stop.info;
	if (signo != info->si_signo) {
		*info = signal_info(signo, SI_USER);
		sign(t, info);
	}
	if (!(t->blocked & SIG_BIT(signo)))
		return true;
	signal_send_task(t, info);
	return false;
}

bool trace_handler(struct task *t)
{
	bool stepped = t->single_step;

	t->single_step = false;
	return t->trace && stepped && stop_by_kernel(t, SIGTRAP, SIGTRAP, CLD_TRAPPED, 0, task_return);
}

/* ---- group stops and interrupts ---- */

bool trace_stop_due(struct task *t)
{
	const struct thread_group *g = t->group;
	struct trace *tr = t->trace;
	int signo = t->stop_signal;

	if (t->work & TASK_WORK_STOP)
		tr->want_stop = true;
	if (!tr->want_stop && !tr->notify)
		return false;
	if (!tr->seized)
		return stop(t, signo, CLD_STOPPED, NULL, 0, task_return);
	if (!g->stopping && !g->stopped)
		signo = SIGTRAP;
	return stop_by_kernel(t, signo, signo | PTRACE_EVENT_STOP << 8, CLD_STOPPED, 0, task_return);
}

static void look_again(struct task *t)
{
	t->work |= TASK_WORK_TRACE;
	if (t->state == TASK_TRACED && t->trace->listening)
		trace_resume(t, 0);
	else
		task_kick(t);
}

void trace_notify(struct task *t)
{
	t->trace->notify = true;
	look_again(t);
}

void trace_interrupt(struct task *t)
{
	t->trace->want_stop = true;
	look_again(t);
}

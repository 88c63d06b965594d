/* SPDX-License-Identifier: Apache-2.0 */
/* Stops and deaths as the host tells of them, made into the kernel's events (ptrace(2), waitpid(2)). */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_STOP (SIGTRAP | 0x80)

/* x86's numbers of traps, and bits of a page fault's error code. */
#define TRAP_DIVIDE   0
#define TRAP_DEBUG    1
#define TRAP_INT3     3
#define TRAP_ILLEGAL  6
#define TRAP_GENERAL  13
#define TRAP_PAGE     14
#define TRAP_ALIGN    17
#define TRAP_SIMD     19
#define FAULT_PRESENT 0x1
#define FAULT_WRITE   0x2
#define FAULT_USER    0x4
#define FAULT_FETCH   0x10

void event_add(struct tracee *th, enum trap_event_type type)
{
	struct trap_event *e = &th->event;

	memset(e, 0, sizeof *e);
	e->type = type;
	e->thread = &th->base;
	e->space = &th->space->base;
	if (list_empty(&th->event_node))
		list_add_tail(&th->space->trap->events, &th->event_node);
}

/* ---- faults ---- */

/*
 * The host tells a tracer where a page fault was, but not of what kind: who could read the page wanted to write or to
 * execute it.
 */
static u64 page_fault_error(struct tracee *th, const siginfo_t *info)
{
	u64 addr = (u64)info->si_addr, error = FAULT_USER;
	char byte;

	if (info->si_code != SEGV_MAPERR)
		error |= FAULT_PRESENT;
	if (addr == th->base.regs.rip)
		return error | FAULT_FETCH;
	if (info->si_code == SEGV_ACCERR && tracer_read(&th->space->base, &byte, addr, 1) == 1)
		error |= FAULT_WRITE;
	return error;
}

static void describe_fault(struct tracee *th, const siginfo_t *info)
{
	struct trap_event *e = &th->event;

	e->signo = info->si_signo;
	e->code = info->si_code;
	e->addr = (u64)info->si_addr;
	switch (info->si_signo) {
	case SIGSEGV:
		e->trapno = info->si_code == SI_KERNEL ? TRAP_GENERAL : TRAP_PAGE;
		e->error = e->trapno == TRAP_PAGE && info->si_code > 0 ? page_fault_error(th, info) : 0;
		break;
	case SIGBUS:
		e->trapno = info->si_code == BUS_ADRALN ? TRAP_ALIGN : TRAP_PAGE;
		e->error = e->trapno == TRAP_PAGE ? FAULT_USER : 0;
		break;
	case SIGFPE:
		e->trapno = info->si_code == FPE_INTDIV ? TRAP_DIVIDE : TRAP_SIMD;
		break;
	case SIGILL:
		e->trapno = TRAP_ILLEGAL;
		break;
	case SIGTRAP:
		e->trapno = info->si_code == SI_KERNEL ? TRAP_INT3 : TRAP_DEBUG;
		break;
	}
}

static bool is_fault(int signo)
{
	return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL || signo == SIGTRAP;
}

/* ---- stops ---- */

static void hold(struct tracee *th)
{
	th->state = TRACEE_HELD;
	th->base.held = true;
	if (!list_empty(&th->space->settling.waits))
		tracer_settled(th->space);
}

static void interrupted(struct tracee *th)
{
	if (regs_take(th))
		return;
	th->base.regs.orig_rax = ~0UL;
	hold(th);
	event_add(th, TRAP_INTERRUPTED);
}

/* Lets the guest go on after a stop that means nothing. The host counts any stop as the one that was asked for. */
static void go_on(struct tracee *th)
{
	if (th->interrupting) {
		interrupted(th);
		return;
	}
	near_go(th, until_call(th->space->trap));
}

/* A call of another ABI (int 0x80): `syscall` leaves where it came from in rcx, and a program that makes it look so
 * has its call taken for one of this. */
static bool is_foreign(const struct guest_regs *r)
{
	return r->rcx != r->rip;
}

static void foreign_call(struct tracee *th)
{
	th->space->death_signo = SIGSYS;
	pspace_kill(th->space);
}

static void call_stop(struct tracee *th)
{
	struct guest_regs *r = &th->base.regs;

	if (th->entry_stop) {
		/* Without SYSEMU: the way out of the call that was cancelled. */
		th->entry_stop = false;
		go_on(th);
		return;
	}
	if (regs_take(th))
		return;
	th->entry_stop = !th->space->trap->sysemu;
	hold(th);
	if (is_foreign(r)) {
		foreign_call(th);
		return;
	}
	/* The register as it was; of the number the host looks at 32 bits. */
	r->rax = r->orig_rax;
	r->orig_rax = (u64)(s64)(int)r->orig_rax;
	event_add(th, TRAP_CALL);
}

static void fault_stop(struct tracee *th, int signo)
{
	siginfo_t info;

	if (!is_fault(signo) || ptrace(PTRACE_GETSIGINFO, th->tid, 0, &info) < 0 || regs_take(th)) {
		/* From outside: none of the guest's business. */
		go_on(th);
		return;
	}
	th->base.regs.orig_rax = ~0UL;
	hold(th);
	event_add(th, TRAP_FAULT);
	describe_fault(th, &info);
}

static void guest_stop(struct tracee *th, int status)
{
	int signo = WSTOPSIG(status);

	if (signo == SYSCALL_STOP) {
		call_stop(th);
	} else if (status >> 16 == PTRACE_EVENT_STOP) {
		interrupted(th);
	} else {
		fault_stop(th, signo);
	}
}

/* A clone may stop before its parent has told of it. */
static void stopped_early(struct ptrap *t, int tid)
{
	for (size_t i = 0; i < MAX_EARLY; i++) {
		if (t->early[i])
			continue;
		t->early[i] = tid;
		return;
	}
	kill(tid, SIGKILL);
}

static void stopped(struct ptrap *t, int tid, int status)
{
	struct tracee *th = tracee_find(t, tid);

	if (!th) {
		stopped_early(t, tid);
		return;
	}
	near_came(th);
	if (th->space->base.dead)
		return;
	switch (th->state) {
	case TRACEE_NEW:
		job_child_stopped(th);
		break;
	case TRACEE_BUSY:
		job_stop(th, status);
		break;
	case TRACEE_RUNNING:
		guest_stop(th, status);
		break;
	default:
		break;
	}
}

static struct pspace *space_find(struct ptrap *t, int pid)
{
	struct pspace *s;

	list_for_each (s, &t->spaces, node)
		if (s->pid == pid)
			return s;
	return NULL;
}

static void ended(struct ptrap *t, int tid, int status)
{
	struct pspace *s = space_find(t, tid);
	struct tracee *th = tracee_find(t, tid);
	int signo = WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;

	for (size_t i = 0; i < MAX_EARLY; i++)
		if (t->early[i] == tid)
			t->early[i] = 0;
	if (th)
		near_gone(th);
	if (s)
		pspace_died(s, s->death_signo ? s->death_signo : signo);
}

/*
 * The call at which @th has stopped, if it has: one question instead of waiting for the stop and fetching all registers,
 * most of which nobody looks at. The stop is left unwaited for; waitpid() may tell of it later, and of one that goes on
 * nothing.
 */
static bool call_at_once(struct tracee *th)
{
	struct ptrap *t = th->space->trap;
	struct guest_regs *r = &th->base.regs;
	struct __ptrace_syscall_info info;

	if (!t->sysemu || t->no_call_info || th->state != TRACEE_RUNNING)
		return false;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, th->tid, sizeof info, &info) < 0) {
		t->no_call_info = errno == EIO;
		return false;
	}
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY || th->space->base.dead)
		return false;
	near_came(th);
	hold(th);
	if (info.arch != AUDIT_ARCH_X86_64) {
		foreign_call(th);
		return true;
	}
	r->orig_rax = r->rax = info.entry.nr;
	r->rdi = info.entry.args[0];
	r->rsi = info.entry.args[1];
	r->rdx = info.entry.args[2];
	r->r10 = info.entry.args[3];
	r->r8 = info.entry.args[4];
	r->r9 = info.entry.args[5];
	th->base.lazy = true;
	th->base.answered = false;
	event_add(th, TRAP_CALL);
	return true;
}

/* Takes in one that has stopped or ended, if any has. To look for all the host goes through every child that there is, so
 * the one that is most likely to come is looked for first. */
static bool collect_one(struct ptrap *t)
{
	struct tracee *expected = near_expected(t);
	int status, tid = 0;

	if (expected && call_at_once(expected))
		return true;
	if (expected)
		tid = waitpid(expected->tid, &status, __WALL | WNOHANG);
	if (tid <= 0)
		tid = waitpid(-1, &status, __WALL | WNOHANG);
	if (tid <= 0)
		return false;
	if (WIFSTOPPED(status))
		stopped(t, tid, status);
	else
		ended(t, tid, status);
	return true;
}

/* Takes in what has stopped or ended, until there is something to tell. */
static void collect(struct ptrap *t)
{
	while (list_empty(&t->events) && ((list_empty(&t->completions) && near_give_way(t)) || t->stops)) {
		t->stops = collect_one(t);
		if (!t->stops)
			near_none_left(t);
	}
}

/* The next death to tell of: of a space that has no owner the kernel does not know yet. */
static bool next_dead(struct ptrap *t, struct trap_event *event)
{
	struct pspace *s;

	list_for_each (s, &t->dead, dead_node) {
		if (s != t->zygote && !s->base.owner)
			continue;
		list_del(&s->dead_node);
		memset(event, 0, sizeof *event);
		event->type = s == t->zygote ? TRAP_LOST : TRAP_DIED;
		event->space = s == t->zygote ? NULL : &s->base;
		event->signo = s->death_signo;
		return true;
	}
	return false;
}

int tracer_next(struct trap *trap, struct trap_event *event)
{
	struct ptrap *t = ptrap_of(trap);

	for (;;) {
		completions_run(t);
		if (next_dead(t, event))
			return 1;
		if (list_empty(&t->events))
			collect(t);
		if (!list_empty(&t->events)) {
			struct tracee *th = list_first(&t->events, struct tracee, event_node);

			list_del(&th->event_node);
			if (th->space->base.dead)
				continue;
			*event = th->event;
			return 1;
		}
		if (list_empty(&t->completions))
			return next_dead(t, event);
	}
}

void tracer_interrupt(struct trap_thread *thread)
{
	struct tracee *th = tracee_of(thread);

	th->interrupt_wanted = th->state == TRACEE_WAITING || th->state == TRACEE_BUSY;
	if (th->state != TRACEE_RUNNING || th->space->killed)
		return;
	th->interrupting = true;
	ptrace(PTRACE_INTERRUPT, th->tid, 0, 0);
}

void tracer_settled(struct pspace *s)
{
	u64 oldest = ~0UL;
	struct settle *w;
	struct tracee *th;

	list_for_each (th, &s->threads, node)
		if (th->state == TRACEE_RUNNING && !s->base.dead)
			oldest = min(oldest, th->epoch);
	while ((w = settle_next(&s->settling, oldest))) {
		completion_due(s->trap, completion_new(s->trap, w->done, w->arg), s->base.dead ? -ESRCH : 0,
			       NULL);
		free(w);
	}
}

int tracer_settle(struct trap_space *space, trap_done_fn *done, void *arg)
{
	struct pspace *s = pspace_of(space);
	int err = settle_begin(&s->settling, done, arg);
	struct tracee *th;

	if (err)
		return err;
	list_for_each (th, &s->threads, node)
		if (th->state == TRACEE_RUNNING)
			tracer_interrupt(&th->base);
	tracer_settled(s);
	return 0;
}

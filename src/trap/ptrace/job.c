/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of stopped threads: host calls one after the other, each begun here and ended by a stop.
 *
 * One thread of a space at a time makes calls, so that operations happen in the order of the log; who has none of its
 * own to make does not wait for it. A batch of operations begins with one recvmsg() of all descriptors that it needs
 * and ends with their close_range(): they get the numbers from FIRST_FD on, since nothing else in a guest process opens
 * any.
 */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub_symbols.h"
#include "trap/fds.h"

#define CALL_AT      STUB_TRACED_CALL_AT       /* the syscall instruction */
#define CALL_DONE    (STUB_TRACED_CALL_AT + 3) /* behind it and the int3 */
#define FIRST_FD     (HUSK_SOCKET_FD + 1)
#define MAX_BATCH    64
#define NR_MSEAL     462
#define SCRATCH(at)  (HUSK_CHAN_BASE + (at))
#define FORK_FLAGS   (CLONE_PARENT | SIGCHLD)
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

/* What lies at HUSK_SCRATCH_MSG for recvmsg(). */
struct scratch_message {
	struct msghdr header;
	struct iovec iov;
	char byte, pad[7];
	union {
		struct cmsghdr control;
		char room[CMSG_SPACE(HUSK_MAX_FDS * sizeof(int))];
	};
};

static void advance(struct tracee *th);

/* ---- running something in the stub ---- */

static struct guest_regs stub_regs(const struct tracee *th, u64 rip)
{
	struct guest_regs r = {
		.rip = rip,
		.rsp = SCRATCH(HUSK_SCRATCH_STACK),
		.cs = 0x33,
		.ss = 0x2b,
		.eflags = 0x202,
		.orig_rax = ~0UL,
		.fs_base = th->base.regs.fs_base,
		.gs_base = th->base.regs.gs_base,
	};

	return r;
}

/* Sets a stopped thread going in the stub. One that has just been killed is told of by waitpid(). */
static void begin(struct tracee *th, const struct guest_regs *r, enum tracee_step step, int request)
{
	th->step = step;
	th->state = TRACEE_BUSY;
	th->base.held = false;
	th->entry_stop = false;
	regs_set(th, r);
	ptrace(request, th->tid, 0, 0);
}

static void call_begin(struct tracee *th, enum tracee_step step, long nr, u64 a, u64 b, u64 c, u64 d, u64 e,
		       u64 f)
{
	struct guest_regs r = stub_regs(th, CALL_AT);

	r.rax = (u64)nr;
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	r.r10 = d;
	r.r8 = e;
	r.r9 = f;
	begin(th, &r, step, PTRACE_CONT);
}

long call_now(struct ptrap *t, struct tracee *th, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct guest_regs r;
	int status;

	call_begin(th, STEP_NONE, nr, a, b, c, d, e, f);
	for (;;) {
		if (waitpid(th->tid, &status, __WALL) < 0 || !WIFSTOPPED(status))
			return -ECHILD;
		if (status >> 8 == SIGTRAP && !regs_get(th, &r) && r.rip == CALL_DONE)
			break;
		ptrace(PTRACE_CONT, th->tid, 0, 0);
	}
	th->state = TRACEE_HELD;
	th->base.held = true;
	return (long)r.rax;
}

/* ---- operations ---- */

/* Takes what a process that has died did not receive out of the socket: the next must not get it. */
static void drain(struct ptrap *t)
{
	struct scratch_message m;

	do {
		m.iov = (struct iovec){&m.byte, 1};
		m.header = (struct msghdr){.msg_iov = &m.iov, .msg_iovlen = 1};
	} while (recvmsg(t->guest_socket, &m.header, MSG_DONTWAIT) > 0);
	t->receiver = NULL;
}

/* The socket is free: carriers that wait for it, but @done, go on. */
static void wake_receivers(struct ptrap *t, const struct tracee *done)
{
	struct pspace *s;

	t->receiver = NULL;
	list_for_each (s, &t->spaces, node) {
		struct tracee *th = s->carrier;

		if (th && th != done && th->state == TRACEE_WAITING) {
			advance(th);
			if (t->receiver)
				return;
		}
	}
}

/* Sends the batch's descriptors and has them received. */
static void receive(struct tracee *th, const int *fds, u32 n)
{
	struct ptrap *t = th->space->trap;
	struct scratch_message m;
	u64 at = SCRATCH(HUSK_SCRATCH_MSG);
	int err;

	memset(&m, 0, sizeof m);
	m.header.msg_iov = (void *)(at + offsetof(struct scratch_message, iov));
	m.header.msg_iovlen = 1;
	m.header.msg_control = (void *)(at + offsetof(struct scratch_message, room));
	m.header.msg_controllen = sizeof m.room;
	m.iov.iov_base = (void *)(at + offsetof(struct scratch_message, byte));
	m.iov.iov_len = 1;
	th->base.held = true;
	th->state = TRACEE_WAITING;
	if (tracer_write(&th->space->base, at, &m, sizeof m) != sizeof m) {
		pspace_kill(th->space);
		return;
	}
	err = send_fds(t->socket, fds, n);
	if (err) {
		pspace_kill(th->space);
		return;
	}
	t->receiver = th;
	th->batch_fds = n;
	th->batch_next_fd = 0;
	call_begin(th, STEP_RECEIVE, SYS_recvmsg, HUSK_SOCKET_FD, at, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 0, 0,
		   0);
}

/* Begins a batch; false when another space is receiving. */
static bool batch_begin(struct tracee *th)
{
	struct pspace *s = th->space;
	struct log_entry *e;
	int fds[HUSK_MAX_FDS];
	u32 n = 0, nfds = 0;

	list_for_each (e, &s->log.entries, node) {
		if (e->number > th->log_mark || n == MAX_BATCH || nfds == HUSK_MAX_FDS)
			break;
		if (hostfd_valid(e->op.fd))
			fds[nfds++] = e->op.fd.fd;
		n++;
	}
	if (nfds && s->trap->receiver)
		return false;
	th->batch_left = n;
	th->batch_fds = 0;
	if (nfds)
		receive(th, fds, nfds);
	return true;
}

static void operation_begin(struct tracee *th, struct log_entry *e)
{
	const struct trap_op *op = &e->op;
	u64 fd = ~0UL;

	switch (op->kind) {
	case TRAP_OP_MAP:
		if (hostfd_valid(op->fd))
			fd = FIRST_FD + th->batch_next_fd++;
		call_begin(th, STEP_OPERATION, SYS_mmap, op->addr, op->len, (u64)op->prot, (u64)op->flags, fd,
			   op->offset);
		break;
	case TRAP_OP_UNMAP:
		call_begin(th, STEP_OPERATION, SYS_munmap, op->addr, op->len, 0, 0, 0, 0);
		break;
	case TRAP_OP_PROTECT:
		call_begin(th, STEP_OPERATION, SYS_mprotect, op->addr, op->len, (u64)op->prot, 0, 0, 0);
		break;
	case TRAP_OP_REMAP:
		call_begin(th, STEP_OPERATION, SYS_mremap, op->addr, op->len, op->new_len, (u64)op->flags,
			   op->new_addr, 0);
		break;
	case TRAP_OP_ADVISE:
		call_begin(th, STEP_OPERATION, SYS_madvise, op->addr, op->len, (u64)op->flags, 0, 0, 0);
		break;
	case TRAP_OP_SEAL:
		call_begin(th, STEP_OPERATION, NR_MSEAL, op->addr, op->len, 0, 0, 0, 0);
		break;
	case TRAP_OP_MINCORE:
		call_begin(th, STEP_OPERATION, SYS_mincore, op->addr, op->len, SCRATCH(HUSK_SCRATCH_VEC), 0,
			   0, 0);
		break;
	}
}

static void operation_end(struct tracee *th, long result)
{
	struct log_entry *e = oplog_first(&th->space->log);
	bool failed = result < 0 && result >= -4095;

	th->batch_left--;
	if (!failed && e->op.kind == TRAP_OP_MINCORE)
		tracer_read(&th->space->base, e->op.vec, SCRATCH(HUSK_SCRATCH_VEC),
			    min(align_up(e->op.len, PAGE_SIZE) / PAGE_SIZE, PAGE_SIZE));
	if (failed) {
		th->error = result;
		th->batch_left = 0;
	}
	log_entry_end(e, failed ? result : 0);
}

/* ---- words ---- */

static void word_begin(struct tracee *th)
{
	const struct trap_word *w = th->word;
	bool swap = w->kind == TRAP_CMPXCHG;
	struct guest_regs r = stub_regs(th, swap ? STUB_TRACED_CMPXCHG_AT : STUB_TRACED_ROBUST_AT);

	r.rdi = w->addr;
	if (swap) {
		r.rax = w->old;
		r.rdx = w->new;
	} else {
		r.rsi = w->old;
		r.rdx = SCRATCH(HUSK_SCRATCH_WAKE);
	}
	/* The stack of this code is the guest's to write: whatever it is led to, it makes no host call. */
	begin(th, &r, STEP_WORD, PTRACE_SYSEMU);
}

static void word_end(struct tracee *th, const struct guest_regs *r)
{
	struct trap_word *w = th->word;

	th->word = NULL;
	if (w->kind == TRAP_CMPXCHG) {
		w->result = (u32)r->rax;
		return;
	}
	w->result = 0;
	w->nwake = (u32)min(r->rax, ARRAY_SIZE(w->wake));
	tracer_read(&th->space->base, w->wake, SCRATCH(HUSK_SCRATCH_WAKE), w->nwake * sizeof w->wake[0]);
}

/* The instructions of the stub that may fault, and where they go on then. */
static const struct {
	u64 at, to;
} fixups[] = {
	{STUB_COPY_AT, STUB_COPY_FAIL},
	{STUB_STRING_AT, STUB_STRING_FAIL},
	{STUB_CMPXCHG_AT, STUB_CMPXCHG_FAIL},
};

/* Lets a busy thread go on after a stop that does not end its step. */
static void go_on(struct tracee *th)
{
	th->state = TRACEE_BUSY;
	ptrace(th->step == STEP_WORD ? PTRACE_SYSEMU : PTRACE_CONT, th->tid, 0, 0);
}

/* A fault while a word is looked at: the guest's word is not there. */
static void word_fault(struct tracee *th, struct guest_regs *r)
{
	if (r->rip == STUB_TRACED_CMPXCHG_AT) {
		th->word->result = -EFAULT;
		th->word = NULL;
		th->step = STEP_NONE;
		advance(th);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fixups); i++) {
		if (r->rip != fixups[i].at)
			continue;
		r->rip = fixups[i].to;
		regs_set(th, r);
		go_on(th);
		return;
	}
	pspace_kill(th->space);
}

/* ---- clones ---- */

static void clone_begin(struct tracee *th)
{
	call_begin(th, STEP_CLONE, SYS_clone, th->job == JOB_FORK ? FORK_FLAGS : THREAD_FLAGS, 0, 0, 0, 0, 0);
}

/* The host tells of the clone before the call is over. */
static void clone_event(struct tracee *th)
{
	struct ptrap *t = th->space->trap;
	struct tracee *child = th->child;
	unsigned long tid = 0;

	ptrace(PTRACE_GETEVENTMSG, th->tid, 0, &tid);
	if (!child || !tid) {
		go_on(th);
		return;
	}
	if (syscall(SYS_tgkill, child->first ? (int)tid : th->space->pid, (int)tid, 0) < 0) {
		/* Killed from outside, and reaped before anybody knew it. */
		job_child_died(child);
		go_on(th);
		return;
	}
	tracee_set_tid(child, (int)tid);
	if (child->first)
		child->space->pid = (int)tid;
	for (size_t i = 0; i < MAX_EARLY; i++) {
		if (t->early[i] != (int)tid)
			continue;
		t->early[i] = 0;
		child->stopped_once = true;
	}
	go_on(th);
}

/* ---- the job ---- */

static void release(struct tracee *th)
{
	struct pspace *s = th->space;
	struct tracee *next;

	if (s->carrier != th)
		return;
	s->carrier = NULL;
	if (s->base.dead || list_empty(&s->waiting))
		return;
	next = list_first(&s->waiting, struct tracee, waiting);
	list_del(&next->waiting);
	s->carrier = next;
	advance(next);
}

static void hold(struct tracee *th)
{
	th->step = STEP_NONE;
	th->state = TRACEE_HELD;
	th->base.held = true;
}

static void resume(struct tracee *th)
{
	struct guest_regs r = th->base.regs;

	r.cs = 0x33;
	r.ss = 0x2b;
	r.ds = r.es = r.fs = r.gs = 0;
	r.orig_rax = ~0UL; /* restarting calls is the kernel's own affair */
	th->state = TRACEE_RUNNING;
	th->interrupting = false;
	th->epoch = th->space->settling.epoch;
	th->base.held = false;
	th->in_size = 0;
	th->in_ready = false;
	regs_set(th, &r);
	ptrace(th->space->trap->sysemu ? PTRACE_SYSEMU : PTRACE_SYSCALL, th->tid, 0, 0);
	if (th->interrupt_wanted)
		tracer_interrupt(&th->base);
}

/* Takes the child from its parent, which may have its next job. */
static void clone_ended(struct tracee *parent, long result)
{
	struct tracee *child = parent->child;
	struct ptrap *t = parent->space->trap;

	parent->child = NULL;
	child->parent = NULL;
	order_end(child, result);
	if (parent->space == t->zygote)
		orders_next(t);
}

static void finish_clone(struct tracee *th)
{
	struct tracee *child = th->child;

	if (!child || (!th->error && !child->stopped_once))
		return;
	if (!th->error) {
		child->state = TRACEE_HELD;
		child->base.held = true;
	}
	clone_ended(th, th->error);
}

static void finish(struct tracee *th)
{
	struct ptrap *t = th->space->trap;

	hold(th);
	if (th->job == JOB_FORK || th->job == JOB_THREAD) {
		finish_clone(th);
		return;
	}
	if (!th->error)
		th->error = copies_make(th);
	if (th->job == JOB_RUN) {
		th->run.result = th->error;
		list_del(&th->run.node);
		list_add_tail(&t->completions, &th->run.node);
		return;
	}
	if (th->error) {
		event_add(th, TRAP_OP_FAILED);
		th->event.error = (u64)th->error;
		return;
	}
	resume(th);
}

/* The next call of the job, or its end. */
static void advance(struct tracee *th)
{
	struct pspace *s = th->space;

	if (s->base.dead)
		return;
	th->state = TRACEE_WAITING;
	if (!th->error && oplog_has(&s->log, th->log_mark)) {
		if (!th->batch_left && !th->batch_fds) {
			/* Another space is receiving: wake_receivers() comes back here. */
			if (!batch_begin(th) || th->step == STEP_RECEIVE || s->base.dead)
				return;
		}
		if (th->batch_left) {
			operation_begin(th, oplog_first(&s->log));
			return;
		}
	}
	if (th->batch_fds) {
		u64 first = FIRST_FD, last = FIRST_FD + th->batch_fds - 1;

		th->batch_fds = 0;
		call_begin(th, STEP_CLOSE, SYS_close_range, first, last, 0, 0, 0, 0);
		return;
	}
	if (!th->error && th->word) {
		word_begin(th);
		return;
	}
	if (!th->error && th->child && th->step != STEP_CLONE) {
		clone_begin(th);
		return;
	}
	release(th);
	finish(th);
}

void job_start(struct tracee *th, enum tracee_job job)
{
	struct pspace *s = th->space;

	th->job = job;
	th->error = 0;
	th->step = STEP_NONE;
	th->batch_left = th->batch_fds = 0;
	th->log_mark = s->log.number;
	th->base.held = false;
	th->state = TRACEE_WAITING;
	if (s->base.dead)
		return;
	if (!oplog_has(&s->log, th->log_mark) && !th->word && !th->child) {
		finish(th);
		return;
	}
	if (s->carrier) {
		list_add_tail(&s->waiting, &th->waiting);
		return;
	}
	s->carrier = th;
	advance(th);
}

void job_child_stopped(struct tracee *child)
{
	struct tracee *parent = child->parent;

	child->stopped_once = true;
	if (parent && parent->state == TRACEE_HELD)
		finish_clone(parent);
}

void job_child_died(struct tracee *child)
{
	if (child->parent)
		clone_ended(child->parent, -EAGAIN);
}

void job_abandon(struct tracee *th)
{
	struct ptrap *t = th->space->trap;

	if (t->receiver == th) {
		drain(t);
		wake_receivers(t, th);
	}
	if (th->child)
		clone_ended(th, -EAGAIN);
}

static void call_end(struct tracee *th, long result)
{
	struct ptrap *t = th->space->trap;

	switch (th->step) {
	case STEP_RECEIVE:
		/* Whoever wrote into the message has made the host fail: the guest's own doing. */
		if (result != 1) {
			drain(t);
			pspace_kill(th->space);
			return;
		}
		th->step = STEP_NONE;
		wake_receivers(t, th);
		break;
	case STEP_OPERATION:
		th->step = STEP_NONE;
		operation_end(th, result);
		break;
	case STEP_CLONE:
		if (result < 0)
			th->error = result;
		break;
	default:
		th->step = STEP_NONE;
	}
	advance(th);
}

void job_stop(struct tracee *th, int status)
{
	int event = status >> 16, signo = WSTOPSIG(status);
	struct guest_regs r;

	th->state = TRACEE_WAITING;
	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE) {
		clone_event(th);
		return;
	}
	if (event || regs_get(th, &r)) {
		go_on(th);
		return;
	}
	if (th->step == STEP_WORD) {
		if (signo == SIGTRAP) {
			th->step = STEP_NONE;
			word_end(th, &r);
			advance(th);
		} else if (signo == SIGSEGV || signo == SIGBUS) {
			word_fault(th, &r);
		} else if (signo & 0x80) {
			pspace_kill(th->space);
		} else {
			go_on(th);
		}
		return;
	}
	if (signo == SIGTRAP && r.rip == CALL_DONE)
		call_end(th, (long)r.rax);
	else
		go_on(th);
}

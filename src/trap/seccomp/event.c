/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn as it comes to the kernel: finding slots that have news, and reading what they say.
 *
 * Everything in a slot may be a lie. A slot counts only if its thread was given away; its fields are copied
 * once.
 */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define LOOKS_AFTER   64  /* at the watched turn words, right after an answer, before anything else is done */
#define LOOKS_RUNNING 16  /* else, while guests run */
#define UCONTEXT_SIZE 304 /* up to and with the signal mask */

static int current_cpu(void)
{
	u32 aux;

	__rdtscp(&aux);
	return aux & 0xfff;
}

/* ---- finding ---- */

static void collect_word(struct strap *t, struct sspace *s, u32 word)
{
	struct region_header *h = (struct region_header *)s->region->base;
	u64 bits = __atomic_exchange_n(&h->ready[word], 0, __ATOMIC_SEQ_CST);

	while (bits) {
		u32 index = word * 64 + (u32)__builtin_ctzl(bits);
		struct sthread *th = s->by_index[index];

		bits &= bits - 1;
		if (th && list_empty(&th->ready_node))
			list_add_tail(&t->ready, &th->ready_node);
	}
}

/* ---- watching ---- */

void unwatch(struct sthread *th)
{
	struct strap *t = th->space->trap;

	if (!th->watched)
		return;
	th->watched = false;
	for (size_t i = 0; i < ARRAY_SIZE(t->watched); i++)
		if (t->watched[i] == th)
			t->watched[i] = NULL;
	/* The stub sets its state first, then looks whether it is watched. */
	store_seq(&th->slot->watched, 0);
	if ((th->state == THREAD_RUNNING || th->state == THREAD_CLONING) &&
	    load_acquire(&th->slot->state) == TURN_KERNEL && list_empty(&th->ready_node))
		list_add_tail(&t->ready, &th->ready_node);
}

void watch(struct sthread *th)
{
	struct strap *t = th->space->trap;
	u32 at = t->next_watched;

	if (th->watched || on_one_cpu(t))
		return;
	t->next_watched = (at + 1) % ARRAY_SIZE(t->watched);
	if (t->watched[at])
		unwatch(t->watched[at]);
	t->watched[at] = th;
	th->watched = true;
	store_seq(&th->slot->watched, 1);
}

static void look_at_watched(struct strap *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(t->watched); i++) {
		struct sthread *th = t->watched[i];

		if (th && (th->state == THREAD_RUNNING || th->state == THREAD_CLONING) &&
		    load_acquire(&th->slot->state) == TURN_KERNEL && list_empty(&th->ready_node))
			list_add_tail(&t->ready, &th->ready_node);
	}
}

/* The next call often follows an answer at once. Looks are cheap while nothing changes, and all else that is done between
 * two of them makes that call wait; so there are many in a row, but where who was answered cannot run before we sleep. */
static void watched_collect(struct strap *t)
{
	u32 looks = t->answered ? LOOKS_AFTER : t->running && t->ncpus > 1 ? LOOKS_RUNNING : 1;

	t->answered = false;
	do
		look_at_watched(t);
	while (--looks && list_empty(&t->ready));
}

static void collect_space(struct strap *t, struct sspace *s)
{
	struct region_header *h = (struct region_header *)s->region->base;
	u64 words;

	if (!__atomic_load_n(&h->summary, __ATOMIC_RELAXED))
		return;
	words = __atomic_exchange_n(&h->summary, 0, __ATOMIC_SEQ_CST);
	words &= (1UL << (HUSK_NR_SLOTS / 64)) - 1;
	while (words) {
		collect_word(t, s, (u32)__builtin_ctzl(words));
		words &= words - 1;
	}
}

/* Only who is out, or is being made, has news. */
void events_collect(struct strap *t)
{
	struct sspace *s, *made;
	int cpu;

	watched_collect(t);
	if (!list_empty(&t->ready))
		return;
	cpu = current_cpu();
	if (cpu != t->page_cpu) {
		t->page_cpu = cpu;
		t->kpage->cpu = (u32)cpu;
	}
	list_for_each (s, &t->out, out_node)
		collect_space(t, s);
	made = order_space(t);
	if (made && !made->running)
		collect_space(t, made);
}

/* ---- reading ---- */

static bool frame_valid(struct sthread *th, u32 uc, u32 fp)
{
	const u32 end = HUSK_SIGSTACK_OFFSET + HUSK_SIGSTACK_SIZE;

	return uc >= HUSK_SIGSTACK_OFFSET + 8 && uc < end && fp < end && fp % 16 == 0 &&
	       uc + UCONTEXT_SIZE <= fp && fp + th->space->trap->xstate.size + 4 <= end;
}

static bool read_frame(struct sthread *th)
{
	u32 uc = read_once(th->slot->uc_offset), fp = read_once(th->slot->fpstate_offset);

	if (!frame_valid(th, uc, fp))
		return false;
	th->uc_offset = uc;
	th->fpstate_offset = fp;
	return true;
}

/* Without a signal frame: a call from a patched site, or an interrupt in one. */
static bool frameless(const struct sthread *th, u32 event)
{
	return event == EVENT_PATCHED ||
	       ((event == EVENT_INTERRUPTED || event == EVENT_HOST_CALL) && !read_once(th->slot->uc_offset));
}

static void copy_regs(struct sthread *th)
{
	memcpy(&th->base.regs, th->slot->regs, sizeof th->base.regs);
	if (th->space->trap->kpage->fsgsbase) {
		th->fs_base = th->base.regs.fs_base;
		th->gs_base = th->base.regs.gs_base;
		if (borrows_gs(th->space->trap) && th->gs_base >> 32 == HUSK_CHAN_BASE >> 32)
			th->base.regs.gs_base = 0;
	} else {
		th->base.regs.fs_base = th->fs_base;
		th->base.regs.gs_base = th->gs_base;
	}
	th->base.regs.ds = th->base.regs.es = th->base.regs.fs = th->base.regs.gs = 0;
	th->base.regs.cs = 0x33;
	th->base.regs.ss = 0x2b;
}

/* What the turn's line says of a call. False: the rest is wanted at once. */
static bool read_line(struct sthread *th)
{
	struct guest_regs *r = &th->base.regs;
	const struct slot *slot = th->slot;
	u32 nr = read_once(slot->nr);

	r->orig_rax = r->rax = nr;
	r->rdi = read_once(slot->arg[0]);
	r->rsi = read_once(slot->arg[1]);
	r->rdx = read_once(slot->arg[2]);
	r->r10 = read_once(slot->arg[3]);
	r->r8 = read_once(slot->arg[4]);
	r->r9 = read_once(slot->arg[5]);
	return nr != SLOT_NR_ODD;
}

void load_regs(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);
	struct guest_regs known = thread->regs, *r = &thread->regs;

	thread->lazy = false;
	copy_regs(th);
	if (th->at_fault)
		return;
	/* What the kernel has looked at already stays as it was then. */
	r->orig_rax = known.orig_rax;
	r->rax = known.rax;
	r->rdi = known.rdi;
	r->rsi = known.rsi;
	r->rdx = known.rdx;
	r->r10 = known.r10;
	r->r8 = known.r8;
	r->r9 = known.r9;
}

static bool read_regs(struct sthread *th, u32 event)
{
	th->base.no_xstate = frameless(th, event);
	th->at_fault = false;
	th->base.lazy = event == EVENT_PATCHED && read_line(th);
	if (th->base.lazy)
		return true;
	if (!th->base.no_xstate && !read_frame(th))
		return false;
	th->at_fault = th->base.lazy = event == EVENT_FAULT;
	if (th->at_fault)
		th->base.regs.orig_rax = th->base.regs.rax = ~0UL;
	else
		copy_regs(th);
	return true;
}

/* Calls that the stub makes with a frame only (stub/patched.c): what they do is not possible without. */
static bool needs_frame(u64 nr)
{
	switch (nr) {
	case SYS_rt_sigreturn:
	case SYS_clone:
	case SYS_clone3:
	case SYS_fork:
	case SYS_vfork:
	case SYS_execve:
	case SYS_execveat:
		return true;
	}
	return false;
}

static void read_ahead(struct sthread *th)
{
	u32 n = read_once(th->slot->nin);

	th->nin = 0;
	if (n >= SLOT_IN_LINE) {
		const struct guest_regs *r = &th->base.regs;
		const u64 arg[] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
		u32 which = n - SLOT_IN_LINE, len = read_once(th->slot->ahead_len);

		if (which < ARRAY_SIZE(arg) && len <= HUSK_COPY_SIZE)
			th->in[th->nin++] = (struct slot_piece){arg[which], len, HUSK_IN_OFFSET};
		return;
	}
	n = min(n, (u32)HUSK_MAX_IN);
	for (u32 i = 0; i < n; i++) {
		u64 addr = read_once(th->slot->in[i].addr);
		u32 len = read_once(th->slot->in[i].len), offset = read_once(th->slot->in[i].offset);

		if (offset < HUSK_IN_OFFSET || len > HUSK_COPY_SIZE ||
		    offset > HUSK_IN_OFFSET + HUSK_COPY_SIZE - len)
			continue;
		th->in[th->nin].addr = addr;
		th->in[th->nin].len = len;
		th->in[th->nin].offset = offset;
		th->nin++;
	}
}

static void mark_held(struct sthread *th)
{
	th->state = THREAD_HELD;
	th->base.held = true;
	thread_in(th);
	th->fresh = false;
	list_del(&th->interrupt_node);
	th->interrupted_at = 0;
	/* After a part of the log it goes on with the same answer. */
	if (!th->partial && !list_empty(&th->space->settling.waits))
		space_settled(th->space);
}

/* The stub has done what it was told to, or failed in it. True when the kernel is to hear of it by *event. */
static bool read_done(struct sthread *th, bool cloning, struct trap_event *event)
{
	struct sspace *s = th->space;
	bool partial = th->partial;
	long result = read_once(th->slot->result), error;
	bool failed;

	if (th->frame_wanted) {
		th->frame_wanted = false;
		if (!read_frame(th)) {
			space_meddled(s);
			return false;
		}
		if (th->base.lazy)
			load_regs(&th->base);
		th->base.no_xstate = false;
	}
	if (cloning) {
		order_parent_event(th, result);
		return false;
	}
	failed = batch_report(th, result, read_once(th->slot->op_index), &error);
	batch_retry(s);
	if (!failed && (partial || th->partial)) {
		batch_answer(th, th->answer);
		return false;
	}
	if (partial && !list_empty(&s->settling.waits))
		space_settled(s);
	switch (th->answer) {
	case ANSWER_RUN: {
		trap_done_fn *done = th->run_done;

		th->run_done = NULL;
		if (done)
			done(th->run_arg, failed ? error : 0);
		return false;
	}
	case ANSWER_FORK:
	case ANSWER_THREAD:
		order_parent_event(th, failed ? error : -EAGAIN);
		return false;
	default:
		if (!failed)
			break;
		event->type = TRAP_OP_FAILED;
		event->error = (u64)error;
		return true;
	}
	space_meddled(s);
	return false;
}

static void read_mask(struct sthread *th)
{
	th->base.mask_told = th->mask_given && read_once(th->slot->mask_changed);
	if (!th->base.mask_told)
		return;
	th->slot->mask_changed = 0;
	th->base.mask = th->given_mask = read_once(th->slot->mask);
}

/* Most page faults need no look at the registers, unless they are about the instruction itself. */
static void read_fault(struct sthread *th, struct trap_event *event)
{
	const struct slot *slot = th->slot;

	event->signo = read_once(slot->nin);
	event->trapno = read_once(slot->nr);
	event->addr = read_once(slot->arg[0]);
	event->error = read_once(slot->arg[1]);
	event->code = (int)read_once(slot->arg[2]);
	if (event->signo != SIGSEGV || event->trapno != X86_TRAP_PF || event->error & X86_PF_INSTR)
		load_regs(&th->base);
}

static bool read_event(struct sthread *th, struct trap_event *event)
{
	struct slot *slot = th->slot;
	u32 kind = read_once(slot->event), cpu;
	bool cloning = th->state == THREAD_CLONING, running = th->state == THREAD_RUNNING;
	bool was_interrupted = th->interrupted_at != 0;

	if (th->state == THREAD_NEW && kind == EVENT_READY) {
		order_child_ready(th);
		return false;
	}
	/* Of one that is only STARTING nobody knows yet which process it is: its order's end brings it here again. */
	if (!running && !cloning)
		return false;
	mark_held(th);
	cpu = read_once(slot->cpu);
	th->cpu = cpu & SLOT_CPU;
	known_read(th);
	together_turn(th);
	family_turn(th);
	apart_turn(th->space->trap);
	memset(event, 0, sizeof *event);
	event->thread = &th->base;
	event->space = &th->space->base;
	th->base.foreseen_asked = false;
	if (kind == EVENT_DONE) {
		if (was_interrupted && th->partial)
			th->interrupt_wanted = true;
		return read_done(th, cloning, event);
	}
	if (cloning || (th->answer != ANSWER_RESUME && th->answer != ANSWER_HOST_CALL) || th->partial ||
	    !read_regs(th, kind)) {
		space_meddled(th->space);
		return false;
	}
	read_mask(th);
	th->base.has_deeds = leave_has_deeds(th);
	th->base.foreseen_asked = th->foreseen_given && foreseen_asked(th) && foreseen_take(&th->base);
	th->held_mark = th->space->log.number;
	batch_acknowledge(th);
	batch_retry(th->space);
	th->nin = th->next.len = 0;
	th->no_ahead = false;
	switch (kind) {
	case EVENT_CALL:
	case EVENT_PATCHED:
		th->base.by_patch = kind == EVENT_PATCHED;
		if (th->base.by_patch && needs_frame(th->base.regs.orig_rax))
			break;
		event->type = TRAP_CALL;
		th->base.not_dispatched = cpu & SLOT_NOT_DISPATCHED;
		read_ahead(th);
		return true;
	case EVENT_SITE:
		event->type = TRAP_SITE;
		return true;
	case EVENT_FAULT:
		event->type = TRAP_FAULT;
		read_fault(th, event);
		if (event->signo == SIGSEGV || event->signo == SIGBUS || event->signo == SIGFPE ||
		    event->signo == SIGILL || event->signo == SIGTRAP)
			return true;
		break;
	case EVENT_INTERRUPTED:
	case EVENT_HOST_CALL:
		event->type = TRAP_INTERRUPTED;
		event->in_call = kind == EVENT_HOST_CALL;
		event->timed = read_once(slot->timed);
		return true;
	case EVENT_VIOLATION:
		th->space->death_signo = SIGSYS;
		break;
	}
	space_meddled(th->space);
	return false;
}

/* A thread that runs has announced something: memory calls, perhaps. */
static bool tell_deeds(struct sthread *th, struct trap_event *event)
{
	if (th->state != THREAD_RUNNING || !leave_has_deeds(th))
		return false;
	memset(event, 0, sizeof *event);
	event->type = TRAP_DEEDS;
	event->space = &th->space->base;
	return true;
}

int event_next(struct trap *trap, struct trap_event *event)
{
	struct strap *t = strap_of(trap);

	/* Twice at most: a guest may announce turns without end that it never takes, and the host's descriptors and
	 * timers want their turn too. */
	for (int round = 0; round < 2; round++) {
		while (!list_empty(&t->completions))
			completion_run(t, list_first(&t->completions, struct completion, node));
		orders_poll(t);
		if (space_next_dead(t, event))
			return 1;
		if (list_empty(&t->ready))
			events_collect(t);
		if (list_empty(&t->ready) && list_empty(&t->completions))
			return 0;
		while (!list_empty(&t->ready)) {
			struct sthread *th = list_first(&t->ready, struct sthread, ready_node);

			list_del(&th->ready_node);
			if (th->space->base.dead)
				continue;
			if (load_acquire(&th->slot->state) == TURN_KERNEL) {
				if (read_event(th, event))
					return 1;
			} else {
				batch_retry(th->space);
				if (tell_deeds(th, event))
					return 1;
			}
		}
	}
	return 0;
}

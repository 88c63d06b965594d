/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn as the kernel sees it: finding slots that have news, reading what they say, answering, spinning,
 * and sleeping.
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

#define SPIN_NS          50000 /* while a CPU is free */
#define SPIN_OVERLOAD_NS 5000
#define SPIN_CLONE_NS \
	300000            /* while a clone is on its way: its copying of an address space takes that long */
#define UCONTEXT_SIZE 304 /* up to and with the signal mask */
#define ODD_FLAGS     0x44500 /* as stub/x86_64/patched.S */

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

static void events_collect(struct strap *t)
{
	struct sspace *s;
	int cpu = current_cpu();

	if (cpu != t->page_cpu) {
		t->page_cpu = cpu;
		t->kpage->cpu = (u32)cpu;
	}
	list_for_each (s, &t->spaces, node) {
		struct region_header *h = (struct region_header *)s->region->base;
		u64 words;

		if (!__atomic_load_n(&h->summary, __ATOMIC_RELAXED))
			continue;
		words = __atomic_exchange_n(&h->summary, 0, __ATOMIC_SEQ_CST);
		words &= (1UL << (HUSK_NR_SLOTS / 64)) - 1;
		while (words) {
			collect_word(t, s, (u32)__builtin_ctzl(words));
			words &= words - 1;
		}
	}
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

static bool read_regs(struct sthread *th, u32 event)
{
	th->base.no_xstate = frameless(th, event);
	if (!th->base.no_xstate && !read_frame(th))
		return false;
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
	u32 n = min(read_once(th->slot->nin), (u32)HUSK_MAX_IN);

	th->nin = 0;
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

void count_short_calls(struct sthread *th)
{
	u32 now = read_once(th->slot->stub_calls);

	th->space->trap->short_calls += (u32)(now - th->short_calls);
	th->short_calls = now;
}

static void mark_held(struct sthread *th)
{
	count_short_calls(th);
	th->state = THREAD_HELD;
	th->base.held = true;
	th->space->running--;
	th->space->trap->running--;
	list_del(&th->interrupt_node);
	th->interrupted_at = 0;
	if (!list_empty(&th->space->settling.waits))
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
		th->base.no_xstate = false;
	}
	if (cloning) {
		order_parent_event(th, result);
		return false;
	}
	failed = batch_report(th, result, read_once(th->slot->op_index), &error);
	batch_retry(s);
	if (!failed && partial) {
		batch_answer(th, th->answer);
		return false;
	}
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

static bool read_event(struct sthread *th, struct trap_event *event)
{
	struct slot *slot = th->slot;
	u32 kind = read_once(slot->event);
	bool cloning = th->state == THREAD_CLONING, running = th->state == THREAD_RUNNING;
	bool was_interrupted = th->interrupted_at != 0;

	if (th->state == THREAD_NEW && kind == EVENT_READY) {
		order_child_ready(th);
		return false;
	}
	if (!running && !cloning)
		return false;
	mark_held(th);
	memset(event, 0, sizeof *event);
	event->thread = &th->base;
	event->space = &th->space->base;
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
	batch_acknowledge(th);
	batch_retry(th->space);
	th->nin = 0;
	switch (kind) {
	case EVENT_CALL:
	case EVENT_PATCHED:
		th->base.by_patch = kind == EVENT_PATCHED;
		if (th->base.by_patch && needs_frame(th->base.regs.orig_rax))
			break;
		event->type = TRAP_CALL;
		th->base.not_dispatched = read_once(slot->not_dispatched);
		read_ahead(th);
		return true;
	case EVENT_FAULT:
		event->type = TRAP_FAULT;
		event->signo = read_once(slot->signo);
		event->code = read_once(slot->code);
		event->addr = read_once(slot->addr);
		event->error = read_once(slot->error);
		event->trapno = (u32)read_once(slot->trapno);
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
			}
		}
	}
	return 0;
}

/* ---- answering ---- */

/* The registers, as the guest goes on with them. */
static void give_registers(struct sthread *th)
{
	struct guest_regs *r = &th->base.regs;
	struct slot *slot = th->slot;
	u64 gs = r->gs_base;

	if (!gs && borrows_gs(th->space->trap))
		gs = HUSK_CHAN_BASE + ((u64)th->index << HUSK_SLOT_SHIFT);
	slot->answer_flags |= (r->fs_base != th->fs_base ? ANSWER_FLAG_FS : 0) |
			      (gs != th->gs_base ? ANSWER_FLAG_GS : 0) |
			      (th->base.no_xstate && (r->eflags & ODD_FLAGS) ? ANSWER_FLAG_FRAME : 0);
	th->fs_base = r->fs_base;
	th->gs_base = gs;
	memcpy(slot->regs, r, sizeof *r);
	slot->regs[SREG_GS_BASE] = gs;
	slot->dispatch.on = th->base.dispatch.on;
	slot->dispatch.offset = th->base.dispatch.offset;
	slot->dispatch.len = th->base.dispatch.len;
	slot->dispatch.selector = th->base.dispatch.selector;
}

void answer_now(struct sthread *th)
{
	struct slot *slot = th->slot;
	struct strap *t = th->space->trap;
	bool clone = !th->partial && (th->answer == ANSWER_FORK || th->answer == ANSWER_THREAD);
	bool to_guest = !th->partial && (th->answer == ANSWER_RESUME || th->answer == ANSWER_HOST_CALL);

	if (th->nops)
		memcpy((char *)slot + HUSK_OPS_OFFSET, th->ops, th->nops * sizeof th->ops[0]);
	slot->nops = clone ? 0 : th->nops;
	slot->batch = th->batch;
	slot->ack_wanted = 0;
	slot->answer = th->partial ? ANSWER_RUN : th->answer;
	slot->short_ways = th->space->short_ways & TRAP_SHORT_FUTEX ? SHORT_FUTEX : 0;
	slot->answer_flags = th->frame_wanted ? ANSWER_FLAG_FRAME : 0;
	th->epoch = th->space->settling.epoch;
	if (to_guest)
		give_registers(th);
	th->state = clone ? THREAD_CLONING : THREAD_RUNNING;
	th->base.held = false;
	th->space->running++;
	t->running++;
	store_seq(&slot->state, TURN_GUEST);
	if (read_once(slot->sleeping))
		syscall(SYS_futex, &slot->state, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (to_guest && th->interrupt_wanted)
		thread_interrupt(th);
	/* Operations alone are done in a moment. */
	if (!to_guest && !clone)
		watch_answer(th);
}

/* ---- spinning and sleeping ---- */

/* How long polling pays: while fewer guests run than there are CPUs, an answer may come any moment from
 * another CPU. A partner whose last CPU is our own cannot run while we spin. */
u64 event_spin_ns(struct trap *trap)
{
	struct strap *t = strap_of(trap);
	struct sspace *s;
	struct sthread *th;
	u64 ns = t->running < t->ncpus ? SPIN_NS : SPIN_OVERLOAD_NS;

	if (!list_empty(&t->orders) && t->running < t->ncpus)
		ns = SPIN_CLONE_NS;
	if (t->ncpus < 2 || (!t->running && list_empty(&t->orders)))
		ns = 0;
	t->kpage->spin_cycles =
		t->ncpus < 2 ? 0 : (ns ? min(ns, (u64)SPIN_NS) : SPIN_NS) * t->cycles_per_us / 1000;
	if (!ns)
		return 0;
	list_for_each (s, &t->spaces, node) {
		if (!s->running)
			continue;
		list_for_each (th, &s->threads, node) {
			if (th->state != THREAD_RUNNING && th->state != THREAD_CLONING)
				continue;
			if ((int)read_once(th->slot->cpu) != t->page_cpu &&
			    !read_once(th->slot->in_host_call))
				return ns;
		}
	}
	return list_empty(&t->orders) ? 0 : ns;
}

bool event_sleep_begin(struct trap *trap)
{
	struct strap *t = strap_of(trap);

	store_seq(&t->kpage->asleep, 1);
	events_collect(t);
	if (list_empty(&t->ready) && list_empty(&t->completions) && !space_death_due(t))
		return true;
	store_seq(&t->kpage->asleep, 0);
	return false;
}

void event_sleep_end(struct trap *trap)
{
	store_seq(&strap_of(trap)->kpage->asleep, 0);
}

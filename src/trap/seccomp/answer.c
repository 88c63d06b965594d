/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn as it goes back to the guest: registers, the signal mask, what the stub may do by itself, and the answer.
 *
 * The stub looks at the turn's line all the time: what is in it is written last, and in one go.
 */
#include "trap/seccomp/seccomp.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ODD_FLAGS 0x44500 /* as stub/x86_64/patched.S */

/* The registers, as the guest goes on with them: ANSWER_FLAG_* that say what to do about them. */
static u32 give_registers(struct sthread *th)
{
	struct guest_regs *r = &th->base.regs;
	struct slot *slot = th->slot;
	/* What the stub's own way out cannot do. */
	bool odd = (r->eflags & ODD_FLAGS) || r->rip >= TRAP_GUEST_TOP;
	u64 gs = r->gs_base;
	u32 flags;

	if (!gs && borrows_gs(th->space->trap))
		gs = HUSK_CHAN_BASE + ((u64)th->index << HUSK_SLOT_SHIFT);
	flags = (r->fs_base != th->fs_base ? ANSWER_FLAG_FS : 0) | (gs != th->gs_base ? ANSWER_FLAG_GS : 0) |
		(th->base.no_xstate && odd ? ANSWER_FLAG_FRAME : 0);
	th->fs_base = r->fs_base;
	th->gs_base = gs;
	memcpy(slot->regs, r, sizeof *r);
	slot->regs[SREG_GS_BASE] = gs;
	return flags;
}

/* The mask, which the stub may change from now on, and what is pending behind it. */
static void give_mask(struct sthread *th)
{
	const struct trap_thread *b = &th->base;
	struct slot *slot = th->slot;

	if (b->mask_lent && (!th->mask_given || th->given_mask != b->mask))
		slot->mask = th->given_mask = b->mask;
	if (b->mask_lent && (!th->mask_given || th->given_pending != b->pending))
		slot->pending = th->given_pending = b->pending;
	th->mask_given = b->mask_lent;
}

/* Whether the guest has @th, or its stub on the way there: what is in its slot is its own. */
static bool in_guest(const struct sthread *th)
{
	return (th->state == THREAD_RUNNING || th->state == THREAD_STARTING) && !th->partial &&
	       (th->answer == ANSWER_RESUME || th->answer == ANSWER_HOST_CALL);
}

u64 mask_now(const struct trap_thread *thread)
{
	const struct sthread *th = sthread_of((struct trap_thread *)thread);

	return in_guest(th) ? __atomic_load_n(&th->slot->mask, __ATOMIC_SEQ_CST) : thread->mask;
}

void tell_pending(struct trap_thread *thread, u64 pending)
{
	struct sthread *th = sthread_of(thread);

	thread->pending = pending;
	if (!in_guest(th) || th->given_pending == pending)
		return;
	th->given_pending = pending;
	store_seq(&th->slot->pending, pending);
}

/* Leave to deliver dispatched calls, and what the stub must know to go back from handlers. */
static void give_handler(struct sthread *th)
{
	const struct user_handler *h = &th->base.user_handler;
	const struct xstate_layout *x = &th->space->trap->xstate;
	struct slot *slot = th->slot;

	if (th->handler_given && !memcmp(h, &th->given_handler, sizeof *h))
		return;
	th->given_handler = *h;
	th->handler_given = true;
	memcpy(&slot->handler, h, sizeof *h);
	slot->handler.xfeatures = x->features;
	slot->handler.xsize = x->size;
	slot->handler.on = h->on && x->features;
}

void handler_off(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	thread->user_handler.on = 0;
	th->given_handler.on = 0;
	store_seq(&th->slot->handler.on, 0);
}

/* The byte that known results are answered by: the selector, unless it can be none. While it is 0 (ALLOW) the range
 * makes no difference. */
static u64 quick_byte(const struct sthread *th, const struct user_dispatch *d)
{
	const size_t own =
		d->on ? offsetof(struct slot, dispatch.block) : offsetof(struct slot, dispatch.allow);

	if (d->on && d->selector && d->selector < TRAP_GUEST_TOP)
		return d->selector;
	return HUSK_CHAN_BASE + ((u64)th->index << HUSK_SLOT_SHIFT) + own;
}

static void give_dispatch(struct sthread *th)
{
	const struct user_dispatch *d = &th->base.dispatch;
	struct slot *slot = th->slot;

	if (th->dispatch_given && !memcmp(d, &th->given_dispatch, sizeof *d))
		return;
	th->given_dispatch = *d;
	th->dispatch_given = true;
	slot->dispatch.on = d->on;
	slot->dispatch.offset = d->offset;
	slot->dispatch.len = d->len;
	slot->dispatch.selector = d->selector;
	slot->dispatch.allow = 0;
	slot->dispatch.block = 1;
	slot->dispatch.quick = quick_byte(th, d);
}

/* What the stub may do by itself, where it has changed. */
static void give_permissions(struct sthread *th)
{
	short_publish(th);
	give_mask(th);
	leave_publish(th);
	foreseen_publish(th);
	give_handler(th);
	give_dispatch(th);
}

/* Whether the guest may read the time stamp counter. How it is, the stub says: a host thread may serve others later, and
 * what it begins with is its maker's. */
static u32 give_tsc(struct sthread *th)
{
	bool off = th->base.no_tsc;

	if (!off && !th->tsc_touched)
		return 0;
	th->tsc_touched = true;
	if (!read_once(th->slot->tsc_off) == !off)
		return 0;
	return off ? ANSWER_FLAG_TSC_OFF : ANSWER_FLAG_TSC_ON;
}

static void give_line_op(struct sthread *th)
{
	const struct stub_op *op = &th->ops[0];
	struct slot *slot = th->slot;

	slot->nin = (u8)op->kind;
	slot->nr = (u16)op->a[2];
	slot->arg[1] = op->a[0];
	slot->arg[2] = op->a[1];
	slot->arg[5] = op->a[3] | (u64)th->batch << LINE_BATCH;
}

void answer_now(struct sthread *th)
{
	struct slot *slot = th->slot;
	struct strap *t = th->space->trap;
	bool clone = !th->partial && (th->answer == ANSWER_FORK || th->answer == ANSWER_THREAD);
	bool to_guest = !th->partial && (th->answer == ANSWER_RESUME || th->answer == ANSWER_HOST_CALL);
	u32 flags = (th->frame_wanted ? ANSWER_FLAG_FRAME : 0) | (th->line_copy ? ANSWER_FLAG_COPY : 0);
	bool starting = th->state == THREAD_NEW;
	u8 known = to_guest ? known_now(th) : 0;

	/* In a call that needs nothing else, only the turn's line is written; and that last and in one go, because the stub
	 * looks at it all the time, and whoever writes what the other has looked at waits for it. */
	if (th->nops && !th->line_op) {
		memcpy((char *)slot + HUSK_OPS_OFFSET, th->ops, th->nops * sizeof th->ops[0]);
		slot->batch = th->batch;
	}
	if (th->nops && th->ack_asked) {
		slot->ack_wanted = 0;
		th->ack_asked = false;
	}
	if ((th->nops && !th->line_op) || clone || !to_guest)
		slot->nops = clone ? 0 : th->nops;
	if (to_guest && th->base.lazy)
		flags |= th->at_fault ? ANSWER_FLAG_KEPT : ANSWER_FLAG_RESULT;
	else if (to_guest)
		flags |= give_registers(th);
	if (to_guest)
		flags |= give_tsc(th);
	if (to_guest)
		give_permissions(th);
	th->base.held = false;
	family_answer(th);
	thread_out(th);
	if (!starting) {
		watch(th);
		t->answered = th->watched && th->cpu != t->page_cpu;
	}
	slot->answer = (u8)(th->partial ? ANSWER_RUN : th->line_op ? ANSWER_OP : th->answer);
	slot->answer_flags = (u8)flags;
	if (th->line_op)
		give_line_op(th);
	if (flags & ANSWER_FLAG_RESULT)
		slot->arg[0] = th->base.regs.rax;
	if (th->line_copy) {
		slot->arg[1] = th->copy_addr;
		slot->arg[2] = th->copy_size;
	}
	known_publish(th, known);
	if (starting) {
		th->state = THREAD_STARTING;
		th->fresh = true;
		return;
	}
	th->state = clone ? THREAD_CLONING : THREAD_RUNNING;
	store_seq(&slot->state, TURN_GUEST);
	if (read_once(slot->sleeping))
		apart_wake(th);
	if (to_guest && th->interrupt_wanted)
		thread_interrupt(th);
	/* Operations alone are done in a moment. */
	if (!to_guest && !clone)
		watch_answer(th);
}

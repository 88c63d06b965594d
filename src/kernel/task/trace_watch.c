/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug registers of traced tasks: breakpoints and watchpoints as the processor has them, without the processor's
 * (Intel SDM volume 3, 17.2; arch/x86/kernel/ptrace.c, hw_breakpoint.c).
 *
 * Linux: the host's own registers. Here: those belong to who traces husk, so that the task makes one instruction after
 * the other while any is enabled, and what it would have hit is looked up in between: a watched word that has changed,
 * an instruction to stop at. Reading is not seen (EINVAL), writing the same value is no hit, and another thread's write is
 * told of whichever thread looks first.
 *
 * Where the host lets nobody read a guest's memory, the task's own stub looks behind each instruction, and for a tracer that
 * sets a register.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/call.h"
#include "mm/mm.h"
#include "task/trace.h"

#define USER_TOP  0x7ffffffff000UL
#define EFLAGS_TF 0x100UL

#define DR6_STEP     0x4000UL
#define DR6_RESERVED 0xffff0ff0UL /* told as set, and kept here the other way round, as Linux does */

#define RW_EXECUTE 0
#define RW_WRITE   1

static bool enabled(u64 dr7, int i)
{
	return dr7 >> (2 * i) & 3;
}

static int type_of(u64 dr7, int i)
{
	return dr7 >> (16 + 4 * i) & 3;
}

static u64 length_of(u64 dr7, int i)
{
	static const u8 lengths[] = {1, 2, 8, 4};

	return lengths[dr7 >> (18 + 4 * i) & 3];
}

static bool watches(const struct trace *tr, int i)
{
	return enabled(tr->debug[7], i) && type_of(tr->debug[7], i) == RW_WRITE;
}

/* Where the bytes that register @i watches lie, and how many: one number, never 0. */
static u64 place_of(const struct trace *tr, int i)
{
	return tr->debug[i] | length_of(tr->debug[7], i) << 56;
}

/* ---- what the words are ---- */

/* What register @i watches, 0 where there is nothing: false where the host lets nobody look. */
static bool look(struct task *t, int i, u64 *value)
{
	const struct trace *tr = t->trace;

	*value = 0;
	return !t->mm || !t->mm->space ||
	       mm_peek(t->mm, value, tr->debug[i], length_of(tr->debug[7], i)) != -ENOSYS;
}

static void learn(struct trace *tr, int i, u64 value)
{
	tr->watched[i] = value;
	tr->known[i] = place_of(tr, i);
}

/* Where nobody may look, they are what they are behind the next instruction, which is a libc's that has made the call. */
void trace_watch_refresh(struct task *t)
{
	struct trace *tr = t->trace;
	u64 value;

	for (int i = 0; i < 4; i++) {
		if (!watches(tr, i))
			continue;
		if (look(t, i, &value))
			learn(tr, i, value);
		else
			tr->known[i] = 0;
	}
}

/* The same for @t, which is about to have @child watched and for which that one's stub looks: 0, -ENOMEM or CALL_PARK. */
static long refresh_for(struct task *t, struct task *child)
{
	struct trace *tr = child->trace;
	u64 value;
	long n;

	for (int i = 0; i < 4; i++) {
		if (!watches(tr, i)) {
			tr->known[i] = 0;
			continue;
		}
		if (!look(child, i, &value)) {
			if (tr->known[i] == place_of(tr, i))
				continue;
			n = trace_access(t, child, tr->debug[i], &value, length_of(tr->debug[7], i), false);
			if (n == CALL_PARK || n == -ENOMEM)
				return n;
		}
		learn(tr, i, value);
	}
	return 0;
}

/* ---- the registers ---- */

static int check(const struct trace *tr)
{
	u64 dr7 = tr->debug[7];

	for (int i = 0; i < 4; i++) {
		u64 size = length_of(dr7, i);
		int type = type_of(dr7, i);

		if (!enabled(dr7, i))
			continue;
		if (type > RW_WRITE || (type == RW_EXECUTE && size != 1) || tr->debug[i] % size ||
		    tr->debug[i] >= USER_TOP)
			return -EINVAL;
	}
	return 0;
}

u64 trace_get_debug(const struct task *child, int number)
{
	return child->trace->debug[number] ^ (number == 6 ? DR6_RESERVED : 0);
}

long trace_set_debug(struct task *t, struct task *child, int number, u64 value)
{
	struct trace *tr = child->trace;
	u64 before = tr->debug[number];
	long err;

	if (number == 4 || number == 5)
		return -EIO;
	if (number < 4 && value >= USER_TOP)
		return -EINVAL;
	tr->debug[number] = value ^ (number == 6 ? DR6_RESERVED : 0);
	if (number == 6)
		return 0;
	err = check(tr);
	if (!err)
		err = refresh_for(t, child);
	if (err) {
		tr->debug[number] = before;
		return err;
	}
	child->watched = tr->debug[7] & 0xff;
	if (child->watched)
		trace_see_steps(child);
	return 0;
}

/* ---- steps ---- */

/* The registers that the last instruction has hit: bits as in DR6. */
static u64 hits(struct task *t)
{
	struct trace *tr = t->trace;
	u64 hit = 0;

	for (int i = 0; i < 4; i++) {
		if (watches(tr, i)) {
			if (tr->known[i] == place_of(tr, i) && tr->seen[i] != tr->watched[i])
				hit |= 1UL << i;
			learn(tr, i, tr->seen[i]);
		} else if (enabled(tr->debug[7], i) && task_regs(t)->rip == tr->debug[i]) {
			hit |= 1UL << i;
		}
	}
	return hit;
}

/* It goes on, unless it has hit something, or a step was asked for. */
static void judge(struct task *t)
{
	struct trace *tr = t->trace;
	u64 hit = hits(t);

	if (hit) {
		tr->debug[6] = hit | (t->single_step ? DR6_STEP : 0);
		tr->step.code = TRAP_HWBKPT;
	}
	if (hit || t->single_step || (task_regs(t)->eflags & EFLAGS_TF))
		t->k->ops.fault(t, &tr->step);
	task_return(t);
}

static void looked(void *arg, long result);

/* Looks at one word after the other. */
static void look_on(struct task *t)
{
	const struct trap_ops *ops = t->k->trap_ops;
	struct trace *tr = t->trace;

	for (; tr->looking < 4; tr->looking++) {
		int i = tr->looking;

		if (!watches(tr, i) || look(t, i, &tr->seen[i]) ||
		    ops->copy_in(t->thread, tr->debug[i], length_of(tr->debug[7], i)))
			continue;
		ops->run(t->thread, looked, t);
		return;
	}
	judge(t);
}

/* The task's own stub has looked. */
static void looked(void *arg, long result)
{
	struct task *t = arg;
	struct trace *tr = t->trace;
	int i;

	/* Its tracer has gone, and may have been followed by another. */
	if (!tr || !tr->step.signo) {
		task_return(t);
		return;
	}
	i = tr->looking++;
	if (result >= 0 &&
	    t->k->trap_ops->precopied(t->thread, &tr->seen[i], tr->debug[i], length_of(tr->debug[7], i)) &&
	    t->k->ops.code_shown)
		t->k->ops.code_shown(t->mm, &tr->seen[i], tr->debug[i], length_of(tr->debug[7], i));
	look_on(t);
}

void trace_stepped(struct task *t)
{
	t->trace->debug[6] = DR6_STEP;
}

bool trace_watch_step(struct task *t, struct trap_event *event)
{
	struct trace *tr = t->trace;

	if (!tr || event->signo != SIGTRAP || event->code != TRAP_TRACE)
		return false;
	tr->step = *event;
	tr->looking = 0;
	memset(tr->seen, 0, sizeof tr->seen);
	look_on(t);
	return true;
}

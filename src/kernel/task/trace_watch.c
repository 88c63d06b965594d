/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug registers of traced tasks: breakpoints and watchpoints as the processor has them, without the processor's
 * (Intel SDM volume 3, 17.2; arch/x86/kernel/ptrace.c, hw_breakpoint.c).
 *
 * Linux: the host's own registers. Here: those belong to who traces husk, so that the task makes one instruction after
 * the other while any is enabled, and what it would have hit is looked up in between: a watched word that has changed,
 * an instruction to stop at. Reading is not seen (EINVAL), writing the same value is no hit, and another thread's write is
 * told of whichever thread looks first.
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

/* What the watched bytes are; 0 where they cannot be read. */
static u64 value_of(struct task *t, int i)
{
	const struct trace *tr = t->trace;
	u64 value = 0, size = length_of(tr->debug[7], i);

	if (t->mm && t->mm->space)
		(void)mm_peek(t->mm, &value, tr->debug[i], size);
	return value;
}

static bool watches(const struct trace *tr, int i)
{
	return enabled(tr->debug[7], i) && type_of(tr->debug[7], i) == RW_WRITE;
}

void trace_watch_refresh(struct task *t)
{
	struct trace *tr = t->trace;

	for (int i = 0; i < 4; i++)
		if (watches(tr, i))
			tr->watched[i] = value_of(t, i);
}

/* Whether memory can be looked at between two instructions. */
static bool can_watch(struct task *t, u64 addr)
{
	u8 byte;

	return t->mm && t->mm->space && t->k->trap_ops->read(t->mm->space, &byte, addr, 1) != -ENOSYS;
}

static int check(struct task *t)
{
	const struct trace *tr = t->trace;
	u64 dr7 = tr->debug[7];

	for (int i = 0; i < 4; i++) {
		u64 size = length_of(dr7, i);
		int type = type_of(dr7, i);

		if (!enabled(dr7, i))
			continue;
		if (type > RW_WRITE || (type == RW_EXECUTE && size != 1) || tr->debug[i] % size ||
		    tr->debug[i] >= USER_TOP)
			return -EINVAL;
		/* Linux: ENOSPC when all registers are in use. Here: also where the host lets nobody read a guest's
		 * memory. */
		if (type == RW_WRITE && !can_watch(t, tr->debug[i]))
			return -ENOSPC;
	}
	return 0;
}

u64 trace_get_debug(const struct task *t, int number)
{
	return t->trace->debug[number] ^ (number == 6 ? DR6_RESERVED : 0);
}

int trace_set_debug(struct task *t, int number, u64 value)
{
	struct trace *tr = t->trace;
	u64 before = tr->debug[number];
	int err;

	if (number == 4 || number == 5)
		return -EIO;
	if (number < 4 && value >= USER_TOP)
		return -EINVAL;
	tr->debug[number] = value ^ (number == 6 ? DR6_RESERVED : 0);
	err = number == 6 ? 0 : check(t);
	if (err) {
		tr->debug[number] = before;
		return err;
	}
	t->watched = tr->debug[7] & 0xff;
	if (t->watched)
		trace_see_steps(t);
	trace_watch_refresh(t);
	return 0;
}

/* The registers that the last instruction has hit: bits as in DR6. */
static u64 hits(struct task *t)
{
	struct trace *tr = t->trace;
	u64 hit = 0;

	for (int i = 0; i < 4; i++) {
		if (watches(tr, i)) {
			u64 value = value_of(t, i);

			if (value != tr->watched[i])
				hit |= 1UL << i;
			tr->watched[i] = value;
		} else if (enabled(tr->debug[7], i) && task_regs(t)->rip == tr->debug[i]) {
			hit |= 1UL << i;
		}
	}
	return hit;
}

void trace_stepped(struct task *t)
{
	t->trace->debug[6] = DR6_STEP;
}

bool trace_watch_step(struct task *t, struct trap_event *event)
{
	u64 hit;

	if (!t->trace || event->signo != SIGTRAP || event->code != TRAP_TRACE)
		return false;
	hit = hits(t);
	if (hit) {
		t->trace->debug[6] = hit | (t->single_step ? DR6_STEP : 0);
		event->code = TRAP_HWBKPT;
		return false;
	}
	return !t->single_step && !(task_regs(t)->eflags & EFLAGS_TF);
}

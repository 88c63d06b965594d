/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of guest memory that must be looked at or exchanged as the guest's own threads do it: a stopped thread runs the
 * stub's code for it (struct trap_word), and nothing that this code is led to makes a host call.
 */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "stub_symbols.h"

void word_begin(struct tracee *th)
{
	const struct trap_word *w = th->word;
	bool swap = w->kind == TRAP_CMPXCHG;
	struct guest_regs r = job_regs(th, swap ? STUB_TRACED_CMPXCHG_AT : STUB_TRACED_ROBUST_AT);

	r.rdi = w->addr;
	if (swap) {
		r.rax = w->old;
		r.rdx = w->new;
	} else {
		r.rsi = w->old;
		r.rdx = scratch_at(HUSK_SCRATCH_WAKE);
	}
	/* The stack of this code is the guest's to write: whatever it is led to, it makes no host call. */
	job_begin(th, &r, STEP_WORD, until_call(th->space->trap));
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
	tracer_read(&th->space->base, w->wake, scratch_at(HUSK_SCRATCH_WAKE), w->nwake * sizeof w->wake[0]);
}

/* The instructions of the stub that may fault, and where they go on then. */
static const struct {
	u64 at, to;
} fixups[] = {
	{STUB_COPY_AT, STUB_COPY_FAIL},
	{STUB_STRING_AT, STUB_STRING_FAIL},
	{STUB_CMPXCHG_AT, STUB_CMPXCHG_FAIL},
};

/* A fault while a word is looked at: the guest's word is not there. */
static void word_fault(struct tracee *th, struct guest_regs *r)
{
	if (r->rip == STUB_TRACED_CMPXCHG_AT) {
		th->word->result = -EFAULT;
		th->word = NULL;
		th->step = STEP_NONE;
		job_advance(th);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fixups); i++) {
		if (r->rip != fixups[i].at)
			continue;
		r->rip = fixups[i].to;
		regs_set(th, r);
		job_go_on(th);
		return;
	}
	pspace_kill(th->space);
}

void word_stop(struct tracee *th, int signo, struct guest_regs *r)
{
	if (signo & 0x80 && th->entry_stop) {
		/* The way out of the call that the thread was stopped at, where there is no SYSEMU. */
		th->entry_stop = false;
		job_go_on(th);
	} else if (signo == SIGTRAP) {
		th->step = STEP_NONE;
		word_end(th, r);
		job_advance(th);
	} else if (signo == SIGSEGV || signo == SIGBUS) {
		word_fault(th, r);
	} else if (signo & 0x80 || signo == SIGILL || signo == SIGFPE) {
		/* Where the guest has led it, by its stack. */
		pspace_kill(th->space);
	} else {
		job_go_on(th);
	}
}

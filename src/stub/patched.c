/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls from patched sites, behind x86_64/patched.S: the guest's general registers lie in the slot, its vector
 * registers where they were, and there is no signal frame. Should the kernel want one (to run a handler, say), the
 * host makes it: stub_turn().
 */
#include <asm/unistd.h>

#include "stub/stub.h"

/* Calls that need a frame at once: they begin with or end in another context. */
static int needs_frame(u64 nr)
{
	switch (nr) {
	case __NR_rt_sigreturn:
	case __NR_clone:
	case __NR_clone3:
	case __NR_fork:
	case __NR_vfork:
	case __NR_execve:
	case __NR_execveat:
		return 1;
	}
	return 0;
}

/* Called by stub_patched_entry. */
__attribute__((used)) void stub_patched_call(struct slot *slot)
{
	u64 *r = slot->regs;
	struct stub_ahead ahead;

	/* As the SIGSYS path has it from the host: numbers are ints. */
	r[SREG_ORIG_RAX] = (u64)(s64)(s32)r[SREG_ORIG_RAX];
	if (r[SREG_ORIG_RAX] == __NR_rt_sigreturn && stub_verdict(slot, &ahead) == GO_ON &&
	    stub_short(slot, 0))
		return;
	if (needs_frame(r[SREG_ORIG_RAX])) {
		r[SREG_RIP] -= 2;
		return;
	}
	stub_save_bases(slot);
	stub_note_frame(slot, 0);
	stub_call(slot, 0, EVENT_PATCHED);
}

/* Called before stub_patched_exit: an interrupt came while the stub was at work. */
__attribute__((used)) void stub_patched_interrupted(struct slot *slot)
{
	slot->regs[SREG_ORIG_RAX] = ~0UL;
	stub_save_bases(slot);
	stub_note_frame(slot, 0);
	stub_turn(slot, 0, EVENT_INTERRUPTED);
}

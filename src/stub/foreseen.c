/* SPDX-License-Identifier: Apache-2.0 */
/* What tracers ask behind each stop of another task, answered by what the kernel has foreseen: channel/foreseen.h. */
#include <linux/ptrace.h>
#include <linux/wait.h>

#include "channel/foreseen.h"
#include "stub/stub.h"

static struct foreseen *foreseen_of(struct slot *slot)
{
	return (struct foreseen *)((char *)slot + HUSK_FORESEEN_OFFSET);
}

int stub_short_wait4(struct slot *slot)
{
	u64 *r = slot->regs;

	if (!load(&foreseen_of(slot)->quiet) || (s32)r[SREG_RDI] != -1 ||
	    (u32)r[SREG_RDX] != (WNOHANG | __WALL) || r[SREG_R10])
		return 0;
	r[SREG_RAX] = 0;
	return 1;
}

static int tell_call(struct foreseen *f, u64 *r)
{
	u64 size = f->size, to = r[SREG_R10];
	u64 n = r[SREG_RDX] < size ? r[SREG_RDX] : size;

	if (!size || size > HUSK_FORESEEN_INFO || to >= HUSK_GUEST_TOP || stub_copy((void *)to, f->info, n))
		return 0;
	r[SREG_RAX] = size;
	return 1;
}

/* To its next stop, without a signal. */
static int go_on(struct foreseen *f, u64 *r)
{
	u32 leave = FORESEEN_LEAVE;

	if (r[SREG_R10])
		return 0;
	store(&f->quiet, 0);
	if (!__atomic_compare_exchange_n(&f->resume, &leave, FORESEEN_ASKED, 0, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return 0;
	r[SREG_RAX] = 0;
	return 1;
}

int stub_short_ptrace(struct slot *slot)
{
	struct foreseen *f = foreseen_of(slot);
	u64 *r = slot->regs;

	if (load(&f->resume) != FORESEEN_LEAVE || (u32)r[SREG_RSI] != f->pid)
		return 0;
	switch (r[SREG_RDI]) {
	case PTRACE_GET_SYSCALL_INFO:
		return tell_call(f, r);
	case PTRACE_SYSCALL:
		return go_on(f, r);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers' frames, without a signal of the host's (task/signal_frame.c): a dispatched call becomes the guest's SIGSYS; the
 * vector state goes into a frame that the kernel has written, for whatever signal; and the thread comes back from its
 * handler. It goes to the handler, and on, as to where a patched call returns.
 *
 * For a dispatched call the kernel gives leave, in slot->handler, where nobody has a say in it: no filter, no tracer, a
 * handler of the common kind. The one state of the kernel's that changes is the thread's signal mask: see mask.c.
 *
 * Whatever is unusual is left to the kernel, before anything but memory below the stack has changed.
 */
#include <linux/audit.h>

#include "stub/stub.h"

#define UC_FLAGS       7 /* vector state, SS, strict SS */
#define REDZONE        128
#define XSTATE_LEGACY  512
#define XSTATE_SW      464 /* of the software's bytes in the legacy area */
#define XSTATE_MAGIC1  0x46505853u
#define XSTATE_MAGIC2  0x46505845u
#define MXCSR_OFFSET   24
#define MXCSR_MASK     0xffffu
#define FEATURE_PKRU   (1UL << 9)
#define CODE_DISPATCH  2            /* SYS_USER_DISPATCH */
#define ON_STACK       0x08000000UL /* SA_ONSTACK */
#define STACK_DISABLED 2            /* SS_DISABLE */
#define SHOW_FIRST     8            /* calls and returns, */
#define SHOW_AGAIN     511          /* of so many and one */
#define BIT(signo)     (1UL << ((signo)-1))
#define EFLAGS_ODD     0x44500UL /* x86_64/patched.S */
#define EFLAGS_RF      0x10000UL
#define EFLAGS_RETURN  0x50dd5UL            /* what a frame may set: CF PF AF ZF SF TF DF OF RF AC */
#define SELECTORS      0x002b000000000033UL /* ss, fs, gs, cs */

struct frame {
	u64 restorer;
	u64 flags, link;
	u64 stack_sp;
	u64 stack_flags; /* an int, and padding */
	u64 stack_size;
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u64 selectors, err, trapno, oldmask, cr2, fpstate, reserved[8];
	u64 mask;
	struct {
		s32 signo, error, code, pad;
		u64 call_addr;
		s32 syscall;
		u32 arch;
		u64 rest[12];
	} info;
};

_Static_assert(sizeof(struct frame) == 440, "struct rt_sigframe of x86-64");

struct sw_bytes {
	u32 magic1, extended_size;
	u64 xfeatures;
	u32 xstate_size, pad[7];
};

/* Of a state in which all components are as at the start; what XRSTOR wants to read. */
static const struct {
	u8 legacy[MXCSR_OFFSET];
	u32 mxcsr;
	u8 rest[XSTATE_LEGACY + 64 - MXCSR_OFFSET - 4];
} initial_xstate __attribute__((aligned(64))) = {.mxcsr = 0x1f80};

static u64 stack_flags(const struct slot *slot)
{
	return slot->handler.alt_size ? slot->handler.alt_flags : STACK_DISABLED;
}

static int within_alt(const struct slot *slot, u64 sp)
{
	return sp > slot->handler.alt_sp && sp - slot->handler.alt_sp <= slot->handler.alt_size;
}

/* Where the frame and the vector state above it go: 0 when it would leave the alternate stack. */
static int place(const struct slot *slot, u64 *at, u64 *fp)
{
	u64 sp = slot->regs[SREG_RSP];
	int check = within_alt(slot, sp);

	sp -= REDZONE;
	if ((slot->handler.flags & ON_STACK) && slot->handler.alt_size && !within_alt(slot, sp)) {
		sp = slot->handler.alt_sp + slot->handler.alt_size;
		check = 1;
	}
	*fp = (sp - slot->handler.xsize - 4) & -64UL;
	*at = ((*fp - sizeof(struct frame)) & -16UL) - 8;
	return !check || within_alt(slot, *at);
}

static void fill_frame(const struct slot *slot, struct frame *f, u64 fp)
{
	const u64 *r = slot->regs;

	__builtin_memset(f, 0, sizeof *f);
	f->restorer = slot->handler.restorer;
	f->flags = UC_FLAGS;
	f->stack_sp = slot->handler.alt_sp;
	f->stack_flags = (u32)stack_flags(slot);
	f->stack_size = slot->handler.alt_size;
	f->r8 = r[SREG_R8], f->r9 = r[SREG_R9], f->r10 = r[SREG_R10], f->r11 = r[SREG_R11];
	f->r12 = r[SREG_R12], f->r13 = r[SREG_R13], f->r14 = r[SREG_R14], f->r15 = r[SREG_R15];
	f->rdi = r[SREG_RDI], f->rsi = r[SREG_RSI], f->rbp = r[SREG_RBP], f->rbx = r[SREG_RBX];
	f->rdx = r[SREG_RDX], f->rax = r[SREG_RAX], f->rcx = r[SREG_RCX], f->rsp = r[SREG_RSP];
	f->rip = r[SREG_RIP];
	f->eflags = r[SREG_EFLAGS];
	f->selectors = SELECTORS;
	f->err = slot->handler.err;
	f->trapno = slot->handler.trapno;
	f->cr2 = slot->handler.fault_addr;
	f->oldmask = f->mask = slot->mask;
	f->fpstate = fp;
	f->info.signo = SIGSYS;
	f->info.code = CODE_DISPATCH;
	f->info.call_addr = r[SREG_RIP];
	f->info.syscall = (s32)r[SREG_ORIG_RAX];
	f->info.arch = AUDIT_ARCH_X86_64;
}

/* The vector state, with what software says of it, to @fp: 1 when it is there. */
static int save_vectors(const struct ucontext *uc, u64 fp, u64 size, u64 features)
{
	const struct sigcontext *mc = (const struct sigcontext *)&uc->uc_mcontext;
	struct sw_bytes sw = {XSTATE_MAGIC1, (u32)size + 4, features, (u32)size, {0}};
	const u32 magic2 = XSTATE_MAGIC2;
	u64 zero[8] = {0};

	if (uc) {
		if (stub_copy((void *)fp, mc->fpstate, size))
			return 0;
	} else if (stub_copy((void *)(fp + XSTATE_LEGACY), zero, sizeof zero) || stub_xsave(fp, features) ||
		   stub_copy((void *)(fp + XSTATE_SW), &sw, sizeof sw)) {
		return 0;
	}
	return !stub_copy((void *)(fp + size), &magic2, sizeof magic2);
}

/* What a handler begins with: in the frame that is to be left, or in the CPU. */
static int fresh_vectors(struct ucontext *uc, u64 features)
{
	const struct sigcontext *mc = (const struct sigcontext *)&uc->uc_mcontext;

	if (!uc)
		return !stub_xrstor((u64)&initial_xstate, features & ~FEATURE_PKRU);
	return !stub_copy((char *)mc->fpstate + MXCSR_OFFSET, &initial_xstate.mxcsr,
			  sizeof initial_xstate.mxcsr) &&
	       !stub_copy((char *)mc->fpstate + XSTATE_LEGACY, (const char *)&initial_xstate + XSTATE_LEGACY,
			  sizeof initial_xstate - XSTATE_LEGACY);
}

int stub_push_vectors(struct ucontext *uc, u64 fp, u64 size, u64 features)
{
	return save_vectors(uc, fp, size, features) && fresh_vectors(uc, features);
}

/* Sites that come by a signal are shown to the kernel now and then, which may patch them. */
static int shown(struct slot *slot, const struct ucontext *uc)
{
	return uc && (slot->handler.by_signal++ & SHOW_AGAIN) < SHOW_FIRST;
}

int stub_deliver(struct slot *slot, struct ucontext *uc)
{
	u64 *r = slot->regs, at, fp;
	struct frame f;

	if (!slot->handler.on || (slot->mask & BIT(SIGSYS)) || (r[SREG_EFLAGS] & EFLAGS_ODD) ||
	    shown(slot, uc) || !place(slot, &at, &fp))
		return 0;
	r[SREG_EFLAGS] &= ~EFLAGS_RF;
	fill_frame(slot, &f, fp);
	if (!save_vectors(uc, fp, slot->handler.xsize, slot->handler.xfeatures) ||
	    stub_copy((void *)at, &f, sizeof f))
		return 0;
	/* A handler begins with a fresh vector state; behind a signal of the host's it is one already. */
	if (!uc && !fresh_vectors(0, slot->handler.xfeatures))
		return 0;
	stub_set_mask(slot, slot->mask | slot->handler.adds);
	r[SREG_RDI] = SIGSYS;
	r[SREG_RSI] = at + __builtin_offsetof(struct frame, info);
	r[SREG_RDX] = at + __builtin_offsetof(struct frame, flags);
	r[SREG_RAX] = 0;
	r[SREG_RSP] = at;
	r[SREG_RIP] = slot->handler.handler;
	r[SREG_ORIG_RAX] = ~0UL;
	return 1;
}

/* ---- the way back ---- */

#define JUMP 0xe9

/* Whether a thread may go on at @ip as it stands there: not when that may lie within the jump of a patched tail, whose
 * `syscall` was two bytes long (trap/site.h). Where else it goes is the kernel's to know. */
static int usual_place(u64 ip)
{
	u8 code[3];

	return ip < HUSK_GUEST_TOP && !stub_copy(code, (void *)(ip - 4), 3) && code[0] != JUMP &&
	       code[1] != JUMP && code[2] != JUMP;
}

static int usual(const struct slot *slot, const struct frame *f)
{
	return f->flags == UC_FLAGS && f->selectors == SELECTORS && f->stack_sp == slot->handler.alt_sp &&
	       (u32)f->stack_flags == (u32)stack_flags(slot) && f->stack_size == slot->handler.alt_size &&
	       !(f->eflags & EFLAGS_ODD) && f->fpstate && !(f->fpstate & 63) && usual_place(f->rip);
}

/* Whether the vector state at @fp is as the host, or XRSTOR, takes it. */
static int usual_vectors(const struct slot *slot, u64 fp)
{
	struct sw_bytes sw;
	u64 header[8];
	u32 mxcsr, magic2;

	if (stub_copy(&sw, (void *)(fp + XSTATE_SW), sizeof sw) ||
	    stub_copy(header, (void *)(fp + XSTATE_LEGACY), sizeof header) ||
	    stub_copy(&mxcsr, (void *)(fp + MXCSR_OFFSET), sizeof mxcsr) ||
	    stub_copy(&magic2, (void *)(fp + slot->handler.xsize), sizeof magic2))
		return 0;
	for (int i = 1; i < 8; i++)
		if (header[i])
			return 0;
	return sw.magic1 == XSTATE_MAGIC1 && sw.xfeatures == slot->handler.xfeatures &&
	       sw.xstate_size == slot->handler.xsize && sw.extended_size == slot->handler.xsize + 4 &&
	       magic2 == XSTATE_MAGIC2 && !(header[0] & ~slot->handler.xfeatures) && !(mxcsr & ~MXCSR_MASK);
}

int stub_return(struct slot *slot, struct ucontext *uc)
{
	const struct sigcontext *mc = (const struct sigcontext *)&uc->uc_mcontext;
	u64 *r = slot->regs;
	struct frame f;

	if (stub_copy(&f, (void *)(r[SREG_RSP] - 8), __builtin_offsetof(struct frame, info)) ||
	    !usual(slot, &f) || !usual_vectors(slot, f.fpstate))
		return 0;
	if (uc ? stub_copy(mc->fpstate, (void *)f.fpstate, slot->handler.xsize) != 0
	       : stub_xrstor(f.fpstate, slot->handler.xfeatures))
		return 0;
	r[SREG_R8] = f.r8, r[SREG_R9] = f.r9, r[SREG_R10] = f.r10, r[SREG_R11] = f.r11;
	r[SREG_R12] = f.r12, r[SREG_R13] = f.r13, r[SREG_R14] = f.r14, r[SREG_R15] = f.r15;
	r[SREG_RDI] = f.rdi, r[SREG_RSI] = f.rsi, r[SREG_RBP] = f.rbp, r[SREG_RBX] = f.rbx;
	r[SREG_RDX] = f.rdx, r[SREG_RAX] = f.rax, r[SREG_RCX] = f.rcx, r[SREG_RSP] = f.rsp;
	r[SREG_RIP] = f.rip;
	r[SREG_EFLAGS] = (r[SREG_EFLAGS] & ~EFLAGS_RETURN) | (f.eflags & EFLAGS_RETURN);
	r[SREG_ORIG_RAX] = ~0UL;
	stub_set_mask(slot, f.mask & ~(BIT(SIGKILL) | BIT(SIGSTOP)));
	if (uc)
		stub_restore_regs(slot, uc);
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame that a handler runs on, and the way back (arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h).
 *
 *	higher   what was on the stack
 *	         128 bytes of red zone
 *	         FP_XSTATE_MAGIC2
 *	         vector state: legacy area, XSAVE header, components      aligned to 64
 *	         siginfo
 *	         ucontext: flags, link, altstack, registers, mask
 *	rsp ->   the restorer's address                                   8 below a multiple of 16
 *
 * What comes back by rt_sigreturn is the guest's to write: flags are limited to those that a program may set itself,
 * segments to the only ones a 64-bit program runs with, vector state by the trap driver.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "task/signal.h"

#define UC_FP_XSTATE         1u
#define UC_SIGCONTEXT_SS     2u
#define UC_STRICT_RESTORE_SS 4u

#define FP_MAGIC1 0x46505853u
#define FP_MAGIC2 0x46505845u
#define FP_LEGACY 512u /* bytes of the FXSAVE area */
#define FP_SW     464u /* of struct fpx_sw_bytes in it */

#define EFLAGS_TF (1u << 8)
#define EFLAGS_DF (1u << 10)
#define EFLAGS_RF (1u << 16)
/* CF PF AF ZF SF TF DF OF RF AC */
#define EFLAGS_RETURN \
	(0x1u | 0x4u | 0x10u | 0x40u | 0x80u | EFLAGS_TF | EFLAGS_DF | 0x800u | EFLAGS_RF | 0x40000u)

#define SS_AUTODISARM_BIT (1u << 31)
#define MINSIGSTKSZ_X86   2048u

struct frame_context {
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct frame_stack {
	u64 sp;
	s32 flags;
	u32 pad;
	u64 size;
};

struct frame_ucontext {
	u64 flags, link;
	struct frame_stack stack;
	struct frame_context context;
	u64 sigmask;
};

struct frame {
	u64 restorer;
	struct frame_ucontext uc;
	siginfo_t info;
};

_Static_assert(sizeof(struct frame_context) == 256, "struct sigcontext of x86-64");
_Static_assert(sizeof(struct frame) == 440, "struct rt_sigframe of x86-64");

/* From a frame, 8 bytes below a multiple of 16 as after a call, to the vector state, which lies at a multiple of 64. */
#define FRAME_TO_FP (align_up(sizeof(struct frame), 16UL) + 8)

/* The last bytes of the legacy area, which the kernel and libraries use to tell what follows it. */
struct fp_sw {
	u32 magic1, extended_size;
	u64 xfeatures;
	u32 xstate_size, pad[7];
};

static bool within_altstack(const struct task *t, u64 sp)
{
	return sp > t->altstack.sp && sp - t->altstack.sp <= t->altstack.size;
}

/* As sigaltstack() sees it: with SS_AUTODISARM a task is never on its stack. */
static bool on_altstack(const struct task *t, u64 sp)
{
	return !((u32)t->altstack.flags & SS_AUTODISARM_BIT) && within_altstack(t, sp);
}

int sigaltstack_set(struct task *t, u64 sp, u64 size, int flags, u64 user_sp)
{
	u32 mode = (u32)flags & ~SS_AUTODISARM_BIT;

	if (on_altstack(t, user_sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		sp = size = 0;
	} else if (size < MINSIGSTKSZ_X86) {
		return -ENOMEM;
	}
	t->altstack.sp = sp;
	t->altstack.size = size;
	t->altstack.flags = flags;
	return 0;
}

static void context_save(const struct task *t, const struct guest_regs *r, struct frame_context *c)
{
	*c = (struct frame_context){
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rdi = r->rdi,
		.rsi = r->rsi,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.rdx = r->rdx,
		.rax = r->rax,
		.rcx = r->rcx,
		.rsp = r->rsp,
		.rip = r->rip,
		.eflags = r->eflags,
		.cs = USER_CS,
		.ss = USER_DS,
		.err = t->last_fault.error,
		.trapno = t->last_fault.trapno,
		.cr2 = t->last_fault.addr,
	};
}

/* Where the frame and the vector state above it go: false when it would leave the alternate stack. */
static bool frame_place(const struct task *t, const struct k_sigaction *action, size_t fp_size, u64 *frame,
			u64 *fp)
{
	u64 sp = task_regs((struct task *)t)->rsp;
	bool check = on_altstack(t, sp);

	sp -= 128;
	if ((action->flags & SA_ONSTACK) && t->altstack.size && !on_altstack(t, sp)) {
		sp = t->altstack.sp + t->altstack.size;
		check = true;
	}
	*fp = align_down(sp - fp_size, 64UL);
	*frame = *fp - FRAME_TO_FP;
	return !check || within_altstack(t, *frame);
}

/* Vector state of a fresh program, into a buffer that holds a valid state. */
static void fp_init(char *buf, size_t size)
{
	struct fp_sw sw;
	u16 fcw = 0x37f;
	u32 mxcsr = 0x1f80, mask;

	memcpy(&sw, buf + FP_SW, sizeof sw);
	memcpy(&mask, buf + 28, sizeof mask);
	memset(buf, 0, size);
	memcpy(buf, &fcw, sizeof fcw);
	memcpy(buf + 24, &mxcsr, sizeof mxcsr);
	memcpy(buf + 28, &mask, sizeof mask);
	memcpy(buf + FP_SW, &sw, sizeof sw);
}

static void frame_fill(struct task *t, const struct k_sigaction *action, const siginfo_t *info, u64 fp,
		       struct frame *f)
{
	*f = (struct frame){.restorer = action->restorer, .info = *info};
	f->uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f->uc.stack = (struct frame_stack){t->altstack.sp, t->altstack.size ? t->altstack.flags : SS_DISABLE,
					   0, t->altstack.size};
	context_save(t, task_regs(t), &f->uc.context);
	f->uc.sigmask = t->work & TASK_WORK_SIGMASK ? t->saved_sigmask : t->blocked;
	f->uc.context.oldmask = f->uc.sigmask;
	f->uc.context.fpstate = fp;
}

/* Writes the vector state to @fp, and lets the handler begin with a fresh one (fpu__clear_user_states): 0 or -EFAULT. */
static int fp_push(struct task *t, u64 fp)
{
	const struct trap_ops *ops = t->k->trap_ops;
	size_t size = ops->xstate_size(t->k->trap);
	const u32 magic2 = FP_MAGIC2;
	char *buf = malloc(size + sizeof magic2);
	int r;

	if (!buf)
		return -EFAULT;
	ops->xstate_get(t->thread, buf);
	memcpy(buf + size, &magic2, sizeof magic2);
	r = user_write(t, fp, buf, size + sizeof magic2);
	if (r >= 0) {
		fp_init(buf, size);
		r = ops->xstate_set(t->thread, buf, size);
	}
	free(buf);
	return r < 0 ? -EFAULT : 0;
}

/* Whether the stub writes vector state: where it lies when the thread has come without a frame of the host's. */
static bool fp_by_stub(const struct task *t)
{
	const struct trap_ops *ops = t->k->trap_ops;

	return ops->xstate_out && !t->trace && ops->xstate_size(t->k->trap) > FP_LEGACY;
}

bool signal_frames_suffice(const struct task *t)
{
	u64 set = signal_pending_set(t) & ~t->blocked;

	if (!fp_by_stub(t) || t->ending || (t->work & ~(TASK_WORK_SIGNAL | TASK_WORK_SIGMASK)))
		return false;
	for (; set; set &= set - 1) {
		int signo = __builtin_ctzl(set) + 1;
		u64 handler = t->sighand->action[signo - 1].handler;

		if (handler == (u64)SIG_DFL && !(SIG_BIT(signo) & SIGNAL_IGNORED))
			return false;
	}
	return true;
}

/* Writes the frame and sets the registers for the handler: 0 or -EFAULT (also for no memory). Nothing is
 * changed then. */
int signal_frame_push(struct task *t, const struct k_sigaction *action, const siginfo_t *info)
{
	const struct trap_ops *ops = t->k->trap_ops;
	struct guest_regs *regs = task_regs(t);
	size_t fp_size = ops->xstate_size(t->k->trap) + sizeof(u32);
	struct frame f;
	u64 at, fp;

	if (!(action->flags & HUSK_SA_RESTORER) || !frame_place(t, action, fp_size, &at, &fp) ||
	    t->k->ops.access(t, at, fp - at + fp_size, true, NULL))
		return -EFAULT;
	frame_fill(t, action, info, fp, &f);
	if (user_write(t, at, &f, sizeof f) < 0)
		return -EFAULT;
	if ((!fp_by_stub(t) || ops->xstate_out(t->thread, fp)) && fp_push(t, fp))
		return -EFAULT;

	regs->rdi = (u64)info->si_signo;
	regs->rsi = at + offsetof(struct frame, info);
	regs->rdx = at + offsetof(struct frame, uc);
	regs->rax = 0;
	regs->rsp = at;
	regs->rip = action->handler;
	regs->eflags &= ~(u64)(EFLAGS_DF | EFLAGS_TF | EFLAGS_RF);
	regs->orig_rax = ~0UL;
	t->returning_call = false;
	if ((u32)t->altstack.flags & SS_AUTODISARM_BIT) {
		t->altstack.sp = t->altstack.size = 0;
		t->altstack.flags = SS_DISABLE;
	}
	return 0;
}

/* ---- the way back ---- */

/* A stretch of guest memory that was read in one piece. */
struct window {
	u64 addr;
	size_t size;
	const char *bytes;
};

/* As user_read(), by the window where it holds all of it. */
static int window_read(struct task *t, const struct window *w, void *to, u64 addr, size_t size)
{
	u64 at = addr - w->addr;

	if (at > w->size || size > w->size - at)
		return user_read(t, to, addr, size);
	memcpy(to, w->bytes + at, size);
	return 0;
}

/* Reads the vector state at @addr into @buf, which holds the task's present state of @size bytes. A frame
 * whose marks are wrong, as a program may build it, has the legacy part only, as in Linux. 0, -EFAULT or
 * CALL_FETCH. */
static int fp_read(struct task *t, const struct window *w, u64 addr, char *buf, size_t size)
{
	struct fp_sw own, sw;
	u32 magic2;
	u64 legacy_only = 3;
	int r;

	memcpy(&own, buf + FP_SW, sizeof own);
	if (!addr) {
		fp_init(buf, size);
		return 0;
	}
	r = window_read(t, w, &sw, addr + FP_SW, sizeof sw);
	if (r < 0)
		return r;
	if (sw.magic1 == FP_MAGIC1 && sw.xstate_size >= FP_LEGACY + 64 && sw.xstate_size <= size &&
	    sw.extended_size >= sw.xstate_size + sizeof magic2) {
		r = window_read(t, w, &magic2, addr + sw.xstate_size, sizeof magic2);
		if (r < 0)
			return r;
		if (magic2 == FP_MAGIC2) {
			u32 n = sw.xstate_size;

			if (n < size)
				fp_init(buf, size);
			r = window_read(t, w, buf, addr, n);
			if (r < 0)
				return r;
			memcpy(buf + FP_SW, &own, sizeof own);
			return 0;
		}
	}
	fp_init(buf, size);
	r = window_read(t, w, buf, addr, FP_SW);
	if (r < 0)
		return r;
	if (size > FP_LEGACY)
		memcpy(buf + FP_LEGACY, &legacy_only, sizeof legacy_only);
	return 0;
}

static void context_restore(struct guest_regs *r, const struct frame_context *c)
{
	r->r8 = c->r8, r->r9 = c->r9, r->r10 = c->r10, r->r11 = c->r11;
	r->r12 = c->r12, r->r13 = c->r13, r->r14 = c->r14, r->r15 = c->r15;
	r->rdi = c->rdi, r->rsi = c->rsi, r->rbp = c->rbp, r->rbx = c->rbx;
	r->rdx = c->rdx, r->rax = c->rax, r->rcx = c->rcx, r->rsp = c->rsp;
	r->rip = c->rip;
	r->eflags = (r->eflags & ~(u64)EFLAGS_RETURN) | (c->eflags & EFLAGS_RETURN);
	r->orig_rax = ~0UL;
}

static long bad_frame(struct task *t)
{
	siginfo_t info = signal_info(SIGSEGV, SI_KERNEL);

	signal_force(t, &info);
	return CALL_NORETURN;
}

long sys_rt_sigreturn(struct task *t, struct call *c)
{
	const struct trap_ops *ops = t->k->trap_ops;
	struct guest_regs *regs = task_regs(t);
	size_t size = ops->xstate_size(t->k->trap);
	/* Both parts, where signal_frame_push() has put them; a program may build its frames otherwise. */
	struct window w = {regs->rsp - 8, FRAME_TO_FP + size + sizeof(u32), NULL};
	struct frame_ucontext uc;
	char *fp;
	int r;

	(void)c;
	fp = malloc(size + w.size);
	if (!fp)
		return bad_frame(t);
	/* Everything is read before anything is changed: a read may have to be tried again. */
	w.bytes = fp + size;
	r = user_read(t, fp + size, w.addr, w.size);
	if (r == CALL_FETCH)
		goto out;
	if (r < 0)
		w.size = 0;
	r = window_read(t, &w, &uc, w.addr + offsetof(struct frame, uc), sizeof uc);
	if (r < 0) {
		r = r == CALL_FETCH ? r : (int)bad_frame(t);
		goto out;
	}
	ops->xstate_get(t->thread, fp);
	r = fp_read(t, &w, uc.context.fpstate, fp, size);
	if (r == CALL_FETCH)
		goto out;
	task_set_blocked(t, uc.sigmask);
	t->in_host_call = false;
	t->restart_block.fn = NULL; /* a call that its handler interrupted is over */
	/* Linux: other selectors load where they are valid (a 32-bit code segment) and fault where not. Here:
	 * 32-bit code is not run, so all others fault. */
	if (r < 0 || (uc.context.cs | 3) != USER_CS ||
	    ((uc.flags & UC_STRICT_RESTORE_SS) && (uc.context.ss | 3) != USER_DS)) {
		r = (int)bad_frame(t);
		goto out;
	}
	context_restore(regs, &uc.context);
	if (ops->xstate_set(t->thread, fp, size) < 0) {
		r = (int)bad_frame(t);
		goto out;
	}
	sigaltstack_set(t, uc.stack.sp, uc.stack.size, uc.stack.flags, regs->rsp);
	r = CALL_NORETURN;
out:
	free(fp);
	return r;
}

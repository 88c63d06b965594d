/* SPDX-License-Identifier: Apache-2.0 */
/* The host's signals as they arrive in the stub: calls, faults, the interrupt; and those that hit the stub
 * itself. */
#include <asm/errno.h>
#include <linux/audit.h>

#include "stub/stub.h"

extern char stub_exit_check[], stub_exit_ip[], stub_exit_abort[];
extern char stub_direct_xrstor_at[], stub_direct_end[];
extern char stub_futex_check[], stub_guest_futex_ip[], stub_futex_abort[];
extern char stub_copy_at[], stub_zero_at[], stub_copy_fail[], stub_string_at[], stub_string_fail[],
	stub_cmpxchg_at[], stub_cmpxchg_fail[], stub_byte_at[], stub_eight_at[], stub_byte_fail[],
	stub_xsave_at[], stub_xrstor_at[], stub_xstate_fail[];
extern char stub_ready_ip[], stub_frame_ip[], stub_frame_back[], stub_patched_exit[], stub_patched_end[];
extern char stub_patched_entry[], stub_quick_at[], stub_quick_moved[], stub_quick_done[], stub_quick_left[],
	stub_quick_end[];
extern char stub_cpuid_entry[], stub_cpuid_gs[], stub_cpuid_save[], stub_cpuid_saved[], stub_cpuid_odd[],
	stub_cpuid_left[], stub_cpuid_end[];

void stub_direct_exit(struct slot *slot, struct ucontext *uc, u64 features) __attribute__((noreturn));

static int in_stub(u64 ip)
{
	return ip - HUSK_STUB_BASE < HUSK_STUB_SIZE;
}

static int in_channel(u64 sp)
{
	return sp - HUSK_CHAN_BASE < HUSK_CHAN_SIZE;
}

/* In the vDSO, called from here (short.c). */
static int in_own_vdso(const struct sigcontext *mc)
{
	return mc->rip - HUSK_VDSO_BASE < HUSK_VDSO_SIZE && in_channel(mc->rsp);
}

static int in_range(u64 ip, const char *start, const char *end)
{
	return ip >= (u64)start && ip < (u64)end;
}

/* The interrupt found the stub at work: what must not be passed over is rewound, everything else takes a turn
 * on its way out. */
static void interrupt_in_stub(struct slot *slot, struct sigcontext *mc)
{
	if (in_range(mc->rip, stub_exit_check, stub_exit_ip)) {
		mc->rip = (u64)stub_exit_abort;
	} else if (in_range(mc->rip, (char *)stub_direct_exit, stub_direct_end)) {
		mc->rip = (u64)stub_exit_abort;
		mc->rbp = (u64)slot;
		mc->rsp = (u64)slot + slot->uc_offset;
	} else if (in_range(mc->rip, stub_futex_check, stub_guest_futex_ip)) {
		mc->rip = (u64)stub_futex_abort;
	}
	store(&slot->interrupted, 1);
}

/* The interrupt found a call from a patched site before it has begun, or one with a constant result in its midst
 * (x86_64/patched.S): the call goes back to its own instruction, or has ended. */
static int unwind_quick(const struct slot *slot, struct sigcontext *mc)
{
	u64 ip = mc->rip;

	if (!in_range(ip, stub_patched_entry, stub_quick_end))
		return 0;
	if (in_channel(mc->rsp))
		mc->rsp = slot->regs[SREG_RSP];
	if (in_range(ip, stub_patched_entry, stub_quick_done)) {
		if (in_range(ip, stub_quick_moved, stub_quick_done))
			mc->rax = mc->rcx;
		mc->rip = mc->r11 - 2;
		return 1;
	}
	mc->rip = in_range(ip, stub_quick_done, stub_quick_left) ? mc->r11 : mc->rcx;
	mc->rcx = mc->rip;
	mc->r11 = mc->eflags;
	return 1;
}

#define ARITHMETIC 0x8d5UL /* carry, parity, adjust, zero, sign, overflow */

/* The same for a `cpuid` (x86_64/cpuid.S), which has not been executed: it is now. */
static int unwind_cpuid(const struct slot *slot, struct sigcontext *mc)
{
	u64 ip = mc->rip, back = mc->rbx;

	if (!in_range(ip, stub_cpuid_entry, stub_cpuid_end))
		return 0;
	if (in_range(ip, stub_cpuid_gs, stub_cpuid_save) || in_range(ip, stub_cpuid_odd, stub_cpuid_left))
		mc->rcx = mc->rdx;
	if (in_range(ip, stub_cpuid_saved, stub_cpuid_odd)) {
		u16 flags = slot->cpuid_flags;

		back = slot->cpuid_back;
		mc->rcx = slot->cpuid_sub;
		mc->eflags = (mc->eflags & ~ARITHMETIC) | (flags >> 8 & ARITHMETIC) | (flags & 1u) << 11;
	}
	/* Behind the first of the instructions that save. */
	if (in_range(ip, stub_cpuid_save + 1, stub_cpuid_odd))
		mc->rax = slot->cpuid_leaf;
	mc->rip = back - 2;
	return 1;
}

/* A fault at one of the instructions that touch guest memory: 1 when it was one. */
static int fixup(struct sigcontext *mc)
{
	if (mc->rip == (u64)stub_copy_at || mc->rip == (u64)stub_zero_at)
		mc->rip = (u64)stub_copy_fail;
	else if (mc->rip == (u64)stub_string_at)
		mc->rip = (u64)stub_string_fail;
	else if (mc->rip == (u64)stub_byte_at || mc->rip == (u64)stub_eight_at)
		mc->rip = (u64)stub_byte_fail;
	else if (mc->rip == (u64)stub_xsave_at || mc->rip == (u64)stub_xrstor_at)
		mc->rip = (u64)stub_xstate_fail;
	else if (mc->rip == (u64)stub_direct_xrstor_at)
		mc->rip = (u64)stub_exit_check;
	else if (mc->rip == (u64)stub_cmpxchg_at)
		mc->rip = (u64)stub_cmpxchg_fail;
	else if (mc->rip == (u64)stub_quick_at)
		mc->rip = mc->r11 - 2; /* an unreadable selector: the call has not begun */
	else
		return 0;
	return 1;
}

/* As stub_signal(). */
static int take(int signo, siginfo_t *info, struct ucontext *uc, struct slot *slot)
{
	struct sigcontext *mc = (struct sigcontext *)&uc->uc_mcontext;
	u32 event;

	if (in_own_vdso(mc) && (signo == SIGSYS || signo == HUSK_INTERRUPT_SIGNAL)) {
		if (signo == SIGSYS)
			mc->rax = (u64)-ENOSYS; /* the kernel will know the time */
		else
			store(&slot->interrupted, 1);
		return 1;
	}
	if (signo == HUSK_INTERRUPT_SIGNAL && (unwind_quick(slot, mc) || unwind_cpuid(slot, mc))) {
		stub_save_regs(slot, uc);
		stub_turn(slot, uc, EVENT_INTERRUPTED);
		return 0;
	}
	if (in_stub(mc->rip) || in_own_vdso(mc)) {
		/* Whoever jumps there without the kernel's asking for a frame would go on from what was long ago. */
		if (mc->rip == (u64)stub_frame_ip && slot->answer_flags & ANSWER_FLAG_FRAME) {
			slot->answer_flags &= ~ANSWER_FLAG_FRAME;
			stub_note_frame(slot, uc);
			if (!stub_turn_framed(slot, uc))
				return 0;
			mc->rip = (u64)stub_frame_back;
			return 1;
		}
		if (signo == HUSK_INTERRUPT_SIGNAL &&
		    in_range(mc->rip, stub_patched_exit, stub_patched_end)) {
			slot->regs[SREG_ORIG_RAX] = ~0UL;
			stub_save_bases(slot);
			stub_note_frame(slot, uc);
			stub_turn(slot, uc, EVENT_INTERRUPTED);
			return 0;
		}
		if (signo == HUSK_INTERRUPT_SIGNAL) {
			interrupt_in_stub(slot, mc);
			return 1;
		}
		if (signo != SIGSYS && fixup(mc))
			return 1;
		event = mc->rip == (u64)stub_ready_ip ? EVENT_READY : EVENT_VIOLATION;
		stub_save_regs(slot, uc);
		stub_turn(slot, uc, event);
		return 0;
	}

	stub_save_regs(slot, uc);
	switch (signo) {
	case SIGSYS:
		/* A call of i386: the filter kills for it, but user dispatch comes first. */
		if (info->si_arch != AUDIT_ARCH_X86_64) {
			stub_turn(slot, uc, EVENT_VIOLATION);
			return 0;
		}
		slot->regs[SREG_ORIG_RAX] = (u64)(s64)info->si_syscall;
		return stub_call(slot, uc, EVENT_CALL) ? 2 : 0;
	case HUSK_INTERRUPT_SIGNAL:
		event = EVENT_INTERRUPTED;
		break;
	default:
		stub_fault(slot, uc, info);
		return 0;
	}
	stub_turn(slot, uc, event);
	return 0;
}

#define EFLAGS_TF 0x100UL
#define EFLAGS_NT 0x4000UL

/* Whether the frame can be left without the host: the signal mask was never another, nor the stack. The components of
 * the vector state that there are; 0: it cannot. */
static u64 usual_exit(const struct ucontext *uc)
{
	const struct sigcontext *mc = (const struct sigcontext *)&uc->uc_mcontext;
	const struct _fpx_sw_bytes *sw;

	if ((mc->eflags & (EFLAGS_TF | EFLAGS_NT)) || mc->cs != USER_CS || mc->ss != USER_DS ||
	    mc->rip >= HUSK_TASK_TOP || !mc->fpstate)
		return 0;
	sw = &mc->fpstate->sw_reserved;
	return sw->magic1 == FP_XSTATE_MAGIC1 ? sw->xfeatures : 0;
}

/* Called by stub_signal_entry: 0 to go back to the guest by the checked exit, 1 to go back into the stub, 2 to go on with
 * the slot's registers, without a frame. */
__attribute__((used)) int stub_signal(int signo, siginfo_t *info, struct ucontext *uc, struct slot *slot)
{
	int way = take(signo, info, uc, slot);
	u64 features = way ? 0 : usual_exit(uc);

	if (features)
		stub_direct_exit(slot, uc, features);
	return way;
}

#define AT(reg, name) _Static_assert(__builtin_offsetof(struct ucontext, uc_mcontext.reg) == UC_##name, "")
AT(r8, R8);
AT(r15, R15);
AT(rdi, RDI);
AT(rip, RIP);
AT(eflags, EFLAGS);
AT(fpstate, FPSTATE);

/* Called by stub_exit_abort: an interrupt came just before the way back. */
__attribute__((used)) void stub_exit_interrupted(struct slot *slot, struct ucontext *uc)
{
	stub_save_regs(slot, uc);
	stub_turn(slot, uc, EVENT_INTERRUPTED);
}

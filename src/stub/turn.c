/* SPDX-License-Identifier: Apache-2.0 */
/* The turn: handing a slot to the kernel, waiting for the answer, doing what it says. */
#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/prctl.h>

#include "stub/stub.h"

void stub_exit(struct slot *slot, struct ucontext *uc) __attribute__((noreturn));

#define LOOKS 32 /* at the turn word, before the time is taken */

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002

static u64 read_fs_base(void)
{
	u64 base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

static u64 read_gs_base(void)
{
	u64 base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

void stub_save_bases(struct slot *slot)
{
	if (kpage->fsgsbase) {
		slot->regs[SREG_FS_BASE] = read_fs_base();
		slot->regs[SREG_GS_BASE] = read_gs_base();
	}
}

void stub_note_frame(struct slot *slot, struct ucontext *uc)
{
	struct sigcontext *mc = (struct sigcontext *)&uc->uc_mcontext;

	u32 at = uc ? (u32)((u64)uc - (u64)slot) : 0;
	u32 fpstate = uc && mc->fpstate ? (u32)((u64)mc->fpstate - (u64)slot) : 0;

	/* A line that the kernel reads while it spins: left alone where nothing changes. */
	if (slot->uc_offset != at)
		slot->uc_offset = at;
	if (slot->fpstate_offset != fpstate)
		slot->fpstate_offset = fpstate;
}

void stub_save_regs(struct slot *slot, struct ucontext *uc)
{
	struct sigcontext *mc = (struct sigcontext *)&uc->uc_mcontext;
	u64 *r = slot->regs;

	r[SREG_R15] = mc->r15;
	r[SREG_R14] = mc->r14;
	r[SREG_R13] = mc->r13;
	r[SREG_R12] = mc->r12;
	r[SREG_RBP] = mc->rbp;
	r[SREG_RBX] = mc->rbx;
	r[SREG_R11] = mc->r11;
	r[SREG_R10] = mc->r10;
	r[SREG_R9] = mc->r9;
	r[SREG_R8] = mc->r8;
	r[SREG_RAX] = mc->rax;
	r[SREG_RCX] = mc->rcx;
	r[SREG_RDX] = mc->rdx;
	r[SREG_RSI] = mc->rsi;
	r[SREG_RDI] = mc->rdi;
	r[SREG_ORIG_RAX] = ~0UL;
	r[SREG_RIP] = mc->rip;
	r[SREG_CS] = mc->cs;
	r[SREG_EFLAGS] = mc->eflags;
	r[SREG_RSP] = mc->rsp;
	r[SREG_SS] = mc->ss;
	stub_save_bases(slot);
	stub_note_frame(slot, uc);
}

void stub_restore_regs(struct slot *slot, struct ucontext *uc)
{
	struct sigcontext *mc = (struct sigcontext *)&uc->uc_mcontext;
	const u64 *r = slot->regs;

	mc->r15 = r[SREG_R15];
	mc->r14 = r[SREG_R14];
	mc->r13 = r[SREG_R13];
	mc->r12 = r[SREG_R12];
	mc->rbp = r[SREG_RBP];
	mc->rbx = r[SREG_RBX];
	mc->r11 = r[SREG_R11];
	mc->r10 = r[SREG_R10];
	mc->r9 = r[SREG_R9];
	mc->r8 = r[SREG_R8];
	mc->rax = r[SREG_RAX];
	mc->rcx = r[SREG_RCX];
	mc->rdx = r[SREG_RDX];
	mc->rsi = r[SREG_RSI];
	mc->rdi = r[SREG_RDI];
	mc->rip = r[SREG_RIP];
	mc->eflags = r[SREG_EFLAGS];
	mc->rsp = r[SREG_RSP];
}

static void restore_bases(struct slot *slot)
{
	const u64 *r = slot->regs;

	if (slot->answer_flags & ANSWER_FLAG_FS) {
		if (kpage->fsgsbase)
			__asm__ volatile("wrfsbase %0" : : "r"(r[SREG_FS_BASE]));
		else
			stub_host_arch_prctl(ARCH_SET_FS, r[SREG_FS_BASE]);
	}
	if (slot->answer_flags & ANSWER_FLAG_GS) {
		if (kpage->fsgsbase)
			__asm__ volatile("wrgsbase %0" : : "r"(r[SREG_GS_BASE]));
		else
			stub_host_arch_prctl(ARCH_SET_GS, r[SREG_GS_BASE]);
	}
}

/* The locked operations order the slot's words before the look at `asleep`; the kernel does the reverse. */
void stub_announce(struct slot *slot)
{
	u64 index = slot_index(slot), one = 1;

	__atomic_or_fetch(&region->ready[index / 64], one << (index % 64), __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&region->summary, one << (index / 64), __ATOMIC_SEQ_CST);
	if (kpage->asleep)
		stub_host_write(HUSK_DOORBELL_FD, &one, 8);
}

#define GIVE_WAY    8      /* times */
#define LONG_AWAY   400000 /* cycles */
#define MOST_SLEEPY 4096

/* Whom we wait for is about to run here. To give way to it costs a switch, while to sleep and be woken costs interrupts of
 * processors as well; but where others want the processor too, who gives way waits for all of them. */
static void give_way(struct slot *slot)
{
	u64 start;
	u32 cpu;

	if (slot->sleepy) {
		slot->sleepy--;
		return;
	}
	/* No clock. */
	if (slot->tsc_off)
		return;
	start = cycles(&cpu);
	for (int i = 0; i < GIVE_WAY && load(&slot->state) == TURN_HANDOFF; i++) {
		stub_host_sched_yield();
		if (cycles(&cpu) - start > LONG_AWAY) {
			slot->sleepier = slot->sleepier < MOST_SLEEPY ? 2 * slot->sleepier + 16 : MOST_SLEEPY;
			slot->sleepy = slot->sleepier;
			return;
		}
	}
	slot->sleepier /= 2;
}

/* Looks for another turn word than @held as long as that pays: never for a kernel on one's own CPU. */
static void spin_for_answer(const struct slot *slot, u32 held)
{
	u32 cpu;
	u64 start = 0, now;

	for (;;) {
		for (int i = 0; i < LOOKS; i++)
			if (load(&slot->state) != held)
				return;
		/* Without a clock nobody knows how long it has spun. */
		if (slot->tsc_off)
			return;
		now = cycles(&cpu);
		if (!start)
			start = now;
		if (cpu == kpage->cpu || now - start > kpage->spin_cycles)
			return;
		__builtin_ia32_pause();
	}
}

static int is_order(u32 state)
{
	return state % (1u << TURN_ORDER) == TURN_AHEAD;
}

/* Carries out an order of a kernel that is busy with what came before. */
static void copy_next(struct slot *slot, u32 order)
{
	u64 size = slot->next.size < HUSK_COPY_SIZE ? slot->next.size : HUSK_COPY_SIZE;

	slot->next.got = size - stub_copy((char *)slot + HUSK_IN_OFFSET, (void *)slot->next.addr, size);
	store(&slot->next.done, order);
}

/* Waits for the answer: spins while that pays, then sleeps. Who is woken before it is there has it soon, and spins again. */
static void wait_for_answer(struct slot *slot)
{
	u32 state, held = TURN_KERNEL; /* that says nothing new */

	spin_for_answer(slot, held);
	if (load(&slot->state) == TURN_HANDOFF)
		give_way(slot);
	/* A word that is no state is somebody's scribble: going on ends it sooner than sleeping. */
	while ((state = load(&slot->state)) == TURN_KERNEL || state == TURN_PARKED || state == TURN_HANDOFF ||
	       is_order(state)) {
		if (is_order(state) && state != held) {
			copy_next(slot, state);
			held = state;
		} else {
			store(&slot->sleeping, 1);
			if (load(&slot->state) == state)
				stub_host_futex(&slot->state, FUTEX_WAIT, state, 0, 0, 0);
			store(&slot->sleeping, 0);
		}
		spin_for_answer(slot, held);
	}
}

/* Where we run, or did when that could be known. */
static u32 own_cpu(const struct slot *slot)
{
	u32 cpu = slot->cpu & SLOT_CPU;

	/* Seven times as fast as with the time. */
	if (kpage->rdpid)
		return stub_rdpid();
	if (!slot->tsc_off)
		cycles(&cpu);
	return cpu;
}

/* Before the turn's line is written, which is done in one go: the kernel looks at it all the time, and whoever writes what
 * the other has looked at waits for it. Where we run. */
static u32 before_turn(struct slot *slot)
{
	/* Lines that the kernel reads are left alone where nothing changes. */
	if (slot->in_host_call)
		slot->in_host_call = 0;
	if (slot->interrupted)
		slot->interrupted = 0;
	return own_cpu(slot);
}

/* The last word of the turn's line, and what comes then. */
static void give_turn(struct slot *slot)
{
	store(&slot->state, TURN_KERNEL);
	if (!slot->watched)
		stub_announce(slot);
	wait_for_answer(slot);
}

void stub_hand_over(struct slot *slot, u32 event)
{
	u32 cpu = before_turn(slot);

	slot->cpu = (u16)cpu;
	slot->event = (u8)event;
	give_turn(slot);
}

int stub_fault(struct slot *slot, struct ucontext *uc, const siginfo_t *info)
{
	const struct sigcontext *mc = (const struct sigcontext *)&uc->uc_mcontext;
	u32 cpu = before_turn(slot);

	slot->cpu = (u16)cpu;
	slot->event = EVENT_FAULT;
	slot->nin = (u8)info->si_signo;
	slot->nr = (u16)mc->trapno;
	slot->arg[0] = (u64)info->si_addr;
	slot->arg[1] = mc->err;
	slot->arg[2] = (u64)(s64)info->si_code;
	give_turn(slot);
	return stub_turn_framed(slot, uc);
}

static s64 fork_process(struct slot *slot)
{
	s64 err = stub_receive(slot, 3), pid;

	if (err)
		return err;
	pid = stub_fork(slot->fds[0], slot->fds[1], slot->fds[2], slot);
	for (int i = 0; i < 3; i++)
		stub_host_close(slot->fds[i]);
	return pid;
}

/* The guest's own leave to read the time stamp counter, which is the thread's. */
static void set_tsc(struct slot *slot)
{
	u32 off = slot->answer_flags & ANSWER_FLAG_TSC_OFF;

	if (off)
		slot->tsc_off = 1;
	stub_host_set_tsc(PR_SET_TSC, off ? PR_TSC_SIGSEGV : PR_TSC_ENABLE);
	if (!off)
		slot->tsc_off = 0;
}

/* Does what the kernel has answered: 1, and there is a result to hand over; or 0, and the thread goes on. */
static int obey(struct slot *slot, struct ucontext *uc)
{
	s64 result;

	switch (slot->answer) {
	case ANSWER_FORK:
		result = fork_process(slot);
		break;
	case ANSWER_THREAD:
		result = stub_thread(slot->clone_flags,
				     (void *)(HUSK_CHAN_BASE + ((u64)slot->clone_slot << HUSK_SLOT_SHIFT)));
		break;
	case ANSWER_OP:
		result = stub_run_line(slot);
		if (!result)
			return 0;
		slot->op_index = 0;
		break;
	case ANSWER_RESUME:
		if (slot->answer_flags & ANSWER_FLAG_COPY) {
			if (!stub_copy((void *)slot->arg[1], (char *)slot + HUSK_OUT_OFFSET, slot->arg[2]))
				return 0;
			slot->op_index = 0;
			result = -EFAULT;
			break;
		}
		/* fall through */
	case ANSWER_HOST_CALL:
		result = slot->nops ? stub_run_ops(slot, uc) : 0;
		if (!result)
			return 0;
		break;
	default:
		result = slot->nops ? stub_run_ops(slot, uc) : 0;
		break;
	}
	slot->result = result;
	return 1;
}

int stub_turn_framed(struct slot *slot, struct ucontext *uc)
{
	for (;;) {
		if (!uc && slot->answer_flags & ANSWER_FLAG_FRAME) {
			stub_frame();
			stub_note_frame(slot, 0);
			return 1;
		}
		if (!obey(slot, uc))
			break;
		stub_hand_over(slot, EVENT_DONE);
	}
	if (slot->answer_flags & (ANSWER_FLAG_TSC_OFF | ANSWER_FLAG_TSC_ON))
		set_tsc(slot);
	if (slot->answer == ANSWER_HOST_CALL)
		return 1;
	if (slot->answer_flags & ANSWER_FLAG_RESULT) {
		slot->regs[SREG_RAX] = slot->arg[0];
		return 0;
	}
	if (slot->answer_flags & ANSWER_FLAG_KEPT)
		return 0;
	if (uc)
		stub_restore_regs(slot, uc);
	restore_bases(slot);
	return 0;
}

int stub_turn(struct slot *slot, struct ucontext *uc, u32 event)
{
	stub_hand_over(slot, event);
	return stub_turn_framed(slot, uc);
}

int stub_call(struct slot *slot, struct ucontext *uc, u32 event)
{
	const u64 *r = slot->regs;
	struct stub_ahead ahead;
	enum verdict verdict = stub_verdict(slot, &ahead);
	u32 cpu;

	if (verdict == DISPATCH && stub_deliver(slot, uc))
		return 1;
	if (verdict == GO_ON) {
		if (stub_short(slot, uc))
			return 0;
		stub_copy_ahead(slot, &ahead);
	}
	cpu = before_turn(slot);
	slot->cpu = (u16)(cpu | (verdict == GO_ON ? SLOT_NOT_DISPATCHED : 0));
	slot->event = (u8)event;
	slot->nin = ahead.nin;
	slot->ahead_len = ahead.len;
	if (event == EVENT_PATCHED) {
		slot->nr = r[SREG_ORIG_RAX] < SLOT_NR_ODD ? (u16)r[SREG_ORIG_RAX] : SLOT_NR_ODD;
		slot->arg[0] = r[SREG_RDI];
		slot->arg[1] = r[SREG_RSI];
		slot->arg[2] = r[SREG_RDX];
		slot->arg[3] = r[SREG_R10];
		slot->arg[4] = r[SREG_R8];
		slot->arg[5] = r[SREG_R9];
	}
	give_turn(slot);
	stub_turn_framed(slot, uc);
	return 0;
}

long stub_dispatch(void)
{
	switch (kpage->dispatch) {
	case DISPATCH_EXCLUSIVE:
		return stub_host_prctl(HUSK_PR_SET_DISPATCH, DISPATCH_EXCLUSIVE, HUSK_STUB_BASE,
				       HUSK_STUB_SIZE, 0);
	case DISPATCH_INCLUSIVE:
		return stub_host_prctl(HUSK_PR_SET_DISPATCH, DISPATCH_INCLUSIVE, HUSK_GUEST_START,
				       HUSK_STUB_BASE - HUSK_GUEST_START, 0);
	}
	return 0;
}

static void set_signal_stack(struct slot *slot)
{
	struct {
		u64 sp;
		int flags;
		u64 size;
	} ss = {(u64)slot + HUSK_SIGSTACK_OFFSET, 0, HUSK_SIGSTACK_SIZE};

	stub_host_sigaltstack(&ss, 0);
}

/* A thread or process begins as held, unless it finds its first answer in its slot: that says what to run, on the frame
 * that the kernel has prepared. */
static void __attribute__((noreturn)) child(struct slot *slot)
{
	struct ucontext *uc = (void *)((u64)slot + slot->uc_offset);

	/* Should it fail, the filter still catches every call. */
	stub_dispatch();
	if (slot->answer) {
		slot->cpu = (u16)own_cpu(slot);
		/* From here on the kernel interrupts by signal; what it wanted before it has written down. */
		store(&slot->started, 1);
		stub_turn_framed(slot, uc);
	} else {
		slot->interrupted = 0;
		stub_turn(slot, uc, EVENT_READY);
	}
	stub_exit(slot, uc);
}

__attribute__((used, noreturn)) void stub_child_thread(struct slot *slot)
{
	set_signal_stack(slot);
	child(slot);
}

__attribute__((used, noreturn)) void stub_child_process(struct slot *slot, int socket, int doorbell,
							int region_fd)
{
	if (stub_host_getppid() != kpage->kernel_pid)
		stub_host_exit_group(1);
	stub_host_close(socket);
	stub_host_close(doorbell);
	stub_host_close(region_fd);
	child(slot);
}

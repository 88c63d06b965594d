/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stub and the kernel process share: the layout of the windows at the top of every guest address space, and
 * the rules of the turn.
 *
 *	0x7ffe00000000 - 4096  the guest's ceiling: its mappings lie below
 *	0x7fff00000000  stub code and constants     r-x, r--, the same in every process, sealed where the host can
 *	0x7fff06000000  vDSO and its data           r-x, r--, the host's own, moved here once by the zygote
 *	0x7fff08000000  kernel page                 r--  to guests: one page of words that the kernel publishes
 *	0x7fff10000000  channel region              rw-  one memfd per address space: NR_SLOTS slots of SLOT_SIZE;
 *	                                                 slot 0 holds the ready words and what is said of
 *	                                                 donated files, the others serve one thread each
 *
 * A slot (offsets from its start):
 *
 *	0x00000  struct slot     header: turn word, event, answer, registers
 *	0x01000  struct stub_op  operations for the stub to carry out on its way back
 *	0x02000  slot_memory     memory calls that the stub makes by itself (channel/memory.h)
 *	0x02e00  what a tracer asks next (channel/foreseen.h)
 *	0x03000  stub stack      of a thread's start (a signal handler runs on the signal stack)
 *	0x04000  signal stack    the host's signal frames; the guest's general and vector registers lie there
 *	0x10000  in              bytes that the stub read from guest memory: before a call, when asked to, or while it waits
 *	0x18000  out             bytes that the stub shall write to guest memory
 *
 * The turn. slot.state says who owns the slot. The stub fills the event, sets TURN_KERNEL, sets its bit in the ready
 * words unless the kernel watches the slot, and rings the doorbell if kpage.asleep. The kernel fills the answer, sets
 * TURN_GUEST, and wakes the futex if slot.sleeping. All of it but the kernel page can be written by the guest at any time:
 * the kernel reads a field once into its own memory, checks, then uses.
 */
#ifndef HUSK_CHANNEL_CHANNEL_H
#define HUSK_CHANNEL_CHANNEL_H

#include "channel/cpuid.h"
#include "channel/user_state.h"

#define HUSK_STUB_BASE 0x7fff00000000
#define HUSK_STUB_SIZE 0x10000
#define HUSK_BOOT_BASE \
	0x7fff0000e000 /* the zygote's own start-up code, unmapped before the first guest runs */
#define HUSK_BOOT_SIZE  0x2000
#define HUSK_VDSO_BASE  0x7fff06000000
#define HUSK_VDSO_SIZE  0x100000
#define HUSK_KPAGE_BASE 0x7fff08000000
#define HUSK_KPAGE_SIZE 0x1000
#define HUSK_CHAN_BASE  0x7fff10000000
#define HUSK_SLOT_SIZE  0x20000
#define HUSK_SLOT_SHIFT 17
#define HUSK_NR_SLOTS   1024
#define HUSK_CHAN_SIZE  0x8000000
#define HUSK_TASK_TOP   0x7ffffffff000
#define HUSK_GUEST_TOP  0x7ffdfffff000 /* the guest's ceiling */

#define HUSK_OPS_OFFSET      0x1000
#define HUSK_STACK_TOP       0x4000
#define HUSK_SIGSTACK_OFFSET 0x4000
#define HUSK_SIGSTACK_SIZE   0xc000
#define HUSK_IN_OFFSET       0x10000
#define HUSK_OUT_OFFSET      0x18000
#define HUSK_COPY_SIZE       0x8000

/* Under the ptrace trap there is no channel: private memory in its place serves the calls that the kernel makes by a
 * stopped thread. Offsets: */
#define HUSK_SCRATCH_SIZE  0x10000
#define HUSK_SCRATCH_MSG   0x0000 /* struct msghdr and what belongs to it */
#define HUSK_SCRATCH_VEC   0x1000 /* mincore()'s vector, 4096 bytes */
#define HUSK_SCRATCH_WAKE  0x2000 /* words of a robust list */
#define HUSK_SCRATCH_CODE  0x3000 /* the second line's filter, while it is installed */
#define HUSK_SCRATCH_STACK 0xfff0 /* top of the stack of what runs in the stub */

/* Descriptors of a guest host process. */
#define HUSK_SOCKET_FD   3 /* SOCK_SEQPACKET to the kernel: descriptors come over it */
#define HUSK_DOORBELL_FD 4 /* eventfd that wakes the sleeping service thread */
#define HUSK_REGION_FD   5 /* zygote's start only */
#define HUSK_KPAGE_FD    6 /* zygote's start only */

/* Host descriptors of files whose bytes the stub reads by itself (struct donated_table). */
#define HUSK_DONATED_FD     64
#define HUSK_NR_DONATED     64
#define HUSK_DONATED_OFFSET 0x1000 /* of the table in slot 0 */

#define HUSK_INTERRUPT_SIGNAL 23 /* SIGURG: how the kernel takes a running thread */

/* Offsets that assembly uses; checked below. */
#define SLOT_STATE       0x00
#define SLOT_INTERRUPTED 0x44
#define SLOT_HOST_TID    0x60
#define SLOT_STUB_CALLS  0x68
#define SLOT_QUICK       0x238
#define SLOT_CPUID_LEAF  0x258
#define SLOT_CPUID_SUB   0x25c
#define SLOT_CPUID_BACK  0x260
#define SLOT_CPUID_FLAGS 0x268
#define SLOT_REGS        0x400
#define SLOT_CONSTANTS   0x700
#define SLOT_COUNTS      0xb00

/* And indexes of registers there, in enum slot_reg's order. */
#define SLOT_R15    (SLOT_REGS + 0 * 8)
#define SLOT_R14    (SLOT_REGS + 1 * 8)
#define SLOT_R13    (SLOT_REGS + 2 * 8)
#define SLOT_R12    (SLOT_REGS + 3 * 8)
#define SLOT_RBP    (SLOT_REGS + 4 * 8)
#define SLOT_RBX    (SLOT_REGS + 5 * 8)
#define SLOT_R11    (SLOT_REGS + 6 * 8)
#define SLOT_R10    (SLOT_REGS + 7 * 8)
#define SLOT_R9     (SLOT_REGS + 8 * 8)
#define SLOT_R8     (SLOT_REGS + 9 * 8)
#define SLOT_RAX    (SLOT_REGS + 10 * 8)
#define SLOT_RCX    (SLOT_REGS + 11 * 8)
#define SLOT_RDX    (SLOT_REGS + 12 * 8)
#define SLOT_RSI    (SLOT_REGS + 13 * 8)
#define SLOT_RDI    (SLOT_REGS + 14 * 8)
#define SLOT_RIP    (SLOT_REGS + 16 * 8)
#define SLOT_EFLAGS (SLOT_REGS + 18 * 8)
#define SLOT_RSP    (SLOT_REGS + 19 * 8)

/* The host's struct ucontext. */
#define UC_R8      40
#define UC_R9      48
#define UC_R10     56
#define UC_R11     64
#define UC_R12     72
#define UC_R13     80
#define UC_R14     88
#define UC_R15     96
#define UC_RDI     104
#define UC_RSI     112
#define UC_RBP     120
#define UC_RBX     128
#define UC_RDX     136
#define UC_RAX     144
#define UC_RCX     152
#define UC_RSP     160
#define UC_RIP     168
#define UC_EFLAGS  176
#define UC_FPSTATE 224

#ifndef __ASSEMBLER__

#include <stddef.h>

#include "base/types.h"
#include "channel/known.h"
#include "channel/memory.h"
#include "channel/short.h"

enum turn_state {
	TURN_GUEST,  /* the guest process owns the slot */
	TURN_KERNEL, /* the kernel does */
	TURN_PARKED, /* the kernel does and it may take long: sleep at once */
	TURN_HANDOFF, /* the kernel does, and a guest that wants this processor decides how long: give way to it first */
	TURN_AHEAD, /* the kernel does, and wants slot.next meanwhile; in the bits from TURN_ORDER on, the order's number */
};

#define TURN_ORDER 8

enum stub_event {
	EVENT_CALL = 1, /* regs; in[]: what was copied ahead */
	EVENT_PATCHED,  /* the same from a patched call site: there is no signal frame */
	EVENT_SITE, /* regs of a call that the stub would answer: it came by a signal, and its site may be worth patching */
	EVENT_FAULT, /* regs; in the turn's line: nin the signal, nr the trap number, arg: address, hardware error, code */
	EVENT_INTERRUPTED, /* regs */
	EVENT_HOST_CALL, /* regs: a blocking host call was interrupted; timed says whether it has a timeout */
	EVENT_READY,     /* a new thread or process has its slot */
	EVENT_DONE,      /* ANSWER_RUN, ANSWER_FORK, ANSWER_THREAD: result; or an operation failed: op_index,
			    result */
	EVENT_VIOLATION, /* the host's filter refused a call that came from the stub's own code: someone
			    jumped there */
};

enum stub_answer {
	ANSWER_RESUME = 1, /* operations, then regs into the frame, and go */
	ANSWER_RUN,        /* operations, then EVENT_DONE */
	ANSWER_HOST_CALL,  /* operations, then go on with the interrupted host call */
	ANSWER_OP, /* ANSWER_RESUME with one operation, in the turn's line: nin its kind, nr its argument 2, arg[1] and [2] its
			 * arguments 0 and 1, arg[5] its argument 3 and, above LINE_BATCH, the batch */
	ANSWER_FORK,   /* receive socket, doorbell and region, clone a process */
	ANSWER_THREAD, /* clone a thread for slot number clone_slot */
};

#define ANSWER_FLAG_FS      1u /* regs.fs_base has changed */
#define ANSWER_FLAG_GS      2u
#define ANSWER_FLAG_RESULT  8u  /* of regs, rax alone is new: arg[0] */
#define ANSWER_FLAG_COPY    16u /* ANSWER_RESUME without operations: one copy to the guest */
#define ANSWER_FLAG_TSC_OFF 32u /* the guest may not read the time stamp counter from now on */
#define ANSWER_FLAG_TSC_ON  64u
#define ANSWER_FLAG_KEPT    128u /* nothing of regs has changed */
#define ANSWER_FLAG_FRAME \
	4u /* first get a signal frame, if there is none: then EVENT_DONE tells where it is */

enum stub_op_kind {
	OP_MMAP = 1, /* a: addr, len, prot, flags, index into the received descriptors or -1, offset */
	OP_MUNMAP,
	OP_MPROTECT,
	OP_MREMAP,
	OP_MADVISE,
	OP_MSEAL,
	OP_MINCORE,  /* a: addr, len, offset in the slot for the vector */
	OP_COPY_OUT, /* a: guest address, bytes, offset in the slot */
	OP_COPY_IN,  /* a: guest address, bytes, offset in the slot */
	OP_XSTATE, /* a: guest address, bytes, components: the vector state goes there, and a fresh one takes its place */
	OP_CMPXCHG, /* a: guest address, old, new; result: the old value */
	OP_ROBUST,  /* a: head, tid, offset in the slot for the words to wake; result: their number */
	OP_RECV,    /* a: number of descriptors to receive */
	OP_DONATE, /* a: index of a donated file, index into the received descriptors, its word: never fails */
	OP_CLOSE,  /* a: index of the first donated file to close, of the last: never fails */
};

/* Linux's struct user_regs_struct order: trap.h's struct guest_regs is the same. */
enum slot_reg {
	SREG_R15,
	SREG_R14,
	SREG_R13,
	SREG_R12,
	SREG_RBP,
	SREG_RBX,
	SREG_R11,
	SREG_R10,
	SREG_R9,
	SREG_R8,
	SREG_RAX,
	SREG_RCX,
	SREG_RDX,
	SREG_RSI,
	SREG_RDI,
	SREG_ORIG_RAX,
	SREG_RIP,
	SREG_CS,
	SREG_EFLAGS,
	SREG_RSP,
	SREG_SS,
	SREG_FS_BASE,
	SREG_GS_BASE,
	SREG_DS,
	SREG_ES,
	SREG_FS,
	SREG_GS,
	NR_SLOT_REGS,
};

struct stub_op {
	u32 kind, pad;
	s64 result;
	u64 a[6];
};

#define HUSK_MAX_OPS  64
#define HUSK_MAX_FDS  24
#define HUSK_MAX_IN   24
#define HUSK_NR_SITES 32

/* Guest memory that was copied ahead. */
struct slot_piece {
	u64 addr;
	u32 len, offset; /* in the slot */
};

struct slot {
	/* The turn's cache line: a call from a patched site and its result travel in it alone. */
	u32 state;       /* enum turn_state; a futex */
	u8 event;        /* the stub's: enum stub_event */
	u8 answer;       /* the kernel's: enum stub_answer */
	u8 answer_flags; /* ANSWER_FLAG_* */
	u8 nin;          /* of a call: how many pieces were copied ahead; or SLOT_IN_LINE + i: one */
	u16 cpu;         /* where the guest last ran; with SLOT_NOT_DISPATCHED */
	u16 nr;          /* EVENT_PATCHED: the call's number; SLOT_NR_ODD: one above */
	u8 known;        /* KNOWN_*: given with the answer, what is used up taken away by the stub */
	u8 mask_changed; /* the stub's: `mask` is not what the kernel gave it as */
	u16 ahead_len;   /* SLOT_IN_LINE: so many bytes lie at HUSK_IN_OFFSET */
	/* EVENT_PATCHED: the call's arguments; the answer's [0], with ANSWER_FLAG_RESULT: its result; [1] and [2], with
	 * ANSWER_FLAG_COPY: guest address and size of what lies at HUSK_OUT_OFFSET; [3] and [4]: see channel/known.h. */
	u64 arg[6];

	/* From the stub. */
	u32 in_host_call; /* hint: blocked in the host, for the spinning kernel and /proc */
	u32 interrupted;  /* the interrupt came while the stub ran: take a turn instead of going back */
	u32 timed;
	u32 op_index; /* operations that were carried out */
	s64 result;
	u32 uc_offset, fpstate_offset; /* of the host's signal frame, in the slot; 0: none */
	u64 host_tid_word;             /* CLONE_CHILD_CLEARTID */
	u32 stub_calls;                /* calls answered without the kernel, a hint for --stats */
	u32 sleeping;                  /* the guest waits in the futex */
	u32 started; /* a process that was given its answer before it was made has this region, and may be interrupted */
	struct slot_piece in[HUSK_MAX_IN];

	/* From the kernel, written when it changes. */
	u32 watched;    /* the kernel looks at `state` itself: no need to announce */
	u32 ack_wanted; /* announce acked through the ready words */
	u32 batch;      /* number of this batch of operations, for acked */
	u32 nops;
	u32 clone_slot, clone_flags;
	u32 short_ways; /* SHORT_BIT()s: what the stub may do without the kernel */
	u32 tsc_off; /* the stub's: the host has been told that reading the time stamp counter is SIGSEGV here */
	struct {
		u64 on, offset, len, selector;
		/* Where the path of known results (x86_64/patched.S) finds a byte that is 0 when it may answer: the
		 * selector, or one of these two. */
		u64 quick;
		u8 allow, block;
	} dispatch; /* the guest's own: see stub/dispatch.c */
	/* The thread's signal mask, which the stub may change, and what was pending for it: see stub/mask.c. */
	u64 mask, pending;

	/* The stub's, while a patched `cpuid` is answered (x86_64/cpuid.S): eax and ecx, where to go on, arithmetic flags. */
	u32 cpuid_leaf, cpuid_sub;
	u64 cpuid_back;
	u16 cpuid_flags;

	u64 regs[NR_SLOT_REGS] __attribute__((aligned(SLOT_REGS)));
	/* The stub's: the last batch that was carried out (the kernel looks when another thread waits for it), and the
	 * descriptors received for it. */
	u32 acked;
	s32 fds[HUSK_MAX_FDS];
	u64 boot[16]; /* the zygote's start: see stub/boot.c */

	/* How the stub delivers a dispatched call (stub/deliver.c): trap.h's struct user_handler, then its own. */
	struct {
		u64 on;
		u64 handler, restorer, flags;
		u64 adds;
		u64 alt_sp, alt_size, alt_flags;
		u64 err, trapno, fault_addr;
		u64 xfeatures, xsize; /* of vector state, in bytes */
		u64 by_signal;        /* the stub's: how often it was here behind a signal */
	} handler;

	/* TURN_AHEAD: guest memory that the stub copies to HUSK_IN_OFFSET while it waits, and its answer: how much could be read,
	 * then the turn word of the order. */
	struct {
		u64 addr, size;
		u64 got __attribute__((aligned(64)));
		u32 done;
	} next;

	/* By number: the result plus 1 of calls whose result is known; how often the stub has answered each call. */
	u32 constants[HUSK_QUICK_CALLS] __attribute__((aligned(0x100)));
	u32 counts[HUSK_COUNTED_CALLS];
	u64 sites[HUSK_NR_SITES]; /* the stub's: see stub/short.c */
	/* The stub's: how many hand-offs it sleeps in at once from now on, and how many after the next long one. */
	u32 sleepy, sleepier;
};

#define SLOT_NR_ODD         0xffff
#define SLOT_CPU            0xfff
#define SLOT_NOT_DISPATCHED 0x8000 /* in cpu: the guest's own dispatch has been looked at */
#define LINE_BATCH          32     /* of ANSWER_OP */
#define SLOT_IN_LINE        0xf8   /* one piece, from where the call's argument i points to */

/* Slot 0. */
struct region_header {
	u64 summary;                   /* bit i: ready[i] is not 0 */
	u64 ready[HUSK_NR_SLOTS / 64]; /* bit per slot */
};

/*
 * Files that the stub reads by itself, on page HUSK_DONATED_OFFSET of slot 0: the host's descriptor of number i is
 * HUSK_DONATED_FD + i. The kernel writes fd[], the stub ready[]: a guest's descriptor stands for number i as long as both
 * words are the same but for DONATED_AT. The upper 24 bits are another at each donation, so that a word never comes
 * again. A word of DEVICE_* bits alone stands for no file, but says what the stub may do by itself.
 */
#define HUSK_DONATED_FDS 512   /* guest descriptors: higher ones are the kernel's */
#define DONATED_INDEX    0x3fu /* HUSK_NR_DONATED - 1 */
#define DONATED          0x40u /* there is one */
#define DONATED_AT       0x80u /* for pread64 alone: the offset is the kernel's */
#define DONATED_SHIFT    8
#define DEVICE_SINK      1u /* what is written is gone */
#define DEVICE_ZEROS     2u /* what is read are zeroes */
/* What a short way reads at most: a read must end soon enough for an interrupt. */
#define HUSK_DONATED_MAX 0x400000UL
/* How the kernel takes an offset back: it adds this to the description's, which leaves nothing to read there and tells
 * what it was. */
#define HUSK_DONATED_BEYOND (1L << 43)

struct donated_table {
	u32 ready[HUSK_NR_DONATED];
	u32 fd[HUSK_DONATED_FDS];
};

/*
 * Syscall User Dispatch of a guest host thread, by prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, start, length, no
 * selector) (Documentation/admin-guide/syscall-user-dispatch.rst): a new thread has none, so that each one turns it on
 * before it runs the guest.
 */
enum dispatch_mode {
	DISPATCH_NONE,      /* the filter alone */
	DISPATCH_EXCLUSIVE, /* every call but the stub's (Linux 5.11) */
	DISPATCH_INCLUSIVE, /* every call from where guests' mappings lie (Linux 6.17) */
};

#define HUSK_PR_SET_DISPATCH 59
#define HUSK_GUEST_START     0x10000 /* below lies nothing */

/* The kernel page. */
struct kpage {
	u32 asleep;      /* the service thread is about to sleep or asleep: ring */
	u32 cpu;         /* where it runs */
	u64 spin_cycles; /* how long a guest may spin for an answer */
	u32 fsgsbase;    /* rdfsbase and wrfsbase may be used */
	u32 rdpid;       /* rdpid may be used */
	u32 kernel_pid;  /* what getppid() in a guest host process must give */
	u32 dispatch;    /* enum dispatch_mode: how calls are caught before they reach the filter */
	u32 patches;     /* call sites are patched: tell of those that come by signals */
	u32 reads; /* the kernel process can read guests' memory by itself: what is too big to be copied ahead whole is
			    not copied at all */
	u64 vdso_clock_gettime, vdso_clock_getres; /* addresses in the vDSO's window; 0: there is none */
	u32 ncpuid;                                /* answers, written before they are counted */
	struct cpuid_answer cpuid[HUSK_CPUID_ANSWERS] __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct slot) <= HUSK_OPS_OFFSET, "slot header fits its page");
_Static_assert(sizeof(struct stub_op) * HUSK_MAX_OPS <= 0x1000, "operations fit their page");
_Static_assert(sizeof(struct slot_memory) <= 0x1000, "memory calls fit their page");
_Static_assert(sizeof(struct region_header) <= HUSK_DONATED_OFFSET, "ready words fit their page");
_Static_assert(sizeof(struct donated_table) <= 0x1000, "donated files fit their page");
_Static_assert(HUSK_NR_DONATED == DONATED_INDEX + 1, "a word holds a number");
_Static_assert(HUSK_CHAN_SIZE == HUSK_SLOT_SIZE * HUSK_NR_SLOTS, "region size");
_Static_assert(1 << HUSK_SLOT_SHIFT == HUSK_SLOT_SIZE, "slot shift");
_Static_assert(offsetof(struct slot, state) == SLOT_STATE, "assembly's offset");
_Static_assert(offsetof(struct slot, interrupted) == SLOT_INTERRUPTED, "assembly's offset");
_Static_assert(offsetof(struct slot, host_tid_word) == SLOT_HOST_TID, "assembly's offset");
_Static_assert(offsetof(struct slot, dispatch.quick) == SLOT_QUICK, "assembly's offset");
_Static_assert(offsetof(struct slot, regs) == SLOT_REGS, "assembly's offset");
_Static_assert(offsetof(struct slot, stub_calls) == SLOT_STUB_CALLS, "assembly's offset");
_Static_assert(offsetof(struct slot, constants) == SLOT_CONSTANTS, "assembly's offset");
_Static_assert(offsetof(struct slot, counts) == SLOT_COUNTS, "assembly's offset");
_Static_assert(offsetof(struct slot, regs[SREG_RSP]) == SLOT_RSP, "assembly's offset");
_Static_assert(offsetof(struct slot, cpuid_leaf) == SLOT_CPUID_LEAF, "assembly's offset");
_Static_assert(offsetof(struct slot, cpuid_sub) == SLOT_CPUID_SUB, "assembly's offset");
_Static_assert(offsetof(struct slot, cpuid_back) == SLOT_CPUID_BACK, "assembly's offset");
_Static_assert(offsetof(struct slot, cpuid_flags) == SLOT_CPUID_FLAGS, "assembly's offset");
_Static_assert(sizeof(struct kpage) <= HUSK_KPAGE_SIZE, "the kernel page fits");
_Static_assert(offsetof(struct kpage, ncpuid) == KPAGE_NCPUID, "assembly's offset");
_Static_assert(offsetof(struct kpage, cpuid) == KPAGE_CPUID, "assembly's offset");
_Static_assert(sizeof(struct cpuid_answer) == CPUID_ANSWER, "assembly's size");
_Static_assert(offsetof(struct cpuid_answer, any) == CPUID_ANY, "assembly's offset");
_Static_assert(offsetof(struct cpuid_answer, sub) == CPUID_SUB, "assembly's offset");
_Static_assert(offsetof(struct cpuid_answer, eax) == CPUID_EAX, "assembly's offset");
_Static_assert(offsetof(struct cpuid_answer, ebx) == CPUID_EBX, "assembly's offset");
_Static_assert(offsetof(struct cpuid_answer, ecx) == CPUID_ECX, "assembly's offset");
_Static_assert(offsetof(struct cpuid_answer, edx) == CPUID_EDX, "assembly's offset");
_Static_assert(HUSK_CHAN_BASE >> 32 == 0x7fff, "x86_64/patched.S knows the window by its high half");

#endif
#endif

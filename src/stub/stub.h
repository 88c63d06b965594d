/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub: code in every guest process that catches its system calls and faults and takes turns with the
 * kernel.
 *
 * Freestanding: no libc, no data that can be written, no vector registers. It is the kernel's convenience,
 * never a guard: the guest may jump anywhere in it, so what it may do to the host is decided by the host
 * filter alone, which knows each of its syscall instructions by address (x86_64/entry.S).
 */
#ifndef HUSK_STUB_STUB_H
#define HUSK_STUB_STUB_H

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#include "channel/channel.h"

/* One image at a fixed address: no symbol is reached through a table. */
#pragma GCC visibility push(hidden)

/* One function, and one syscall instruction, for each host call (x86_64/entry.S). Results are the host's:
 * -errno. */
long stub_host_futex(u32 *addr, int op, u32 val, const void *timeout, u64 addr2, u32 val3);
long stub_host_write(int fd, const void *buf, u64 len);
long stub_host_mmap(u64 addr, u64 len, int prot, int flags, int fd, u64 offset);
long stub_host_munmap(u64 addr, u64 len);
long stub_host_mprotect(u64 addr, u64 len, int prot);
long stub_host_mremap(u64 addr, u64 len, u64 new_len, int flags, u64 new_addr);
long stub_host_madvise(u64 addr, u64 len, int advice);
long stub_host_mincore(u64 addr, u64 len, u64 vec);
long stub_host_mseal(u64 addr, u64 len, u64 flags);
long stub_host_close(int fd);
long stub_host_recvmsg(int fd, void *msg, int flags);
long stub_host_sigaltstack(const void *ss, void *old);
long stub_host_arch_prctl(int code, u64 value);
long stub_host_clock_gettime(int clock, void *ts);
long stub_host_getppid(void);
long stub_host_sched_yield(void);
long stub_host_prctl(int option, u64 arg2, u64 arg3, u64 arg4, u64 arg5);
long stub_host_set_tsc(int option, u64 mode);
long stub_host_exit_group(int code);
long stub_host_read(int fd, u64 to, u64 size);
long stub_host_pread64(int fd, u64 to, u64 size, u64 at);
long stub_host_readv(int fd, const void *iov, u64 count);
long stub_host_lseek(int fd, s64 offset, u32 whence);
long stub_host_dup2(int from, int to);
long stub_host_close_range(u32 first, u32 last, u32 flags);

/* The guest's own private futex call: returns -ERESTART at once when the interrupt has come before it could
 * block. */
#define STUB_ABORTED (-512L)
long stub_guest_futex(u64 addr, u64 op, u64 val, u64 timeout, u64 addr2, u64 val3, struct slot *slot);

/* Guest memory, with a fixup for faults. Bytes that were not copied; bytes copied, NUL included; the old
 * value or -EFAULT. */
u64 stub_copy(void *to, const void *from, u64 size);
u64 stub_zero(void *to, u64 size); /* as stub_copy(), of zeroes */
u64 stub_string(char *to, const char *from, u64 size);
u64 stub_byte(char *to, const char *from); /* one, and eight: 0, or 1 when they cannot be read */
u64 stub_eight(void *to, const void *from);
s64 stub_cmpxchg(u32 *addr, u32 old, u32 new);

/* Clones (x86_64/entry.S): 0 never returns here; the child starts in stub_child(). The pid or -errno. */
long stub_fork(int socket, int doorbell, int region, struct slot *slot);
long stub_thread(u32 flags, struct slot *child);

/* Takes the host's signal, for a frame: goes on in stub_signal(). Comes back, with 1, only to go on with a host call,
 * and without the frame. */
int stub_frame(void);

/* turn.c */
void stub_hand_over(struct slot *slot, u32 event);
/* Tells the service thread that this slot has news, and wakes it. */
void stub_announce(struct slot *slot);
/* Hands @event over and does what the kernel answers until the thread may go back to the guest (registers are
 * in @uc then, or in the slot alone where that is NULL: x86_64/patched.S), or until it is to go on with its host
 * call: 1. Where the kernel wants a signal frame and @uc is NULL, only that comes back. */
int stub_turn(struct slot *slot, struct ucontext *uc, u32 event);
/* The same, of the fault that the host's signal tells of; the registers have been saved. */
int stub_fault(struct slot *slot, struct ucontext *uc, const siginfo_t *info);
/* Goes on, now with a frame, with what stub_turn() left. */
int stub_turn_framed(struct slot *slot, struct ucontext *uc);
/* A call of the guest, its registers in the slot, its number in orig_rax: by a short way, or by a turn with @event. 1: the
 * registers in the slot are where it goes on, whatever @uc says: leave by stub_patched_exit. */
int stub_call(struct slot *slot, struct ucontext *uc, u32 event);
void stub_save_regs(struct slot *slot, struct ucontext *uc);
void stub_restore_regs(struct slot *slot, struct ucontext *uc); /* the general ones */
/* Says in the slot where the frame of @uc lies; NULL: there is none. */
void stub_note_frame(struct slot *slot, struct ucontext *uc);
void stub_save_bases(struct slot *slot);
/* Turns on what kpage->dispatch says, for the calling thread: 0 or -errno. */
long stub_dispatch(void);
/* ops.c: carries out the batch of a thread with the frame @uc (0: none): 0, or -errno with slot->op_index at the operation that failed. */
s64 stub_run_ops(struct slot *slot, struct ucontext *uc);
s64 stub_run_line(struct slot *slot); /* the same, of the one in the turn's line */
s64 stub_receive(struct slot *slot, u32 count);
/* Marks what the dying thread @tid owns on the robust list at @head; words with waiters go to @wake: how many. */
s64 stub_robust_list(u64 head, u32 tid, u64 *wake);
/* copy.c: reads what the call table says the kernel will want to see. @out: what the turn's line is to say of it. */
struct stub_ahead {
	u8 nin;
	u16 len;
};
void stub_copy_ahead(struct slot *slot, struct stub_ahead *out);
/* dispatch.c: what the guest's own dispatch says of its call; @ahead: what was read for it, when it is not GO_ON. */
enum verdict {
	ASK_KERNEL, /* before anything else is done */
	GO_ON,
	DISPATCH,
};
enum verdict stub_verdict(struct slot *slot, struct stub_ahead *ahead);
/* deliver.c. The call is to be the guest's SIGSYS: 1 when it is, and slot->regs are the handler's; leave by
 * stub_patched_exit. @uc: the host's frame; 0: the vector registers are the guest's. */
int stub_deliver(struct slot *slot, struct ucontext *uc);
/* rt_sigreturn, as stub_short(): the registers, in @uc too unless it is 0, and the vector state are what the guest's frame
 * says. */
int stub_return(struct slot *slot, struct ucontext *uc);
/* Writes the vector state, of @size bytes and @features, to a frame at @fp; a fresh one takes its place: 1, or 0 when it
 * cannot be written. */
int stub_push_vectors(struct ucontext *uc, u64 fp, u64 size, u64 features);
/* Vector state to and from memory, with a fixup: 0, or 1 when that failed. */
int stub_xsave(u64 to, u64 features);
int stub_xrstor(u64 from, u64 features);
/* short.c: 1: done, result in the slot's registers, and in @uc unless NULL; 0: the kernel's to answer. */
int stub_short(struct slot *slot, struct ucontext *uc);
/* futex.c: the same, but the result is in the slot's registers alone. */
int stub_short_futex(struct slot *slot, struct ucontext *uc);
/* memory.c: the same, of a call on memory. */
int stub_short_memory(struct slot *slot, u64 nr);

/* mask.c: the same, for rt_sigprocmask. */
int stub_short_sigprocmask(struct slot *slot);
/* The thread's signal mask is @mask from now on; where that unblocks something pending, a turn is taken on the way out. */
void stub_set_mask(struct slot *slot, u64 mask);
/* donated.c: read, pread64, readv, lseek and write of @slot's registers, as stub_short_futex(). */
int stub_short_donated(u64 *r, u64 nr);
/* known.c: whether close, fcntl or getdents64 of the slot's registers is about what is known; and its answer, as
 * stub_short_futex(). */
int stub_knows(const struct slot *slot, u64 nr);
int stub_short_known(struct slot *slot, u64 nr);
/* foreseen.c: the same, of a tracer's calls. */
int stub_short_wait4(struct slot *slot);
int stub_short_ptrace(struct slot *slot);
/* Orders of the kernel: @fd, -1 if it has not come, becomes donated file @index, as @word says; those from @first to @last
 * go. */
void stub_donate(u32 index, int fd, u32 word);
void stub_close_donated(u32 first, u32 last);

#define kpage  ((const volatile struct kpage *)HUSK_KPAGE_BASE)
#define region ((struct region_header *)HUSK_CHAN_BASE)

#define load(p)     __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)

static inline u64 slot_index(const struct slot *slot)
{
	return ((u64)slot - HUSK_CHAN_BASE) >> HUSK_SLOT_SHIFT;
}

/* The CPU that we run on, by what the host's kernel has put where rdtscp, too, takes it from. */
static inline u32 stub_rdpid(void)
{
	u64 aux;

	__asm__ volatile("rdpid %0" : "=r"(aux));
	return aux & 0xfff;
}

static inline u64 cycles(u32 *cpu)
{
	u32 low, high, aux;

	__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
	*cpu = aux & 0xfff;
	return (u64)high << 32 | low;
}

#endif

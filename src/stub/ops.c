/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel orders with an answer: memory calls, copies, words changed for a dying thread. */
#include <asm/errno.h>
#include <linux/futex.h>

#include "stub/stub.h"

#define MSG_DONTWAIT     0x40
#define MSG_CMSG_CLOEXEC 0x40000000
#define ROBUST_LIMIT     2048
#define ROBUST_WAKES     64

struct message {
	void *name;
	u32 name_len;
	void *iov;
	u64 niov;
	void *control;
	u64 control_len;
	u32 flags;
};

/* Receives @count descriptors into slot->fds, -1 for what does not come: they were sent before the answer was given. 0 or
 * -errno. */
s64 stub_receive(struct slot *slot, u32 count)
{
	struct {
		u64 len;
		int level, type;
		s32 fd[HUSK_MAX_FDS];
	} control;
	char byte;
	struct {
		void *base;
		u64 len;
	} iov = {&byte, 1};
	struct message m = {0, 0, &iov, 1, &control, sizeof control, 0};
	s64 r;
	u32 got;

	for (u32 i = 0; i < count && i < HUSK_MAX_FDS; i++)
		slot->fds[i] = -1;
	r = stub_host_recvmsg(HUSK_SOCKET_FD, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (r < 0)
		return r;
	got = m.control_len >= 16 ? (u32)((control.len - 16) / 4) : 0;
	for (u32 i = 0; i < got && i < count && i < HUSK_MAX_FDS; i++)
		slot->fds[i] = control.fd[i];
	return got == count ? 0 : -EMFILE;
}

static s64 run_mmap(struct slot *slot, const u64 *a)
{
	s64 index = (s64)a[4];
	int fd = index < 0 ? -1 : slot->fds[index % HUSK_MAX_FDS];

	if (index >= 0 && fd < 0)
		return -EMFILE;
	return stub_host_mmap(a[0], a[1], (int)a[2], (int)a[3], fd, a[5]);
}

/* One entry of a robust list whose owner dies (futex(2); kernel/futex: handle_futex_death): 1 when its
 * waiters are to be woken. */
static int robust_death(u64 addr, u32 tid, int pi, int pending)
{
	u32 value;

	if (addr & 3 || stub_copy(&value, (void *)addr, 4))
		return 0;
	if (pending && !pi && !value)
		return 1;
	for (;;) {
		s64 old;

		if ((value & FUTEX_TID_MASK) != tid)
			return 0;
		old = stub_cmpxchg((u32 *)addr, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
		if (old < 0)
			return 0;
		/* Linux: who waits for a word with an owner is handed it by the kernel's own record. Here: by
		 * this. */
		if ((u32)old == value)
			return (value & FUTEX_WAITERS) != 0;
		value = (u32)old;
	}
}

s64 stub_robust_list(u64 head_addr, u32 tid, u64 *wake)
{
	struct {
		u64 next;
		s64 offset;
		u64 pending;
	} head;
	u64 entry, pending;
	u32 limit = ROBUST_LIMIT;
	s64 n = 0;

	if (stub_copy(&head, (void *)head_addr, sizeof head))
		return 0;
	pending = head.pending & ~1UL;
	for (entry = head.next; (entry & ~1UL) != head_addr && limit--;) {
		u64 at = entry & ~1UL, next;
		u64 failed = stub_copy(&next, (void *)at, 8);

		if (at != pending && robust_death(at + head.offset, tid, entry & 1, 0) && n < ROBUST_WAKES)
			wake[n++] = at + head.offset;
		if (failed)
			break;
		entry = next;
	}
	if (pending && robust_death(pending + head.offset, tid, head.pending & 1, 1) && n < ROBUST_WAKES)
		wake[n++] = pending + head.offset;
	return n;
}

static s64 run_op(struct slot *slot, struct ucontext *uc, u32 kind, const u64 *a)
{
	char *base = (char *)slot;

	switch (kind) {
	case OP_MMAP:
		return run_mmap(slot, a);
	case OP_MUNMAP:
		return stub_host_munmap(a[0], a[1]);
	case OP_MPROTECT:
		return stub_host_mprotect(a[0], a[1], (int)a[2]);
	case OP_MREMAP:
		return stub_host_mremap(a[0], a[1], a[2], (int)a[3], a[4]);
	case OP_MADVISE:
		return stub_host_madvise(a[0], a[1], (int)a[2]);
	case OP_MSEAL:
		return stub_host_mseal(a[0], a[1], 0);
	case OP_MINCORE:
		return stub_host_mincore(a[0], a[1], (u64)(base + a[2] % HUSK_SLOT_SIZE));
	case OP_COPY_OUT:
		return stub_copy((void *)a[0], base + a[2] % HUSK_SLOT_SIZE, a[1]) ? -EFAULT : 0;
	case OP_COPY_IN:
		return stub_copy(base + a[2] % HUSK_SLOT_SIZE, (void *)a[0], a[1]) ? -EFAULT : 0;
	case OP_XSTATE:
		return stub_push_vectors(uc, a[0], a[1], a[2]) ? 0 : -EFAULT;
	case OP_CMPXCHG:
		return stub_cmpxchg((u32 *)a[0], (u32)a[1], (u32)a[2]);
	case OP_ROBUST:
		return stub_robust_list(a[0], (u32)a[1], (u64 *)(base + a[2] % HUSK_SLOT_SIZE));
	case OP_RECV:
		/* What did not come fails where it is wanted. */
		stub_receive(slot, (u32)a[0]);
		return 0;
	case OP_DONATE:
		stub_donate((u32)a[0], slot->fds[a[1] % HUSK_MAX_FDS], (u32)a[2]);
		return 0;
	case OP_CLOSE:
		stub_close_donated((u32)a[0], (u32)a[1]);
		return 0;
	}
	return -EINVAL;
}

/* Whether a result ends the batch: memory calls must succeed, words report what they found. */
static int failed(u32 kind, s64 result)
{
	return kind != OP_CMPXCHG && kind != OP_ROBUST && (u64)result > (u64)-4096;
}

static void acknowledge(struct slot *slot, u32 batch)
{
	store(&slot->acked, batch);
	if (load(&slot->ack_wanted))
		stub_announce(slot);
}

s64 stub_run_line(struct slot *slot)
{
	const u64 a[6] = {slot->arg[1], slot->arg[2], slot->nr, (u32)slot->arg[5], ~0UL, 0};
	u32 kind = slot->nin, batch = (u32)(slot->arg[5] >> LINE_BATCH);
	s64 result = run_op(slot, 0, kind, a);

	acknowledge(slot, batch);
	return failed(kind, result) ? result : 0;
}

s64 stub_run_ops(struct slot *slot, struct ucontext *uc)
{
	struct stub_op *ops = (void *)((char *)slot + HUSK_OPS_OFFSET);
	u32 n = slot->nops, nfds = 0;
	s64 err = 0;

	for (u32 i = 0; i < n && i < HUSK_MAX_OPS; i++) {
		ops[i].result = run_op(slot, uc, ops[i].kind, ops[i].a);
		if (ops[i].kind == OP_RECV)
			nfds = (u32)ops[i].a[0];
		if (failed(ops[i].kind, ops[i].result)) {
			slot->op_index = i;
			err = ops[i].result;
			break;
		}
	}
	for (u32 i = 0; i < nfds && i < HUSK_MAX_FDS; i++)
		if (slot->fds[i] >= 0)
			stub_host_close(slot->fds[i]);
	slot->nops = 0;
	acknowledge(slot, slot->batch);
	return err;
}

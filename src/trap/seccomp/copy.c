/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory by way of the slot's copy areas or process_vm_*; vector state in the host's signal frame. */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <x86intrin.h>

#include "base/bug.h"

#define PATIENCE_US 20 /* with a stub that was looking at its turn word when it was told to copy */

/* Copies in one batch: there is always room for the first xstate_out(). */
#define ROOM (ARRAY_SIZE(((struct sthread *)0)->copies) - 1)

/* ---- ahead of need ---- */

/* The guest must be looking at its turn word, on another processor, which nobody else wants. */
bool copy_can_ahead(struct trap_thread *thread)
{
	const struct sthread *th = sthread_of(thread);
	const struct strap *t = th->space->trap;

	return !th->no_ahead && th->state == THREAD_HELD && !t->one_cpu && !t->together.on && !t->family.on &&
	       t->running + 1 < t->ncpus && th->cpu != t->page_cpu && !read_once(th->slot->sleeping);
}

void copy_ahead(struct trap_thread *thread, u64 addr, size_t size)
{
	struct sthread *th = sthread_of(thread);

	together_not(th->space->trap);
	th->nin = 0;
	th->next = (struct slot_piece){addr, (u32)min(size, (size_t)HUSK_COPY_SIZE), HUSK_IN_OFFSET};
	/* Another one than the stub has carried out last. */
	th->order_word = ((read_once(th->slot->next.done) >> TURN_ORDER) + 1) << TURN_ORDER | TURN_AHEAD;
	th->slot->next.addr = addr;
	th->slot->next.size = th->next.len;
	store_seq(&th->slot->state, th->order_word);
}

/* Waits for what was ordered: it becomes what was read ahead. */
static void take_ahead(struct sthread *th)
{
	u64 most = PATIENCE_US * th->space->trap->cycles_per_us, start = __rdtsc();

	while (load_acquire(&th->slot->next.done) != th->order_word)
		if (__rdtsc() - start > most) {
			th->no_ahead = true;
			th->next.len = 0;
			return;
		}
	th->in[0] = th->next;
	th->in[0].len = (u32)min((u64)th->next.len, read_once(th->slot->next.got));
	th->nin = 1;
	th->next.len = 0;
}

size_t copy_precopied(struct trap_thread *thread, void *to, u64 addr, size_t size)
{
	struct sthread *th = sthread_of(thread);

	if (th->next.len && addr - th->next.addr < th->next.len)
		take_ahead(th);
	for (u32 i = 0; i < th->nin; i++) {
		u64 skip = addr - th->in[i].addr;

		if (skip >= th->in[i].len)
			continue;
		size = min(size, th->in[i].len - skip);
		memcpy(to, (char *)th->slot + th->in[i].offset + skip, size);
		return size;
	}
	return 0;
}

static struct stub_op *copy_op(struct sthread *th, u32 kind, u64 addr, size_t size, u32 offset)
{
	struct stub_op *op = &th->copies[th->ncopies++];

	memset(op, 0, sizeof *op);
	op->kind = kind;
	op->a[0] = addr;
	op->a[1] = size;
	op->a[2] = offset;
	return op;
}

size_t copy_out(struct trap_thread *thread, u64 addr, const void *from, size_t size)
{
	struct sthread *th = sthread_of(thread);

	size = min(size, TRAP_COPY_MAX - th->out_used);
	if (!size || th->ncopies >= ROOM)
		return 0;
	memcpy((char *)th->slot + HUSK_OUT_OFFSET + th->out_used, from, size);
	copy_op(th, OP_COPY_OUT, addr, size, HUSK_OUT_OFFSET + th->out_used);
	th->out_used += (u32)size;
	return size;
}

int copy_in(struct trap_thread *thread, u64 addr, size_t size)
{
	struct sthread *th = sthread_of(thread);

	if (size > TRAP_COPY_MAX || th->ncopies >= ROOM)
		return -ENOSPC;
	copy_op(th, OP_COPY_IN, addr, size, HUSK_IN_OFFSET);
	th->next.len = 0;
	th->in[0].addr = addr;
	th->in[0].len = (u32)size;
	th->in[0].offset = HUSK_IN_OFFSET;
	th->nin = 1;
	return 0;
}

size_t copy_direct_max(const struct trap *trap)
{
	return SIZE_MAX;
}

/* What a read of guest memory says of reads to come: nothing, when it is the address or the process that is not there. Stubs
 * read that page in every turn: it is written when it changes. */
static void note_reads(struct strap *t, ssize_t n, int error)
{
	bool can = n > 0;

	if (n && error != EFAULT && error != ESRCH && can != t->kpage->reads)
		t->kpage->reads = can;
}

long copy_read(struct trap_space *space, void *to, u64 addr, size_t size)
{
	struct sspace *s = sspace_of(space);
	struct iovec local = {to, size}, remote = {(void *)addr, size};
	ssize_t n;

	if (s->trap->config.no_process_vm)
		return -ENOSYS;
	if (!s->pid)
		return -EFAULT;
	n = process_vm_readv(s->pid, &local, 1, &remote, 1, 0);
	note_reads(s->trap, n, n < 0 ? errno : 0);
	return n < 0 ? (errno == EFAULT ? -EFAULT : -ENOSYS) : n;
}

long copy_write(struct trap_space *space, u64 addr, const void *from, size_t size)
{
	struct sspace *s = sspace_of(space);
	struct iovec local = {(void *)from, size}, remote = {(void *)addr, size};
	ssize_t n;

	if (s->trap->config.no_process_vm)
		return -ENOSYS;
	if (!s->pid)
		return -EFAULT;
	n = process_vm_writev(s->pid, &local, 1, &remote, 1, 0);
	return n < 0 ? (errno == EFAULT ? -EFAULT : -ENOSYS) : n;
}

size_t xstate_size(struct trap *trap)
{
	return strap_of(trap)->xstate.size;
}

/* Whether the vector state is queued to be written, and a fresh one's then. */
static bool xstate_is_out(const struct sthread *th)
{
	for (u32 i = 0; i < th->ncopies; i++)
		if (th->copies[i].kind == OP_XSTATE)
			return true;
	return false;
}

void xstate_get(struct trap_thread *thread, void *to)
{
	struct sthread *th = sthread_of(thread);
	const struct xstate_layout *x = &th->space->trap->xstate;

	if (xstate_is_out(th)) {
		memcpy(to, x->init, x->size);
		return;
	}
	BUG_ON(thread->no_xstate);
	memcpy(to, (char *)th->slot + th->fpstate_offset, x->size);
}

int xstate_set(struct trap_thread *thread, const void *from, size_t size)
{
	struct sthread *th = sthread_of(thread);

	/* Only another handler's frame can follow, which wants a fresh one, too. */
	if (xstate_is_out(th))
		return 0;
	BUG_ON(thread->no_xstate);
	return xstate_clean(&th->space->trap->xstate, (char *)th->slot + th->fpstate_offset, from, size);
}

int xstate_out(struct trap_thread *thread, u64 addr)
{
	struct sthread *th = sthread_of(thread);
	const struct xstate_layout *x = &th->space->trap->xstate;
	struct stub_op *op;

	if (th->ncopies >= ARRAY_SIZE(th->copies))
		return -ENOSPC;
	op = copy_op(th, OP_XSTATE, addr, x->size, 0);
	op->a[2] = x->features;
	return 0;
}

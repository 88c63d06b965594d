/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory operations of the log, made by a stopped thread in batches.
 *
 * A batch begins with one recvmsg() of all descriptors that it needs and ends with their close_range(): they get the
 * numbers from ptrap->first_fd on, since nothing else in a guest process opens any.
 */
#include "trap/ptrace/ptrace.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bug.h"
#include "trap/fds.h"

#define MAX_BATCH 64
#define NR_MSEAL  462

/* What lies at HUSK_SCRATCH_MSG for recvmsg(). */
struct scratch_message {
	struct msghdr header;
	struct iovec iov;
	char byte, pad[7];
	union {
		struct cmsghdr control;
		char room[CMSG_SPACE(HUSK_MAX_FDS * sizeof(int))];
	};
};

/* Takes what a process that has died did not receive out of the socket: the next must not get it. */
static void drain(struct ptrap *t)
{
	struct scratch_message m;

	do {
		m.iov = (struct iovec){&m.byte, 1};
		m.header = (struct msghdr){.msg_iov = &m.iov, .msg_iovlen = 1};
	} while (recvmsg(t->guest_socket, &m.header, MSG_DONTWAIT) > 0);
	t->receiver = NULL;
}

/* The socket is free: carriers that wait for it, but @done, go on. */
static void wake_receivers(struct ptrap *t, const struct tracee *done)
{
	struct pspace *s;

	t->receiver = NULL;
	list_for_each (s, &t->spaces, node) {
		struct tracee *th = s->carrier;

		if (th && th != done && th->state == TRACEE_WAITING) {
			job_advance(th);
			if (t->receiver)
				return;
		}
	}
}

/* Sends the batch's descriptors and has them received. */
static void receive(struct tracee *th, const int *fds, u32 n)
{
	struct ptrap *t = th->space->trap;
	struct scratch_message m;
	u64 at = scratch_at(HUSK_SCRATCH_MSG);
	int err;

	memset(&m, 0, sizeof m);
	m.header.msg_iov = (void *)(at + offsetof(struct scratch_message, iov));
	m.header.msg_iovlen = 1;
	m.header.msg_control = (void *)(at + offsetof(struct scratch_message, room));
	m.header.msg_controllen = sizeof m.room;
	m.iov.iov_base = (void *)(at + offsetof(struct scratch_message, byte));
	m.iov.iov_len = 1;
	th->base.held = true;
	th->state = TRACEE_WAITING;
	if (tracer_write(&th->space->base, at, &m, sizeof m) != sizeof m) {
		pspace_kill(th->space);
		return;
	}
	err = send_fds(t->socket, fds, n);
	if (err) {
		pspace_kill(th->space);
		return;
	}
	t->receiver = th;
	th->batch_fds = n;
	th->batch_next_fd = 0;
	job_call(th, STEP_RECEIVE, SYS_recvmsg, HUSK_SOCKET_FD, at, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 0, 0, 0);
}

bool batch_begin(struct tracee *th)
{
	struct pspace *s = th->space;
	struct log_entry *e;
	int fds[HUSK_MAX_FDS];
	u32 n = 0, nfds = 0;

	list_for_each (e, &s->log.entries, node) {
		if (e->number > th->log_mark || n == MAX_BATCH || nfds == HUSK_MAX_FDS)
			break;
		if (hostfd_valid(e->op.fd))
			fds[nfds++] = e->op.fd.fd;
		n++;
	}
	if (nfds && s->trap->receiver)
		return false;
	th->batch_left = n;
	th->batch_fds = 0;
	if (nfds)
		receive(th, fds, nfds);
	return true;
}

void operation_begin(struct tracee *th)
{
	const struct trap_op *op = &oplog_first(&th->space->log)->op;
	u64 fd = ~0UL;

	switch (op->kind) {
	case TRAP_OP_MAP:
		if (hostfd_valid(op->fd))
			fd = (u64)th->space->trap->first_fd + th->batch_next_fd++;
		job_call(th, STEP_OPERATION, SYS_mmap, op->addr, op->len, (u64)op->prot, (u64)op->flags, fd,
			 op->offset);
		break;
	case TRAP_OP_UNMAP:
		job_call(th, STEP_OPERATION, SYS_munmap, op->addr, op->len, 0, 0, 0, 0);
		break;
	case TRAP_OP_PROTECT:
		job_call(th, STEP_OPERATION, SYS_mprotect, op->addr, op->len, (u64)op->prot, 0, 0, 0);
		break;
	case TRAP_OP_REMAP:
		job_call(th, STEP_OPERATION, SYS_mremap, op->addr, op->len, op->new_len, (u64)op->flags,
			 op->new_addr, 0);
		break;
	case TRAP_OP_ADVISE:
		job_call(th, STEP_OPERATION, SYS_madvise, op->addr, op->len, (u64)op->flags, 0, 0, 0);
		break;
	case TRAP_OP_SEAL:
		job_call(th, STEP_OPERATION, NR_MSEAL, op->addr, op->len, 0, 0, 0, 0);
		break;
	case TRAP_OP_MINCORE:
		job_call(th, STEP_OPERATION, SYS_mincore, op->addr, op->len, scratch_at(HUSK_SCRATCH_VEC), 0,
			 0, 0);
		break;
	case TRAP_OP_DONATE:
	case TRAP_OP_CLOSE:
		BUG_ON(true);
	}
}

void operation_end(struct tracee *th, long result)
{
	struct log_entry *e = oplog_first(&th->space->log);
	bool failed = result < 0 && result >= -4095;

	th->batch_left--;
	if (!failed && e->op.kind == TRAP_OP_MINCORE)
		tracer_read(&th->space->base, e->op.vec, scratch_at(HUSK_SCRATCH_VEC),
			    min(align_up(e->op.len, PAGE_SIZE) / PAGE_SIZE, PAGE_SIZE));
	if (failed) {
		th->error = result;
		th->batch_left = 0;
	}
	log_entry_end(e, failed ? result : 0);
}

bool batch_received(struct tracee *th, long result)
{
	struct ptrap *t = th->space->trap;

	if (result != 1) {
		drain(t);
		pspace_kill(th->space);
		return false;
	}
	wake_receivers(t, th);
	return true;
}

void batch_close(struct tracee *th)
{
	u64 first = (u64)th->space->trap->first_fd, last = first + th->batch_fds - 1;

	th->batch_fds = 0;
	job_call(th, STEP_CLOSE, SYS_close_range, first, last, 0, 0, 0, 0);
}

void batch_abandon(struct tracee *th)
{
	struct ptrap *t = th->space->trap;

	if (t->receiver != th)
		return;
	drain(t);
	wake_receivers(t, th);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tracer asks of a stopped task besides registers and memory: why it stopped, its signals, its call, its filters, its
 * user dispatch (kernel/ptrace.c, kernel/seccomp.c, kernel/entry/syscall_user_dispatch.c).
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/ptrace.h>
#include <stddef.h>
#include <string.h>

#include "bpf/chain.h"
#include "core/cred.h"
#include "core/usermem.h"
#include "ptrace/request.h"
#include "task/dispatch.h"
#include "task/foresee.h"
#include "task/seccomp_notify.h"
#include "task/signal.h"

/* ---- signals ---- */

long request_get_siginfo(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	if (!child->stop.has_info)
		return -EINVAL;
	return user_put(t, data, &child->stop.info);
}

long request_set_siginfo(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	siginfo_t info;
	int err = user_get(t, &info, data);

	if (!err)
		err = signal_info_taken(&info);
	if (err)
		return err;
	if (!child->stop.has_info)
		return -EINVAL;
	child->stop.info = info;
	return 0;
}

long request_peek_siginfo(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct ptrace_peeksiginfo_args args;
	const struct sigpending *p = &child->pending;
	const struct sigqueue *q;
	int err = user_get(t, &args, addr), n = 0;

	if (err)
		return err;
	if ((args.flags & ~(u32)PTRACE_PEEKSIGINFO_SHARED) || args.nr < 0)
		return -EINVAL;
	if (args.flags & PTRACE_PEEKSIGINFO_SHARED)
		p = &child->group->shared_pending;
	list_for_each (q, &p->queue, node) {
		if (args.off) {
			args.off--;
			continue;
		}
		if (n == args.nr)
			break;
		err = user_put(t, data + (u64)n * sizeof q->info, &q->info);
		if (err)
			break;
		n++;
	}
	return n ? n : err;
}

long request_get_sigmask(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	if (addr != sizeof(u64))
		return -EINVAL;
	return user_put(t, data, child->work & TASK_WORK_SIGMASK ? &child->saved_sigmask : &child->blocked);
}

long request_set_sigmask(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	u64 mask;
	int err;

	if (addr != sizeof mask)
		return -EINVAL;
	err = user_get(t, &mask, data);
	if (err)
		return err;
	child->work &= ~TASK_WORK_SIGMASK;
	child->blocked = mask & ~SIGNAL_UNMASKABLE;
	signal_recalc(child);
	return 0;
}

/* ---- the stop ---- */

long request_event_message(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	return user_put(t, data, &child->stop.message);
}

long request_syscall_info(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct ptrace_syscall_info info;
	size_t size = trace_call_info(child, &info);
	int err;

	err = user_write(t, data, &info, min((u64)size, addr));
	return err ? err : (long)size;
}

/* set_syscall_info_entry(): a number is an int, and what is no call has no arguments. */
static long set_entry(struct task *child, u64 nr, const __u64 *args)
{
	struct guest_regs *r = task_regs(child);

	if ((s64)nr != (s32)nr)
		return -ERANGE;
	r->orig_rax = nr;
	child->in_host_call = false;
	if ((s32)nr == -1)
		return 0;
	r->rdi = args[0];
	r->rsi = args[1];
	r->rdx = args[2];
	r->r10 = args[3];
	r->r8 = args[4];
	r->r9 = args[5];
	return 0;
}

/* Linux 6.16. */
long request_set_syscall_info(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct ptrace_syscall_info info, now;
	int err;

	if (addr < sizeof info)
		return -EINVAL;
	err = user_get(t, &info, data);
	if (err)
		return err;
	trace_call_info(child, &now);
	/* What later kernels may know is not looked at; one kind of stop does not become another. */
	if (info.pad[0] || info.pad[1] || info.pad[2] || info.op != now.op)
		return -EINVAL;
	switch (info.op) {
	case PTRACE_SYSCALL_INFO_ENTRY:
		return set_entry(child, info.entry.nr, info.entry.args);
	case PTRACE_SYSCALL_INFO_SECCOMP:
		return set_entry(child, info.seccomp.nr, info.seccomp.args);
	case PTRACE_SYSCALL_INFO_EXIT:
		task_regs(child)->rax = (u64)info.exit.rval;
		child->in_host_call = false;
		return 0;
	}
	return -EINVAL;
}

/* ---- filters ---- */

static int may_dump(const struct task *t)
{
	return capable(t, CAP_SYS_ADMIN) && t->seccomp_mode == SECCOMP_MODE_DISABLED ? 0 : -EACCES;
}

/* The filters are numbered from the oldest, which is 0. */
static int nth_filter(const struct task *child, u64 n, const struct bpf_chain **out)
{
	const struct bpf_chain *f = child->seccomp;

	if (child->seccomp_mode != SECCOMP_MODE_FILTER)
		return -EINVAL;
	if (!f || n >= f->depth)
		return -ENOENT;
	while (f->depth > n + 1)
		f = f->older;
	*out = f;
	return 0;
}

long request_get_filter(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	const struct bpf_chain *f;
	int err = may_dump(t);

	if (!err)
		err = nth_filter(child, addr, &f);
	/* Linux: EMEDIUMTYPE for a filter that has no classic program. Here: all have one. */
	if (!err && data)
		err = user_write(t, data, f->program->classic,
				 f->program->size * sizeof *f->program->classic);
	return err ? err : (long)f->program->size;
}

long request_get_metadata(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct seccomp_metadata m = {0};
	u64 size = min(addr, (u64)sizeof m);
	const struct bpf_chain *f;
	int err = may_dump(t);

	if (err)
		return err;
	if (size < sizeof m.filter_off)
		return -EINVAL;
	err = user_read(t, &m.filter_off, data, sizeof m.filter_off);
	if (!err)
		err = nth_filter(child, m.filter_off, &f);
	if (err)
		return err;
	if (((const struct seccomp_filter *)f->user)->log)
		m.flags |= SECCOMP_FILTER_FLAG_LOG;
	err = user_write(t, data, &m, size);
	return err ? err : (long)size;
}

/* ---- restartable sequences ---- */

/* As of a thread that has registered none: rseq(2) is refused. */
long request_get_rseq(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	const struct ptrace_rseq_configuration config = {0};
	int err = user_write(t, data, &config, min(addr, (u64)sizeof config));

	return err ? err : (long)sizeof config;
}

/* ---- user dispatch ---- */

struct dispatch_config {
	u64 mode, selector, offset, len;
};

long request_get_dispatch(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	const struct user_dispatch *d = &child->dispatch;
	struct dispatch_config config = {d->on, d->selector, d->offset, d->len};

	return addr == sizeof config ? user_put(t, data, &config) : -EINVAL;
}

long request_set_dispatch(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct dispatch_config config;
	int err;

	if (addr != sizeof config)
		return -EINVAL;
	err = user_get(t, &config, data);
	return err ? err : dispatch_set(child, config.mode, config.offset, config.len, config.selector);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch (Documentation/admin-guide/syscall-user-dispatch.rst): a thread has its own calls handed to its
 * SIGSYS handler, but for those from a range of addresses, and while a byte in its memory says so.
 *
 * The state is t->dispatch. Who changes it does so by dispatch_set(), while the task is held.
 */
#ifndef HUSK_KERNEL_TASK_DISPATCH_H
#define HUSK_KERNEL_TASK_DISPATCH_H

#include "core/task.h"

/* Registers kernel_ops.dispatch_call. */
void dispatch_init(struct kernel *k);

/* prctl(PR_SET_SYSCALL_USER_DISPATCH) for @t, which may be another's (PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG):
 * PR_SYS_DISPATCH_*, the range, the selector's address. 0, -EINVAL or -EFAULT, in Linux's order of checks. */
long dispatch_set(struct task *t, u64 mode, u64 offset, u64 len, u64 selector);
/* What decides whether the stub may deliver @t's dispatched calls is about to change (the handler, a filter, a tracer):
 * from now on they come to the kernel, until @t goes back the next time. */
void dispatch_withdraw(struct task *t);
void dispatch_withdraw_group(struct task *t);
/* As by exec. */
void dispatch_clear(struct task *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the ptrace room: how a request of ptrace(2) is served. */
#ifndef HUSK_KERNEL_PTRACE_REQUEST_H
#define HUSK_KERNEL_PTRACE_REQUEST_H

#include "task/trace.h"

/* A request of @t, whose call is @c, to @child, which it traces and which has stopped: its result, as a handler's. @addr and
 * @data are the call's third and fourth argument. */
typedef long request_fn(struct task *t, struct call *c, struct task *child, u64 addr, u64 data);

/* ---- registers.c ---- */
request_fn request_peek_user, request_poke_user, request_get_regs, request_set_regs, request_get_fpregs,
	request_set_fpregs, request_get_regset, request_set_regset, request_arch_prctl;

#define HUSK_SINGLEBLOCK      33     /* PTRACE_SINGLEBLOCK */
#define HUSK_SET_SYSCALL_INFO 0x4212 /* PTRACE_SET_SYSCALL_INFO */

#define HUSK_GET_DISPATCH 0x4211 /* PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG */
#define HUSK_SET_DISPATCH 0x4210

/* ---- state.c ---- */
request_fn request_get_siginfo, request_set_siginfo, request_peek_siginfo, request_get_sigmask,
	request_set_sigmask, request_event_message, request_syscall_info, request_set_syscall_info,
	request_get_filter, request_get_metadata, request_get_dispatch, request_set_dispatch,
	request_get_rseq;

/* ---- memory.c ---- */
request_fn request_peek, request_poke;

#endif

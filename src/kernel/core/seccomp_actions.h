/* SPDX-License-Identifier: Apache-2.0 */
/* What filters may say of a call, as /proc/sys/kernel/seccomp names it: bits of kernel->seccomp_unlogged. */
#ifndef HUSK_KERNEL_CORE_SECCOMP_ACTIONS_H
#define HUSK_KERNEL_CORE_SECCOMP_ACTIONS_H

#define SECCOMP_NAMED_ACTIONS         \
	X(KILL_PROCESS, kill_process) \
	X(KILL_THREAD, kill_thread)   \
	X(TRAP, trap)                 \
	X(ERRNO, errno)               \
	X(USER_NOTIF, user_notif)     \
	X(TRACE, trace)               \
	X(LOG, log)                   \
	X(ALLOW, allow)

enum {
#define X(action, name) SECCOMP_BIT_##action,
	SECCOMP_NAMED_ACTIONS
#undef X
		SECCOMP_BITS,
#define X(action, name) SECCOMP_LOG_##action = 1 << SECCOMP_BIT_##action,
	SECCOMP_NAMED_ACTIONS
#undef X
};

#endif

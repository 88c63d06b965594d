/* SPDX-License-Identifier: Apache-2.0 */
/* The host filter of guest processes: what their stub may ask of the host, by instruction, number and
 * arguments. */
#ifndef HUSK_TRAP_SECCOMP_FILTER_H
#define HUSK_TRAP_SECCOMP_FILTER_H

#include <linux/filter.h>

#include "base/types.h"

#define STUB_FILTER_MAX 640

/* Writes the program into @out (STUB_FILTER_MAX instructions) and returns its length. @gated: clones ask the
 * kernel by user notification; else they are allowed. */
size_t stub_filter_build(struct sock_filter *out, bool gated);

/* The flags with which the stub may clone: a process, a thread. */
#define STUB_FORK_FLAGS (CLONE_PARENT | SIGCHLD)
#define STUB_THREAD_FLAGS                                                                   \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_CHILD_CLEARTID)

#endif

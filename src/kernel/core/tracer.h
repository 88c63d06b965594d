/* SPDX-License-Identifier: Apache-2.0 */
/* Who watches calls and signals (--strace): embedded by the trace room at the start of its own structure. */
#ifndef HUSK_KERNEL_CORE_TRACER_H
#define HUSK_KERNEL_CORE_TRACER_H

#include <signal.h>

#include "base/types.h"

struct task;

struct tracer {
	/* The sandbox's first program has been started, by nobody's call. */
	void (*started)(struct tracer *tr, struct task *t, const char *path, char *const argv[],
			char *const envp[]);
	void (*enter)(struct tracer *tr, struct task *t); /* t->call is filled */
	void (*exit)(struct tracer *tr, struct task *t,
		     long result); /* may be an ERESTART value or CALL_NORETURN */
	/* A call writes to guest memory: the bytes are not there yet. */
	void (*wrote)(struct tracer *tr, struct task *t, u64 addr, const void *from, size_t size);
	void (*signal)(struct tracer *tr, struct task *t, const siginfo_t *info); /* about to be delivered */
	void (*end)(struct tracer *tr, struct task *t,
		    int status); /* the task ends; status as wait4() gives it */
};

#endif

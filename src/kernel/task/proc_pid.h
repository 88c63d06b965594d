/* SPDX-License-Identifier: Apache-2.0 */
/* The contents of /proc/PID and /proc/PID/task/TID: proc(5). */
#ifndef HUSK_KERNEL_TASK_PROC_PID_H
#define HUSK_KERNEL_TASK_PROC_PID_H

#include "base/text.h"
#include "task/task_ops.h"

/* One file of a process (or, with thread, of a thread). */
struct pid_file {
	const char *name;
	u32 mode;
	bool thread; /* shown under task/TID too */
	bool guarded; /* only for who may ptrace the process: environ, auxv, ... */
	/* The contents about @t as @reader sees them: 0 or -errno. */
	int (*show)(struct task *t, struct task *reader, struct text *out);
	/* Takes what @reader wrote: 0 or -errno. NULL: read-only. */
	int (*store)(struct task *t, struct task *reader, const char *data, size_t size);
};

extern const struct pid_file pid_files[]; /* ends with a NULL name */

/* Whether @reader may look into @t: PTRACE_MODE_READ_FSCREDS as far as ids go. */
bool proc_may_read(struct task *reader, struct task *t);

/* proc_status.c: stat, statm, status. proc_pid.c: the others. */
int proc_show_stat(struct task *t, struct task *reader, struct text *out);
int proc_show_statm(struct task *t, struct task *reader, struct text *out);
int proc_show_status(struct task *t, struct task *reader, struct text *out);

/* Registers /proc/PID with the proc file system. 0 or -errno. */
int proc_pid_init(struct kernel *k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The contents of /proc/PID and /proc/PID/task/TID: proc(5). */
#ifndef HUSK_KERNEL_TASK_PROC_PID_H
#define HUSK_KERNEL_TASK_PROC_PID_H

#include "base/text.h"
#include "task/task_ops.h"
#include "vfs/synth.h"

/* One file of a process or thread. */
struct pid_file {
	/* The contents about @t as @reader sees them: 0 or -errno. */
	int (*show)(struct task *t, struct task *reader, struct text *out);
	/* Takes what @reader wrote: 0 or -errno. NULL: read-only. */
	int (*store)(struct task *t, struct task *reader, const char *data, size_t size);
	bool guarded; /* opened only by who may trace the process: environ, auxv, ... */
};

/* proc_pid.c: what is in /proc/PID and in /proc/PID/task/TID. */
extern const struct synth_entry proc_process_entries[], proc_thread_entries[];
/* proc_tree.c: what the entries do. A node's owner is the tid, with descriptor + 1 in the high half below fd. */
/* Those of memory_ops are about the memory that the process had when they were opened, never that of a later program; of
 * summed_ops reading fails then; those of early_ops tell what was at the opening. */
extern const struct synth_ops proc_pid_file_ops, proc_pid_memory_ops, proc_pid_summed_ops, proc_pid_early_ops,
	proc_pid_value_ops, proc_pid_setting_ops, proc_pid_mounts_ops, proc_exe_ops, proc_cwd_ops,
	proc_root_ops, proc_fd_ops, proc_fdinfo_ops, proc_task_ops;

/* The task of a node; NULL: it has gone, whoever has its number now. */
struct task *proc_node_task(struct synth_node *n);

/* Whether @reader may look into @t: PTRACE_MODE_READ_FSCREDS. */
bool proc_may_read(struct task *reader, struct task *t);

/* proc_status.c: stat, statm, status. proc_pid.c: the others. */
int proc_show_stat(struct task *t, struct task *reader, struct text *out);
int proc_show_statm(struct task *t, struct task *reader, struct text *out);
int proc_show_status(struct task *t, struct task *reader, struct text *out);

/* proc_mounts.c */
int proc_show_mounts(struct task *t, struct task *reader, struct text *out);
int proc_show_mountinfo(struct task *t, struct task *reader, struct text *out);
int proc_show_mountstats(struct task *t, struct task *reader, struct text *out);

/* proc_mem.c: /proc/PID/mem of @t, opened by @reader, as who may trace it: 0, -ESRCH (it has no memory any
 * more), -EACCES, -ENOMEM. */
int proc_open_mem(struct task *t, struct task *reader, u32 flags, struct file **out);
/* The same of /proc/PID/environ, as who may read. */
int proc_open_environ(struct task *t, struct task *reader, u32 flags, struct file **out);
/* proc_info.c: small files. */
int proc_show_io(struct task *t, struct task *reader, struct text *out);
int proc_show_thread_io(struct task *t, struct task *reader, struct text *out);
int proc_show_autogroup(struct task *t, struct task *reader, struct text *out);
int proc_show_cpuset(struct task *t, struct task *reader, struct text *out);
int proc_show_oom_adj(struct task *t, struct task *reader, struct text *out);
int proc_show_timens(struct task *t, struct task *reader, struct text *out);
/* proc_syscall.c */
int proc_show_syscall(struct task *t, struct task *reader, struct text *out);
int proc_show_stack(struct task *t, struct task *reader, struct text *out);
int proc_show_nothing(struct task *t, struct task *reader, struct text *out);
int proc_show_timerslack(struct task *t, struct task *reader, struct text *out);
int proc_store_timerslack(struct task *t, struct task *writer, const char *data, size_t size);
extern const struct synth_entry proc_ns_entries[]; /* proc_ns.c */
extern const struct synth_ops proc_mem_ops, proc_environ_ops, proc_refused_ops, proc_dir_ops;
/* proc_tree.c: who owns a node. */
void proc_node_owner(struct synth_node *n, u32 *uid, u32 *gid);

/* Registers /proc/PID with the proc file system. */
void proc_pid_init(struct kernel *k);

#endif

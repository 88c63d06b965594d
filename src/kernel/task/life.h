/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the task room: pids, groups, the steps of exec and exit that its files share. */
#ifndef HUSK_KERNEL_TASK_LIFE_H
#define HUSK_KERNEL_TASK_LIFE_H

#include "task/task_ops.h"

#define HUSK_PID_MAX     32768
#define HUSK_THREADS_MAX 8192 /* tasks in a sandbox, zombies too */
#define HUSK_INIT_PID    1    /* husk itself */
#define HUSK_FIRST_PID   2

/* ---- pid.c ---- */

struct pid_table *pid_table_new(void);
void pid_table_free(struct pid_table *p);
/* A free number, in use by its task from now on: or -EAGAIN. */
int pid_alloc(struct kernel *k);
/* A number is in use as a task's, a process group's or a session's: it is not given out while anyone uses it.
 */
void pid_use(struct kernel *k, int pid);
void pid_unuse(struct kernel *k, int pid);
/* Gives back what pid_alloc() gave and nobody has seen. */
void pid_return(struct kernel *k, int pid);
/* Makes @t (whose tid is allocated) findable; takes a reference. unbind drops it and the number. */
void pid_bind(struct kernel *k, struct task *t);
void pid_unbind(struct task *t);
/* execve by a thread that is not the leader: @t becomes the leader and takes its number; the old leader is
 * unbound. */
void pid_take_over(struct task *t);
/* Whether anyone is in process group (session) @pid: the first such group, borrowed, or NULL. */
struct thread_group *pgrp_first(struct kernel *k, int pgid);
/* Live tasks of a user, for RLIMIT_NPROC. */
u64 user_tasks(struct kernel *k, u32 uid);

/* ---- task.c ---- */

/* A task without a group, host thread or number: one reference, the caller's. NULL: no memory. */
struct task *task_alloc(struct kernel *k);
/* Parks the calling task so that signals do not interrupt it: its step runs at every wake and must look
 * itself. */
long task_park(struct task *t);
/* Gives up the mm, files, fs; not the guest's memory words (mm_release()). */
void task_drop_resources(struct task *t);

/* ---- group.c ---- */

/* A group for @leader, child of @parent (nullable); no number yet used. NULL: no memory. */
struct thread_group *group_new(struct kernel *k);
struct thread_group *group_get(struct thread_group *g);
void group_put(struct thread_group *g);
void group_set_parent(struct thread_group *g, struct thread_group *parent, int parent_tid);
void group_set_pgid(struct thread_group *g, int pgid);
void group_set_sid(struct thread_group *g, int sid);
/* A thread of @g has ended: its children hear of it and get another parent. @last: the group ends with it. */
void group_leave_children(struct thread_group *g, struct task *dead, bool last);
/* The group ends: a session leader's terminal and jobs; process groups that it leaves orphaned. */
void group_leave_session(struct thread_group *g);
void group_check_orphans(struct thread_group *g, struct thread_group *parent);
/* Takes a zombie out of the world: its times go to its parent, its number is free. */
void group_reap(struct thread_group *g);

/* ---- exit.c ---- */

/* Robust list and clear_child_tid of a task that leaves its mm: then() is called, at once or when the stub
 * has done it. Afterwards the task has neither. */
void mm_release(struct task *t, void (*then)(struct task *t));
/* Forgets last work that is still under way: the space is dead, or husk ends. */
void mm_release_abandon(struct task *t);
/* The parent of a vfork child may go on. */
void vfork_done(struct task *t);
/* The parent of a group that has ended hears of it; nobody waits: reaped at once. */
void group_tell_end(struct thread_group *g);
/* Reaps a zombie whose parent has said that it does not wait for its children. */
void group_reap_ignored(struct thread_group *g);
/* execve: makes every other thread of the group end. True when none is left. */
bool group_end_others(struct task *t);

/* ---- times.c ---- */

/* The group's space goes away, or it leaves it: what it has used is added to the group's own counters. */
void group_times_close(struct thread_group *g, struct mm *mm);
/* Starts to count a task that got a host thread. */
void task_times_start(struct task *t, bool reused_thread);
void group_rusage(struct thread_group *g, int who, struct rusage *r);
void task_rusage(struct task *t, struct rusage *r);

/* ---- limits.c ---- */

void limits_first(struct thread_group *g);

/* ---- clone.c ---- */

struct clone_request {
	u64 flags; /* CLONE_*, without the signal */
	int exit_signal;
	u64 stack; /* rsp of the child, 0: the parent's */
	u64 tls, parent_tid, child_tid, pidfd;
};

/* kernel/fork.c's kernel_clone(): the whole call's result, CALL_PARK included. */
long task_clone(struct task *t, struct call *c, const struct clone_request *r);

/* ---- exec.c, elf.c, script.c ---- */

struct exec;
/* execve(2) and execveat(2), from the reading of the path on. */
long task_exec(struct task *t, struct call *c, int dirfd, u64 path, u64 argv, u64 envp, int flags);

/* ---- proc_info.c ---- */

/* A thread that is not the last one ends: its counters of bytes go to its group. */
void proc_io_ended(struct task *t);

/* ---- proc_tree.c ---- */

/* Whether @f is the directory of a process in /proc; *leader: borrowed, NULL: it is gone. */
bool proc_is_process(const struct file *f, struct task **leader);

/* ---- proc_ns.c ---- */

/* Whether @f is an open namespace; *type: CLONE_NEW*. */
bool file_is_namespace(const struct file *f, u32 *type);
/* A new descriptor of the namespace that /proc/PID/ns/@name leads to, closed on exec: -EMFILE, -ENOMEM. */
long namespace_fd(struct task *t, const char *name);

/* ---- pidfd.c ---- */

int pidfd_new(struct thread_group *g, u32 flags, struct file **out);
/* The group behind a pidfd, borrowed from @f; NULL: not a pidfd. */
struct thread_group *pidfd_group(const struct file *f);
/* Whether pidfds are open files of @i. */
bool inode_is_pidfd(const struct inode *i);
/* @g is about to be freed. */
void pidfs_group_gone(struct thread_group *g);

/* RLIMIT_CPU of @g has been set or inherited: sees to its signals. */
void cpu_limit_changed(struct thread_group *g);

#endif

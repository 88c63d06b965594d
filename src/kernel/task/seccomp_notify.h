/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners: processes that are asked about others' calls (SECCOMP_RET_USER_NOTIF).
 *
 *	seccomp_listener_open() --> a file, whose listener knows nothing yet
 *	seccomp_filter_listen()     the filter that the listener belongs to is in force: its notifications go there
 *	seccomp_notify()            a call waits for the answer
 *
 * The file owns the listener; the filter only points to it. When the file goes, everybody who waits gets ENOSYS; when the
 * filter goes, because no task is under it any more, the file hangs up.
 */
#ifndef HUSK_KERNEL_TASK_SECCOMP_NOTIFY_H
#define HUSK_KERNEL_TASK_SECCOMP_NOTIFY_H

#include "bpf/chain.h"
#include "core/task.h"

struct file;
struct seccomp_listener;

/* What this room keeps of one installed filter: the user of a link of the engine's chains. */
struct seccomp_filter {
	struct seccomp_listener *listener; /* borrowed, nullable */
	bool log;                          /* SECCOMP_FILTER_FLAG_LOG */
	bool chain_logs;                   /* of this filter or an older one below it */
};

/* A listener that waits for its filter: the file is the caller's. @killable: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV.
 * -ENOMEM. */
int seccomp_listener_open(struct kernel *k, bool killable, struct file **out);
/* The listener of @file, which seccomp_listener_open() made, hears of what @filter says from now on. */
void seccomp_filter_listen(struct seccomp_filter *filter, struct file *file);
/* Nobody is under @filter any more. */
void seccomp_filter_ended(struct seccomp_filter *filter);

/* @t's call waits until the listener of @filter (nullable) has answered: what a handler would have returned. -ENOSYS without
 * a listener. */
long seccomp_notify(struct task *t, const struct seccomp_filter *filter, const struct seccomp_data *data);

/* What a filter or a supervisor has said that @t's call returns: what a handler would have returned for that. Numbers of the
 * kernel's own (ERESTARTSYS) mean what they do on Linux: something only while a signal waits for the call's end. */
long seccomp_result(struct task *t, s64 value);

/* Tells the log of @action on @t's call, which ends with @signo (0: no signal), unless /proc/sys/kernel/seccomp/actions_logged
 * says otherwise. @requested: the filter asks for more than kills and LOG. (seccomp_log.c) */
void seccomp_log(struct task *t, const struct seccomp_data *d, int signo, u32 action, bool requested);

#endif

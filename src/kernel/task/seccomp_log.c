/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log hears of filters' verdicts (kernel/seccomp.c: seccomp_log(); kernel/auditsc.c: audit_seccomp()).
 *
 * Linux: the audit subsystem gets a record, which reaches its daemon or, without one, the kernel's log. Here: a line in the
 * kernel's log as the latter would be, because there is no audit daemon.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/klog.h"
#include "core/seccomp_actions.h"
#include "mm/mm.h"
#include "task/seccomp_notify.h"
#include "task/task_ops.h"
#include "vfs/inode.h"

#define AUDIT_SECCOMP 1326

static const struct {
	u32 action, bit;
	bool on_request; /* only of filters that ask for it by SECCOMP_FILTER_FLAG_LOG */
} logged[] = {
	{SECCOMP_RET_KILL_THREAD, SECCOMP_LOG_KILL_THREAD, false},
	{SECCOMP_RET_TRAP, SECCOMP_LOG_TRAP, true},
	{SECCOMP_RET_ERRNO, SECCOMP_LOG_ERRNO, true},
	{SECCOMP_RET_USER_NOTIF, SECCOMP_LOG_USER_NOTIF, true},
	{SECCOMP_RET_TRACE, SECCOMP_LOG_TRACE, true},
	{SECCOMP_RET_LOG, SECCOMP_LOG_LOG, false},
};

static bool is_logged(const struct task *t, u32 action, bool requested)
{
	for (size_t i = 0; i < ARRAY_SIZE(logged); i++)
		if (logged[i].action == action)
			return !(t->k->seccomp_unlogged & logged[i].bit) &&
			       (requested || !logged[i].on_request);
	/* KILL_PROCESS, and whatever else ends like it. */
	return !(t->k->seccomp_unlogged & SECCOMP_LOG_KILL_PROCESS);
}

/* In quotes, or in hexadecimal digits where that could mislead a reader of the log (audit_log_untrustedstring()). */
static const char *quoted(char *to, size_t room, const char *text)
{
	bool plain = true;

	for (const char *s = text; *s; s++)
		plain = plain && *s > ' ' && *s < 127 && *s != '"';
	if (plain) {
		snprintf(to, room, "\"%s\"", text);
		return to;
	}
	to[0] = 0;
	for (size_t i = 0; text[i] && 2 * i + 3 <= room; i++)
		snprintf(to + 2 * i, 3, "%02X", (u8)text[i]);
	return to;
}

static const char *exe_of(struct task *t, char *to, size_t room)
{
	char path[300];
	struct file *exe = t->mm ? t->mm->exe : NULL;

	if (!exe || !exe->path || path_text(t, exe->path, path, sizeof path, false) < 0)
		return "(null)";
	return quoted(to, room, path);
}

void seccomp_log(struct task *t, const struct seccomp_data *d, int signo, u32 action, bool requested)
{
	char comm[sizeof t->comm + 1] = "", name[40], exe[620];
	struct timespec now;

	if (!is_logged(t, action, requested))
		return;
	memcpy(comm, t->comm, sizeof t->comm);
	clock_gettime(CLOCK_REALTIME, &now);
	klog_add(t->k, KLOG_NOTICE,
		 "audit: type=%d audit(%ld.%03ld:%lu): auid=4294967295 uid=%u gid=%u ses=4294967295 pid=%d "
		 "comm=%s "
		 "exe=%s sig=%d arch=%x syscall=%d compat=0 ip=0x%llx code=0x%x",
		 AUDIT_SECCOMP, now.tv_sec, now.tv_nsec / 1000000, ++t->k->audit_serial, t->cred->uid,
		 t->cred->gid, t->group->tgid, quoted(name, sizeof name, comm), exe_of(t, exe, sizeof exe),
		 signo, d->arch, d->nr, d->instruction_pointer, action);
}

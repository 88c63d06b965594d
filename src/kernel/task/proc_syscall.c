/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/syscall and stack: where a task stands (fs/proc/base.c, lib/syscall.c). */
#include <errno.h>

#include "task/proc_pid.h"
#include "task/trace.h"

int proc_show_syscall(struct task *t, struct task *reader, struct text *out)
{
	const struct guest_regs *r;

	if (task_may_access(reader, t, HUSK_ACCESS_ATTACH | HUSK_ACCESS_FS))
		return -EPERM;
	/* Linux: a task that waits in any call shows it. Here: not in one that its stub makes on its own. */
	if (!t->thread || !t->thread->held || t->state == TASK_RUNNING) {
		text_add(out, "running\n");
		return 0;
	}
	r = task_regs(t);
	if ((int)r->orig_rax < 0)
		text_add(out, "%d 0x%lx 0x%lx\n", (int)r->orig_rax, r->rsp, r->rip);
	else
		text_add(out, "%d 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n", (int)r->orig_rax,
			 r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9, r->rsp, r->rip);
	return 0;
}

/* Linux: the kernel's stack, for who has CAP_SYS_ADMIN. Here: EACCES for everybody, because a task has none. */
int proc_show_stack(struct task *t, struct task *reader, struct text *out)
{
	return -EACCES;
}

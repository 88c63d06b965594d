/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling: sched_setparam, sched_setattr, sched_getattr, ioprio_set, ioprio_get, membarrier. */
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define BAD      ((void *)8)
#define NOBODY   4999999
#define NO_FLAGS 0U

struct attr {
	unsigned size, policy;
	unsigned long flags;
	int nice;
	unsigned priority;
	unsigned long runtime, deadline, period;
};

static void parameters(void)
{
	struct sched_param p = {0};

	CHECK_OK(sched_setparam(0, &p));
	CHECK_OK(sched_setparam(getpid(), &p));
	p.sched_priority = 5;
	CHECK_ERRNO(sched_setparam(0, &p), EINVAL); /* SCHED_OTHER has no priorities */
	p.sched_priority = -1;
	CHECK_ERRNO(sched_setparam(0, &p), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setparam, -1, BAD), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setparam, NOBODY, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setparam, NOBODY, BAD), EFAULT);
	CHECK_ERRNO(sched_setparam(NOBODY, &p), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_getparam, NOBODY, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getparam, NOBODY, BAD), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_getparam, 0, BAD), EFAULT);
}

static void attributes(void)
{
	struct attr a, b;
	struct {
		struct attr a;
		char more[64];
	} long_one;
	int nice = getpriority(PRIO_PROCESS, 0);

	memset(&a, 0xff, sizeof a);
	CHECK_OK(syscall(SYS_sched_getattr, 0, &a, sizeof a, NO_FLAGS));
	CHECK_EQ(a.size, sizeof a);
	CHECK_EQ(a.policy, SCHED_OTHER);
	CHECK_EQ(a.flags, 0);
	CHECK_EQ(a.nice, nice);
	CHECK_EQ(a.priority, 0);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, NULL, sizeof a, NO_FLAGS), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &a, sizeof a - 1, NO_FLAGS), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &a, 8192, NO_FLAGS), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &a, sizeof a, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, -1, &a, sizeof a, NO_FLAGS), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, NOBODY, BAD, sizeof a, NO_FLAGS), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, BAD, sizeof a, NO_FLAGS), EFAULT);

	a = (struct attr){.size = sizeof a, .policy = SCHED_BATCH, .nice = nice + 2};
	CHECK_OK(syscall(SYS_sched_setattr, 0, &a, NO_FLAGS));
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), nice + 2);
	CHECK_OK(syscall(SYS_sched_getattr, getpid(), &b, sizeof b, NO_FLAGS));
	CHECK(b.policy == SCHED_BATCH && b.nice == nice + 2);
	/* Zeros behind what this kernel knows don't hurt, others do. */
	memset(&long_one, 0, sizeof long_one);
	long_one.a = a;
	long_one.a.size = sizeof long_one;
	CHECK_OK(syscall(SYS_sched_setattr, 0, &long_one, NO_FLAGS));
	long_one.more[63] = 1;
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &long_one, NO_FLAGS), E2BIG);
	a.size = 0; /* means the first version */
	CHECK_OK(syscall(SYS_sched_setattr, 0, &a, NO_FLAGS));
	a.size = 8;
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, NO_FLAGS), E2BIG);
	CHECK(a.size >= sizeof a); /* the kernel says what it would take */
	a.size = sizeof a;
	a.policy = 77;
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, NO_FLAGS), EINVAL);
	a.policy = SCHED_OTHER;
	a.priority = 3;
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, NO_FLAGS), EINVAL);
	a.priority = 0;
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, NULL, NO_FLAGS), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setattr, -1, &a, NO_FLAGS), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setattr, NOBODY, &a, NO_FLAGS), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, BAD, NO_FLAGS), EFAULT);
	if (geteuid()) {
		a.nice = -20;
		CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, NO_FLAGS), EPERM);
	}
	a.nice = nice + 2;
	CHECK_OK(syscall(SYS_sched_setattr, 0, &a, NO_FLAGS));
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
}

/* A reset flag makes children ordinary again. */
static void inheritance(void)
{
	struct sched_param p = {0};
	int status;

	CHECK_OK(sched_setscheduler(0, SCHED_BATCH, &p));
	if (!fork()) {
		CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_OK(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p));
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
	if (!fork()) {
		CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
		CHECK_OK(sched_setscheduler(0, SCHED_OTHER, &p));
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
	if (geteuid())
		CHECK_ERRNO(sched_setscheduler(0, SCHED_BATCH, &p),
			    EPERM); /* only to be taken back by root */
}

static long ioprio_set(int which, int who, int value)
{
	return syscall(SYS_ioprio_set, which, who, value);
}

static long ioprio_get(int which, int who)
{
	return syscall(SYS_ioprio_get, which, who);
}

static void disk_priorities(void)
{
	const int best_effort = 2 << 13, idle = 3 << 13, realtime = 1 << 13;
	int status;

	CHECK_OK(ioprio_set(1, 0, best_effort | 6));
	CHECK_EQ(ioprio_get(1, 0), best_effort | 6);
	CHECK_EQ(ioprio_get(1, getpid()), best_effort | 6);
	if (!fork()) {
		CHECK_EQ(ioprio_get(1, 0), best_effort | 6);
		CHECK_OK(ioprio_set(1, 0, idle));
		CHECK_EQ(ioprio_get(1, 0), idle);
		CHECK_EQ(ioprio_get(1, getppid()), best_effort | 6);
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_ERRNO(ioprio_get(0, 0), EINVAL);
	CHECK_ERRNO(ioprio_get(4, 0), EINVAL);
	CHECK_ERRNO(ioprio_get(1, NOBODY), ESRCH);
	CHECK_ERRNO(ioprio_get(2, NOBODY), ESRCH);
	CHECK_ERRNO(ioprio_set(0, 0, best_effort), EINVAL);
	CHECK_ERRNO(ioprio_set(1, NOBODY, best_effort), ESRCH);
	CHECK_ERRNO(ioprio_set(1, 0, 7), EINVAL); /* no class with a level */
	CHECK_ERRNO(ioprio_set(1, 0, 4 << 13), EINVAL);
	if (geteuid())
		CHECK_ERRNO(ioprio_set(1, NOBODY, realtime | 4), EPERM);
	CHECK_OK(ioprio_set(1, 0, 0));
	CHECK_OK(ioprio_set(2, 0, best_effort | 3)); /* the process group */
	CHECK_EQ(ioprio_get(2, 0), best_effort | 3);
}

static void barriers(void)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, NO_FLAGS, 0);

	CHECK(commands >= 0);
	if (commands & MEMBARRIER_CMD_GLOBAL)
		CHECK_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, NO_FLAGS, 0));
	else
		CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, NO_FLAGS, 0), EINVAL);
	if (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED)
		CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, NO_FLAGS, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 2, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, 3, NO_FLAGS, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, 1 << 30, NO_FLAGS, 0), EINVAL);
}

int main(void)
{
	setpgid(0, 0);
	parameters();
	attributes();
	disk_priorities();
	barriers();
	inheritance();
	return check_done();
}

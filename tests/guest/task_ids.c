/* SPDX-License-Identifier: Apache-2.0 */
/* Users, groups, capabilities, limits, prctl, scheduling, uname: values, changes, refusals. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"

static int run(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn());
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static int as_user(void)
{
	uid_t u, eu, su;
	gid_t list[4];

	if (!geteuid()) {
		CHECK_OK(setgroups(2, (gid_t[]){70, 60}));
		CHECK_EQ(getgroups(0, NULL), 2);
		CHECK_ERRNO(getgroups(1, list), EINVAL);
		CHECK_EQ(getgroups(4, list), 2);
		CHECK_EQ(list[0], 60);
		CHECK_OK(setresgid(1001, 1002, 1003));
		CHECK_OK(setresuid(1001, 1002, 1003));
		CHECK_OK(getresuid(&u, &eu, &su));
		CHECK(u == 1001 && eu == 1002 && su == 1003);
		CHECK_EQ(setfsuid(-1), 1002);
		CHECK_OK(setuid(1003));
		CHECK_OK(getresuid(&u, &eu, &su));
		CHECK(u == 1001 && eu == 1003 && su == 1003);
		CHECK_OK(setreuid(-1, 1001));
		CHECK_OK(getresuid(&u, &eu, &su));
		CHECK(u == 1001 && eu == 1001 && su == 1003);
		CHECK_OK(setreuid(1001, 1003));
		CHECK_OK(getresuid(&u, &eu, &su));
		CHECK(u == 1001 && eu == 1003 && su == 1003);
		CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	}
	CHECK_ERRNO(setuid(0), EPERM);
	CHECK_ERRNO(syscall(SYS_setuid, -1), EINVAL);
	CHECK_ERRNO(setresuid(0, -1, -1), EPERM);
	CHECK_ERRNO(setreuid(-1, 0), EPERM);
	CHECK_ERRNO(setgid(0), EPERM);
	CHECK_ERRNO(setgroups(1, list), EPERM);
	CHECK_ERRNO(syscall(SYS_getgroups, -1, list), EINVAL);
	CHECK_ERRNO(sethostname("x", 1), EPERM);
	return check_failed();
}

static int ordinary(void)
{
	CHECK_ERRNO(setuid(getuid() + 1), EPERM);
	CHECK_ERRNO(setresgid(-1, getgid() + 1, -1), EPERM);
	CHECK_OK(setuid(getuid()));
	CHECK_ERRNO(setgroups(0, NULL), EPERM);
	CHECK_ERRNO(syscall(SYS_getgroups, -1, NULL), EINVAL);
	return check_failed();
}

static int capabilities(void)
{
	struct __user_cap_header_struct h = {0x11111111, 0};
	struct __user_cap_data_struct d[2], none[2] = {{0}};

	CHECK_EQ(syscall(SYS_capget, &h, NULL), 0);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.version = 1;
	CHECK_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	CHECK_EQ(syscall(SYS_capget, &h, d), 0);
	h.pid = -1;
	CHECK_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
	h.pid = 4999999;
	CHECK_ERRNO(syscall(SYS_capget, &h, d), ESRCH);
	CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
	h.pid = 0;
	CHECK_EQ(syscall(SYS_capset, &h, none), 0);
	none[0].effective = 1;
	CHECK_ERRNO(syscall(SYS_capset, &h, none), EPERM);
	CHECK(prctl(PR_CAPBSET_READ, 0) >= 0);
	CHECK_ERRNO(prctl(PR_CAPBSET_READ, 64), EINVAL);
	CHECK_ERRNO(prctl(PR_CAPBSET_DROP, 0), EPERM);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1, 0, 0), 0);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1, 0, 0), EPERM);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, 9, 1, 0, 0), EINVAL);
	return check_failed();
}

static int limits(void)
{
	struct rlimit r, old;

	CHECK_ERRNO(getrlimit(16, &r), EINVAL);
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
	r.rlim_cur = 10;
	r.rlim_max = 5;
	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &r), EINVAL);
	r.rlim_cur = r.rlim_max = RLIM_INFINITY;
	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &r), EPERM);
	r.rlim_cur = 20;
	r.rlim_max = old.rlim_max;
	CHECK_OK(prlimit(0, RLIMIT_NOFILE, &r, &r));
	CHECK_EQ(r.rlim_cur, old.rlim_cur);
	CHECK_EQ(sysconf(_SC_OPEN_MAX), 20);
	CHECK_ERRNO(dup2(1, 20), EBADF);
	CHECK_OK(prlimit(getpid(), RLIMIT_NOFILE, NULL, &r));
	CHECK_EQ(r.rlim_cur, 20);
	CHECK_ERRNO(prlimit(4999999, RLIMIT_NOFILE, NULL, &r), ESRCH);
	CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 8, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_NOFILE, 8), EFAULT);
	return check_failed();
}

static void *const bad = (void *)8;

static int prctls(void)
{
	char name[20] = "";
	int value = -1;

	CHECK_OK(prctl(PR_SET_NAME, "a name that is too long"));
	CHECK_OK(prctl(PR_GET_NAME, name));
	CHECK_STR(name, "a name that is ");
	CHECK_ERRNO(prctl(PR_SET_NAME, bad), EFAULT);
	CHECK_ERRNO(prctl(PR_GET_NAME, bad), EFAULT);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_ERRNO(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
	CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
	CHECK_ERRNO(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
	CHECK_OK(prctl(PR_GET_TSC, &value));
	CHECK_EQ(value, PR_TSC_ENABLE);
	CHECK_OK(prctl(PR_SET_TIMERSLACK, 1000));
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 1000);
	CHECK_OK(prctl(PR_SET_TIMERSLACK, 0));
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 50000);
	CHECK_EQ(prctl(PR_GET_TIMING), 0);
	CHECK_ERRNO(prctl(PR_SET_TIMING, 1), EINVAL);
	CHECK_OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
	CHECK_ERRNO(prctl(99999, 0), EINVAL);
	return check_failed();
}

static int bases(void)
{
	unsigned long fs = 0, gs = 1, word = 0x1234, through;

	CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	CHECK(fs != 0);
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	CHECK_EQ(gs, 0);
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	getppid();
	__asm__ volatile("mov %%gs:0, %0" : "=r"(through));
	CHECK_EQ(through, 0x1234);
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
	CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_SET_FS, ~0UL), EPERM);
	CHECK_ERRNO(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
	return check_failed();
}

static int scheduling(void)
{
	struct sched_param param = {.sched_priority = 0};
	struct timespec ts;
	cpu_set_t set, none;
	unsigned cpu = 99;

	CHECK_OK(sched_yield());
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK_OK(sched_getparam(0, &param));
	CHECK_EQ(param.sched_priority, 0);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_ERRNO(sched_get_priority_max(99), EINVAL);
	CHECK_ERRNO(sched_getscheduler(-1), EINVAL);
	CHECK_ERRNO(sched_getscheduler(4999999), ESRCH);
	CHECK_ERRNO(sched_setscheduler(0, 77, &param), EINVAL);
	param.sched_priority = 5;
	CHECK_ERRNO(sched_setscheduler(0, SCHED_OTHER, &param), EINVAL);
	param.sched_priority = 0;
	CHECK_OK(sched_setscheduler(0, SCHED_BATCH, &param));
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK_OK(sched_rr_get_interval(0, &ts));
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_COUNT(&set) >= 1);
	CPU_ZERO(&none);
	CHECK_ERRNO(sched_setaffinity(0, sizeof none, &none), EINVAL);
	CHECK_OK(sched_setaffinity(0, sizeof set, &set));
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 3, &set), EINVAL);
	CHECK_ERRNO(sched_getaffinity(4999999, sizeof set, &set), ESRCH);
	CHECK_OK(syscall(SYS_getcpu, &cpu, NULL, NULL));
	CHECK(CPU_ISSET(cpu, &set));
	return check_failed();
}

static int niceness(void)
{
	int before = getpriority(PRIO_PROCESS, 0);

	CHECK_ERRNO(getpriority(3, 0), EINVAL);
	CHECK_ERRNO(getpriority(PRIO_PROCESS, 4999999), ESRCH);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 4999999, 0), ESRCH);
	CHECK_OK(setpriority(PRIO_PROCESS, 0, before + 3));
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), before + 3);
	CHECK_OK(setpriority(PRIO_PROCESS, 0, 100));
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
	return check_failed();
}

static int system_facts(void)
{
	struct utsname u;
	struct sysinfo si;
	struct tms tms;

	CHECK_OK(uname(&u));
	CHECK_STR(u.sysname, "Linux");
	CHECK_STR(u.machine, "x86_64");
	CHECK(atoi(u.release) >= 5);
	CHECK_ERRNO(syscall(SYS_uname, 8), EFAULT);
	CHECK_OK(sysinfo(&si));
	CHECK(si.totalram > 0 && si.mem_unit > 0 && si.procs > 0);
	CHECK(times(&tms) != (clock_t)-1);
	CHECK_EQ(personality(0xffffffff) & 0xff, 0);
	CHECK_ERRNO(getrusage(7, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_set_robust_list, NULL, 23), EINVAL);
	CHECK_EQ(syscall(SYS_set_tid_address, NULL), syscall(SYS_gettid));
	return check_failed();
}

int main(void)
{
	int (*const parts[])(void) = {ordinary, capabilities, limits,   prctls,
				      bases,    scheduling,   niceness, system_facts};

	for (size_t i = geteuid() ? 0 : 1; i < sizeof parts / sizeof parts[0]; i++)
		CHECK_EQ(run(parts[i]), 0);
	if (!geteuid())
		CHECK_EQ(run(as_user), 0);
	return check_done();
}

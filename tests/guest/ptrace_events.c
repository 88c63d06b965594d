/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the events of traced processes: what they make is traced too, execve, also of a thread, the end; and seccomp's,
 * with the dump of filters.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/rseq.h>

#include "ptrace.h"

static char *self;

static unsigned long message(pid_t pid)
{
	unsigned long m = ~0UL;

	CHECK_OK(pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&m));
	return m;
}

static void cont(pid_t pid)
{
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
}

/* ---- making ---- */

static int forks(void *arg)
{
	int status = 0;
	pid_t child = fork();

	if (!child)
		_exit(7);
	waitpid(child, &status, 0);
	return status >> 8;
}

static int vforks(void *arg)
{
	int status = 0;
	pid_t child = vfork();

	if (!child)
		_exit(8);
	waitpid(child, &status, 0);
	return status >> 8;
}

static void test_fork(void)
{
	pid_t pid = traced_child(forks, NULL), child;

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK));
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_FORK));
	child = (pid_t)message(pid);
	CHECK(child > 0);
	EXPECT_STOP(child, SIGSTOP);
	cont(pid);
	cont(child);
	EXPECT_END(child, 7 << 8);
	/* Its own parent, too, waits for it: after its tracer. */
	EXPECT_STOP(pid, SIGCHLD);
	cont(pid);
	EXPECT_END(pid, 7 << 8);

	/* Not asked for: nothing is told, nobody is traced. */
	pid = traced_child(forks, NULL);
	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEVFORK));
	cont(pid);
	EXPECT_STOP(pid, SIGCHLD);
	cont(pid);
	EXPECT_END(pid, 7 << 8);
}

static void test_vfork(void)
{
	pid_t pid = traced_child(vforks, NULL), child;

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE));
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_VFORK));
	child = (pid_t)message(pid);
	EXPECT_STOP(child, SIGSTOP);
	cont(pid);
	cont(child);
	EXPECT_END(child, 8 << 8);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_VFORK_DONE));
	CHECK_EQ(message(pid), child);
	cont(pid);
	EXPECT_STOP(pid, SIGCHLD);
	cont(pid);
	EXPECT_END(pid, 8 << 8);
}

static void *thread_end(void *arg)
{
	return arg;
}

static int makes_thread(void *arg)
{
	pthread_t t;
	void *r;

	pthread_create(&t, NULL, thread_end, (void *)5L);
	pthread_join(t, &r);
	return (int)(long)r;
}

static void test_clone(void)
{
	pid_t pid = traced_child(makes_thread, NULL), child;

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT));
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_CLONE));
	child = (pid_t)message(pid);
	EXPECT_STOP(child, SIGSTOP);
	cont(child);
	EXPECT_STOP(child, EVENT(PTRACE_EVENT_EXIT));
	CHECK_EQ(message(child), 0);
	cont(child);
	EXPECT_END(child, 0);
	CHECK_ERRNO(waitpid(child, NULL, __WALL), ECHILD);
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_EXIT));
	CHECK_EQ(message(pid), 5 << 8);
	cont(pid);
	EXPECT_END(pid, 5 << 8);
}

/* Seized, what is made stops in another way. */
static void test_seized(void)
{
	int go[2];
	pid_t pid, child;

	CHECK_OK(pipe(go));
	pid = fork();
	if (!pid) {
		char byte;

		if (read(go[0], &byte, 1) != 1)
			_exit(97);
		_exit(forks(NULL));
	}
	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK));
	CHECK_EQ(write(go[1], "", 1), 1);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_FORK));
	child = (pid_t)message(pid);
	EXPECT_STOP(child, EVENT_STOP_OF(SIGTRAP));
	cont(child);
	EXPECT_END(child, 7 << 8);
	cont(pid);
	EXPECT_STOP(pid, SIGCHLD);
	cont(pid);
	EXPECT_END(pid, 7 << 8);
	close(go[0]);
	close(go[1]);
}

/* ---- execve ---- */

static int executes(void *arg)
{
	execl(self, self, "exit", NULL);
	return 90;
}

static void test_exec(void)
{
	pid_t pid = traced_child(executes, NULL);
	struct user_regs_struct regs;
	siginfo_t info;

	/* The old way. */
	cont(pid);
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_code, SI_USER);
	CHECK_EQ(info.si_pid, pid);
	cont(pid);
	EXPECT_END(pid, EXECUTED_STATUS << 8);

	pid = traced_child(executes, NULL);
	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD));
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_EXEC));
	CHECK_EQ(message(pid), pid);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ(regs.orig_rax, SYS_execve);
	CHECK_EQ((long)regs.rax, -ENOSYS);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ(regs.orig_rax, SYS_execve);
	CHECK_EQ(regs.rax, 0);
	cont(pid);
	EXPECT_END(pid, EXECUTED_STATUS << 8);
}

static void *thread_executes(void *arg)
{
	execl(self, self, "exit", NULL);
	return NULL;
}

static void *thread_waits(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static int thread_exec(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, thread_waits, NULL);
	pthread_create(&t, NULL, thread_executes, NULL);
	for (;;)
		pause();
	return 0;
}

/* The thread that executes takes its leader's number; the others are told as ended, the leader is not. */
static void test_thread_exec(void)
{
	pid_t pid = traced_child(thread_exec, NULL), waits, execs;
	unsigned long word;
	siginfo_t info;

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC));
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_CLONE));
	waits = (pid_t)message(pid);
	EXPECT_STOP(waits, SIGSTOP);
	cont(waits);
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_CLONE));
	execs = (pid_t)message(pid);
	EXPECT_STOP(execs, SIGSTOP);
	cont(pid);
	cont(execs);
	EXPECT_END(waits, 0);
	/* Until its tracer has been told, who asks means the leader that was, and there is none. */
	CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WSTOPPED | WNOWAIT));
	CHECK_EQ(info.si_status, EVENT(PTRACE_EVENT_EXEC));
	CHECK_ERRNO(pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&word), ESRCH);
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_EXEC));
	CHECK_EQ(message(pid), execs);
	CHECK_ERRNO(waitpid(execs, NULL, __WALL), ECHILD);
	cont(pid);
	EXPECT_END(pid, EXECUTED_STATUS << 8);
}

/* ---- the end ---- */

static int dies(void *arg)
{
	raise(SIGTERM);
	return 0;
}

static void test_exit(void)
{
	pid_t pid = traced_child(dies, NULL);

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
	cont(pid);
	EXPECT_STOP(pid, SIGTERM);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGTERM));
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_EXIT));
	CHECK_EQ(message(pid), SIGTERM);
	cont(pid);
	EXPECT_END(pid, SIGTERM);
}

/* ---- seccomp ---- */

static struct sock_filter by_number(int k)
{
	return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, k);
}

static void filter(unsigned nr, unsigned verdict, unsigned flags)
{
	struct sock_filter code[] = {
		by_number(offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, verdict),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog))
		_exit(96);
}

static int filtered(void *arg)
{
	long r;

	filter(SYS_getppid, SECCOMP_RET_TRACE | 123, 0);
	filter(SYS_getuid, SECCOMP_RET_ERRNO | 44, SECCOMP_FILTER_FLAG_LOG);
	r = syscall(SYS_getppid);
	if (r == -1)
		return errno == ENOSYS ? 1 : errno == 44 ? 3 : 4;
	return r == getpid() ? 2 : r == 5000 ? 5 : 6;
}

static pid_t at_filter(void)
{
	pid_t pid = traced_child(filtered, NULL);

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP));
	cont(pid);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_SECCOMP));
	return pid;
}

static void set_call(pid_t pid, long nr)
{
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), nr));
}

static void test_seccomp(void)
{
	struct ptrace_syscall_info info;
	pid_t pid;

	/* Nobody listens: no such call. */
	pid = traced_child(filtered, NULL);
	cont(pid);
	EXPECT_END(pid, 1 << 8);
	/* Another call. */
	pid = at_filter();
	CHECK_EQ(message(pid), 123);
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info), 84);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
	CHECK_EQ(info.seccomp.nr, SYS_getppid);
	CHECK_EQ(info.seccomp.ret_data, 123);
	set_call(pid, SYS_getpid);
	cont(pid);
	EXPECT_END(pid, 2 << 8);
	/* Another one that the filters know. */
	pid = at_filter();
	set_call(pid, SYS_getuid);
	cont(pid);
	EXPECT_END(pid, 3 << 8);
	/* None. */
	pid = at_filter();
	set_call(pid, -1);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 5000));
	cont(pid);
	EXPECT_END(pid, 5 << 8);
	/* Killed while it waits: the call is not made. */
	pid = at_filter();
	kill_and_reap(pid);
}

static void test_dump(void)
{
	struct sock_filter code[16];
	struct seccomp_metadata m = {0, 99};
	pid_t pid;

	if (geteuid())
		return;
	pid = at_filter();
	CHECK_EQ(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, 0), 4);
	CHECK_EQ(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, (uintptr_t)code), 4);
	CHECK_EQ(code[1].k, SYS_getppid);
	CHECK_EQ(code[2].k, SECCOMP_RET_TRACE | 123);
	CHECK_EQ(pt(PTRACE_SECCOMP_GET_FILTER, pid, 1, (uintptr_t)code), 4);
	CHECK_EQ(code[1].k, SYS_getuid);
	CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_FILTER, pid, 2, (uintptr_t)code), ENOENT);
	CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, 8), EFAULT);
	CHECK_EQ(pt(PTRACE_SECCOMP_GET_METADATA, pid, sizeof m, (uintptr_t)&m), sizeof m);
	CHECK_EQ(m.flags, 0);
	m.filter_off = 1;
	CHECK_EQ(pt(PTRACE_SECCOMP_GET_METADATA, pid, 100, (uintptr_t)&m), sizeof m);
	CHECK_EQ(m.flags, SECCOMP_FILTER_FLAG_LOG);
	m.filter_off = 2;
	CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, sizeof m, (uintptr_t)&m), ENOENT);
	CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, 7, (uintptr_t)&m), EINVAL);
	CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, 16, 8), EFAULT);
	kill_and_reap(pid);
	/* Of a process without filters. */
	pid = traced_child(dies, NULL);
	m.filter_off = 0;
	CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, 0), EINVAL);
	CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, sizeof m, (uintptr_t)&m), EINVAL);
	kill_and_reap(pid);
}

static void test_suspend(void)
{
	pid_t pid;

	if (geteuid())
		return;
	pid = traced_child(filtered, NULL);
	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP | PTRACE_O_TRACESECCOMP));
	cont(pid);
	EXPECT_END(pid, 6 << 8);
}

/* Who has filters itself sees no others'. */
static void test_filtered_tracer(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		pid_t child = traced_child(dies, NULL);

		filter(SYS_getuid, SECCOMP_RET_ERRNO | 44, 0);
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_FILTER, child, 0, 0), EACCES);
		CHECK_ERRNO(pt(PTRACE_SETOPTIONS, child, 0, PTRACE_O_SUSPEND_SECCOMP), EPERM);
		kill_and_reap(child);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- user dispatch ---- */

struct dispatch {
	unsigned long mode, selector, offset, len;
};

static void test_dispatch(void)
{
	pid_t pid = traced_child(dies, NULL);
	struct dispatch d = {1, 0, 0x1000, 0x2000}, got = {9, 9, 9, 9};

	if (pt(0x4211, pid, sizeof d, (uintptr_t)&got) && errno == EIO) {
		kill_and_reap(pid);
		return;
	}
	CHECK_EQ(got.mode, 0);
	CHECK_OK(pt(0x4210, pid, sizeof d, (uintptr_t)&d));
	CHECK_OK(pt(0x4211, pid, sizeof d, (uintptr_t)&got));
	CHECK_EQ(got.mode, 1);
	CHECK_EQ(got.offset, 0x1000);
	CHECK_EQ(got.len, 0x2000);
	CHECK_ERRNO(pt(0x4210, pid, 31, (uintptr_t)&d), EINVAL);
	CHECK_ERRNO(pt(0x4211, pid, 33, (uintptr_t)&d), EINVAL);
	CHECK_ERRNO(pt(0x4210, pid, sizeof d, 8), EFAULT);
	d.mode = 7;
	CHECK_ERRNO(pt(0x4210, pid, sizeof d, (uintptr_t)&d), EINVAL);
	kill_and_reap(pid);
}

/* ---- restartable sequences ---- */

struct rseq_config {
	unsigned long area;
	unsigned size, signature, flags, pad;
};

/* The libc's area is taken back, where there is one. */
static int without_rseq(void *arg)
{
	char *self_thread;

	__asm__("mov %%fs:0, %0" : "=r"(self_thread));
	if (__rseq_size)
		(void)syscall(SYS_rseq, self_thread + __rseq_offset, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	raise(SIGUSR1);
	return 0;
}

static void test_rseq(void)
{
	pid_t pid = traced_child(without_rseq, NULL);
	struct rseq_config c;

	cont(pid);
	EXPECT_STOP(pid, SIGUSR1);
	memset(&c, 0xaa, sizeof c);
	if (pt(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof c, (uintptr_t)&c) < 0 && errno == EIO) {
		/* A kernel without rseq(2). */
		kill_and_reap(pid);
		return;
	}
	CHECK_EQ(pt(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof c, (uintptr_t)&c), 24);
	CHECK_EQ(c.area, 0);
	CHECK_EQ(c.size, 0);
	CHECK_EQ(c.signature, 0);
	CHECK_EQ(c.flags, 0);
	CHECK_EQ(c.pad, 0);
	/* As much as there is room for. */
	memset(&c, 0xaa, sizeof c);
	CHECK_EQ(pt(PTRACE_GET_RSEQ_CONFIGURATION, pid, 8, (uintptr_t)&c), 24);
	CHECK_EQ(c.area, 0);
	CHECK_EQ(c.size, 0xaaaaaaaa);
	CHECK_EQ(pt(PTRACE_GET_RSEQ_CONFIGURATION, pid, 100, (uintptr_t)&c), 24);
	CHECK_ERRNO(pt(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof c, 8), EFAULT);
	kill_and_reap(pid);
}

int main(int argc, char **argv)
{
	self = ptrace_begin(argc);
	test_fork();
	test_vfork();
	test_clone();
	test_seized();
	test_exec();
	test_thread_exec();
	test_exit();
	test_seccomp();
	test_dump();
	test_suspend();
	test_filtered_tracer();
	test_dispatch();
	test_rseq();
	return check_done();
}

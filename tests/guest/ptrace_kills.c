/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what becomes of traced processes at each kind of stop when they are killed there, when their tracer is, and when the
 * thread that traces them ends.
 *
 * A child waits for a byte, works, and exits with WENT_ON. Its tracer seizes it, brings it to the stop and no further.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>

#include "ptrace.h"

#define SYSEMU 31

#define WENT_ON  42
#define NOT_READ 92

static char *self;
static int go[2]; /* lets the child work */

/* ---- what the child does ---- */

static void nothing(void)
{
}

static void ignore(int signo)
{
}

static void raise_usr2(void)
{
	signal(SIGUSR2, ignore);
	raise(SIGUSR2);
}

static void stop_itself(void)
{
	raise(SIGSTOP);
}

static void breakpoint(void)
{
	__asm__ volatile("int3");
}

static void make_child(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void make_vfork_child(void)
{
	pid_t child = vfork();

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void *thread_end(void *arg)
{
	return arg;
}

static void make_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread_end, NULL);
	pthread_join(t, NULL);
}

static void execute(void)
{
	execl(self, self, "exit", NULL);
	_exit(90);
}

static void call_filtered(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		_exit(96);
	/* The call at whose stop nobody traces any more is made. */
	if (syscall(SYS_getppid) <= 0)
		_exit(91);
}

/* ---- what the tracer does ---- */

static void let_go(void)
{
	CHECK_EQ(write(go[1], "", 1), 1);
}

static void interrupt(pid_t pid)
{
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
}

static void bring_interrupt(pid_t pid)
{
	interrupt(pid);
	let_go();
}

static void bring_entry(pid_t pid)
{
	interrupt(pid);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	let_go();
}

static void bring_exit(pid_t pid)
{
	bring_entry(pid);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
}

/* It waits for its byte, and comes to that call again. */
static void bring_emulated(pid_t pid)
{
	struct user_regs_struct regs;

	for (;;) {
		interrupt(pid);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
		if (regs.orig_rax == SYS_read)
			break;
		CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	}
	CHECK_OK(pt(SYSEMU, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	let_go();
}

static void bring_step(pid_t pid)
{
	interrupt(pid);
	let_go();
	CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
}

static void bring_group_stop(pid_t pid)
{
	let_go();
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGSTOP));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGSTOP));
}

static void bring_listening(pid_t pid)
{
	bring_group_stop(pid);
	CHECK_OK(pt(PTRACE_LISTEN, pid, 0, 0));
}

/* ---- the stops ---- */

static const struct stop {
	const char *name;
	unsigned long options;
	void (*work)(void);
	int stop;                             /* it comes to that by itself; 0: */
	void (*bring)(pid_t pid);             /* its tracer brings it there */
	int status;                           /* as wait() gives it, when it goes on */
	enum { LIVE, STOPPED, ENDING } state; /* STOPPED: its group is; ENDING: it is past being killed */
} stops[] = {
	{"interrupt", 0, nothing, 0, bring_interrupt, WENT_ON << 8, LIVE},
	{"entry of a call", PTRACE_O_TRACESYSGOOD, nothing, 0, bring_entry, WENT_ON << 8, LIVE},
	{"exit of a call", PTRACE_O_TRACESYSGOOD, nothing, 0, bring_exit, WENT_ON << 8, LIVE},
	/* The call at whose stop it is is not made, whoever lets it go on. */
	{"call that is not made", PTRACE_O_TRACESYSGOOD, nothing, 0, bring_emulated, NOT_READ << 8, LIVE},
	/* Linux: only who is let go by its tracer is no longer stepped. */
	{"step", 0, nothing, 0, bring_step, SIGTRAP, LIVE},
	{"signal", 0, raise_usr2, SIGUSR2, NULL, WENT_ON << 8, LIVE},
	{"breakpoint", 0, breakpoint, SIGTRAP, NULL, WENT_ON << 8, LIVE},
	{"group stop", 0, stop_itself, 0, bring_group_stop, WENT_ON << 8, STOPPED},
	{"listening", 0, stop_itself, 0, bring_listening, WENT_ON << 8, STOPPED},
	{"fork", PTRACE_O_TRACEFORK, make_child, EVENT(PTRACE_EVENT_FORK), NULL, WENT_ON << 8, LIVE},
	{"vfork", PTRACE_O_TRACEVFORK, make_vfork_child, EVENT(PTRACE_EVENT_VFORK), NULL, WENT_ON << 8, LIVE},
	{"end of vfork", PTRACE_O_TRACEVFORKDONE, make_vfork_child, EVENT(PTRACE_EVENT_VFORK_DONE), NULL,
	 WENT_ON << 8, LIVE},
	{"clone", PTRACE_O_TRACECLONE, make_thread, EVENT(PTRACE_EVENT_CLONE), NULL, WENT_ON << 8, LIVE},
	{"exec", PTRACE_O_TRACEEXEC, execute, EVENT(PTRACE_EVENT_EXEC), NULL, EXECUTED_STATUS << 8, LIVE},
	{"seccomp", PTRACE_O_TRACESECCOMP, call_filtered, EVENT(PTRACE_EVENT_SECCOMP), NULL, WENT_ON << 8,
	 LIVE},
	{"end", PTRACE_O_TRACEEXIT, nothing, EVENT(PTRACE_EVENT_EXIT), NULL, WENT_ON << 8, ENDING},
};

static void reach(const struct stop *s, pid_t pid)
{
	if (s->bring) {
		s->bring(pid);
		return;
	}
	let_go();
	EXPECT_STOP(pid, s->stop);
}

static pid_t start(const struct stop *s)
{
	char byte;
	pid_t pid;

	/* One for each: who was killed may not have taken its byte. */
	close(go[0]);
	close(go[1]);
	CHECK_OK(pipe(go));
	pid = fork();
	if (pid)
		return pid;
	if (read(go[0], &byte, 1) != 1)
		_exit(NOT_READ);
	s->work();
	_exit(WENT_ON);
}

/* ---- the ends ---- */

/* The child is killed at its stop: its tracer's next request says that it is not there, and waiting for it that it was killed. */
static void test_killed(const struct stop *s)
{
	pid_t pid = start(s);
	unsigned long word, thread = 0;

	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, s->options));
	reach(s, pid);
	if (s->options & PTRACE_O_TRACECLONE)
		CHECK_OK(pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&thread));
	CHECK_OK(kill(pid, SIGKILL));
	if (s->state == ENDING) {
		CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
		EXPECT_END(pid, s->status);
		return;
	}
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, 0, (uintptr_t)&word), ESRCH);
	/* A thread of it is traced, too, and waited for first. */
	if (thread)
		while (stop_of((pid_t)thread, NULL) != -1)
			;
	EXPECT_END(pid, SIGKILL);
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
}

/* The tracer is killed: the child goes on as if nobody had traced it, or dies with its tracer. */
static void test_tracer_killed(const struct stop *s, unsigned long option)
{
	int status = 0, reached[2], failed = check_failures_;
	pid_t pid = start(s), tracer;
	char byte;

	CHECK_OK(pipe(reached));
	tracer = fork();
	if (!tracer) {
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, s->options | option));
		reach(s, pid);
		if (check_failures_ != failed || write(reached[1], "", 1) != 1)
			_exit(93);
		for (;;)
			pause();
	}
	close(reached[1]);
	CHECK_EQ(read(reached[0], &byte, 1), 1);
	CHECK_OK(kill(tracer, SIGKILL));
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	CHECK_EQ(status, SIGKILL);
	if (s->state == STOPPED && !option) {
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		CHECK_OK(kill(pid, SIGCONT));
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, option && s->state != ENDING ? SIGKILL : s->status);
	close(reached[0]);
}

/* The thread that traces ends, and its process goes on: the child is nobody's any more. */
struct tracing_thread {
	const struct stop *stop;
	pid_t pid;
};

static void *traces(void *arg)
{
	struct tracing_thread *t = arg;

	CHECK_OK(pt(PTRACE_SEIZE, t->pid, 0, t->stop->options));
	reach(t->stop, t->pid);
	return NULL;
}

/* Joining a thread does not say that it traces nobody any more; and who waits for a stopped child before that is not told of
 * its stop when its tracer lets go of it, where both are of one process. */
static void until_untraced(pid_t pid)
{
	char path[40], line[200];
	int tracer = -1;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	while (tracer) {
		FILE *f = fopen(path, "r");

		CHECK(f != NULL);
		if (!f)
			return;
		while (fgets(line, sizeof line, f))
			if (sscanf(line, "TracerPid: %d", &tracer) == 1)
				break;
		fclose(f);
	}
}

static void test_thread_ends(const struct stop *s)
{
	struct tracing_thread t = {s, start(s)};
	pthread_t thread;
	int status = 0;

	CHECK_EQ(pthread_create(&thread, NULL, traces, &t), 0);
	pthread_join(thread, NULL);
	if (s->state == STOPPED) {
		until_untraced(t.pid);
		CHECK_EQ(waitpid(t.pid, &status, WUNTRACED), t.pid);
		CHECK(WIFSTOPPED(status));
		CHECK_OK(kill(t.pid, SIGCONT));
	}
	CHECK_EQ(waitpid(t.pid, &status, 0), t.pid);
	CHECK_EQ(status, s->status);
}

int main(int argc, char **argv)
{
	self = ptrace_begin(argc);
	CHECK_OK(pipe(go));
	for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
		const struct stop *s = &stops[i];
		int failed = check_failures_;

		test_killed(s);
		test_tracer_killed(s, 0);
		test_tracer_killed(s, PTRACE_O_EXITKILL);
		test_thread_ends(s);
		if (check_failures_ != failed)
			printf("not ok at the stop: %s\n", s->name);
	}
	return check_done();
}

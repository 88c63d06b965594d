/* SPDX-License-Identifier: Apache-2.0 */
/* Shows job control: stop and continue with waitpid, SIGCHLD and its flags, threads, orphans, what cancels
 * what. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static volatile int chld;
static volatile siginfo_t last;

static void on_chld(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	chld++;
	last = *info;
}

static void watch(int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_chld;
	sa.sa_flags = SA_SIGINFO | SA_RESTART | flags;
	sigaction(SIGCHLD, &sa, NULL);
	chld = 0;
}

static void await(int n)
{
	while (chld < n)
		sched_yield();
	CHECK_EQ(chld, n);
}

static pid_t sleeper(void)
{
	pid_t child = fork();

	if (!child) {
		for (;;)
			pause();
	}
	return child;
}

static void test_stop(void)
{
	siginfo_t info;
	int status;
	pid_t child;

	watch(0);
	child = sleeper();
	CHECK_EQ(waitpid(child, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
	kill(child, SIGSTOP);
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	await(1); /* the signal may come after the status */
	CHECK_EQ(last.si_code, CLD_STOPPED);
	CHECK_EQ(last.si_status, SIGSTOP);
	CHECK_EQ(last.si_pid, child);
	CHECK_EQ(waitpid(child, &status, WNOHANG | WUNTRACED), 0); /* reported once */
	kill(child, SIGCONT);
	CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
	CHECK(WIFCONTINUED(status));
	await(2);
	CHECK_EQ(last.si_code, CLD_CONTINUED);
	CHECK_EQ(last.si_status, SIGCONT);
	CHECK_EQ(waitpid(child, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);

	watch(SA_NOCLDSTOP);
	kill(child, SIGSTOP);
	memset(&info, 0, sizeof info);
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(info.si_status, SIGSTOP);
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WSTOPPED), 0);
	CHECK_EQ(chld, 0);
	/* A stopped process keeps signals for later, all but SIGKILL. */
	kill(child, SIGTERM);
	CHECK_EQ(waitpid(child, &status, WNOHANG | WUNTRACED), 0);
	kill(child, SIGCONT);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK_EQ(chld, 1);

	child = sleeper();
	kill(child, SIGSTOP);
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	signal(SIGCHLD, SIG_DFL);
}

/* SIGCONT takes back a pending stop, a stop a pending SIGCONT; a handler for SIGCONT runs after the
 * continuation. */
static void test_cancel(void)
{
	sigset_t set, pending;
	int status;
	pid_t child;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGTSTP);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGTSTP) == 1);
	kill(getpid(), SIGCONT);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGTSTP) == 0);
	CHECK(sigismember(&pending, SIGCONT) == 1); /* blocked, so kept though its default is to be ignored */
	kill(getpid(), SIGTSTP);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGCONT) == 0);
	signal(SIGTSTP, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGTSTP, SIG_DFL);

	/* An orphaned group's members do not stop by the terminal's signals. */
	child = fork();
	if (!child) {
		pid_t orphan;
		int p[2];

		if (pipe(p))
			_exit(9);
		setsid();
		orphan = fork();
		if (!orphan) {
			char c;

			if (read(p[0], &c, 1) != 1)
				_exit(7);
			raise(SIGTSTP);
			raise(SIGTTIN);
			_exit(5);
		}
		/* Its parent is in its own session and group, ours in another session. */
		if (write(p[1], "x", 1) != 1 || waitpid(orphan, &status, WUNTRACED) != orphan)
			_exit(8);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 6);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(WEXITSTATUS(status), 5);

	/* One whose parent is in another group of the session does. */
	child = fork();
	if (!child) {
		setpgid(0, 0);
		raise(SIGTSTP);
		_exit(4);
	}
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	kill(-child, SIGCONT);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(WEXITSTATUS(status), 4);
}

static volatile long *ticks;

static void *ticker(void *arg)
{
	for (;;)
		__atomic_add_fetch(&ticks[(long)arg], 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Every thread stops, also those that compute. */
static void test_threads(void)
{
	long at[2];
	int status;
	pid_t child;

	ticks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child = fork();
	if (!child) {
		pthread_t t;

		pthread_create(&t, NULL, ticker, (void *)1);
		ticker((void *)0);
	}
	while (!ticks[0] || !ticks[1])
		usleep(100);
	kill(child, SIGSTOP);
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	at[0] = ticks[0];
	at[1] = ticks[1];
	usleep(2000);
	CHECK_EQ(ticks[0], at[0]);
	CHECK_EQ(ticks[1], at[1]);
	kill(child, SIGCONT);
	CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
	while (ticks[0] == at[0] || ticks[1] == at[1])
		usleep(100);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Default actions, and the status that each leaves. */
static void test_default(void)
{
	static const struct {
		int signo, dies;
	} table[] = {
		{SIGHUP, 1},  {SIGINT, 1},  {SIGQUIT, 1}, {SIGILL, 1},    {SIGTRAP, 1}, {SIGABRT, 1},
		{SIGBUS, 1},  {SIGFPE, 1},  {SIGKILL, 1}, {SIGUSR1, 1},   {SIGSEGV, 1}, {SIGUSR2, 1},
		{SIGPIPE, 1}, {SIGALRM, 1}, {SIGTERM, 1}, {16, 1},        {SIGCHLD, 0}, {SIGCONT, 0},
		{SIGURG, 0},  {SIGXCPU, 1}, {SIGXFSZ, 1}, {SIGVTALRM, 1}, {SIGPROF, 1}, {SIGWINCH, 0},
		{SIGIO, 1},   {SIGPWR, 1},  {SIGSYS, 1},  {40, 1},        {64, 1},
	};
	int status;

	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		pid_t child = fork();

		if (!child) {
			kill(getpid(), table[i].signo);
			_exit(3);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		if (table[i].dies)
			CHECK_EQ(status, table[i].signo);
		else
			CHECK_EQ(status, 3 << 8);
	}
}

int main(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	test_stop();
	test_cancel();
	test_threads();
	test_default();
	return check_done();
}

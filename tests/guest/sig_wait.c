/* SPDX-License-Identifier: Apache-2.0 */
/* Shows waiting for signals: sigsuspend, pause, sigtimedwait, masks of ppoll and pselect, choice of thread. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile int seen[65];
static volatile pid_t taker;

static void note(int signo)
{
	seen[signo]++;
	taker = (pid_t)syscall(SYS_gettid);
}

static sigset_t set_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	if (a)
		sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

/* Whether @pid sleeps in a call by now. */
static void wait_sleeping(pid_t pid)
{
	char path[64], line[256];

	for (;;) {
		FILE *f;
		char *p;
		int sleeping = 0;

		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		f = fopen(path, "r");
		if (!f)
			return;
		if (fgets(line, sizeof line, f) && (p = strrchr(line, ')')))
			sleeping = p[2] == 'S';
		fclose(f);
		if (sleeping)
			return;
		sched_yield();
	}
}

static pid_t signaller(int signo)
{
	pid_t parent = getpid(), child = fork();

	if (!child) {
		wait_sleeping(parent);
		kill(parent, signo);
		_exit(0);
	}
	return child;
}

static void test_suspend(void)
{
	sigset_t usr1 = set_of(SIGUSR1, 0), none = set_of(0, 0), now;
	pid_t child;

	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	CHECK_EQ(seen[SIGUSR1], 0);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(seen[SIGUSR1], 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1) == 1);
	child = signaller(SIGUSR1);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(seen[SIGUSR1], 2);
	waitpid(child, NULL, 0);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	child = signaller(SIGUSR1);
	CHECK_ERRNO(pause(), EINTR);
	CHECK_EQ(seen[SIGUSR1], 3);
	waitpid(child, NULL, 0);
	CHECK_ERRNO(syscall(SYS_rt_sigsuspend, &none, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigsuspend, 8L, 8), EFAULT);
}

static void test_timedwait(void)
{
	struct timespec zero = {0, 0}, ms = {0, 20000000}, bad = {0, 1000000000}, t0, t1;
	sigset_t both = set_of(SIGUSR1, SIGRTMIN), now;
	siginfo_t info;
	union sigval v = {.sival_int = 7};
	pid_t child;
	int status;

	sigprocmask(SIG_BLOCK, &both, NULL);
	CHECK_ERRNO(sigtimedwait(&both, &info, &zero), EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	CHECK_ERRNO(sigtimedwait(&both, &info, &ms), EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	CHECK((t1.tv_sec - t0.tv_sec) * 1000000000L + t1.tv_nsec - t0.tv_nsec >= 20000000);
	CHECK_ERRNO(sigtimedwait(&both, &info, &bad), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &both, &info, NULL, 4), EINVAL);
	sigqueue(getpid(), SIGRTMIN, v);
	raise(SIGUSR1);
	CHECK_EQ(sigtimedwait(&both, &info, &zero), SIGUSR1);
	CHECK_EQ(info.si_code, SI_USER); /* glibc hides SI_TKILL */
	CHECK_EQ(sigwaitinfo(&both, &info), SIGRTMIN);
	CHECK_EQ(info.si_value.sival_int, 7);
	CHECK_EQ(info.si_code, SI_QUEUE);
	child = signaller(SIGUSR1);
	CHECK_EQ(sigwaitinfo(&both, &info), SIGUSR1);
	CHECK_EQ(info.si_pid, child);
	CHECK_EQ(seen[SIGRTMIN], 0);
	waitpid(child, &status, 0);
	/* Another signal's handler interrupts it. */
	child = signaller(SIGUSR2);
	CHECK_ERRNO(sigwaitinfo(&both, &info), EINTR);
	CHECK_EQ(seen[SIGUSR2], 1);
	waitpid(child, &status, 0);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0);
	sigprocmask(SIG_UNBLOCK, &both, NULL);
	CHECK_EQ(seen[SIGRTMIN], 0);
}

static void test_poll_masks(void)
{
	sigset_t usr1 = set_of(SIGUSR1, 0), none = set_of(0, 0), now;
	struct timespec ms = {0, 5000000}, zero = {0, 0};
	int before;

	sigprocmask(SIG_BLOCK, &usr1, NULL);
	before = seen[SIGUSR1];
	raise(SIGUSR1);
	CHECK_EQ(ppoll(NULL, 0, &ms, NULL), 0);
	CHECK_EQ(seen[SIGUSR1], before);
	CHECK_ERRNO(ppoll(NULL, 0, NULL, &none), EINTR);
	CHECK_EQ(seen[SIGUSR1], before + 1);
	raise(SIGUSR1);
	CHECK_ERRNO(pselect(0, NULL, NULL, NULL, NULL, &none), EINTR);
	CHECK_EQ(seen[SIGUSR1], before + 2);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1) == 1);
	CHECK_EQ(ppoll(NULL, 0, &zero, &none), 0);
	pid_t child = signaller(SIGUSR1);
	CHECK_ERRNO(ppoll(NULL, 0, NULL, &none), EINTR);
	CHECK_EQ(seen[SIGUSR1], before + 3);
	waitpid(child, NULL, 0);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

static volatile pid_t thread_tid;
static pthread_barrier_t barrier;

static void *waiter(void *arg)
{
	sigset_t usr2 = set_of(SIGUSR2, 0);
	int signo = 0;

	thread_tid = (pid_t)syscall(SYS_gettid);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	pthread_barrier_wait(&barrier);
	sigwait(&usr2, &signo);
	CHECK_EQ(signo, SIGUSR2);
	return arg;
}

/* A process's signal goes to a thread that takes it; a thread's to that thread alone. */
static void test_threads(void)
{
	sigset_t usr = set_of(SIGUSR1, SIGUSR2);
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, 2);
	sigprocmask(SIG_BLOCK, &usr, NULL);
	pthread_create(&t, NULL, waiter, NULL);
	pthread_barrier_wait(&barrier);
	kill(getpid(), SIGUSR2);
	pthread_join(t, NULL);
	sigset_t pending;
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR2) == 0);
	pthread_create(&t, NULL, waiter, NULL);
	pthread_barrier_wait(&barrier);
	pthread_kill(t, SIGUSR2);
	pthread_join(t, NULL);
	sigprocmask(SIG_UNBLOCK, &usr, NULL);
	taker = 0;
	raise(SIGUSR1);
	CHECK_EQ(taker, syscall(SYS_gettid));
	pthread_barrier_destroy(&barrier);
}

int main(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_handler = note;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	test_suspend();
	test_timedwait();
	test_poll_masks();
	test_threads();
	return check_done();
}

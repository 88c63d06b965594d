/* SPDX-License-Identifier: Apache-2.0 */
/* Shows interval timers and POSIX timers: one shot, periods, overruns, what is left, CPU time, fork, errors.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile int seen[65];
static volatile siginfo_t last;
static volatile pid_t taker;

static void note(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen[signo]++;
	last = *info;
	taker = (pid_t)syscall(SYS_gettid);
}

static void handle(int signo)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = note;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(signo, &sa, NULL);
	seen[signo] = 0;
}

static void test_real(void)
{
	struct itimerval it = {{0, 3000}, {0, 5000}}, old, bad = {{0, 0}, {0, 1000000}};
	int status;
	pid_t child;

	handle(SIGALRM);
	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
	while (seen[SIGALRM] < 4)
		pause();
	CHECK_EQ(last.si_code, SI_KERNEL);
	CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
	CHECK(old.it_interval.tv_usec == 3000 && old.it_value.tv_usec <= 3000 && old.it_value.tv_usec > 0);
	child = fork();
	if (!child) { /* not inherited */
		getitimer(ITIMER_REAL, &old);
		_exit(old.it_value.tv_sec || old.it_value.tv_usec || old.it_interval.tv_usec);
	}
	while (waitpid(child, &status, 0) < 0)
		;
	CHECK_EQ(status, 0);
	memset(&it, 0, sizeof it);
	CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 3000);
	CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
	CHECK(!old.it_value.tv_usec && !old.it_value.tv_sec && !old.it_interval.tv_usec);
	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(50), 100);
	it.it_value.tv_sec = 7;
	CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
	CHECK(old.it_value.tv_sec == 49 && old.it_value.tv_usec > 0);
	CHECK_EQ(alarm(0), 7);
	CHECK_EQ(alarm(0), 0);
	CHECK_ERRNO(setitimer(ITIMER_REAL, &bad, NULL), EINVAL);
	CHECK_ERRNO(setitimer((enum __itimer_which)3, &it, NULL), EINVAL);
	CHECK_ERRNO(getitimer((enum __itimer_which) - 1, &it), EINVAL);
	CHECK_ERRNO(syscall(SYS_setitimer, ITIMER_REAL, 8L, NULL), EFAULT);
}

static void test_cpu(void)
{
	struct itimerval it = {{0, 0}, {0, 10000}}, old;
	volatile long work = 0;

	handle(SIGPROF);
	handle(SIGVTALRM);
	CHECK_EQ(setitimer(ITIMER_PROF, &it, NULL), 0);
	while (!seen[SIGPROF])
		work++;
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &it, NULL), 0);
	while (!seen[SIGVTALRM])
		work++;
	CHECK_EQ(getitimer(ITIMER_VIRTUAL, &old), 0);
	CHECK(!old.it_value.tv_sec && !old.it_value.tv_usec);
	it.it_value.tv_sec = 100;
	CHECK_EQ(setitimer(ITIMER_PROF, &it, NULL), 0);
	CHECK_EQ(getitimer(ITIMER_PROF, &old), 0);
	CHECK(old.it_value.tv_sec >= 99);
	memset(&it, 0, sizeof it);
	setitimer(ITIMER_PROF, &it, NULL);
}

static void test_posix(void)
{
	struct itimerspec its = {{0, 2000000}, {0, 2000000}}, now;
	struct sigevent ev;
	sigset_t set;
	timer_t id, id2;
	siginfo_t info;
	struct timespec ms = {0, 15000000}, zero = {0, 0};

	handle(SIGRTMIN);
	handle(SIGALRM);
	memset(&ev, 0, sizeof ev);
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = SIGRTMIN;
	ev.sigev_value.sival_int = 1234;
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &id), 0);
	CHECK_EQ(timer_gettime(id, &now), 0);
	CHECK(!now.it_value.tv_nsec && !now.it_value.tv_sec);
	CHECK_EQ(timer_settime(id, 0, &its, NULL), 0);
	while (seen[SIGRTMIN] < 3)
		pause();
	CHECK_EQ(last.si_code, SI_TIMER);
	CHECK_EQ(last.si_value.sival_int, 1234);

	/* Periods that pass while the signal is pending are counted, and only one is queued. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	while (sigtimedwait(&set, &info, &zero) > 0)
		;
	/* Another period may pass between two looks. */
	for (int i = 0, only_one = 0; i < 100 && !only_one; i++) {
		nanosleep(&ms, NULL);
		CHECK_EQ(sigtimedwait(&set, &info, &zero), SIGRTMIN);
		CHECK(info.si_overrun >= 3);
		CHECK_EQ(timer_getoverrun(id), info.si_overrun);
		only_one = sigtimedwait(&set, &info, &zero) < 0 && errno == EAGAIN;
		CHECK(only_one || i < 99);
	}
	CHECK_EQ(timer_gettime(id, &now), 0);
	CHECK(now.it_interval.tv_nsec == 2000000 && now.it_value.tv_nsec > 0 &&
	      now.it_value.tv_nsec <= 2000000);
	nanosleep(&ms, NULL);
	/* Setting it again takes a pending signal back. */
	memset(&its, 0, sizeof its);
	CHECK_EQ(timer_settime(id, 0, &its, &now), 0);
	sigset_t pending;
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGRTMIN) <= 1);
	while (sigtimedwait(&set, &info, &zero) > 0)
		;

	/* An absolute time that has passed fires at once. */
	its.it_value.tv_nsec = 1;
	CHECK_EQ(timer_settime(id, TIMER_ABSTIME, &its, NULL), 0);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
	CHECK_EQ(info.si_overrun, 0);
	CHECK_EQ(timer_delete(id), 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);

	/* To one thread. */
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev._sigev_un._tid = (int)syscall(SYS_gettid);
	CHECK_EQ(timer_create(CLOCK_REALTIME, &ev, &id), 0);
	its.it_value.tv_nsec = 1000000;
	taker = 0;
	CHECK_EQ(timer_settime(id, 0, &its, NULL), 0);
	while (!taker)
		usleep(200);
	CHECK_EQ(taker, syscall(SYS_gettid));
	timer_delete(id);

	/* No event given: SIGALRM with the timer's id. None wanted: only its time. */
	CHECK_EQ(timer_create(CLOCK_BOOTTIME, NULL, &id), 0);
	seen[SIGALRM] = 0;
	timer_settime(id, 0, &its, NULL);
	while (!seen[SIGALRM])
		usleep(200);
	CHECK_EQ(last.si_code, SI_TIMER);
	timer_delete(id);
	ev.sigev_notify = SIGEV_NONE;
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &id), 0);
	its.it_value.tv_sec = 10;
	timer_settime(id, 0, &its, NULL);
	timer_gettime(id, &now);
	CHECK(now.it_value.tv_sec <= 10 && now.it_value.tv_sec >= 9);

	/* Raw calls: glibc checks some of these itself. */
	int kid;
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 0;
	CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &kid), EINVAL);
	ev.sigev_signo = SIGALRM;
	ev.sigev_notify = 77;
	CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &kid), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_create, 99, NULL, &kid), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC_COARSE, NULL, &kid), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, 8L), EFAULT);
	CHECK_ERRNO(syscall(SYS_timer_settime, 999, 0, &its, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_delete, 999), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_getoverrun, 999), EINVAL);
	its.it_value.tv_nsec = -1;
	CHECK_ERRNO(timer_settime(id, 0, &its, NULL), EINVAL);
	CHECK_EQ(timer_delete(id), 0);

	/* On CPU time. */
	CHECK_EQ(timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &id2), 0);
	its = (struct itimerspec){{0, 0}, {0, 10000000}};
	seen[SIGALRM] = 0;
	CHECK_EQ(timer_settime(id2, 0, &its, NULL), 0);
	for (volatile long work = 0; !seen[SIGALRM]; work++)
		;
	CHECK_EQ(timer_delete(id2), 0);
}

static volatile int notified;

static void notify(union sigval v)
{
	notified = v.sival_int;
}

int main(void)
{
	struct sigevent ev;
	struct itimerspec its = {{0, 0}, {0, 1000000}};
	timer_t id;

	test_real();
	test_cpu();
	test_posix();
	/* By a thread of libc's making. */
	memset(&ev, 0, sizeof ev);
	ev.sigev_notify = SIGEV_THREAD;
	ev.sigev_notify_function = notify;
	ev.sigev_value.sival_int = 99;
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &id), 0);
	CHECK_EQ(timer_settime(id, 0, &its, NULL), 0);
	while (!notified)
		usleep(200);
	CHECK_EQ(notified, 99);
	timer_delete(id);
	return check_done();
}

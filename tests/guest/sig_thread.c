/* SPDX-License-Identifier: Apache-2.0 */
/* Signals for one thread: tkill, tgkill, rt_tgsigqueueinfo, by number; pause. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define BAD    ((void *)8)
#define NOBODY 4999999

static volatile int got_tid, got_code, got_value, handled;

static void handler(int signo, siginfo_t *info, void *context)
{
	got_tid = syscall(SYS_gettid);
	got_code = info->si_code;
	got_value = info->si_value.sival_int;
	handled++;
}

static int other_tid;
static sigset_t usr1;
static pthread_barrier_t start;

static void *other(void *arg)
{
	siginfo_t info;

	other_tid = syscall(SYS_gettid);
	pthread_barrier_wait(&start);
	/* What is sent to this thread is found here, and in no other. */
	/* By number: the C library makes SI_USER of the code. */
	CHECK_EQ(syscall(SYS_rt_sigtimedwait, &usr1, &info, NULL, 8), SIGUSR1);
	CHECK_EQ(info.si_code, SI_TKILL);
	CHECK_EQ(info.si_pid, getpid());
	CHECK_EQ(sigwaitinfo(&usr1, &info), SIGUSR1);
	CHECK_EQ(info.si_code, SI_QUEUE);
	CHECK_EQ(info.si_value.sival_int, 66);
	return NULL;
}

static void to_threads(void)
{
	siginfo_t info = {.si_code = SI_QUEUE, .si_value.sival_int = 66};
	pthread_t thread;
	sigset_t pending;

	pthread_barrier_init(&start, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, other, NULL), 0);
	pthread_barrier_wait(&start);
	CHECK_OK(syscall(SYS_tkill, other_tid, SIGUSR1));
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGUSR1));
	/* A second one of the same number may only be queued when the first was taken. */
	while (sigpending(&pending), syscall(SYS_tgkill, getpid(), other_tid, 0) == 0) {
		char text[100], line[200];
		unsigned long mask = ~0UL;
		FILE *f;

		snprintf(text, sizeof text, "/proc/self/task/%d/status", other_tid);
		f = fopen(text, "r");
		while (f && fgets(line, sizeof line, f))
			if (sscanf(line, "SigPnd: %lx", &mask) == 1)
				break;
		if (f)
			fclose(f);
		if (!(mask & 1UL << (SIGUSR1 - 1)))
			break;
	}
	CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), other_tid, SIGUSR1, &info));
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), NOBODY, SIGUSR1, &info), ESRCH);
}

static void to_self(void)
{
	int tid = syscall(SYS_gettid);
	siginfo_t info = {.si_code = SI_QUEUE, .si_value.sival_int = 5};

	handled = 0;
	CHECK_OK(syscall(SYS_tkill, tid, SIGUSR2));
	CHECK(handled == 1 && got_code == SI_TKILL && got_tid == tid);
	CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, SIGUSR2, &info));
	CHECK(handled == 2 && got_code == SI_QUEUE && got_value == 5);
	/* To oneself any code goes. */
	info.si_code = SI_USER;
	CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, SIGUSR2, &info));
	CHECK(handled == 3 && got_code == SI_USER);
}

static void refusals(void)
{
	int tid = syscall(SYS_gettid), pid, status;
	siginfo_t info = {.si_code = SI_USER};
	sigset_t old;

	sigprocmask(SIG_BLOCK, &usr1, &old);
	pid = fork();
	if (!pid) {
		siginfo_t in;

		sigwaitinfo(&usr1, &in);
		_exit(0);
	}
	/* To others only what cannot be taken for the kernel's or for kill()'s. */
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info), EPERM);
	info.si_code = SI_TKILL;
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info), EPERM);
	info.si_code = SI_QUEUE;
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), pid, SIGUSR1, &info), ESRCH);
	CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK_ERRNO(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, -1, SIGUSR1), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, NOBODY, SIGUSR1), ESRCH);
	CHECK_ERRNO(syscall(SYS_tkill, tid, 65), EINVAL);
	CHECK_OK(syscall(SYS_tkill, tid, 0));
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, 0, tid, SIGUSR1, &info), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), 0, SIGUSR1, &info), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, 65, &info), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, 0, 0, SIGUSR1, BAD), EFAULT);
	/* What Linux knows no layout of may be no longer than what it keeps. */
	info.si_code = -70;
	((char *)&info)[sizeof info - 1] = 1;
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, 0, 0, SIGUSR1, &info), E2BIG);
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, NOBODY, SIGUSR1, &info), E2BIG);
}

/* To itself a thread may send any code, by its own number: to its leader not. */
static void *own_number(void *arg)
{
	int tid = syscall(SYS_gettid);
	siginfo_t info = {.si_code = SI_USER};

	CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, 0, &info));
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &info), EPERM);
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info), EPERM);
	CHECK_OK(syscall(SYS_rt_sigqueueinfo, tid, 0, &info));
	return NULL;
}

static void by_thread(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, own_number, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* pause() ends with EINTR when a handler has run, whether SA_RESTART or not, and not for what is ignored. */
static void pausing(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	int pid, status, p[2];
	char c;

	CHECK_OK(pipe(p));
	pid = fork();
	if (!pid) {
		sigaction(SIGUSR1, &sa, NULL);
		signal(SIGUSR2, SIG_IGN);
		handled = 0;
		CHECK_EQ(write(p[1], "r", 1), 1);
		/* Signals may come before the pause: the parent sends until one is seen inside. */
		CHECK_ERRNO(syscall(SYS_pause), EINTR);
		CHECK(handled > 0);
		_exit(check_failed());
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	do {
		kill(pid, SIGUSR2);
		kill(pid, SIGUSR1);
		usleep(1000);
	} while (!waitpid(pid, &status, WNOHANG));
	CHECK_EQ(status, 0);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigaction(SIGUSR2, &sa, NULL);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	to_threads();
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	to_self();
	refusals();
	by_thread();
	pausing();
	return check_done();
}

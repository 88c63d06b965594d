/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt_sigprocmask: what it answers, and that no signal is lost or early, whoever sends it while the mask changes; who
 * inherits a mask, and what shows it.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define ROUNDS 4 /* the first calls from a place may go another way than later ones */
#define BIT(s) (1UL << ((s)-1))
#define BAD    8L
#define NEVER  (BIT(SIGKILL) | BIT(SIGSTOP))

typedef unsigned long mask_t;

static long change(int how, const mask_t *set, mask_t *old)
{
	return syscall(SYS_rt_sigprocmask, how, set, old, 8);
}

static mask_t set_mask(mask_t mask)
{
	mask_t old = 0;

	CHECK_OK(change(SIG_SETMASK, &mask, &old));
	return old;
}

static mask_t mask_now(void)
{
	mask_t old = 0;

	CHECK_OK(change(-1, NULL, &old));
	return old;
}

static mask_t pending_now(void)
{
	mask_t set = 0;

	CHECK_OK(syscall(SYS_rt_sigpending, &set, 8));
	return set;
}

/* A line of a thread's /proc status, as a number. */
static mask_t status_of(pid_t tid, const char *name)
{
	char path[64], line[256];
	mask_t value = 0xbad;
	size_t len = strlen(name);
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, name, len))
			value = strtoul(line + len, NULL, 16);
	if (f)
		fclose(f);
	return value;
}

static atomic_int handled;
static atomic_ulong handler_mask;
static volatile sig_atomic_t last_code;

static void count(int signo, siginfo_t *info, void *context)
{
	last_code = info->si_code;
	handled++;
}

static void look(int signo, siginfo_t *info, void *context)
{
	handler_mask = mask_now();
	handled++;
}

static void handle(int signo, void (*fn)(int, siginfo_t *, void *), int flags, int also)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	sigemptyset(&sa.sa_mask);
	if (also)
		sigaddset(&sa.sa_mask, also);
	CHECK_OK(sigaction(signo, &sa, NULL));
}

/* ---- what it answers ---- */

static void test_results(void)
{
	char *end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mask_t set, old;

	CHECK(end != MAP_FAILED);
	CHECK_OK(munmap(end + 4096, 4096));
	end += 4096;
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(set_mask(BIT(SIGUSR1)), 0);
		set = BIT(SIGUSR2) | BIT(64) | NEVER;
		CHECK_OK(change(SIG_BLOCK, &set, &old));
		CHECK_EQ(old, BIT(SIGUSR1));
		CHECK_EQ(mask_now(), BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(64));
		CHECK_EQ(status_of(getpid(), "SigBlk:"), BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(64));
		set = BIT(SIGUSR1) | BIT(SIGHUP);
		CHECK_OK(change(SIG_UNBLOCK, &set, &old));
		CHECK_EQ(mask_now(), BIT(SIGUSR2) | BIT(64));
		/* In and out in one place. */
		set = ~0UL;
		CHECK_OK(change(SIG_SETMASK, &set, &set));
		CHECK_EQ(set, BIT(SIGUSR2) | BIT(64));
		CHECK_EQ(mask_now(), ~NEVER);
		set = 0;
		CHECK_OK(change(SIG_SETMASK, &set, NULL));
		/* The way is an int, and looked at only with a set. */
		CHECK_OK(syscall(SYS_rt_sigprocmask, 0x700000000L + SIG_BLOCK, &set, NULL, 8));
		CHECK_OK(change(77, NULL, NULL));
		CHECK_ERRNO(change(3, &set, NULL), EINVAL);
		CHECK_ERRNO(change(-1, &set, &old), EINVAL);
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 4), EINVAL);
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, BAD, BAD, 16), EINVAL);
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, 77, BAD, NULL, 8), EFAULT);
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, end - 4, NULL, 8), EFAULT);
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, -4096L, NULL, 8), EFAULT);
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, -4096L, 8), EFAULT);
		CHECK_EQ(mask_now(), 0);
		/* The mask has changed when the old one cannot be written. */
		set = BIT(SIGUSR1);
		CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, end - 4, 8), EFAULT);
		CHECK_EQ(set_mask(0), BIT(SIGUSR1));
	}
	munmap(end - 4096, 4096);
}

/* ---- what was pending comes with the call that unblocks it ---- */

static void child_sends(int signo)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(kill(getppid(), signo) ? 1 : 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void test_unblocking(void)
{
	mask_t set = BIT(SIGUSR1);

	handle(SIGUSR1, count, 0, 0);
	for (int i = 0; i < ROUNDS; i++) {
		handled = 0;
		set_mask(set);
		CHECK_OK(kill(getpid(), SIGUSR1));
		CHECK_EQ(handled, 0);
		CHECK_EQ(pending_now(), set);
		set_mask(0);
		CHECK_EQ(handled, 1);
		CHECK_EQ(last_code, SI_USER);

		set_mask(set);
		CHECK_OK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
		CHECK_EQ(handled, 1);
		CHECK_OK(change(SIG_UNBLOCK, &set, NULL));
		CHECK_EQ(handled, 2);
		CHECK_EQ(last_code, SI_TKILL);

		/* While the mask changes without anybody's being asked, from outside. */
		set_mask(set);
		child_sends(SIGUSR1);
		for (int j = 0; j < 20; j++)
			set_mask(set | BIT(SIGUSR2 + j % 2));
		CHECK_EQ(handled, 2);
		set_mask(BIT(SIGUSR2));
		CHECK_EQ(handled, 3);
		set_mask(0);
	}
}

/* A signal that would be ignored stays while it is blocked. */
static void test_ignored(void)
{
	mask_t set = BIT(SIGCHLD) | BIT(SIGWINCH);
	siginfo_t info;
	int fd;

	for (int i = 0; i < ROUNDS; i++) {
		child_sends(SIGWINCH);
		CHECK_EQ(pending_now(), 0);
		set_mask(set);
		child_sends(SIGWINCH);
		CHECK_EQ(pending_now(), set);
		CHECK_EQ(status_of(getpid(), "ShdPnd:"), set);
		set_mask(0);
		CHECK_EQ(pending_now(), 0);

		set_mask(set);
		child_sends(SIGWINCH);
		CHECK_EQ(syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8), SIGCHLD);
		fd = (int)syscall(SYS_signalfd4, -1, &set, 8, 0);
		CHECK(fd >= 0);
		CHECK_EQ(read(fd, &(struct signalfd_siginfo){0}, sizeof(struct signalfd_siginfo)),
			 sizeof(struct signalfd_siginfo));
		close(fd);
		CHECK_EQ(pending_now(), 0);
		set_mask(0);
	}
}

/* Calls with a mask of their own find the one that was set before, and leave it. */
static void test_waits(void)
{
	mask_t mask = BIT(SIGUSR1) | BIT(SIGUSR2), none = 0;
	struct timespec zero = {0, 0};
	struct {
		const mask_t *set;
		size_t size;
	} arg = {&none, 8};

	handle(SIGUSR1, look, 0, SIGHUP);
	for (int i = 0; i < ROUNDS; i++) {
		handled = 0;
		set_mask(mask);
		CHECK_OK(kill(getpid(), SIGUSR1));
		CHECK_ERRNO(syscall(SYS_rt_sigsuspend, &none, 8), EINTR);
		CHECK_EQ(handled, 1);
		CHECK_EQ(handler_mask, BIT(SIGHUP) | BIT(SIGUSR1));
		CHECK_EQ(mask_now(), mask);
		CHECK_OK(kill(getpid(), SIGUSR1));
		CHECK_ERRNO(syscall(SYS_ppoll, NULL, 0, NULL, &none, 8), EINTR);
		CHECK_EQ(handled, 2);
		CHECK_EQ(mask_now(), mask);
		CHECK_OK(kill(getpid(), SIGUSR1));
		CHECK_ERRNO(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, &arg), EINTR);
		CHECK_EQ(handled, 3);
		CHECK_EQ(mask_now(), mask);
		CHECK_EQ(syscall(SYS_ppoll, NULL, 0, &zero, &none, 8), 0);
		set_mask(BIT(SIGUSR2));
		/* Behind the handler the mask is what it was, whatever the handler made of it. */
		CHECK_OK(kill(getpid(), SIGUSR1));
		CHECK_EQ(handled, 4);
		CHECK_EQ(handler_mask, BIT(SIGHUP) | BIT(SIGUSR1) | BIT(SIGUSR2));
		CHECK_EQ(mask_now(), BIT(SIGUSR2));
		set_mask(0);
	}
}

static void changes_mask(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	mask_t seen;

	memcpy(&seen, &uc->uc_sigmask, sizeof seen);
	handler_mask = seen;
	set_mask(BIT(SIGHUP));
	handled++;
	if (signo == SIGUSR2) {
		seen |= BIT(SIGTERM);
		memcpy(&uc->uc_sigmask, &seen, sizeof seen);
	}
}

static void test_handlers(void)
{
	handle(SIGUSR1, changes_mask, 0, 0);
	handle(SIGUSR2, changes_mask, SA_NODEFER, 0);
	for (int i = 0; i < ROUNDS; i++) {
		handled = 0;
		set_mask(BIT(SIGALRM));
		CHECK_OK(kill(getpid(), SIGUSR1));
		CHECK_EQ(handled, 1);
		CHECK_EQ(handler_mask, BIT(SIGALRM));
		CHECK_EQ(mask_now(), BIT(SIGALRM));
		/* What the frame says when the handler returns is the mask. */
		CHECK_OK(kill(getpid(), SIGUSR2));
		CHECK_EQ(handled, 2);
		CHECK_EQ(set_mask(0), BIT(SIGALRM) | BIT(SIGTERM));
	}
}

/* ---- who inherits it ---- */

static void *inherits(void *arg)
{
	return (void *)mask_now();
}

static void test_inherited(const char *self)
{
	mask_t mask = BIT(SIGUSR1) | BIT(SIGRTMIN + 3);
	char text[32];
	char *argv[] = {(char *)self, "mask", text, NULL}, *envp[] = {NULL};
	posix_spawnattr_t attr;
	pthread_t thread;
	sigset_t other;
	void *seen;
	pid_t pid;
	int status;

	for (int i = 0; i < ROUNDS; i++) {
		set_mask(mask);
		pid = fork();
		if (!pid)
			_exit(mask_now() == mask && set_mask(0) == mask && mask_now() == 0 ? 0 : 1);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK_EQ(mask_now(), mask);
		CHECK_EQ(pthread_create(&thread, NULL, inherits, NULL), 0);
		CHECK_EQ(pthread_join(thread, &seen), 0);
		CHECK_EQ((mask_t)seen, mask);
		pid = vfork();
		if (!pid)
			_exit(mask_now() == mask && set_mask(BIT(SIGHUP)) == mask ? 0 : 1);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK_EQ(mask_now(), mask);

		snprintf(text, sizeof text, "%lx", mask);
		CHECK_EQ(posix_spawn(&pid, self, NULL, NULL, argv, envp), 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK_EQ(mask_now(), mask);
		posix_spawnattr_init(&attr);
		sigemptyset(&other);
		sigaddset(&other, SIGTTOU);
		posix_spawnattr_setsigmask(&attr, &other);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		snprintf(text, sizeof text, "%lx", BIT(SIGTTOU));
		CHECK_EQ(posix_spawn(&pid, self, NULL, &attr, argv, envp), 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK_EQ(set_mask(0), mask);
		posix_spawnattr_destroy(&attr);
	}
}

/* ---- what cannot be blocked, and what kills when it is unblocked ---- */

static void test_fatal(void)
{
	volatile int *go = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	for (int i = 0; i < ROUNDS; i++) {
		go[0] = go[1] = 0;
		pid = fork();
		if (!pid) {
			while (!go[1]) {
				set_mask(~0UL);
				set_mask(~BIT(SIGHUP));
				set_mask(BIT(SIGTERM));
				go[0] = 1;
			}
			set_mask(BIT(SIGTERM));
			set_mask(0);
			_exit(0);
		}
		while (!go[0])
			sched_yield();
		CHECK_OK(kill(pid, SIGSTOP));
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		CHECK_OK(kill(pid, SIGCONT));
		if (i & 1) {
			CHECK_OK(kill(pid, SIGKILL));
		} else {
			CHECK_OK(kill(pid, SIGTERM));
			CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
			go[1] = 1;
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == (i & 1 ? SIGKILL : SIGTERM));
	}
	munmap((void *)go, 4096);
}

/* ---- storms ---- */

#define STORM 200

static atomic_int ready, over, early;
static _Thread_local volatile int holds; /* its signals are blocked, says this thread */

static void storm_handler(int signo, siginfo_t *info, void *context)
{
	if (holds)
		early++;
	handled++;
}

/* Blocks and unblocks until it is over; with @by_block by the other two ways. */
static void toggle(int by_block)
{
	const mask_t set = BIT(SIGUSR1) | BIT(SIGRTMIN), none = 0;

	while (!over) {
		if (by_block)
			change(SIG_BLOCK, &set, NULL);
		else
			change(SIG_SETMASK, &set, NULL);
		holds = 1;
		ready = 1;
		holds = 0;
		if (by_block)
			change(SIG_UNBLOCK, &set, NULL);
		else
			change(SIG_SETMASK, &none, NULL);
	}
}

static void *toggler(void *arg)
{
	toggle(arg != NULL);
	return NULL;
}

/* One signal at a time to threads that do nothing but change their masks: each arrives, or this never ends. */
static void storm(int threads, int (*send)(int i))
{
	pthread_t thread[4];

	handled = early = over = ready = 0;
	for (int i = 0; i < threads; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, toggler, i & 1 ? &over : NULL), 0);
	while (!ready)
		sched_yield();
	set_mask(BIT(SIGUSR1) | BIT(SIGRTMIN));
	for (int i = 0; i < STORM; i++) {
		if (send(i) < 0)
			break;
		while (handled <= i)
			sched_yield();
	}
	over = 1;
	for (int i = 0; i < threads; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	set_mask(0);
	CHECK_EQ(handled, STORM);
	CHECK_EQ(early, 0);
}

static int to_group(int i)
{
	return kill(getpid(), SIGUSR1);
}

static int queued(int i)
{
	return sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
}

static pid_t target;

static int to_thread(int i)
{
	return (int)syscall(SYS_tgkill, getpid(), target, SIGUSR1);
}

static void *named_toggler(void *arg)
{
	target = gettid();
	toggle(0);
	return NULL;
}

static void storm_at_one(void)
{
	pthread_t thread;

	handled = early = over = ready = 0;
	CHECK_EQ(pthread_create(&thread, NULL, named_toggler, NULL), 0);
	while (!ready)
		sched_yield();
	for (int i = 0; i < STORM; i++) {
		CHECK_OK(to_thread(i));
		while (handled <= i)
			sched_yield();
	}
	over = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(handled, STORM);
	CHECK_EQ(early, 0);
}

/* As many as the queue takes, from processes, without waiting: none is lost. */
static void storm_of_processes(void)
{
	pid_t pids[3], self = getpid();
	int status;

	handled = early = 0;
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			for (int j = 0; j < 100;) {
				if (!sigqueue(self, SIGRTMIN, (union sigval){.sival_int = j}))
					j++;
				else if (errno != EAGAIN)
					_exit(1);
				else
					sched_yield();
			}
			_exit(0);
		}
	}
	while (handled < 300) {
		const mask_t set = BIT(SIGRTMIN);

		change(SIG_BLOCK, &set, NULL);
		holds = 1;
		holds = 0;
		change(SIG_UNBLOCK, &set, NULL);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(handled, 300);
	CHECK_EQ(early, 0);
}

/* What /proc shows of a thread that changes its mask while it runs. */
static void *steps(void *arg)
{
	target = gettid();
	set_mask(BIT(SIGUSR2));
	ready = 1;
	while (ready == 1)
		;
	set_mask(BIT(SIGUSR2) | BIT(SIGTTIN));
	ready = 3;
	while (ready == 3)
		;
	return NULL;
}

static void test_shown(void)
{
	pthread_t thread;

	ready = 0;
	CHECK_EQ(pthread_create(&thread, NULL, steps, NULL), 0);
	while (ready != 1)
		sched_yield();
	CHECK_EQ(status_of(target, "SigBlk:"), BIT(SIGUSR2));
	ready = 2;
	while (ready != 3)
		sched_yield();
	CHECK_EQ(status_of(target, "SigBlk:"), BIT(SIGUSR2) | BIT(SIGTTIN));
	ready = 4;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(int argc, char **argv)
{
	char self[4096];
	ssize_t n;

	if (argc == 3)
		return mask_now() != strtoul(argv[2], NULL, 16);
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	CHECK(n > 0);
	self[n > 0 ? n : 0] = 0;
	set_mask(0);
	test_results();
	test_unblocking();
	test_ignored();
	test_waits();
	test_handlers();
	test_inherited(self);
	test_fatal();
	test_shown();
	handle(SIGUSR1, storm_handler, SA_RESTART, 0);
	handle(SIGRTMIN, storm_handler, SA_RESTART, 0);
	storm(1, to_group);
	storm(2, to_group);
	storm(4, queued);
	storm_at_one();
	storm_of_processes();
	return check_done();
}

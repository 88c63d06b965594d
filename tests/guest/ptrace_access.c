/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows who may trace whom: ids, capabilities, what may not be dumped, init, threads of one process, two tracers, tracers that
 * trace each other or execute; and Yama's say, where the kernel has Yama: natively mostly not.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include "ptrace.h"

#define SCOPE "/proc/sys/kernel/yama/ptrace_scope"

#define USER  4321
#define OTHER 1234

static char *self;

/* ---- targets and tracers ---- */

/* With what a process that became something may not trace @pid (0: it may); its other ways into it answer the same. */
static int tries(void (*become)(void), pid_t pid)
{
	static char byte;
	struct iovec iov = {&byte, 1};
	int status = 0;
	pid_t tracer = fork();

	if (!tracer) {
		char name[40];
		int error;

		become();
		snprintf(name, sizeof name, "/proc/%d/mem", pid);
		error = syscall(SYS_process_vm_readv, pid, &iov, 1, &iov, 1, 0) < 0 ? errno : 0;
		/* For files it is the effective ids that count. */
		if (geteuid() == getuid() && (open(name, O_RDONLY) >= 0) != !error)
			_exit(203);
		if (pt(PTRACE_SEIZE, pid, 0, 0)) {
			if (errno != error)
				_exit(200);
			if (!pt(PTRACE_ATTACH, pid, 0, 0) || errno != error)
				_exit(201);
			_exit(error);
		}
		_exit(error ? 202 : 0);
	}
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- what they become ---- */

static void nothing(void)
{
}

static void set_ids(uid_t r, uid_t e, uid_t s, gid_t rg, gid_t eg, gid_t sg, int dumpable)
{
	if (setresgid(rg, eg, sg) || setresuid(r, e, s) || prctl(PR_SET_DUMPABLE, dumpable))
		_exit(91);
}

static void user(void)
{
	set_ids(USER, USER, USER, USER, USER, USER, 1);
}

static void undumpable(void)
{
	set_ids(USER, USER, USER, USER, USER, USER, 0);
}

static void other_uid(void)
{
	set_ids(OTHER, OTHER, OTHER, USER, USER, USER, 1);
}

static void other_real_uid(void)
{
	set_ids(OTHER, USER, USER, USER, USER, USER, 1);
}

static void other_effective_uid(void)
{
	set_ids(USER, OTHER, USER, USER, USER, USER, 1);
}

static void other_saved_uid(void)
{
	set_ids(USER, USER, OTHER, USER, USER, USER, 1);
}

static void other_gid(void)
{
	set_ids(USER, USER, USER, OTHER, OTHER, OTHER, 1);
}

static void other_saved_gid(void)
{
	set_ids(USER, USER, USER, USER, USER, OTHER, 1);
}

/* A user with capabilities. */
static void capable_user(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1))
		_exit(91);
	user();
}

/* Root without the one capability that counts. */
static void weak_root(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		_exit(91);
	data[0].effective &= ~(1U << CAP_SYS_PTRACE);
	data[0].permitted &= ~(1U << CAP_SYS_PTRACE);
	if (syscall(SYS_capset, &header, data))
		_exit(91);
}

static void weak_undumpable_root(void)
{
	weak_root();
	if (prctl(PR_SET_DUMPABLE, 0))
		_exit(91);
}

static void test_ids(void)
{
	static const struct {
		void (*target)(void), (*tracer)(void);
		int error;
	} cases[] = {
		{user, user, 0},
		{user, nothing, 0},
		{undumpable, user, EPERM},
		{undumpable, nothing, 0},
		/* All of the target's ids count, and the tracer's real ones. */
		{other_uid, user, EPERM},
		{other_real_uid, user, EPERM},
		{other_effective_uid, user, EPERM},
		{other_saved_uid, user, EPERM},
		{other_gid, user, EPERM},
		{other_saved_gid, user, EPERM},
		{user, other_uid, EPERM},
		{user, other_real_uid, EPERM},
		{user, other_effective_uid, 0},
		{user, other_saved_uid, 0},
		{user, other_gid, EPERM},
		/* Capabilities that the tracer has not. */
		{capable_user, user, EPERM},
		{capable_user, nothing, 0},
		{nothing, weak_root, EPERM},
		{weak_root, weak_root, 0},
		{weak_undumpable_root, weak_root, EPERM},
		{user, weak_root, EPERM},
	};

	if (geteuid())
		return;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		pid_t pid = child_that(cases[i].target);
		int got = tries(cases[i].tracer, pid);

		if (got != cases[i].error)
			printf("case %zu\n", i);
		CHECK_EQ(got, cases[i].error);
		kill_and_reap(pid);
	}
}

/* Who wants to be traced by its parent must be one that the parent may trace, by its capabilities. */
static void test_traceme_above(void)
{
	int status, below[2];
	char byte;
	pid_t pid;

	if (geteuid())
		return;
	CHECK_OK(pipe(below));
	pid = fork();
	if (!pid) {
		pid_t child = fork();

		if (!child) {
			CHECK_EQ(read(below[0], &byte, 1), 1);
			CHECK_ERRNO(pt(PTRACE_TRACEME, 0, 0, 0), EPERM);
			/* Without capabilities it is no question. */
			user();
			CHECK_OK(pt(PTRACE_TRACEME, 0, 0, 0));
			_exit(check_failed());
		}
		user();
		CHECK_EQ(write(below[1], "", 1), 1);
		EXPECT_END(child, 0);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(below[0]);
	close(below[1]);
}

/* ---- oneself, init, one's own threads ---- */

static void test_self(void)
{
	CHECK_ERRNO(pt(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, getpid(), 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, getpid(), 8, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_SEIZE, getpid(), 0, 0x400000), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, getpid(), 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_CONT, getpid(), 0, 0), ESRCH);
}

/* Init is not an ordinary user's to trace. */
static void test_init(void)
{
	char byte;
	struct iovec iov = {&byte, 1};

	CHECK_ERRNO(pt(PTRACE_SEIZE, 1, 8, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_SEIZE, 1, 0, 0x400000), EIO);
	CHECK_ERRNO(pt(PTRACE_CONT, 1, 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_KILL, 1, 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_INTERRUPT, 1, 0, 0), ESRCH);
	if (!geteuid())
		return;
	CHECK_ERRNO(pt(PTRACE_ATTACH, 1, 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, 1, 0, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_process_vm_readv, 1, &iov, 1, &iov, 1, 0), EPERM);
}

static void *keeps(void *arg)
{
	*(volatile pid_t *)arg = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

static void own_thread(void)
{
	static volatile pid_t tid;
	pthread_t t;

	pthread_create(&t, NULL, keeps, (void *)&tid);
	while (!tid)
		sched_yield();
	CHECK_ERRNO(pt(PTRACE_ATTACH, tid, 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, tid, 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, tid, 0, 0x400000), EIO);
	CHECK_ERRNO(pt(PTRACE_CONT, tid, 0, 0), ESRCH);
	_exit(check_failed());
}

/* ---- two tracers ---- */

/* One at a time: the next when the first has let go, or has ended. */
static void test_two(void)
{
	pid_t pid = child_that(nothing), tracer;
	int status, ready[2];
	char byte;

	CHECK_OK(pipe(ready));
	for (int dies = 0; dies < 2; dies++) {
		tracer = fork();
		if (!tracer) {
			CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
			CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
			EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
			CHECK_EQ(write(ready[1], "", 1), 1);
			if (dies)
				for (;;)
					pause();
			kill(getpid(), SIGSTOP);
			CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
			_exit(check_failed());
		}
		CHECK_EQ(read(ready[0], &byte, 1), 1);
		CHECK_ERRNO(pt(PTRACE_SEIZE, pid, 0, 0), EPERM);
		CHECK_ERRNO(pt(PTRACE_ATTACH, pid, 0, 0), EPERM);
		CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
		if (dies) {
			CHECK_OK(kill(tracer, SIGKILL));
		} else {
			CHECK_EQ(waitpid(tracer, &status, WUNTRACED), tracer);
			CHECK_OK(kill(tracer, SIGCONT));
		}
		CHECK_EQ(waitpid(tracer, &status, 0), tracer);
		CHECK_EQ(status, dies ? SIGKILL : 0);
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
		CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
		EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
		CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
	}
	kill_and_reap(pid);
	close(ready[0]);
	close(ready[1]);
}

/* Two that trace each other: the end of one is told to the other, and to their parent when that has ended, too. */
static void test_each_other(void)
{
	int numbers[2], ready[2];
	pid_t a, b, number;
	char byte;

	CHECK_OK(pipe(numbers));
	CHECK_OK(pipe(ready));
	a = fork();
	if (!a) {
		CHECK_EQ(read(numbers[0], &number, sizeof number), sizeof number);
		CHECK_OK(pt(PTRACE_SEIZE, number, 0, 0));
		CHECK_EQ(write(ready[1], "", 1), 1);
		for (;;)
			pause();
	}
	b = fork();
	if (!b) {
		number = getpid();
		CHECK_OK(pt(PTRACE_SEIZE, a, 0, 0));
		CHECK_EQ(write(numbers[1], &number, sizeof number), sizeof number);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	CHECK_OK(kill(a, SIGKILL));
	CHECK_EQ(waitpid(a, NULL, WNOHANG), 0);
	CHECK_OK(kill(b, SIGKILL));
	EXPECT_END(b, SIGKILL);
	EXPECT_END(a, SIGKILL);
	close(numbers[0]);
	close(numbers[1]);
	close(ready[0]);
	close(ready[1]);
}

/* A child traces its parent, which waits for it meanwhile. */
static void by_child(void)
{
	pid_t parent = getpid(), child = fork();
	int status = -1;

	if (!child) {
		CHECK_OK(pt(PTRACE_SEIZE, parent, 0, 0));
		CHECK_OK(pt(PTRACE_INTERRUPT, parent, 0, 0));
		EXPECT_STOP(parent, EVENT_STOP_OF(SIGTRAP));
		CHECK_OK(pt(PTRACE_DETACH, parent, 0, 0));
		_exit(check_failed());
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	CHECK_EQ(status, 0);
}

/* ---- tracers that execute ---- */

static void *executes(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	char number[16];

	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
	snprintf(number, sizeof number, "%d", pid);
	execl(self, self, "tracer", number, NULL);
	_exit(90);
}

/* What a tracer is that has executed, also by another thread than its first: the tracer of whom it traced. */
static int executed_tracer(pid_t pid)
{
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	CHECK_OK(kill(pid, SIGKILL));
	EXPECT_END(pid, SIGKILL);
	return check_done();
}

static void test_tracer_executes(void)
{
	for (int threaded = 0; threaded < 2; threaded++) {
		pid_t pid = child_that(nothing), tracer = fork();
		pthread_t thread;

		if (!tracer) {
			if (!threaded)
				executes(&pid);
			pthread_create(&thread, NULL, executes, &pid);
			for (;;)
				pause();
		}
		EXPECT_END(tracer, 0);
		EXPECT_END(pid, SIGKILL);
	}
}

/* ---- Yama ---- */

static int scope(void)
{
	char text[16] = "";
	int fd = open(SCOPE, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	close(fd);
	return n > 0 ? atoi(text) : -1;
}

static int set_scope(int value)
{
	int fd = open(SCOPE, O_WRONLY), r;
	char text[8];

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof text, "%d\n", value);
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static unsigned long chosen;

static void chooses(void)
{
	user();
	if (prctl(PR_SET_PTRACER, chosen, 0, 0, 0))
		_exit(90);
}

/* Whether an ordinary user may attach to another process of its own that is no child of it, which chose @ptracer. */
static int sibling_attaches(unsigned long ptracer)
{
	pid_t pid;
	int error;

	chosen = ptracer;
	pid = child_that(chooses);
	error = tries(user, pid);
	kill_and_reap(pid);
	return error;
}

/* What is made by who chose has chosen nobody. */
static int child_attaches(void)
{
	int numbers[2];
	pid_t pid, child = -1;
	int error;

	CHECK_OK(pipe(numbers));
	pid = fork();
	if (!pid) {
		chosen = PR_SET_PTRACER_ANY;
		chooses();
		child = fork();
		if (!child)
			for (;;)
				pause();
		CHECK_EQ(write(numbers[1], &child, sizeof child), sizeof child);
		for (;;)
			pause();
	}
	CHECK_EQ(read(numbers[0], &child, sizeof child), sizeof child);
	error = tries(user, child);
	kill(child, SIGKILL);
	kill_and_reap(pid);
	close(numbers[0]);
	close(numbers[1]);
	return error;
}

/* Who was chosen and has ended is nobody's tracer: not its children's either, nor who gets its number. */
static int chosen_ends(void)
{
	pid_t pid, tracer = child_that(user);
	int error;

	chosen = (unsigned long)tracer;
	pid = child_that(chooses);
	kill_and_reap(tracer);
	error = tries(user, pid);
	kill_and_reap(pid);
	return error;
}

/* Who traces already may look into it by other ways, too, whatever was said since. */
static void traced_before(void)
{
	char byte;
	struct iovec iov = {&byte, 1};
	int status;
	pid_t pid = child_that(user), tracer;

	CHECK_EQ(set_scope(0), 0);
	tracer = fork();
	if (!tracer) {
		user();
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
		kill(getpid(), SIGSTOP);
		CHECK_EQ(syscall(SYS_process_vm_readv, pid, &iov, 1, &iov, 1, 0), 1);
		CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
		EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(tracer, &status, WUNTRACED), tracer);
	CHECK_EQ(set_scope(1), 0);
	CHECK_OK(kill(tracer, SIGCONT));
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	CHECK_EQ(status, 0);
	kill_and_reap(pid);
}

/* A user traces its own child: by TRACEME, which Yama asks about from 2 on, and by attaching. */
static void own_child(int traceme_error, int seize_error)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		pid_t child;

		user();
		child = fork();
		if (!child)
			_exit(pt(PTRACE_TRACEME, 0, 0, 0) ? errno : 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, traceme_error << 8);
		child = pausing_child();
		errno = 0;
		(void)pt(PTRACE_SEIZE, child, 0, 0);
		CHECK_EQ(errno, seize_error);
		kill_and_reap(child);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void test_yama(void)
{
	if (geteuid() || scope() != 0 || set_scope(0))
		return;
	CHECK_EQ(sibling_attaches(0), 0);
	own_child(0, 0);
	CHECK_EQ(set_scope(1), 0);
	CHECK_EQ(scope(), 1);
	CHECK_EQ(sibling_attaches(0), EPERM);
	CHECK_EQ(sibling_attaches(PR_SET_PTRACER_ANY), 0);
	CHECK_EQ(sibling_attaches(0xffffffffUL), 0);
	/* The tracer is a child of who was chosen. */
	CHECK_EQ(sibling_attaches((unsigned long)getpid()), 0);
	CHECK_EQ(child_attaches(), EPERM);
	CHECK_EQ(chosen_ends(), EPERM);
	CHECK_ERRNO(prctl(PR_SET_PTRACER, 999999UL, 0, 0, 0), EINVAL);
	traced_before();
	own_child(0, 0);
	CHECK_EQ(set_scope(2), 0);
	CHECK_EQ(sibling_attaches(PR_SET_PTRACER_ANY), EPERM);
	own_child(EPERM, EPERM);
	CHECK_EQ(set_scope(4), -EINVAL);
	CHECK_EQ(set_scope(0), 0);
}

/* ---- all ---- */

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "tracer"))
		return executed_tracer(atoi(argv[2]));
	self = ptrace_begin(argc);
	test_ids();
	test_traceme_above();
	test_self();
	test_init();
	CHECK_EQ(check_in_child(own_thread), 0);
	test_two();
	test_each_other();
	CHECK_EQ(check_in_child(by_child), 0);
	test_tracer_executes();
	test_yama();
	return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp(2): modes, errors in their order, every action, precedence, inheritance, threads. static
 */
#include "check.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LOAD(field)                                                                  \
	{                                                                            \
		BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, field) \
	}
#define LOAD_ARG0                                                                   \
	{                                                                           \
		BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args) \
	}
#define IS(k, t, f)                                \
	{                                          \
		BPF_JMP | BPF_JEQ | BPF_K, t, f, k \
	}
#define RETURN(k)                        \
	{                                \
		BPF_RET | BPF_K, 0, 0, k \
	}
#define PROGRAM(f) ((struct sock_fprog){sizeof(f) / sizeof *(f), f})

static long seccomp(unsigned op, unsigned flags, void *arg)
{
	return syscall(SYS_seccomp, op, flags, arg);
}

/* A filter with which @nr gets @verdict and all else is allowed. */
static long refuse(int nr, unsigned verdict, unsigned flags)
{
	struct sock_filter f[] = {LOAD(nr), IS((unsigned)nr, 0, 1), RETURN(verdict),
				  RETURN(SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = PROGRAM(f);

	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static void promise(void)
{
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* @status is that of a child in which nothing failed. */
static void held(const char *what, int status)
{
	if (status)
		printf("# %s: status %#x\n", what, status);
	CHECK_EQ(status, 0);
}

/* ---- errors ---- */

static void errors(void)
{
	struct sock_filter allow[] = {RETURN(SECCOMP_RET_ALLOW)},
			   bad[] = {{BPF_ALU | BPF_MOD | BPF_K, 0, 0, 3}, RETURN(0)};
	struct sock_fprog good = PROGRAM(allow), wrong = PROGRAM(bad), none = {0, allow}, nowhere = {1, NULL};
	struct sock_fprog far = {1, (struct sock_filter *)8}, big = {4097, allow};
	unsigned action = SECCOMP_RET_ERRNO;

	CHECK_EQ(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
	CHECK_ERRNO(seccomp(99, 0, NULL), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 0, &good), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 1u << 20, &good), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &good), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER, &good),
		    EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &none), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &big), EINVAL);
	if (geteuid()) {
		CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &good), EACCES);
		CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &wrong), EACCES);
	}
	promise();
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &nowhere), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &far), EFAULT);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &wrong), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, 7, 0, 0, 0), EINVAL);
	CHECK_EQ(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
	CHECK_OK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action));
	CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &action), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
	action = 0x12340000;
	CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &good, 0, 0));
	CHECK_EQ(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 2);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL), EINVAL);
}

/* What /proc names is there, and the other way round. */
static void actions(void)
{
	static const struct {
		const char *name;
		unsigned action;
	} all[] = {
		{"kill_process", SECCOMP_RET_KILL_PROCESS},
		{"kill_thread", SECCOMP_RET_KILL_THREAD},
		{"trap", SECCOMP_RET_TRAP},
		{"errno", SECCOMP_RET_ERRNO},
		{"user_notif", SECCOMP_RET_USER_NOTIF},
		{"trace", SECCOMP_RET_TRACE},
		{"log", SECCOMP_RET_LOG},
		{"allow", SECCOMP_RET_ALLOW},
	};
	char text[256] = " ", name[32];
	FILE *f = fopen("/proc/sys/kernel/seccomp/actions_avail", "r");
	unsigned action;

	CHECK(f && fgets(text + 1, sizeof text - 2, f));
	text[strcspn(text, "\n")] = ' ';
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		snprintf(name, sizeof name, " %s ", all[i].name);
		action = all[i].action;
		CHECK_EQ(strstr(text, name) != NULL, seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
	}
	if (f)
		fclose(f);
	CHECK_ERRNO(open("/proc/sys/kernel/seccomp/actions_avail", O_WRONLY), EACCES);
}

/* What is written back is what was there: the setting is everybody's. */
static void actions_logged(void)
{
	static const char *const wrong[] = {"allow", "log allow\n", "nonsense", "log\terrno", "LOG", "kill"};
	char before[256] = "", after[256] = "";
	int fd = open("/proc/sys/kernel/seccomp/actions_logged", O_RDWR);

	if (geteuid()) {
		CHECK_EQ(fd, -1);
		CHECK_EQ(errno, EACCES);
		CHECK_OK(fd = open("/proc/sys/kernel/seccomp/actions_logged", O_RDONLY));
		CHECK(read(fd, before, sizeof before - 1) > 0);
		close(fd);
		return;
	}
	if (fd < 0 && errno == EROFS)
		return; /* a container's /proc */
	CHECK(fd >= 0);
	CHECK(read(fd, before, sizeof before - 1) > 0);
	CHECK(strstr(before, "allow") == NULL);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		CHECK_ERRNO(pwrite(fd, wrong[i], strlen(wrong[i]), 0), EINVAL);
	CHECK_EQ(pwrite(fd, before, strlen(before), 0), strlen(before));
	CHECK(pread(fd, after, sizeof after - 1, 0) > 0);
	CHECK_STR(after, before);
	close(fd);
}

/* ---- actions ---- */

static void errnos(void)
{
	promise();
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 77, 0));
	errno = 0;
	CHECK_EQ(syscall(SYS_getppid), -1);
	CHECK_EQ(errno, 77);
	CHECK(syscall(SYS_getpgrp) > 0);
	CHECK_OK(refuse(SYS_getpgrp, SECCOMP_RET_ERRNO | 0xffff, 0));
	CHECK_EQ(syscall(SYS_getpgrp), -1);
	CHECK_EQ(errno, 4095);
	CHECK_OK(refuse(SYS_getuid, SECCOMP_RET_ERRNO, 0));
	CHECK_EQ(syscall(SYS_getuid), 0);
	/* Of equal actions the newest filter's data, of different ones the strongest. */
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 78, 0));
	CHECK_EQ(syscall(SYS_getppid), -1);
	CHECK_EQ(errno, 78);
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_TRACE | 5, 0));
	CHECK_EQ(syscall(SYS_getppid), -1);
	CHECK_EQ(errno, 78);
	CHECK_OK(refuse(SYS_getsid, SECCOMP_RET_TRACE | 5, 0));
	CHECK_ERRNO(syscall(SYS_getsid, 0), ENOSYS); /* nobody traces */
	CHECK_OK(refuse(SYS_getpgid, SECCOMP_RET_USER_NOTIF, 0));
	CHECK_ERRNO(syscall(SYS_getpgid, 0), ENOSYS); /* nobody listens */
	CHECK_OK(refuse(SYS_getgid, SECCOMP_RET_LOG, 0));
	CHECK(syscall(SYS_getgid) >= 0);
}

/* By the instruction alone, so that libc does not look at the value. */
static long raw_call(long nr)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(nr) : "rcx", "r11", "memory");
	return result;
}

/* Numbers that are no errors but mean something to a kernel itself. */
static void odd_errnos(void)
{
	static const short odd[] = {512, 513, 514, 515, 516, 599, 600, 601, 602, 603, 604, 4095, 4096};

	promise();
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | (unsigned)odd[i], 0));
		CHECK_EQ(raw_call(SYS_getppid), odd[i] < 4095 ? -odd[i] : -4095);
	}
}

/* By argument, by instruction pointer, by an unknown number. */
static void arguments(void)
{
	struct sock_filter f[] = {LOAD(nr),    IS(SYS_getpriority, 0, 3),      LOAD_ARG0,
				  IS(1, 0, 1), RETURN(SECCOMP_RET_ERRNO | 99), RETURN(SECCOMP_RET_ALLOW)};
	struct sock_filter everywhere[] = {LOAD(instruction_pointer),
					   {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0},
					   RETURN(SECCOMP_RET_ALLOW),
					   RETURN(SECCOMP_RET_KILL_PROCESS)};
	struct sock_fprog prog = PROGRAM(f), all = PROGRAM(everywhere);

	promise();
	CHECK_OK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog));
	CHECK_OK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &all));
	CHECK(syscall(SYS_getpriority, 0, 0) > 0);
	CHECK_EQ(syscall(SYS_getpriority, 1, 0), -1);
	CHECK_EQ(errno, 99);
	CHECK_OK(refuse(1234, SECCOMP_RET_ERRNO | 98, 0));
	CHECK_EQ(syscall(1234), -1);
	CHECK_EQ(errno, 98);
	CHECK_ERRNO(syscall(1235), ENOSYS);
}

static siginfo_t got;
static volatile int signals;

static void on_sigsys(int signo, siginfo_t *info, void *context)
{
	got = *info;
	signals++;
}

static void traps(void)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
	long result;

	promise();
	CHECK_OK(sigaction(SIGSYS, &action, NULL));
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_TRAP | 1234, 0));
	result = syscall(SYS_getppid);
	CHECK_EQ(signals, 1);
	CHECK_EQ(result, SYS_getppid); /* the registers are as before the call */
	CHECK_EQ(got.si_signo, SIGSYS);
	CHECK_EQ(got.si_code, 1);
	CHECK_EQ(got.si_errno, 1234);
	CHECK_EQ(got.si_syscall, SYS_getppid);
	CHECK_EQ(got.si_arch, AUDIT_ARCH_X86_64);
	CHECK(got.si_call_addr != NULL);
	/* In a loop, from one place: the handler returns behind the call each time. */
	for (int i = 0; i < 20; i++)
		syscall(SYS_getppid);
	CHECK_EQ(signals, 21);
}

static void trap_blocked(void)
{
	sigset_t set;

	promise();
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	refuse(SYS_getppid, SECCOMP_RET_TRAP, 0);
	syscall(SYS_getppid);
}

static void killed_process(void)
{
	signal(SIGSYS, SIG_IGN);
	promise();
	refuse(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0);
	syscall(SYS_getppid);
}

static void killed_by_unknown(void)
{
	promise();
	refuse(SYS_getppid, 0x00010000, 0);
	syscall(SYS_getppid);
}

static void killed_alone(void)
{
	promise();
	refuse(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
	syscall(SYS_getppid);
}

static int tid_word;

static void *call_getppid(void *arg)
{
	__atomic_store_n(&tid_word, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	syscall(SYS_set_tid_address, &tid_word);
	syscall(SYS_getppid);
	return NULL;
}

/* A thread dies, the others live. */
static void killed_thread(void)
{
	pthread_t thread;
	int tid;

	promise();
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0));
	tid_word = -1;
	CHECK_EQ(pthread_create(&thread, NULL, call_getppid, NULL), 0);
	while ((tid = __atomic_load_n(&tid_word, __ATOMIC_SEQ_CST)))
		syscall(SYS_futex, &tid_word, FUTEX_WAIT, tid, NULL, NULL, 0);
	CHECK(getpid() > 0);
}

/* The last thread that lives ends as a process does, be it the leader or not. */
static void *outlive_leader(void *arg)
{
	pthread_join(*(pthread_t *)arg, NULL);
	syscall(SYS_getppid);
	return NULL;
}

static void killed_last(void)
{
	static pthread_t self;
	pthread_t thread;

	promise();
	refuse(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
	self = pthread_self();
	if (pthread_create(&thread, NULL, outlive_leader, &self))
		_exit(1);
	pthread_exit(NULL);
}

/* One of several: the process's end tells nothing of it. */
static void killed_process_by_thread(void)
{
	pthread_t thread;

	promise();
	refuse(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0);
	pthread_create(&thread, NULL, call_getppid, NULL);
	for (;;)
		pause();
}

/* Neither a handler nor a mask keeps SIGSYS away. */
static void kill_is_not_caught(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t set;

	promise();
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigaction(SIGSYS, &action, NULL);
	refuse(SYS_getppid, SECCOMP_RET_KILL_PROCESS | 77, 0);
	syscall(SYS_getppid);
}

/* ---- strict ---- */

static void *strict_thread(void *arg)
{
	__atomic_store_n(&tid_word, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	syscall(SYS_set_tid_address, &tid_word);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	syscall(SYS_getpid);
	return NULL;
}

/* Strict mode is a thread's own, and kills no other. */
static void strict_alone(void)
{
	pthread_t thread;
	int tid;

	tid_word = -1;
	CHECK_EQ(pthread_create(&thread, NULL, strict_thread, NULL), 0);
	while ((tid = __atomic_load_n(&tid_word, __ATOMIC_SEQ_CST)))
		syscall(SYS_futex, &tid_word, FUTEX_WAIT, tid, NULL, NULL, 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}

static void strict_allowed(void)
{
	int fd[2];
	char c = 'x';

	if (pipe(fd) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
		_exit(1);
	if (write(fd[1], &c, 1) != 1 || read(fd[0], &c, 1) != 1)
		syscall(SYS_exit, 2);
	syscall(SYS_exit, 42);
}

static void strict_refused(void)
{
	if (seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL))
		_exit(1);
	syscall(SYS_getpid);
	syscall(SYS_exit, 2);
}

/* ---- spreading ---- */

static void inherited_by_fork(void)
{
	int status;
	pid_t pid;

	promise();
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 55, 0));
	pid = fork();
	if (!pid) {
		CHECK_EQ(syscall(SYS_getppid), -1);
		CHECK_EQ(errno, 55);
		CHECK_OK(refuse(SYS_getpgrp, SECCOMP_RET_ERRNO | 56, 0));
		CHECK_EQ(syscall(SYS_getpgrp), -1);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(syscall(SYS_getpgrp) > 0); /* the child's filter is its own */
}

static void inherited_by_exec(void)
{
	promise();
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 55, 0));
	execl("/proc/self/exe", "task_seccomp", "after-exec", NULL);
	CHECK(0);
}

static int after_exec(void)
{
	CHECK_EQ(syscall(SYS_getppid), -1);
	CHECK_EQ(errno, 55);
	CHECK_EQ(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 2);
	return check_failed();
}

static void check_status(pid_t pid, const char *lines)
{
	char text[8192] = "", path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	f = fopen(path, "r");
	CHECK(f && fread(text, 1, sizeof text - 1, f) > 0);
	if (f)
		fclose(f);
	CHECK(strstr(text, lines) != NULL);
}

static void status_lines(void)
{
	siginfo_t info;
	pid_t pid;

	check_status(getpid(), "\nSeccomp:\t0\nSeccomp_filters:\t0\n");
	promise();
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 1, 0));
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 2, 0));
	check_status(getpid(), "\nSeccomp:\t2\nSeccomp_filters:\t2\n");
	pid = fork();
	if (!pid)
		_exit(0);
	/* A zombie still tells of them. */
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	check_status(pid, "\nSeccomp:\t2\nSeccomp_filters:\t2\n");
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

/* ---- threads ---- */

static pthread_barrier_t barrier;
static int seen[2], seen_promise, other_tid;
static unsigned own_filter; /* the thread installs one of its own first */

static void *other_thread(void *arg)
{
	other_tid = (int)syscall(SYS_gettid);
	if (own_filter) {
		promise();
		CHECK_OK(refuse(SYS_getpgrp, own_filter, 0));
	}
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	errno = 0;
	seen[0] = (int)syscall(SYS_getppid);
	seen[1] = errno;
	seen_promise = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	return NULL;
}

static long with_thread(unsigned flags)
{
	pthread_t thread;
	long result;
	int saved;

	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
	pthread_barrier_wait(&barrier);
	promise();
	result = refuse(SYS_getppid, SECCOMP_RET_ERRNO | 66, flags);
	saved = errno;
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	errno = saved;
	return result;
}

static void one_thread(void)
{
	CHECK_EQ(with_thread(0), 0);
	CHECK(seen[0] > 0); /* the other thread goes on as before */
	CHECK_EQ(seen_promise, 0);
	CHECK_EQ(syscall(SYS_getppid), -1);
}

static void all_threads(void)
{
	CHECK_EQ(with_thread(SECCOMP_FILTER_FLAG_TSYNC), 0);
	CHECK_EQ(seen[0], -1);
	CHECK_EQ(seen[1], 66);
	CHECK_EQ(seen_promise, 1);
}

static void all_or_nothing(void)
{
	own_filter = SECCOMP_RET_ERRNO | 7;
	CHECK_EQ(with_thread(SECCOMP_FILTER_FLAG_TSYNC), other_tid);
	CHECK(seen[0] > 0);
	CHECK(syscall(SYS_getppid) > 0);
	CHECK_ERRNO(with_thread(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH), ESRCH);
	CHECK(syscall(SYS_getppid) > 0);
}

/*
 * Threads come and go while a filter spreads. Who begins a call after TSYNC has told of its success is under the filter,
 * whoever made it and when.
 */
static int spread, stop_making;

static void *made_meanwhile(void *arg)
{
	int before = __atomic_load_n(&spread, __ATOMIC_SEQ_CST);
	long result = raw_call(SYS_getppid);

	CHECK(result == -66 || (!before && result > 0));
	return NULL;
}

static void *makes_threads(void *arg)
{
	pthread_t thread;

	while (!__atomic_load_n(&stop_making, __ATOMIC_SEQ_CST)) {
		CHECK_EQ(pthread_create(&thread, NULL, made_meanwhile, NULL), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
	made_meanwhile(NULL);
	return NULL;
}

static void sync_and_clone(void)
{
	pthread_t makers[3], last;

	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&makers[i], NULL, makes_threads, NULL), 0);
	CHECK_EQ(pthread_create(&last, NULL, made_meanwhile, NULL), 0); /* the makers are at it */
	CHECK_EQ(pthread_join(last, NULL), 0);
	promise();
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 66, SECCOMP_FILTER_FLAG_TSYNC));
	__atomic_store_n(&spread, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(pthread_create(&last, NULL, made_meanwhile, NULL), 0);
	CHECK_EQ(pthread_join(last, NULL), 0);
	__atomic_store_n(&stop_making, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(makers[i], NULL), 0);
}

/* The same with a thread that executes a program: what it has become knows by a pipe whether TSYNC was through. */
static int through[2];

static void *executes(void *arg)
{
	char name[16];

	snprintf(name, sizeof name, "%d", through[0]);
	pthread_barrier_wait(&barrier);
	execl("/proc/self/exe", "task_seccomp", "after-sync", name, NULL);
	CHECK(0);
	return NULL;
}

static void sync_in_exec(void)
{
	pthread_t thread;

	CHECK_OK(pipe2(through, O_NONBLOCK));
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, executes, NULL), 0);
	promise();
	pthread_barrier_wait(&barrier);
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 55, SECCOMP_FILTER_FLAG_TSYNC));
	CHECK_EQ(write(through[1], "y", 1), 1);
	pthread_join(thread, NULL);
}

static int after_sync(int fd)
{
	char c;
	int filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;

	CHECK(filtered || read(fd, &c, 1) != 1);
	CHECK_EQ(raw_call(SYS_getppid) == -55, filtered);
	return check_failed();
}

static void sync_and_exec(void)
{
	for (int i = 0; i < 10; i++)
		held("sync and exec", check_in_child(sync_in_exec));
}

/* ---- calls that husk's stub answers itself ---- */

static int word;

static void futexes(void)
{
	struct sock_filter f[] = {LOAD(nr),
				  IS(SYS_futex, 0, 3),
				  {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[2])},
				  IS(4711, 0, 1),
				  RETURN(SECCOMP_RET_ERRNO | 33),
				  RETURN(SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = PROGRAM(f);
	int status;
	pid_t pid;

	promise();
	CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 4711, NULL, NULL, 0), 0);
	CHECK_OK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog));
	CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 4711, NULL, NULL, 0), -1);
	CHECK_EQ(errno, 33);
	CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	pid = fork();
	if (!pid) {
		CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 4711, NULL, NULL, 0), -1);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* A mutex between threads, while their private futexes go from the stub to the kernel. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *count(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void mutex_under_filter(void)
{
	pthread_t threads[4];

	promise();
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, count, NULL), 0);
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 1, SECCOMP_FILTER_FLAG_TSYNC));
	futexes();
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(counter, 8000);
}

/* ---- limits ---- */

static void path_limit(void)
{
	static struct sock_filter f[4096];
	struct sock_fprog prog = PROGRAM(f);

	for (int i = 0; i < 4096; i++)
		f[i] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	promise();
	for (int i = 0; i < 3; i++)
		CHECK_OK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog));
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog), ENOMEM);
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 9, 0));
	CHECK_EQ(syscall(SYS_getppid), -1);
	CHECK_EQ(errno, 9);
}

/* As many filters as there can be, each with something to look at: calls under them still end. */
static void many_filters(void)
{
	struct sock_filter f[] = {LOAD_ARG0, IS(0x12345678, 0, 1), RETURN(SECCOMP_RET_ERRNO | 9),
				  RETURN(SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = PROGRAM(f);
	int n = 0;

	promise();
	while (!seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog))
		n++;
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(n, 2520);
	for (int i = 0; i < 100; i++)
		CHECK(syscall(SYS_getppid, 1) > 0);
	CHECK_EQ(syscall(SYS_getppid, 0x12345678), -1);
	CHECK_EQ(errno, 9);
}

/* For tests/cli/seccomp.sh, which looks at the log: of two filters one asks for it. */
static int to_be_logged(void)
{
	promise();
	CHECK_OK(refuse(SYS_getppid, SECCOMP_RET_ERRNO | 1, 0));
	CHECK_OK(refuse(SYS_getpgrp, SECCOMP_RET_ERRNO | 1, SECCOMP_FILTER_FLAG_LOG));
	CHECK_OK(refuse(SYS_getsid, SECCOMP_RET_TRACE, 0));
	syscall(SYS_getppid);
	syscall(SYS_getpgrp);
	syscall(SYS_getsid, 0);
	CHECK_OK(refuse(SYS_getsid, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_LOG));
	syscall(SYS_getsid, 0);
	return check_failed();
}

static int killed_by(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) : -status;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return !strcmp(argv[1], "log")          ? to_be_logged()
		       : !strcmp(argv[1], "after-sync") ? after_sync(atoi(argv[2]))
							: after_exec();
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0)
		check_skip("runs under a filter already");
	held("errors", check_in_child(errors));
	held("actions", check_in_child(actions));
	held("actions logged", check_in_child(actions_logged));
	held("errnos", check_in_child(errnos));
	held("odd errnos", check_in_child(odd_errnos));
	held("arguments", check_in_child(arguments));
	held("traps", check_in_child(traps));
	CHECK_EQ(killed_by(check_in_child(trap_blocked)), SIGSYS);
	CHECK_EQ(killed_by(check_in_child(killed_process)), SIGSYS);
	CHECK_EQ(killed_by(check_in_child(killed_by_unknown)), SIGSYS);
	CHECK_EQ(killed_by(check_in_child(killed_alone)), SIGSYS);
	held("killed thread", check_in_child(killed_thread));
	CHECK_EQ(killed_by(check_in_child(killed_last)), SIGSYS);
	CHECK_EQ(killed_by(check_in_child(killed_process_by_thread)), SIGSYS);
	CHECK_EQ(killed_by(check_in_child(kill_is_not_caught)), SIGSYS);
	CHECK_EQ(check_in_child(strict_allowed), 42 << 8);
	CHECK_EQ(killed_by(check_in_child(strict_refused)), SIGKILL);
	held("strict alone", check_in_child(strict_alone));
	held("fork", check_in_child(inherited_by_fork));
	held("exec", check_in_child(inherited_by_exec));
	held("status", check_in_child(status_lines));
	held("one thread", check_in_child(one_thread));
	held("all threads", check_in_child(all_threads));
	held("all or nothing", check_in_child(all_or_nothing));
	for (int i = 0; i < 10; i++)
		held("sync and clone", check_in_child(sync_and_clone));
	held("sync and exec", check_in_child(sync_and_exec));
	held("futexes", check_in_child(futexes));
	held("mutex", check_in_child(mutex_under_filter));
	held("path limit", check_in_child(path_limit));
	held("many filters", check_in_child(many_filters));
	return check_done();
}

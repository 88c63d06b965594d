/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the cost of calls, threads, processes, mappings and descriptors grows with how many of them there are already, and of
 * timers and watches.
 *
 * `crowd [KIND]` prints a line for each operation and each step of the crowd around it: the operation's name, the smallest
 * crowd's size, this one's, and the time of one operation in both, in ns: the best of some rounds. The crowd sleeps, each
 * of it in a read of a pipe of its own kind or, of threads, in a futex; what is measured has no part in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define STEPS  4

static const int some[STEPS] = {1, 10, 100, 1000}, many[STEPS] = {10, 100, 1000, 10000};

static int gate[2]; /* what the crowd reads from */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what is measured ---- */

/* One that husk's stub does not answer. */
static void op_call(void)
{
	need(getpriority(PRIO_PROCESS, 0) != -1 || !errno, "getpriority");
}

static void op_map(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(page != MAP_FAILED, "mmap");
	*page = 1;
	need(!munmap(page, 4096), "munmap");
}

/* Read twice, since what is read again husk gives to the reader's stub. */
static void op_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char byte;

	need(fd >= 0 && pread(fd, &byte, 1, 0) == 1 && pread(fd, &byte, 1, 1) == 1 && !close(fd), "a file");
}

static int there[2], back[2]; /* to a process that sends each byte back */

static void begin_echo(void)
{
	char byte;

	need(!pipe(there) && !pipe(back), "pipe");
	if (fork())
		return;
	close(there[1]);
	while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
		;
	_exit(0);
}

static void end_echo(void)
{
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	need(wait(NULL) > 0, "wait");
}

static void op_echo(void)
{
	char byte = 0;

	need(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "a byte there and back");
}

static void op_signal(void)
{
	need(!kill(getpid(), SIGUSR1), "kill");
}

static void *nothing(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, nothing, NULL);
	need(!errno, "pthread_create");
	pthread_join(thread, NULL);
}

static void op_fork(void)
{
	pid_t child = fork();

	need(child >= 0, "fork");
	if (!child)
		_exit(0);
	need(waitpid(child, NULL, 0) == child, "waitpid");
}

static void op_dup(void)
{
	int fd = dup(gate[0]);

	need(fd >= 0 && !close(fd), "dup");
}

static struct operation {
	const char *what;
	void (*op)(void);
	int each; /* operations of a round */
} const call = {"a call", op_call, 4000}, sent = {"a signal", op_signal, 2000},
	thread = {"a thread, begun and ended", op_thread, 200}, forked = {"fork+exit+wait", op_fork, 50},
	duplicated = {"dup+close", op_dup, 2000}, mapped = {"mmap, a touch, munmap", op_map, 1000},
	read_twice = {"open, two reads, close", op_file, 500},
	echoed = {"a byte there and back", op_echo, 500};

static double best(const struct operation *o)
{
	double least = 1e18;

	for (int r = 0; r < ROUNDS; r++) {
		double start = now();

		for (int i = 0; i < o->each; i++)
			o->op();
		start = (now() - start) / o->each;
		if (start < least)
			least = start;
	}
	return least;
}

/* Measures @ops with crowds of counts[0..], which @grow makes: it gets the size so far and the one to come. */
static void measure(const char *beside, const int *counts, const struct operation *const *ops,
		    void (*grow)(int from, int to))
{
	double first[8] = {0};

	for (int step = 0; step < STEPS; step++) {
		grow(step ? counts[step - 1] : 0, counts[step]);
		for (int i = 0; ops[i]; i++) {
			double ns = best(ops[i]);

			if (!step)
				first[i] = ns;
			else
				printf("%s beside %s\t%d\t%d\t%.0f\t%.0f\n", ops[i]->what, beside, counts[0],
				       counts[step], first[i], ns);
			fflush(stdout);
		}
	}
}

/* ---- threads ---- */

static pthread_t threads[1000];

static void *sleep_at_gate(void *arg)
{
	char byte;

	return read(gate[0], &byte, 1) < 0 ? arg : NULL;
}

static sem_t sem;

static void *sleep_in_futex(void *arg)
{
	sem_wait(&sem);
	return arg;
}

static void make_threads(int from, int to, void *(*sleep)(void *))
{
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (; from < to; from++) {
		errno = pthread_create(&threads[from], &small, sleep, NULL);
		need(!errno, "pthread_create");
	}
	pthread_attr_destroy(&small);
}

static void more_threads(int from, int to)
{
	make_threads(from, to, sleep_at_gate);
}

static void more_futexes(int from, int to)
{
	make_threads(from, to, sleep_in_futex);
}

/* ---- processes ---- */

static pid_t children[1000];

static void more_processes(int from, int to)
{
	char byte;

	for (; from < to; from++) {
		children[from] = fork();
		need(children[from] >= 0, "fork");
		if (!children[from]) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) < 0);
		}
	}
}

/* ---- mappings ---- */

static char *room; /* every second page of it is made a mapping of its own */
static const int mappings[STEPS] = {1, 100, 10000, 60000};

static void begin_mappings(void)
{
	room = mmap(NULL, mappings[STEPS - 1] * 4096UL, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	need(room != MAP_FAILED, "mmap");
}

static void more_mappings(int from, int to)
{
	for (; from < to; from += 2)
		need(!mprotect(room + from * 4096UL, 4096, PROT_NONE), "mprotect");
}

static void op_protect(void)
{
	char *page = room + mappings[STEPS - 1] / 2 / 2 * 2 * 4096UL;

	need(!mprotect(page, 4096, PROT_READ | PROT_WRITE) && !mprotect(page, 4096, PROT_NONE), "mprotect");
}

/* ---- timers, watches ---- */

static void more_timers(int from, int to)
{
	const struct itimerspec later = {.it_value = {1000, 0}};
	struct sigevent none = {.sigev_notify = SIGEV_NONE};
	timer_t timer;

	for (; from < to; from++)
		need(!timer_create(CLOCK_MONOTONIC, &none, &timer) && !timer_settime(timer, 0, &later, NULL),
		     "timer_create");
}

static void op_timer(void)
{
	static timer_t timer;
	static int made;
	struct itimerspec later = {.it_value = {500, 0}};
	struct sigevent none = {.sigev_notify = SIGEV_NONE};

	if (!made++)
		need(!timer_create(CLOCK_MONOTONIC, &none, &timer), "timer_create");
	need(!timer_settime(timer, 0, &later, NULL), "timer_settime");
	later.it_value.tv_sec = 0;
	need(!timer_settime(timer, 0, &later, NULL), "timer_settime");
}

static int inotify;

static void more_watches(int from, int to)
{
	char name[32];

	for (; from < to; from++) {
		snprintf(name, sizeof name, "crowd.%d", from);
		need(!close(open(name, O_CREAT | O_WRONLY, 0600)), name);
		need(inotify_add_watch(inotify, name, IN_ATTRIB) >= 0, "inotify_add_watch");
	}
}

static void op_watch(void)
{
	char event[4096];

	need(!chmod("crowd.0", 0600) && read(inotify, event, sizeof event) > 0, "inotify");
}

static void end_watches(int n)
{
	char name[32];

	close(inotify);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "crowd.%d", i);
		unlink(name);
	}
}

/* ---- descriptors ---- */

static int epoll_fd, bell[2];

static void more_descriptors(int from, int to)
{
	for (; from < to; from++)
		need(dup(gate[0]) >= 0, "dup");
}

static void more_watched(int from, int to)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fds[2];

	for (; from < to; from += 2) {
		need(!pipe(fds), "pipe");
		need(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[0], &event), "epoll_ctl");
	}
}

static void op_epoll(void)
{
	struct epoll_event event;
	char byte = 0;

	need(write(bell[1], &byte, 1) == 1 && epoll_wait(epoll_fd, &event, 1, -1) == 1 &&
		     read(bell[0], &byte, 1) == 1,
	     "epoll_wait");
}

static const struct operation watched = {"write, epoll_wait, read", op_epoll, 1000};

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	need(!setrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > 10100, "10,100 descriptors (ulimit -n)");
}

static void end_crowd(void)
{
	close(gate[1]);
	close(gate[0]);
}

static void join_threads(int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void beside_processes(void)
{
	static const struct operation *const ops[] = {&call, &sent, &echoed, &forked, NULL};

	begin_echo();
	need(!pipe(gate), "pipe");
	measure("processes", some, ops, more_processes);
	end_crowd();
	for (int i = 0; i < some[STEPS - 1]; i++)
		need(waitpid(children[i], NULL, 0) > 0, "waitpid");
	end_echo();
}

static const struct operation *const thread_ops[] = {&call,   &sent,       &echoed, &thread,
						     &mapped, &read_twice, NULL};

static void beside_threads(void)
{
	begin_echo();
	need(!pipe(gate), "pipe");
	measure("threads", some, thread_ops, more_threads);
	end_crowd();
	join_threads(some[STEPS - 1]);
	end_echo();
}

static void beside_futexes(void)
{
	need(!sem_init(&sem, 0, 0), "sem_init");
	begin_echo();
	measure("threads in futexes", some, thread_ops, more_futexes);
	for (int i = 0; i < some[STEPS - 1]; i++)
		sem_post(&sem);
	join_threads(some[STEPS - 1]);
	end_echo();
}

static void beside_mappings(void)
{
	static const struct operation protected = {"mprotect, twice", op_protect, 1000},
				      few = {"fork+exit+wait", op_fork, 4};
	static const struct operation *const ops[] = {&call, &mapped, &protected, &few, NULL};

	begin_mappings();
	measure("mappings", mappings, ops, more_mappings);
	munmap(room, mappings[STEPS - 1] * 4096UL);
}

static void beside_timers(void)
{
	static const struct operation set = {"timer_settime, twice", op_timer, 1000};
	static const struct operation *const ops[] = {&call, &echoed, &set, NULL};

	begin_echo();
	measure("timers", some, ops, more_timers);
	end_echo();
}

static void beside_watches(void)
{
	static const struct operation seen = {"chmod, seen by inotify", op_watch, 1000};
	static const struct operation *const ops[] = {&seen, NULL};

	inotify = inotify_init1(0);
	need(inotify >= 0, "inotify_init1");
	measure("watches", many, ops, more_watches);
	end_watches(many[STEPS - 1]);
}

static void beside_descriptors(void)
{
	static const struct operation *const ops[] = {&duplicated, &forked, NULL};

	raise_limit();
	need(!pipe(gate), "pipe");
	measure("descriptors", many, ops, more_descriptors);
	closefrom(3);
}

static void beside_watched(void)
{
	static const struct operation *const ops[] = {&watched, NULL};
	struct epoll_event event = {.events = EPOLLIN};

	raise_limit();
	need(!pipe(gate) && !pipe(bell), "pipe");
	epoll_fd = epoll_create1(0);
	need(epoll_fd >= 0 && !epoll_ctl(epoll_fd, EPOLL_CTL_ADD, bell[0], &event), "epoll_ctl");
	measure("watched descriptors", many, ops, more_watched);
	closefrom(3);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*measure)(void);
	} crowds[] = {
		{"processes", beside_processes},     {"threads", beside_threads}, {"futexes", beside_futexes},
		{"mappings", beside_mappings},       {"timers", beside_timers},   {"watches", beside_watches},
		{"descriptors", beside_descriptors}, {"watched", beside_watched},
	};

	signal(SIGUSR1, SIG_IGN);
	for (size_t i = 0; i < sizeof crowds / sizeof *crowds; i++)
		if (argc < 2 || !strcmp(argv[1], crowds[i].name))
			crowds[i].measure();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the cost of calls, threads, processes and descriptors grows with how many of them there are already.
 *
 * `crowd` prints a line for each operation and each step of the crowd around it: the operation's name, the smallest
 * crowd's size, this one's, and the time of one operation in both, in ns: the best of some rounds. The crowd sleeps, each
 * of it in a read of a pipe of its own kind; what is measured has no part in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define STEPS  4

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

static void op_call(void)
{
	need(fcntl(gate[0], F_GETFD) >= 0, "fcntl");
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
	duplicated = {"dup+close", op_dup, 2000};

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

static void more_threads(int from, int to)
{
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (; from < to; from++) {
		errno = pthread_create(&threads[from], &small, sleep_at_gate, NULL);
		need(!errno, "pthread_create");
	}
	pthread_attr_destroy(&small);
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

int main(void)
{
	static const int some[STEPS] = {1, 10, 100, 1000}, many[STEPS] = {10, 100, 1000, 10000};
	static const struct operation *const beside_threads[] = {&call, &sent, &thread, NULL};
	static const struct operation *const beside_processes[] = {&call, &sent, &forked, NULL};
	static const struct operation *const beside_descriptors[] = {&duplicated, &forked, NULL};
	static const struct operation *const beside_watched[] = {&watched, NULL};
	struct epoll_event event = {.events = EPOLLIN};

	signal(SIGUSR1, SIG_IGN);
	need(!pipe(gate), "pipe");
	measure("processes", some, beside_processes, more_processes);
	close(gate[1]);
	while (wait(NULL) > 0)
		;
	close(gate[0]);
	need(!pipe(gate), "pipe");
	measure("threads", some, beside_threads, more_threads);
	close(gate[1]);
	for (int i = 0; i < some[STEPS - 1]; i++)
		pthread_join(threads[i], NULL);
	raise_limit();
	measure("descriptors", many, beside_descriptors, more_descriptors);
	closefrom(3);
	need(!pipe(gate) && !pipe(bell), "pipe");
	epoll_fd = epoll_create1(0);
	need(epoll_fd >= 0 && !epoll_ctl(epoll_fd, EPOLL_CTL_ADD, bell[0], &event), "epoll_ctl");
	measure("watched descriptors", many, beside_watched, more_watched);
	return 0;
}

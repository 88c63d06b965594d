/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command and tells what it left behind: processes that outlive it (with the memory files that they
 * hold) and files in /dev/shm.
 *
 *	leftovers [-g GRACE_MS] [-l LIMIT_S] [-k VICTIM -a AFTER_US [-s SEED]] COMMAND [ARG]...
 *
 * It makes itself the subreaper of its descendants, so whatever the command orphans becomes its own child:
 * nothing else on the machine can be mistaken for a leftover. With -k it kills, AFTER_US microseconds after
 * the start, by SIGKILL: `self` (the command), `first` (its first child: husk's zygote), `any` (one of its other children,
 * by SEED); it says on standard error whom, or that there was nobody.
 *
 * Exit status: the command's (128 + signal when one killed it); 97 when it left something; 98 when it had to
 * be killed after LIMIT_S; 96 for a wrong command line.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PROCESSES 4096

struct process {
	pid_t pid, parent;
	unsigned long long start;
	char state;
};

static struct process table[MAX_PROCESSES];
static int nprocesses;

static long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static long now_ms(void)
{
	return now_us() / 1000;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static int read_stat(pid_t pid, struct process *p)
{
	char path[64], line[1024], *s;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return -1;
	s = fgets(line, sizeof(line), f);
	fclose(f);
	if (!s || !(s = strrchr(line, ')')))
		return -1;
	p->pid = pid;
	return sscanf(s + 2, "%c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		      &p->state, &p->parent, &p->start) == 3
		       ? 0
		       : -1;
}

static void read_table(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	nprocesses = 0;
	while (d && (e = readdir(d)) && nprocesses < MAX_PROCESSES) {
		pid_t pid = atoi(e->d_name);

		if (pid > 0 && !read_stat(pid, &table[nprocesses]))
			nprocesses++;
	}
	if (d)
		closedir(d);
}

static int descends(const struct process *p, pid_t from)
{
	pid_t pid = p->parent;

	for (int depth = 0; pid > 1 && depth < 64; depth++) {
		int i;

		if (pid == from)
			return 1;
		for (i = 0; i < nprocesses && table[i].pid != pid; i++)
			;
		if (i == nprocesses)
			return 0;
		pid = table[i].parent;
	}
	return 0;
}

/* Living descendants of @from, oldest first. */
static int descendants(pid_t from, struct process *out, int max)
{
	int n = 0;

	read_table();
	for (int i = 0; i < nprocesses && n < max; i++) {
		if (table[i].state == 'Z' || table[i].state == 'X' || !descends(&table[i], from))
			continue;
		int j = n++;

		for (; j > 0 && out[j - 1].start > table[i].start; j--)
			out[j] = out[j - 1];
		out[j] = table[i];
	}
	return n;
}

static void describe(pid_t pid)
{
	char path[64], text[256] = "?", link[256];
	FILE *f;
	DIR *d;
	struct dirent *e;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	if (f) {
		if (fgets(text, sizeof(text), f))
			text[strcspn(text, "\n")] = 0;
		fclose(f);
	}
	fprintf(stderr, "leftover: process %d (%s)\n", pid, text);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		char name[400];

		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		n = readlink(name, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		if (strstr(link, "memfd:"))
			fprintf(stderr, "leftover:   %s -> %s\n", e->d_name, link);
	}
	if (d)
		closedir(d);
}

static int count_shm(void)
{
	DIR *d = opendir("/dev/shm");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, "husk", 4))
			n++;
	if (d)
		closedir(d);
	return n;
}

static void kill_victim(const char *victim, pid_t command, unsigned seed)
{
	struct process child[256];
	pid_t pid = 0;
	int n;

	if (!strcmp(victim, "self")) {
		pid = command;
	} else {
		n = descendants(command, child, 256);
		if (!strcmp(victim, "first") && n > 0)
			pid = child[0].pid;
		else if (!strcmp(victim, "any") && n > 1)
			pid = child[1 + seed % (n - 1)].pid;
	}
	if (pid && !kill(pid, SIGKILL))
		fprintf(stderr, "leftovers: killed %d\n", pid);
	else
		fprintf(stderr, "leftovers: nobody to kill\n");
}

static int reap(pid_t command, int *status)
{
	pid_t pid;
	int s, ended = 0;

	while ((pid = waitpid(-1, &s, WNOHANG)) > 0) {
		if (pid == command) {
			*status = s;
			ended = 1;
		}
	}
	return ended;
}

int main(int argc, char **argv)
{
	long grace = 2000, limit = 120, after = -1, start, end, rest;
	const char *victim = NULL;
	unsigned seed = 1;
	struct process left[256];
	int opt, status = 0, n, result, shm;
	pid_t command;

	while ((opt = getopt(argc, argv, "+g:l:k:a:s:")) != -1) {
		switch (opt) {
		case 'g':
			grace = atol(optarg);
			break;
		case 'l':
			limit = atol(optarg);
			break;
		case 'k':
			victim = optarg;
			break;
		case 'a':
			after = atol(optarg);
			break;
		case 's':
			seed = (unsigned)atol(optarg);
			break;
		default:
			return 96;
		}
	}
	if (optind >= argc)
		return 96;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	shm = count_shm();
	command = fork();
	if (command < 0)
		return 96;
	if (!command) {
		execvp(argv[optind], argv + optind);
		_exit(127);
	}

	start = now_us();
	while (!reap(command, &status)) {
		rest = after - (now_us() - start);
		if (victim && after >= 0 && rest <= 0) {
			kill_victim(victim, command, seed);
			victim = NULL;
		}
		if (now_us() - start > limit * 1000000) {
			fprintf(stderr, "leftovers: no end after %ld s\n", limit);
			n = descendants(getpid(), left, 256);
			for (int i = 0; i < n; i++)
				describe(left[i].pid);
			for (int i = 0; i < n; i++)
				kill(left[i].pid, SIGKILL);
			pause_ms(200);
			reap(command, &status);
			return 98;
		}
		if (victim && rest < 5000)
			nanosleep(&(struct timespec){0, rest > 0 ? rest * 1000 : 0}, NULL);
		else
			pause_ms(5);
	}
	result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

	/* The dead one's children die by signals of the host's: give them a moment. */
	end = now_ms() + grace;
	while ((n = descendants(getpid(), left, 256)) > 0 && now_ms() < end) {
		pause_ms(10);
		reap(command, &status);
	}
	for (int i = 0; i < n; i++)
		describe(left[i].pid);
	for (int i = 0; i < n; i++)
		kill(left[i].pid, SIGKILL);
	if (n) {
		pause_ms(100);
		reap(command, &status);
	}
	if (count_shm() > shm) {
		fprintf(stderr, "leftover: files in /dev/shm\n");
		n++;
	}
	return n ? 97 : result;
}

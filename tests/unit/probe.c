/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials that crash, hang, leave children or end early: each gets its verdict in time, and no process stays.
 *
 * links: src/trap/probe.c src/trap/probe_trap.c src/trap/probe_ptrace.c src/trap/probe_memory.c
 * links: src/trap/probe_contain.c src/host/cpus.c
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trap/probe_impl.h"

static int bad;

static void is(const char *what, bool good, const struct probe_result *r)
{
	if (good)
		return;
	bad = 1;
	printf("not ok %s: verdict %d, '%s'\n", what, r->verdict, r->why);
}

static void say_yes(struct probe_result *r)
{
	probe_say(r, PROBE_YES, "fine");
	r->number = 7;
}

static void say_nothing(struct probe_result *r)
{
}

static void crash(struct probe_result *r)
{
	probe_say(r, PROBE_YES, "too early");
	__builtin_trap();
}

static void hang(struct probe_result *r)
{
	sigset_t all;

	probe_say(r, PROBE_YES, "too early");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
}

/* A child that outlives its trial and holds everything that it has inherited. */
static void leave_child(struct probe_result *r)
{
	if (!fork())
		for (;;)
			pause();
	probe_say(r, PROBE_YES, "left one");
}

static void end_early(struct probe_result *r)
{
	_exit(3);
}

static void fill_why(struct probe_result *r)
{
	memset(r->why, 'x', sizeof r->why);
	memset(r->value, 'y', sizeof r->value);
	r->verdict = PROBE_YES;
}

static struct probe_result try(void (*run)(struct probe_result *r))
{
	const struct probe probe = {.name = "test", .title = "test", .run = run, .with = "w", .without = "n"};
	struct probe_result r;

	probe_try(&probe, &r);
	return r;
}

int main(void)
{
	struct probe_result r;
	struct timespec start, end;

	/* Whoever is left becomes ours, and shows. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	r = try(say_yes);
	is("yes", r.verdict == PROBE_YES && r.number == 7 && !strcmp(r.why, "fine"), &r);
	r = try(say_nothing);
	is("nothing said", r.verdict == PROBE_NO, &r);
	r = try(crash);
	is("crash", r.verdict == PROBE_DIED && strstr(r.why, "signal"), &r);
	clock_gettime(CLOCK_MONOTONIC, &start);
	r = try(hang);
	clock_gettime(CLOCK_MONOTONIC, &end);
	is("hang", r.verdict == PROBE_DIED && strstr(r.why, "did not end"), &r);
	is("hang: not before its time", (end.tv_sec - start.tv_sec) * 1000 + 1000 >= PROBE_TIMEOUT_MS, &r);
	r = try(leave_child);
	is("left child", r.verdict == PROBE_YES, &r);
	r = try(end_early);
	is("status", r.verdict == PROBE_DIED && strstr(r.why, "status 3"), &r);
	r = try(fill_why);
	is("strings end", strlen(r.why) < sizeof r.why && strlen(r.value) < sizeof r.value, &r);
	/* What the kill has ended is ours to reap now. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	is("nobody is left", errno == ECHILD, &r);
	/* The real ones: each says why, whatever the host answers. */
	for (size_t i = 0; i < probe_count; i++) {
		probe_try(&probe_table[i], &r);
		is(probe_table[i].name, r.why[0] && r.verdict != PROBE_DIED, &r);
		is(probe_table[i].name, strlen(probe_follows(&probe_table[i], &r)) < 160, &r);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	is("nobody is left of the real ones", errno == ECHILD, &r);
	if (!bad)
		printf("ok probe\n");
	return bad;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host offers, found out by trying it: one probe a line of probe.c's table, each run in a child of its
 * own, since a try may be refused, crash, hang, or change the process for good (a filter stays).
 *
 * This is for `husk check`. `husk run` asks nothing: starting a driver finds out all that it needs.
 */
#ifndef HUSK_TRAP_PROBE_H
#define HUSK_TRAP_PROBE_H

#include "base/types.h"

enum probe_verdict {
	PROBE_NO,
	PROBE_YES,
	PROBE_WRONG, /* there, but not as it must be: as good as missing */
	PROBE_DIED,  /* the trial was ended by a signal, or by husk after PROBE_TIMEOUT_MS */
};

enum probe_group {
	PROBE_TRAPS,
	PROBE_MEMORY,
	PROBE_CONTAINMENT,
	PROBE_LIMITS,
	NR_PROBE_GROUPS,
};

#define PROBE_TIMEOUT_MS 3000

struct probe_result {
	enum probe_verdict verdict;
	u64 number;     /* a size, a version, a count; 0 where there is none */
	char value[32]; /* the same for people; empty: yes or no */
	char why[160];
};

struct probe {
	const char *name;  /* in JSON */
	const char *title; /* for people */
	enum probe_group group;
	bool matters;                        /* without it something is missing or weaker */
	void (*run)(struct probe_result *r); /* in the child */
	const char *with, *without;          /* what follows for the user; nullable */
};

extern const struct probe probe_table[];
extern const size_t probe_count;

/* A group's name for people. */
const char *probe_group_name(enum probe_group group);

/* Runs @probe in a child and waits for it, a few seconds at most. Always fills @result; leaves no process. */
void probe_try(const struct probe *probe, struct probe_result *result);

/* What follows from @result for the user; "" where nothing does. */
const char *probe_follows(const struct probe *probe, const struct probe_result *result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside boot: one sandbox while it runs, and what its files do for each other.
 *
 *	boot.c      the kernel put together, run, and taken apart
 *	mounts.c    the guest's tree
 *	outside.c   what comes from outside while guests run: signals, the time limit, stopping
 *	first.c     the first program
 *	result.c    what is told at the end
 */
#ifndef HUSK_KERNEL_BOOT_SANDBOX_H
#define HUSK_KERNEL_BOOT_SANDBOX_H

#include "boot/boot.h"
#include "core/kernel.h"
#include "core/timer.h"
#include "host/poller.h"

struct relay;
struct exec;

struct sandbox {
	struct kernel k;
	const struct sandbox_config *config;
	struct sandbox_result *result;
	struct timer time_limit;
	struct watch signals;
	struct relay *relay; /* --tty; else NULL */
	struct timer stop;   /* armed: husk is to stop as its first program has */
	bool went_on;        /* SIGCONT came */
	/* boot.c: prepare() has been called; what came of it. */
	bool prepared;
	int arena_error, first_error;
	struct exec *first; /* owned; prepared and not started */
};

/* boot.c: @err, with the sentence "@what: why" in the result unless there is one already. */
int sandbox_fail(struct sandbox *s, const char *what, int err);

/* mounts.c: makes the tree as the configuration says: 0 or -errno with a sentence. */
int sandbox_mount_all(struct sandbox *s);

/* outside.c */
void sandbox_outside_init(struct sandbox *s);
/* Begins to forward the caller's signals: 0 or -errno with a sentence. */
int sandbox_watch_signals(struct sandbox *s);
void sandbox_limit_time(struct sandbox *s);
void sandbox_outside_exit(struct sandbox *s);

/* first.c: opens descriptors and directory of the first program, and finds and reads it, for which no trap is needed;
 * starts it; or, in place of that, gives up what was prepared. 0 or -errno. */
int sandbox_prepare_first(struct sandbox *s);
int sandbox_start_first(struct sandbox *s);
void sandbox_forget_first(struct sandbox *s);

/* result.c */
/* Leaves result->changes NULL when there is no memory for it. */
void sandbox_collect_changes(struct sandbox *s);
void sandbox_fill_result(struct sandbox *s);

#endif

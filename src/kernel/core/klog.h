/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's log, as dmesg(1) shows it: what husk tells its guests' administrators.
 *
 * Lines in a ring; the oldest go when room is needed. It begins empty: husk has nothing to tell of booting. Guests read it
 * by syslog(2).
 */
#ifndef HUSK_KERNEL_CORE_KLOG_H
#define HUSK_KERNEL_CORE_KLOG_H

#include "core/wait.h"

#define KLOG_SIZE   65536u /* bytes; a power of two */
#define KLOG_LINE   1024u  /* bytes of a line, its end and what stands before it included */
#define KLOG_NOTICE 5      /* LOG_NOTICE */

struct kernel;

struct klog {
	char *data;      /* KLOG_SIZE bytes, owned; NULL until there is a line */
	u64 first, next; /* where the oldest line begins and the next one will, counted from the first ever */
	u64 cleared;     /* SYSLOG_ACTION_READ_ALL begins here */
	u64 read;        /* SYSLOG_ACTION_READ does */
	struct wait_queue wait; /* SYSLOG_ACTION_READ */
};

void klog_init(struct kernel *k);
void klog_free(struct kernel *k);

/* Adds a line of @level (without its newline). Without memory nothing is kept. */
__attribute__((format(printf, 3, 4))) void klog_add(struct kernel *k, int level, const char *format, ...);

/* Copies at most @size bytes from @from (at least first) on: how many. */
size_t klog_copy(const struct klog *l, char *to, u64 from, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads of host files that must not stop the service thread: what is in the host's page cache is read at
 * once, the rest is first brought there by a helper thread.
 */
#ifndef HUSK_KERNEL_FS_HOST_COLD_H
#define HUSK_KERNEL_FS_HOST_COLD_H

#include "core/wait.h"
#include "host/types.h"

struct kernel;
struct cold_job;

/* Embedded in an open file. */
struct cold {
	struct wait_queue wait; /* woken when the helper is done */
	struct cold_job *job;   /* under way; NULL: none */
	bool warmed; /* it has been: if the pages are gone again, the next read takes them as they come */
};

void cold_init(struct cold *c);
/* The file goes away; a job that is under way ends by itself. */
void cold_end(struct cold *c);
/* As pread(2): bytes, or -errno; -EAGAIN: a helper reads, wait on c->wait. @fd is borrowed. */
long cold_pread(struct kernel *k, struct cold *c, struct hostfd fd, void *buf, size_t size, u64 offset);

#endif

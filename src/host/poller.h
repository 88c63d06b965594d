/* SPDX-License-Identifier: Apache-2.0 */
/* epoll with a callback per descriptor: what the service thread sleeps in. */
#ifndef HUSK_HOST_POLLER_H
#define HUSK_HOST_POLLER_H

#include "host/types.h"

struct poller;

struct watch {
	struct hostfd fd;
	void (*ready)(struct watch *w, u32 events); /* EPOLL* bits; called from poller_wait() */
	struct poller *poller;
};

int poller_new(struct poller **out);
void poller_free(struct poller *p);

/* Watches @fd for @events (EPOLLIN, EPOLLONESHOT, ...); @w is borrowed until watch_del(). 0 or -errno; -EPERM
 * when the descriptor is always ready (a regular file). */
int watch_add(struct poller *p, struct watch *w, struct hostfd fd, u32 events,
	      void (*ready)(struct watch *, u32));
void watch_del(struct watch *w);

/* Waits up to @timeout_ns (~0: for ever; 0: not at all) and calls what is ready. Returns the number of calls. */
int poller_wait(struct poller *p, u64 timeout_ns);

#endif

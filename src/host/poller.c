/* SPDX-License-Identifier: Apache-2.0 */
/* The service thread's epoll set. */
#include "host/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define POLLER_BATCH 64

struct poller {
	int epfd;
	bool no_pwait2; /* the host has no epoll_pwait2 (Linux < 5.11): whole milliseconds */
	int count, at;  /* of the batch that is being handled, for watch_del() from a callback */
	struct epoll_event batch[POLLER_BATCH];
};

int poller_new(struct poller **out)
{
	struct poller *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epfd < 0) {
		int err = -errno;

		free(p);
		return err;
	}
	*out = p;
	return 0;
}

void poller_free(struct poller *p)
{
	close(p->epfd);
	free(p);
}

int watch_add(struct poller *p, struct watch *w, struct hostfd fd, u32 events,
	      void (*ready)(struct watch *, u32))
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (epoll_ctl(p->epfd, EPOLL_CTL_ADD, fd.fd, &ev) < 0)
		return -errno;
	w->fd = fd;
	w->ready = ready;
	w->poller = p;
	return 0;
}

void watch_del(struct watch *w)
{
	struct poller *p = w->poller;

	if (!p)
		return;
	epoll_ctl(p->epfd, EPOLL_CTL_DEL, w->fd.fd, NULL);
	w->poller = NULL;
	for (int i = p->at + 1; i < p->count; i++)
		if (p->batch[i].data.ptr == w)
			p->batch[i].data.ptr = NULL;
}

static int wait_events(struct poller *p, u64 timeout_ns)
{
	int ms;

	if (timeout_ns && timeout_ns != ~0UL && !p->no_pwait2) {
		struct timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
		int n = syscall(SYS_epoll_pwait2, p->epfd, p->batch, POLLER_BATCH, &ts, NULL, 0);

		if (n >= 0 || errno != ENOSYS)
			return n;
		p->no_pwait2 = true;
	}
	if (timeout_ns == ~0UL)
		ms = -1;
	else
		ms = min((timeout_ns + 999999) / 1000000, (u64)1000000000);
	return epoll_wait(p->epfd, p->batch, POLLER_BATCH, ms);
}

int poller_wait(struct poller *p, u64 timeout_ns)
{
	int called = 0;

	p->count = max(wait_events(p, timeout_ns), 0);
	for (p->at = 0; p->at < p->count; p->at++) {
		struct watch *w = p->batch[p->at].data.ptr;

		if (!w)
			continue;
		w->ready(w, p->batch[p->at].events);
		called++;
	}
	p->count = 0;
	return called;
}

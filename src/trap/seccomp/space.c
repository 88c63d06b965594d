/* SPDX-License-Identifier: Apache-2.0 */
/* Host processes behind guest address spaces: their channel region, socket and doorbell; how they end. */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SPARE_REGIONS 8

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

/* ---- regions ---- */

/* A doorbell only wakes; the ready words say who rang. */
static void bell_rang(struct watch *w, u32 events)
{
	u64 count;

	(void)!read(w->fd.fd, &count, sizeof count);
}

static void region_free(struct region *r)
{
	watch_del(&r->watch);
	if (r->base)
		munmap(r->base, HUSK_CHAN_SIZE);
	if (r->bell >= 0)
		close(r->bell);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

static int region_new(struct strap *t, struct region **out)
{
	struct region *r;
	void *base;
	int err;

	if (!list_empty(&t->regions)) {
		r = list_first(&t->regions, struct region, node);
		list_del(&r->node);
		t->nregions--;
		*out = r;
		return 0;
	}
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->bell = -1;
	r->fd = memfd_create("husk-channel", MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)t->nslots * HUSK_SLOT_SIZE) < 0)
		goto fail;
	base = mmap(NULL, HUSK_CHAN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, r->fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	r->base = base;
	r->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->bell < 0)
		goto fail;
	err = watch_add(t->poller, &r->watch, (struct hostfd){r->bell}, EPOLLIN, bell_rang);
	if (err) {
		errno = -err;
		goto fail;
	}
	*out = r;
	return 0;
fail:
	err = -errno;
	region_free(r);
	return err;
}

void region_unref(struct strap *t, struct region *r, bool recycle)
{
	/* Emptied: what passed through it is nothing for the next process. */
	if (!recycle || t->nregions >= MAX_SPARE_REGIONS ||
	    fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUSK_CHAN_SIZE) < 0) {
		region_free(r);
		return;
	}
	list_add(&t->regions, &r->node);
	t->nregions++;
}

/* ---- spaces and threads ---- */

/* What a new space needs of the host: 0 or -errno. The pages that its first thread will use are touched here,
 * off the path of a waiting clone. */
static int prepare(struct strap *t)
{
	struct prepared *p = &t->prepared;
	struct region *r = NULL;
	int pair[2], err = region_new(t, &r);

	if (err)
		return err;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err = -errno;
		region_unref(t, r, true);
		return err;
	}
	memset(r->base, 0, sizeof(struct region_header));
	memset(r->base + HUSK_SLOT_SIZE, 0, sizeof(struct slot));
	memset(r->base + HUSK_SLOT_SIZE + HUSK_IN_OFFSET - PAGE_SIZE, 0, PAGE_SIZE);
	memset(r->base + HUSK_SLOT_SIZE + HUSK_STACK_TOP - PAGE_SIZE, 0, PAGE_SIZE);
	p->region = r;
	p->socket = pair[0];
	p->guest_socket = pair[1];
	return 0;
}

void space_prepare(struct strap *t)
{
	if (!t->prepared.region)
		prepare(t);
}

int space_alloc(struct strap *t, struct sspace **out)
{
	struct sspace *s = calloc(1, sizeof *s);
	int err = 0;

	if (!s)
		return -ENOMEM;
	if (!t->prepared.region)
		err = prepare(t);
	if (err)
		goto free_space;
	s->region = t->prepared.region;
	s->socket = t->prepared.socket;
	s->guest_socket = t->prepared.guest_socket;
	t->prepared.region = NULL;
	s->base.trap = (struct trap *)t;
	s->trap = t;
	list_init(&s->threads);
	list_init(&s->free);
	list_init(&s->waiting);
	oplog_init(&s->log);
	settling_init(&s->settling);
	s->short_ways = TRAP_SHORT_FUTEX;
	list_init(&s->dead_node);
	list_add_tail(&t->spaces, &s->node);
	*out = s;
	return 0;

free_space:
	free(s);
	return err;
}

struct sthread *thread_alloc(struct sspace *s, u32 index)
{
	struct sthread *th = calloc(1, sizeof *th);

	if (!th)
		return NULL;
	th->space = s;
	th->base.space = &s->base;
	th->index = index;
	th->slot = (struct slot *)(s->region->base + ((size_t)index << HUSK_SLOT_SHIFT));
	memset(th->slot, 0, sizeof *th->slot);
	th->state = THREAD_NEW;
	list_init(&th->ready_node);
	list_init(&th->waiting_node);
	list_init(&th->interrupt_node);
	list_init(&th->carried);
	list_add_tail(&s->threads, &th->node);
	s->by_index[index] = th;
	return th;
}

u32 thread_free_index(struct sspace *s)
{
	for (u32 i = 1; i < s->trap->nslots; i++)
		if (!s->by_index[i])
			return i;
	return 0;
}

void thread_free(struct sthread *th)
{
	struct sspace *s = th->space;

	completions_forget(s->trap, th);
	unwatch(th);
	free(th->start);
	if (th->state == THREAD_RUNNING || th->state == THREAD_CLONING) {
		count_short_calls(th);
		s->running--;
		s->trap->running--;
	}
	while (!list_empty(&th->carried)) {
		struct log_entry *e = list_first(&th->carried, struct log_entry, node);

		list_del(&e->node);
		if (e->op.undo)
			e->op.undo(e->op.arg, 0);
		free(e);
	}
	list_del(&th->ready_node);
	list_del(&th->waiting_node);
	list_del(&th->interrupt_node);
	list_del(&th->node);
	s->by_index[th->index] = NULL;
	free(th);
	space_settled(s);
}

void space_kill(struct sspace *s)
{
	if (s->killed)
		return;
	s->killed = true;
	s->base.dead = true;
	if (s->pid)
		kill(s->pid, SIGKILL);
}

void space_meddled(struct sspace *s)
{
	space_kill(s);
}

void space_free(struct sspace *s)
{
	struct strap *t = s->trap;

	oplog_drop(&s->log);
	while (!list_empty(&s->threads))
		thread_free(list_first(&s->threads, struct sthread, node));
	while (!list_empty(&s->free))
		thread_free(list_first(&s->free, struct sthread, node));
	close(s->socket);
	if (s->guest_socket >= 0)
		close(s->guest_socket);
	region_unref(t, s->region, s->recycle);
	list_del(&s->dead_node);
	list_del(&s->node);
	free(s);
}

/* ---- death ---- */

static struct sspace *space_find(struct strap *t, int pid)
{
	struct sspace *s;

	list_for_each (s, &t->spaces, node)
		if (s->pid == pid)
			return s;
	return NULL;
}

/* Reaps what has died. The host may use the pid again from here on, so nothing may name it any more. */
void spaces_reap(struct strap *t)
{
	int status, pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct sspace *s = space_find(t, pid);

		if (!s) {
			orders_child_died(t, pid);
			continue;
		}
		s->pid = 0;
		s->base.dead = true;
		s->killed = true;
		orders_space_died(t, s);
		if (s == t->spare) {
			t->spare = NULL;
			s->put = true;
		}
		if (s->put) {
			space_free(s);
			continue;
		}
		if (!s->death_signo)
			s->death_signo = WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;
		list_add_tail(&t->dead, &s->dead_node);
	}
}

/* The next death to tell of: of a space that has no owner the kernel does not know yet. */
static struct sspace *due_death(struct strap *t)
{
	struct sspace *s;

	list_for_each (s, &t->dead, dead_node)
		if (s == t->zygote || s->base.owner)
			return s;
	return NULL;
}

bool space_death_due(struct strap *t)
{
	return due_death(t) != NULL;
}

bool space_next_dead(struct strap *t, struct trap_event *event)
{
	struct sspace *s = due_death(t);

	if (!s)
		return false;
	list_del(&s->dead_node);
	memset(event, 0, sizeof *event);
	if (s == t->zygote) {
		event->type = TRAP_LOST;
		return true;
	}
	event->type = TRAP_DIED;
	event->space = &s->base;
	event->signo = s->death_signo;
	return true;
}

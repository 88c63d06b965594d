/* SPDX-License-Identifier: Apache-2.0 */
/* Host processes behind guest address spaces: their threads, and how they end. */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_ASKED 8 /* children by their numbers: more at a time are as soon all asked after */

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

/* ---- spaces and threads ---- */

void space_prepare(struct strap *t)
{
	if (!t->prepared && t->multiplies)
		region_new(t, &t->prepared);
}

/* A region for a child of @parent's: 0 or -errno. */
static int take_region(struct strap *t, struct sspace *parent, struct region **out)
{
	*out = parent && parent->pool ? region_take(parent->pool) : NULL;
	if (!*out) {
		*out = t->prepared;
		t->prepared = NULL;
	}
	return *out ? 0 : region_new(t, out);
}

int space_alloc(struct strap *t, struct sspace *parent, struct sspace **out)
{
	struct sspace *s = calloc(1, sizeof *s);
	int err;

	if (!s)
		return -ENOMEM;
	err = take_region(t, parent, &s->region);
	if (err)
		goto free_space;
	/* Without the gate there are children that nobody ordered: they keep what they are born with. */
	if (parent && t->gate && !parent->pool)
		parent->pool = region_pool_new(t);
	if (parent && parent->pool)
		s->from = region_pool_get(parent->pool);
	s->base.trap = (struct trap *)t;
	s->trap = t;
	list_init(&s->threads);
	list_init(&s->free);
	list_init(&s->waiting);
	oplog_init(&s->log);
	settling_init(&s->settling);
	list_init(&s->dead_node);
	list_init(&s->dying_node);
	list_init(&s->out_node);
	list_init(&s->pid_node);
	list_init(&s->out);
	list_init(&s->unacked);
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
	leave_init(th);
	foreseen_init(th);
	th->state = THREAD_NEW;
	list_init(&th->ready_node);
	list_init(&th->family_node);
	list_init(&th->waiting_node);
	list_init(&th->interrupt_node);
	list_init(&th->out_node);
	list_init(&th->tid_node);
	list_init(&th->unacked_node);
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

void thread_out(struct sthread *th)
{
	struct sspace *s = th->space;

	if (!s->running++)
		list_add_tail(&s->trap->out, &s->out_node);
	s->trap->running++;
	s->trap->family.out += th->bound;
	list_add_tail(&s->out, &th->out_node);
}

void thread_in(struct sthread *th)
{
	struct sspace *s = th->space;

	if (!--s->running)
		list_del(&s->out_node);
	s->trap->running--;
	s->trap->family.out -= th->bound;
	list_del(&th->out_node);
}

void thread_named(struct sthread *th, int tid)
{
	th->tid = tid;
	list_del(&th->tid_node);
	list_add(&th->space->trap->by_tid[(u32)tid % PID_BUCKETS], &th->tid_node);
}

void thread_free(struct sthread *th)
{
	struct sspace *s = th->space;

	completions_forget(s->trap, th);
	together_forget(th);
	family_forget(th);
	unwatch(th);
	free(th->start);
	count_short_calls(th);
	if (thread_is_out(th)) {
		thread_in(th);
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
	list_del(&th->tid_node);
	list_del(&th->unacked_node);
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
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	list_add_tail(&s->trap->dying, &s->dying_node);
	s->trap->ndying++;
}

static void no_more_dying(struct sspace *s)
{
	if (list_empty(&s->dying_node))
		return;
	list_del(&s->dying_node);
	s->trap->ndying--;
}

void space_meddled(struct sspace *s)
{
	space_kill(s);
}

void space_keep_region(struct sspace *s)
{
	if (s->from)
		region_pool_put(s->from);
	s->from = NULL;
}

void space_free(struct sspace *s)
{
	oplog_drop(&s->log);
	donations_free(s);
	while (!list_empty(&s->threads))
		thread_free(list_first(&s->threads, struct sthread, node));
	while (!list_empty(&s->free))
		thread_free(list_first(&s->free, struct sthread, node));
	region_put(s->region, s->pool ? NULL : s->from);
	if (s->pool)
		region_pool_close(s->pool);
	space_keep_region(s);
	list_del(&s->dead_node);
	no_more_dying(s);
	list_del(&s->pid_node);
	list_del(&s->node);
	free(s);
}

/* ---- death ---- */

void space_named(struct sspace *s, int pid)
{
	s->pid = pid;
	list_add(&s->trap->by_pid[(u32)pid % PID_BUCKETS], &s->pid_node);
}

struct sspace *space_find(struct strap *t, int pid)
{
	struct sspace *s;

	list_for_each (s, &t->by_pid[(u32)pid % PID_BUCKETS], pid_node)
		if (s->pid == pid)
			return s;
	return NULL;
}

/* The host may use the pid again from here on, so nothing may name it any more. */
static void space_reaped(struct strap *t, struct sspace *s, int status)
{
	s->pid = 0;
	list_del(&s->pid_node);
	no_more_dying(s);
	s->base.dead = true;
	s->killed = true;
	orders_space_died(t, s);
	if (s == t->spare) {
		t->spare = NULL;
		s->put = true;
	}
	if (s->put) {
		space_free(s);
		return;
	}
	if (!s->death_signo)
		s->death_signo = WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;
	list_add_tail(&t->dead, &s->dead_node);
}

/* Reaps what has died, whatever it is. */
void spaces_reap(struct strap *t)
{
	int status, pid;

	t->reap_all = false;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct sspace *s = space_find(t, pid);

		if (s)
			space_reaped(t, s, status);
		else
			orders_child_died(t, pid);
	}
}

/* To ask after all children the host goes through all of them, 0.1 us for each that lives: with each process that ends. So
 * those that were killed, mostly one, are asked after by number. A death that is none of theirs, and whose signal was lost
 * since another was pending, is the watchdog's to find, a moment later. */
void spaces_reap_some(struct strap *t, int pid)
{
	u32 n = t->ndying;
	bool found = false;

	for (u32 i = 0; n <= MOST_ASKED && i < n && !list_empty(&t->dying); i++) {
		struct sspace *s = list_first(&t->dying, struct sspace, dying_node);
		int status;

		list_del(&s->dying_node);
		list_add_tail(&t->dying, &s->dying_node);
		if (waitpid(s->pid, &status, WNOHANG) != s->pid)
			continue;
		found |= s->pid == pid;
		space_reaped(t, s, status);
	}
	if (!found) {
		spaces_reap(t);
		return;
	}
	t->reap_all = true;
	watchdog_start(t);
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

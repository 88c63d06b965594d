/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking threads that run: the interrupt signal, and the watchdog that ends a host process whose thread does not answer
 * it.
 */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define WATCHDOG_NS    20000000
#define WATCHDOG_TICKS 50 /* CPU time that a thread may use before it answers an interrupt: 0.5 s */
#define WATCHDOG_LOOKS 8  /* looks, WATCHDOG_NS apart, that may find it asleep after the interrupt */

static void watchdog_arm(struct strap *t)
{
	struct itimerspec its = {.it_value = {.tv_nsec = WATCHDOG_NS}};

	timerfd_settime(t->watchdog, 0, &its, NULL);
	t->watching = true;
}

void watchdog_start(struct strap *t)
{
	if (!t->watching)
		watchdog_arm(t);
}

/* A line of /proc/PID/task/TID/FILE into @text: false when there is none. */
static bool read_task_file(struct sthread *th, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%d/task/%d/%s", th->space->pid, th->tid, file);
	fd = openat(th->space->trap->procfs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static u64 cpu_ticks(struct sthread *th)
{
	char text[1024], *p;
	unsigned long user = 0, system = 0;

	if (!read_task_file(th, "stat", text, sizeof text) || !(p = strrchr(text, ')')))
		return 0;
	sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return user + system;
}

void watch_answer(struct sthread *th)
{
	struct strap *t = th->space->trap;

	if (th->interrupted_at)
		return;
	th->interrupted_at = now_ns();
	th->interrupted_cpu = ~0UL;
	th->interrupted_asleep = 0;
	watchdog_start(t);
	list_add_tail(&t->interrupts, &th->interrupt_node);
}

void thread_interrupt(struct sthread *th)
{
	th->interrupt_wanted = false;
	if (th->state == THREAD_WAITING || th->state == THREAD_STARTING ||
	    (th->state == THREAD_RUNNING && th->partial)) {
		th->interrupt_wanted = true;
		return;
	}
	if (th->state != THREAD_RUNNING || !th->space->pid || th->space->killed)
		return;
	/* Before it has its own region a signal's frame would go into its parent's. It looks at this word later than it
	 * says that it has. */
	if (th->fresh) {
		store_seq(&th->slot->interrupted, 1);
		if (!load_acquire(&th->slot->started)) {
			watch_answer(th);
			return;
		}
	}
	/* Only a thread that never was is not there while its process is. */
	if (syscall(SYS_tgkill, th->space->pid, th->tid, HUSK_INTERRUPT_SIGNAL) < 0) {
		space_meddled(th->space);
		return;
	}
	watch_answer(th);
}

static u64 status_mask(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

/*
 * Our code never blocks the interrupt: a thread that does has forged its signal mask. One that uses much CPU time
 * without answering runs in circles inside the stub. One that had the interrupt and sleeps all the same waits for an
 * answer to a turn that it never took.
 */
static bool refuses_interrupt(struct sthread *th)
{
	const u64 bit = 1UL << (HUSK_INTERRUPT_SIGNAL - 1);
	char text[4096], *state;
	u64 ticks;

	if (!read_task_file(th, "status", text, sizeof text))
		return false;
	if (status_mask(text, "SigBlk:") & bit)
		return true;
	state = strstr(text, "State:\tS");
	th->interrupted_asleep =
		state && !(status_mask(text, "SigPnd:") & bit) ? th->interrupted_asleep + 1 : 0;
	if (th->interrupted_asleep >= WATCHDOG_LOOKS)
		return true;
	ticks = cpu_ticks(th);
	if (th->interrupted_cpu == ~0UL)
		th->interrupted_cpu = ticks;
	return ticks - th->interrupted_cpu > WATCHDOG_TICKS;
}

void watchdog_check(struct strap *t)
{
	struct sthread *th, *tmp;

	t->watching = false;
	if (t->reap_all)
		spaces_reap(t);
	together_check(t);
	orders_poll(t);
	list_for_each_safe (th, tmp, &t->interrupts, interrupt_node) {
		if (now_ns() - th->interrupted_at < WATCHDOG_NS)
			continue;
		if (load_acquire(&th->slot->state) == TURN_KERNEL) {
			/* Its turn is here, announced or not. */
			if (list_empty(&th->ready_node))
				list_add_tail(&t->ready, &th->ready_node);
			continue;
		}
		if (refuses_interrupt(th)) {
			list_del(&th->interrupt_node);
			space_meddled(th->space);
		}
	}
	if (!list_empty(&t->interrupts) || !list_empty(&t->orders))
		watchdog_start(t);
}

u64 space_oldest_epoch(struct sspace *s)
{
	u64 oldest = ~0UL;
	struct sthread *th;

	list_for_each (th, &s->out, out_node)
		oldest = min(oldest, th->epoch);
	list_for_each (th, &s->waiting, waiting_node)
		oldest = min(oldest, th->epoch);
	return oldest;
}

void space_settled(struct sspace *s)
{
	u64 oldest = space_oldest_epoch(s);
	struct settle *w;

	while ((w = settle_next(&s->settling, oldest))) {
		complete(s->trap, w->done, w->arg, s->base.dead ? -ESRCH : 0);
		free(w);
	}
}

int space_settle(struct trap_space *space, trap_done_fn *done, void *arg)
{
	struct sspace *s = sspace_of(space);
	int err = settle_begin(&s->settling, done, arg);
	struct sthread *th;

	if (err)
		return err;
	list_for_each (th, &s->out, out_node)
		thread_interrupt(th);
	list_for_each (th, &s->waiting, waiting_node)
		thread_interrupt(th);
	space_settled(s);
	return 0;
}

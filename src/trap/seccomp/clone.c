/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New processes and threads. A clone happens only when ordered: the host asks by user notification before it lets one
 * through (the gate), and the caller must be the thread that was told to, with the very flags. One order is in flight
 * at a time, so the one child that is not known yet is the ordered one, whatever a channel claims.
 *
 * An order ends when the parent has reported and the child has made its first turn; a child that was given its first
 * answer beforehand (THREAD_STARTING) need not make one. The service thread never waits for it: a guest that does neither
 * within a few seconds is killed.
 */
#include "trap/seccomp/seccomp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "trap/seccomp/filter.h"

#define ORDER_TIMEOUT_NS 5000000000UL
#define GATE_AWAIT_NS    100000
#define GATE_EVERY       4 /* passes of the loop between two looks at the gate */

static struct completion *completion_add(struct strap *t, trap_done_fn *done, void *arg, long result)
{
	struct completion *c = calloc(1, sizeof *c);

	/* The reserve is enough for as many failures as can be ordered before the first is told. */
	for (size_t i = 0; !c && i < ARRAY_SIZE(t->reserve); i++) {
		if (t->reserve[i].done)
			continue;
		c = &t->reserve[i];
		memset(c, 0, sizeof *c);
	}
	BUG_ON(!c);
	c->done = done;
	c->arg = arg;
	c->result = result;
	list_add_tail(&t->completions, &c->node);
	return c;
}

void completion_free(struct strap *t, struct completion *c)
{
	if (c < t->reserve || c >= t->reserve + ARRAY_SIZE(t->reserve))
		free(c);
}

void complete(struct strap *t, trap_done_fn *done, void *arg, long result)
{
	completion_add(t, done, arg, result);
}

void completion_run(struct strap *t, struct completion *c)
{
	struct sthread *child = c->child;
	trap_done_fn *done = c->done;

	list_del(&c->node);
	c->done = NULL;
	done(c->arg, c->result);
	completion_free(t, c);
	if (!child)
		return;
	/* A process's only thread stands for its space. */
	if (child->first)
		space_free(child->space);
	else
		thread_free(child);
}

void completions_forget(struct strap *t, struct sthread *child)
{
	struct completion *c;

	list_for_each (c, &t->completions, node)
		if (c->child == child)
			c->child = NULL;
}

static struct order *current(struct strap *t)
{
	struct order *o = list_empty(&t->orders) ? NULL : list_first(&t->orders, struct order, node);

	return o && o->started ? o : NULL;
}

bool order_fork_before(struct sthread *th)
{
	struct order *o;

	list_for_each (o, &th->space->trap->orders, node)
		if (o->space && o->parent != th && o->parent->space == th->space &&
		    o->log_mark < th->log_mark)
			return true;
	return false;
}

static void order_end(struct strap *t, struct order *o, long result, struct sthread *failed)
{
	struct sspace *parent = o->parent->space;

	o->parent->order = NULL;
	list_del(&o->node);
	completion_add(t, o->done, o->arg, result)->child = failed;
	free(o);
	if (!parent->base.dead)
		batch_retry(parent);
	orders_poll(t);
}

static bool is_our_child(struct strap *t, const char *pid)
{
	char path[32], text[512], *p;
	int fd, parent = 0;
	ssize_t n;

	snprintf(path, sizeof path, "%.20s/stat", pid);
	fd = openat(t->procfs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	p = strrchr(text, ')');
	return p && sscanf(p + 1, " %*c %d", &parent) == 1 && parent == getpid();
}

/* Whether there is a child process of ours that no space knows, or nobody can tell; with @end all are killed.
 */
static bool find_strays(struct strap *t, bool end)
{
	int fd = openat(t->procfs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool any = !dir;

	while (dir && (e = readdir(dir))) {
		int pid = atoi(e->d_name);

		if (pid <= 0 || space_find(t, pid) || !is_our_child(t, e->d_name))
			continue;
		any = true;
		if (end)
			kill(pid, SIGKILL);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return any;
}

/* Only a guest that meddled with a clone leaves a child that no space knows. */
void kill_strays(struct strap *t)
{
	find_strays(t, true);
}

/* Whether @s has a host thread that it should not have. */
static bool has_extra_thread(struct strap *t, struct sspace *s)
{
	char path[32];
	struct stat st;
	nlink_t known = 2; /* the links of a /proc/PID/task without threads */
	struct sthread *th;

	list_for_each (th, &s->threads, node)
		known += th->state != THREAD_NEW && th->state != THREAD_STARTING;
	list_for_each (th, &s->free, node)
		known++;
	snprintf(path, sizeof path, "%d/task", s->pid);
	return fstatat(t->procfs, path, &st, 0) < 0 || st.st_nlink > known;
}

/* Whether @pid is a child of ours that no space has yet. */
static bool is_new_child(struct strap *t, int pid)
{
	siginfo_t info;

	return pid > 0 && !space_find(t, pid) &&
	       waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Whether the host has a thread @tid in @s that the kernel does not know yet. */
static bool is_new_thread(struct sspace *s, int tid)
{
	struct sthread *th;

	list_for_each (th, &s->trap->by_tid[(u32)tid % PID_BUCKETS], tid_node)
		if (th->tid == tid && th->space == s)
			return false;
	return tid > 0 && syscall(SYS_tgkill, s->pid, tid, 0) == 0;
}

static void order_fail(struct strap *t, struct order *o, long err)
{
	bool unborn = o->child->state == THREAD_NEW || o->child->state == THREAD_STARTING;
	struct sthread *failed = unborn ? o->child : NULL;

	if (o->space) {
		kill_strays(t);
		/* They may live for a moment yet. */
		space_keep_region(o->space);
	}
	if (failed)
		failed->first = o->space != NULL;
	order_end(t, o, err, failed);
}

/* The child is there. One that was given its answer runs already, and may have taken its next turn. */
static void child_begins(struct strap *t, struct sthread *child)
{
	if (child->state == THREAD_NEW) {
		child->state = THREAD_HELD;
		child->base.held = true;
		return;
	}
	child->state = THREAD_RUNNING;
	if (child->space->killed) {
		kill(child->space->pid, SIGKILL);
		return;
	}
	/* What it has announced meanwhile was passed over. */
	if (list_empty(&child->ready_node))
		list_add_tail(&t->ready, &child->ready_node);
	if (child->interrupt_wanted)
		thread_interrupt(child);
}

static void order_check(struct strap *t, struct order *o)
{
	if (!o->parent_done)
		return;
	if (o->result < 0) {
		order_fail(t, o, o->result);
		return;
	}
	if (o->space && o->dead_child && o->result == o->dead_child) {
		order_fail(t, o, -EAGAIN);
		return;
	}
	if (!o->child_ready && o->child->state != THREAD_STARTING)
		return;
	if (o->space ? !is_new_child(t, (int)o->result) : !is_new_thread(o->parent->space, (int)o->result)) {
		space_meddled(o->parent->space);
		order_fail(t, o, -EAGAIN);
		return;
	}
	if (o->space)
		space_named(o->space, (int)o->result);
	thread_named(o->child, (int)o->result);
	if (o->space)
		family_child(o->child, o->started_at);
	child_begins(t, o->child);
	order_end(t, o, 0, NULL);
}

void order_parent_event(struct sthread *parent, long result)
{
	struct order *o = parent->order;

	o->parent_done = true;
	o->result = result;
	order_check(parent->space->trap, o);
}

void order_child_ready(struct sthread *child)
{
	struct order *o = current(child->space->trap);

	if (!o || o->child != child) {
		space_meddled(child->space);
		return;
	}
	o->child_ready = true;
	order_check(child->space->trap, o);
}

void orders_space_died(struct strap *t, struct sspace *s)
{
	struct order *o, *tmp;

	list_for_each_safe (o, tmp, &t->orders, node) {
		if (o->parent && o->parent->space == s) {
			order_fail(t, o, -EAGAIN);
			orders_space_died(t, s);
			return;
		}
	}
}

struct sspace *order_space(struct strap *t)
{
	struct order *o = current(t);

	return o ? o->child->space : NULL;
}

bool order_makes(struct sspace *s)
{
	struct order *o;

	list_for_each (o, &s->trap->orders, node)
		if (o->space == s)
			return true;
	return false;
}

void orders_child_died(struct strap *t, int pid)
{
	struct order *o = current(t);

	if (!o || !o->space)
		return;
	o->dead_child = pid;
	order_check(t, o);
}

int order_send(struct sthread *parent)
{
	struct sspace *s = parent->order->space;
	const int fds[3] = {s->region->guest_socket, s->region->bell, s->region->fd};

	return send_fds(parent->space->region->socket, fds, 3);
}

/* Gives the order to the parent's stub. */
static void order_start(struct strap *t, struct order *o)
{
	struct sthread *p = o->parent;

	o->started = true;
	o->started_at = now_ns();
	o->gated = !t->gate;
	p->order = o;
	watchdog_start(t);
	if (o->space)
		p->slot->clone_flags = STUB_FORK_FLAGS;
	else {
		p->slot->clone_flags = STUB_THREAD_FLAGS;
		p->slot->clone_slot = o->child->index;
	}
	batch_answer(p, o->space ? ANSWER_FORK : ANSWER_THREAD);
}

/* Whether this clone is the ordered one. The host's clone starts anew when a signal or the freezer comes in
 * its way and asks again: so the same thread may ask twice, as long as nothing has come of the first time. */
static bool is_ordered(struct strap *t, const struct order *o, const struct seccomp_notif *n)
{
	u32 flags = o && o->space ? STUB_FORK_FLAGS : STUB_THREAD_FLAGS;

	if (!o || o->parent_done || (int)n->pid != o->parent->tid || n->data.nr != SYS_clone ||
	    n->data.args[0] != flags)
		return false;
	return !o->gated || !(o->space ? find_strays(t, false) : has_extra_thread(t, o->parent->space));
}

/* Lets the ordered clone through, refuses all others. */
static void gate_answer(struct strap *t)
{
	union {
		struct seccomp_notif notif;
		char room[256];
	} n;
	union {
		struct seccomp_notif_resp resp;
		char room[128];
	} r;
	struct order *o = current(t);

	memset(&n, 0, sizeof n);
	if (ioctl(t->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	memset(&r, 0, sizeof r);
	r.resp.id = n.notif.id;
	if (is_ordered(t, o, &n.notif)) {
		r.resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		o->gated = true;
	} else {
		r.resp.error = -EPERM;
	}
	ioctl(t->listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* Always looks first: who receives what is not there waits for it, and all guests with him. */
void gate_poll(struct strap *t)
{
	struct pollfd p = {t->listener, POLLIN, 0};

	if (t->gate && poll(&p, 1, 0) == 1 && p.revents & POLLIN)
		gate_answer(t);
}

void gate_await(struct strap *t)
{
	struct order *o = current(t);
	u64 start = now_ns();

	while (t->gate && !on_one_cpu(t) && o && !o->gated && now_ns() - start < GATE_AWAIT_NS)
		gate_poll(t);
}

bool orders_due(struct strap *t)
{
	return !list_empty(&t->orders) && !list_first(&t->orders, struct order, node)->started;
}

void orders_poll(struct strap *t)
{
	struct order *o;

	if (list_empty(&t->orders))
		return;
	o = list_first(&t->orders, struct order, node);
	if (!o->started) {
		order_start(t, o);
		return;
	}
	/* While the service thread spins it looks for itself whether the clone has come: now and then, since a look costs
	 * more than a pass. Before it sleeps it makes fewer passes than that, and is woken. */
	if (!o->gated && ++o->looks % GATE_EVERY == 0)
		gate_poll(t);
	if (now_ns() - o->started_at > ORDER_TIMEOUT_NS) {
		struct sspace *s = o->parent->space;

		space_meddled(s);
		order_fail(t, o, -EAGAIN);
	}
}

void order_fork(struct strap *t, struct sthread *parent, struct sspace *space, struct sthread *child,
		trap_done_fn *done, void *arg)
{
	struct order *o = calloc(1, sizeof *o);

	if (!o) {
		child->first = space != NULL;
		completion_add(t, done, arg, -ENOMEM)->child = child;
		return;
	}
	o->parent = parent;
	o->space = space;
	o->child = child;
	o->done = done;
	o->arg = arg;
	o->log_mark = parent->space->log.number;
	together_end(t);
	if (space)
		family_fork(parent, child);
	else
		family_thread(parent);
	/* Not given at once: the child's first answer may follow, and must be there before the child is. */
	list_add_tail(&t->orders, &o->node);
}

void order_thread(struct strap *t, struct sthread *parent, struct sthread *child, trap_done_fn *done,
		  void *arg)
{
	order_fork(t, parent, NULL, child, done, arg);
}

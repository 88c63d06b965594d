/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of handlers, shared by the threads of a group (CLONE_SIGHAND), and what the room registers with the
 * core. */
#include <errno.h>
#include <stdlib.h>

#include "task/signal.h"

struct sighand *sighand_new(struct kernel *k)
{
	struct sighand *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->k = k;
	s->refs = 1;
	wait_queue_init(&s->signalfd_wait);
	object_count(k, "sighand", 1);
	return s;
}

struct sighand *sighand_get(struct sighand *s)
{
	s->refs++;
	return s;
}

struct sighand *sighand_copy(struct sighand *s)
{
	struct sighand *copy = sighand_new(s->k);

	if (!copy)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(s->action); i++)
		copy->action[i] = s->action[i];
	return copy;
}

void sighand_put(struct sighand *s)
{
	if (!s || --s->refs)
		return;
	object_count(s->k, "sighand", -1);
	/* Entries that others still have here (an epoll instance with a signalfd) must not point to freed
	 * memory. */
	while (!list_empty(&s->signalfd_wait.entries))
		list_del(s->signalfd_wait.entries.next);
	free(s);
}

void sighand_exec(struct sighand *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->action); i++) {
		if (s->action[i].handler != (u64)SIG_IGN)
			s->action[i].handler = (u64)SIG_DFL;
		s->action[i].flags = s->action[i].restorer = s->action[i].mask = 0;
	}
}

static void op_force_signal(struct task *t, int signo, int code, u64 addr)
{
	siginfo_t info = signal_info(signo, code);

	info.si_addr = (void *)addr;
	signal_force(t, &info);
}

static void op_send_signal(struct task *t, int signo, int code, bool group)
{
	siginfo_t info = code == SI_USER ? signal_info_from(t, signo, code) : signal_info(signo, code);

	if (group)
		signal_send_group(t->group, &info);
	else
		signal_send_task(t, &info);
}

static int op_signal_take(struct task *t, u64 mask, void *siginfo)
{
	return signal_dequeue(t, mask & ~SIGNAL_UNMASKABLE, siginfo);
}

static struct wait_queue *op_signal_wait(struct task *t)
{
	return &t->sighand->signalfd_wait;
}

int signal_init(struct kernel *k)
{
	k->signals = calloc(1, sizeof *k->signals);
	if (!k->signals)
		return -ENOMEM;
	list_init(&k->signals->users);
	k->futexes = futex_table_new(k);
	if (!k->futexes) {
		free(k->signals);
		k->signals = NULL;
		return -ENOMEM;
	}
	k->ops.force_signal = op_force_signal;
	k->ops.send_signal = op_send_signal;
	k->ops.mask_told = task_set_blocked;
	k->ops.signal_take = op_signal_take;
	k->ops.signal_pending = signal_pending_set;
	k->ops.signal_wait = op_signal_wait;
	return 0;
}

void signal_fini(struct kernel *k)
{
	struct signal_user *u, *tmp;

	if (k->futexes)
		futex_table_free(k->futexes);
	k->futexes = NULL;
	if (!k->signals)
		return;
	list_for_each_safe (u, tmp, &k->signals->users, node) {
		list_del(&u->node);
		free(u);
	}
	free(k->signals);
	k->signals = NULL;
}

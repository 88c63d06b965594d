/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait for all threads of an mm to have been seen. */
#include "sys/settle.h"

#include <errno.h>
#include <stdlib.h>

struct settle_call {
	struct task *task; /* NULL: the call is over */
	call_fn *then;
};

static void forget(struct task *t, void *priv)
{
	((struct settle_call *)priv)->task = NULL;
}

static void settled(void *arg, long result)
{
	struct settle_call *s = arg;
	struct task *t = s->task;
	call_fn *then = s->then;

	free(s);
	if (!t)
		return;
	t->call.priv = NULL;
	t->call.priv_free = NULL;
	t->call.step = then;
	task_run(t);
}

long call_settle(struct task *t, struct call *c, call_fn *then)
{
	struct settle_call *s = calloc(1, sizeof *s);
	int err;

	if (!s)
		return -ENOMEM;
	s->task = t;
	s->then = then;
	err = t->k->trap_ops->settle(t->thread->space, settled, s);
	if (err) {
		free(s);
		return err;
	}
	c->priv = s;
	c->priv_free = forget;
	return CALL_GONE;
}

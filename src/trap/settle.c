/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for all threads of a space, by epochs. */
#include "trap/settle.h"

#include <errno.h>
#include <stdlib.h>

void settling_init(struct settling *s)
{
	s->epoch = 0;
	list_init(&s->waits);
}

int settle_begin(struct settling *s, trap_done_fn *done, void *arg)
{
	struct settle *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	w->epoch = ++s->epoch;
	w->done = done;
	w->arg = arg;
	list_add_tail(&s->waits, &w->node);
	return 0;
}

struct settle *settle_next(struct settling *s, u64 oldest)
{
	struct settle *w;

	if (list_empty(&s->waits))
		return NULL;
	w = list_first(&s->waits, struct settle, node);
	if (oldest < w->epoch)
		return NULL;
	list_del(&w->node);
	return w;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Timers, in a tree by expiry. */
#include "core/timer.h"

#include "core/kernel.h"

void timer_cancel(struct kernel *k, struct timer *timer)
{
	if (!timer->expires)
		return;
	rb_erase(&k->timers, &timer->node);
	timer->expires = 0;
}

void timer_arm(struct kernel *k, struct timer *timer, u64 expires, void (*func)(struct timer *))
{
	struct rb_node **link = &k->timers.node, *parent = NULL;

	timer_cancel(k, timer);
	timer->expires = expires ? expires : 1;
	timer->func = func;
	while (*link) {
		parent = *link;
		link = timer->expires < rb_entry(parent, struct timer, node)->expires ? &parent->left
										      : &parent->right;
	}
	rb_insert(&k->timers, &timer->node, parent, link);
}

u64 timers_next(const struct kernel *k)
{
	struct rb_node *first = rb_first(&k->timers);

	return first ? rb_entry(first, struct timer, node)->expires : ~0UL;
}

void timers_run(struct kernel *k, u64 now)
{
	while (timers_next(k) <= now) {
		struct timer *timer = rb_entry(rb_first(&k->timers), struct timer, node);

		timer_cancel(k, timer);
		timer->func(timer);
	}
}

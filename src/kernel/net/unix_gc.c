/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that only each other's messages hold.
 *
 * A socket that travels in a message is held by that message. When it waits in a socket that waits in the first one
 * (or in itself), and nobody has either open any more, no count ever becomes 0. As on Linux (net/unix/garbage.c) such
 * circles are looked for when sockets close: among the sockets in messages, those whose every reference is a
 * message's, in a queue that cannot be reached from a socket that somebody has open.
 *
 * A search looks at every socket that is in a message, and is made when as many sockets have closed since the last
 * one: what it costs for each close does not grow.
 */
#include "net/unix_impl.h"

void unix_file_sent(struct file *f)
{
	struct socket *s = file_socket(f);
	struct unix_sock *u = s && s->family == AF_UNIX ? unix_of(s) : NULL;

	if (!u || u->travels++)
		return;
	list_add_tail(&u->sock.k->unix_travellers.list, &u->travel_node);
	u->sock.k->unix_travellers.count++;
}

void unix_file_arrived(struct file *f)
{
	struct socket *s = file_socket(f);
	struct unix_sock *u = s && s->family == AF_UNIX ? unix_of(s) : NULL;

	if (!u || --u->travels)
		return;
	list_del(&u->travel_node);
	u->sock.k->unix_travellers.count--;
}

/* Calls @visit for each socket that waits in a message in @u's queue. */
static void each_in_queue(struct unix_sock *u, void (*visit)(struct unix_sock *in, struct list *work),
			  struct list *work)
{
	struct unix_msg *m;

	list_for_each (m, &u->queue, node) {
		for (int i = 0; i < m->nfiles; i++) {
			struct socket *s = file_socket(m->files[i]);

			if (s && s->family == AF_UNIX)
				visit(unix_of(s), work);
		}
	}
}

/* The same, also for the queues of connections that nobody has accepted. */
static void each_in(struct unix_sock *u, void (*visit)(struct unix_sock *in, struct list *work),
		    struct list *work)
{
	struct unix_sock *c;

	each_in_queue(u, visit, work);
	list_for_each (c, &u->pending, pending_node)
		each_in_queue(c, visit, work);
}

static void count_one(struct unix_sock *u, struct list *work)
{
	(void)work;
	u->elsewhere--;
}

/* @u can be reached, and so can what waits in it. */
static void keep(struct unix_sock *u, struct list *work)
{
	if (u->kept)
		return;
	u->kept = true;
	list_add_tail(work, &u->work_node);
}

/* Leaves in *garbage those that cannot be reached, each with a reference. */
static void find_garbage(struct kernel *k, struct list *garbage)
{
	struct list *all = &k->unix_travellers.list, work = LIST_INIT(work);
	struct unix_sock *u;

	/* elsewhere: references that are no message's in the queue of a candidate. */
	list_for_each (u, all, travel_node) {
		u->held = u->sock.file->refs > u->travels;
		u->elsewhere = u->travels;
		u->kept = false;
	}
	list_for_each (u, all, travel_node)
		if (!u->held)
			each_in(u, count_one, NULL);
	list_for_each (u, all, travel_node)
		if (u->held || u->elsewhere)
			keep(u, &work);
	while (!list_empty(&work)) {
		u = list_first(&work, struct unix_sock, work_node);
		list_del(&u->work_node);
		each_in(u, keep, &work);
	}
	list_for_each (u, all, travel_node) {
		if (u->kept)
			continue;
		file_get(u->sock.file);
		list_add_tail(garbage, &u->work_node);
	}
}

void unix_collect(struct kernel *k)
{
	struct list garbage = LIST_INIT(garbage);
	struct unix_sock *u, *c;

	if (!k->unix_travellers.count || k->unix_travellers.collecting)
		return;
	k->unix_travellers.collecting = true;
	k->unix_travellers.closed = 0;
	find_garbage(k, &garbage);
	list_for_each (u, &garbage, work_node) {
		unix_purge(u);
		list_for_each (c, &u->pending, pending_node)
			unix_purge(c);
	}
	while (!list_empty(&garbage)) {
		u = list_first(&garbage, struct unix_sock, work_node);
		list_del(&u->work_node);
		file_put(u->sock.file);
	}
	k->unix_travellers.collecting = false;
}

void unix_closed(struct kernel *k)
{
	if (k->unix_travellers.count && ++k->unix_travellers.closed >= k->unix_travellers.count)
		unix_collect(k);
}

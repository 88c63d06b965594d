/* SPDX-License-Identifier: Apache-2.0 */
/* The table of futex waiters: a fixed number of buckets, each a list in the order of arrival. */
#include <errno.h>
#include <stdlib.h>

#include "mm/mm.h"
#include "task/futex.h"
#include "task/signal.h"

#define BUCKETS 256

struct futex_table {
	struct list bucket[BUCKETS];
	struct list owned; /* struct futex_pi, for all words: there are few */
};

struct futex_table *futex_table_new(struct kernel *k)
{
	struct futex_table *table = malloc(sizeof *table);

	(void)k;
	if (!table)
		return NULL;
	for (int i = 0; i < BUCKETS; i++)
		list_init(&table->bucket[i]);
	list_init(&table->owned);
	return table;
}

void futex_table_free(struct futex_table *table)
{
	free(table);
}

static struct list *bucket_of(struct kernel *k, const struct futex_key *key)
{
	u64 h = ((u64)key->object >> 4) * 0x9e3779b97f4a7c15UL ^ (key->offset >> 2) * 0xc2b2ae3d27d4eb4fUL;

	return &k->futexes->bucket[(h >> 32) % BUCKETS];
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset && a->private == b->private;
}

int futex_key(struct task *t, u64 addr, bool private, struct futex_key *key)
{
	struct mm_key mk;
	int r;

	if (addr % 4)
		return -EINVAL;
	if (addr >= TRAP_GUEST_TOP)
		return -EFAULT;
	if (private) {
		*key = (struct futex_key){t->mm, addr, true};
		return 0;
	}
	r = mm_futex_key(t->mm, addr, &mk);
	if (r < 0)
		return r;
	*key = (struct futex_key){mk.object, mk.offset, false};
	return 0;
}

static void futex_unqueue(struct futex_wait *w)
{
	for (int i = 0; i < w->n; i++)
		list_del(&w->words[i].node);
	w->queued = false;
}

static void futex_wait_free(struct task *t, void *priv)
{
	(void)t;
	futex_unqueue(priv);
	free(priv);
}

struct futex_wait *futex_wait_new(struct task *t, struct call *c, int n)
{
	struct futex_wait *w = calloc(1, sizeof *w + (size_t)n * sizeof w->words[0]);

	if (!w)
		return NULL;
	w->task = t;
	w->woken = -1;
	w->n = n;
	for (int i = 0; i < n; i++) {
		list_init(&w->words[i].node);
		w->words[i].wait = w;
		w->words[i].bitset = ~0u;
	}
	c->priv = w;
	c->priv_free = futex_wait_free;
	return w;
}

static void futex_wake_one(struct futex_waiter *word)
{
	struct futex_wait *w = word->wait;

	list_del(&word->node);
	/* Linux: of several woken words the first is reported; each uses up one wake. */
	if (w->woken < 0)
		w->woken = (int)(word - w->words);
	task_wake(w->task);
}

int futex_wake_key(struct kernel *k, const struct futex_key *key, int n, u32 bitset)
{
	struct list *bucket = bucket_of(k, key);
	struct futex_waiter *word, *tmp;
	int woken = 0;

	list_for_each_safe (word, tmp, bucket, node) {
		if (!key_equal(&word->key, key) || !(word->bitset & bitset))
			continue;
		futex_wake_one(word);
		if (++woken >= n)
			break;
	}
	return woken;
}

int futex_requeue_key(struct kernel *k, const struct futex_key *from, const struct futex_key *to, int wake,
		      int requeue)
{
	struct list *bucket = bucket_of(k, from), *target = bucket_of(k, to), moved;
	struct futex_waiter *word, *tmp;
	int count = 0;

	list_init(&moved);
	list_for_each_safe (word, tmp, bucket, node) {
		if (!key_equal(&word->key, from))
			continue;
		if (count - wake >= requeue)
			break;
		if (++count <= wake) {
			futex_wake_one(word);
			continue;
		}
		list_del(&word->node);
		word->key = *to;
		list_add_tail(&moved, &word->node);
	}
	list_splice_tail(target, &moved);
	return count;
}

void futex_pi_queue(struct kernel *k, struct futex_pi *w)
{
	list_add_tail(&k->futexes->owned, &w->node);
}

struct futex_pi *futex_pi_first(struct kernel *k, const struct futex_key *key, const struct futex_pi *but)
{
	struct futex_pi *w;

	list_for_each (w, &k->futexes->owned, node) {
		if (w != but && !w->giver && key_equal(&w->key, key))
			return w;
	}
	return NULL;
}

void futex_owner_died(struct kernel *k)
{
	struct futex_pi *w;

	list_for_each (w, &k->futexes->owned, node) {
		if (w->giver)
			continue; /* by an unlock, or its end, which looks again */
		w->again = true;
		task_wake(w->task);
	}
}

/* A robust word's owner has died: the first who waits for it, by whichever kind of key, takes it over. */
static int wake_owned(struct kernel *k, const struct futex_key *key)
{
	struct futex_pi *w;

	list_for_each (w, &k->futexes->owned, node) {
		if (w->key.object == key->object && w->key.offset == key->offset && !w->giver) {
			w->again = true;
			task_wake(w->task);
			return 1;
		}
	}
	return 0;
}

int futex_wake(struct task *t, u64 addr, int n, u32 bitset)
{
	struct futex_key key;
	int r = futex_key(t, addr, false, &key);

	if (r < 0)
		return r;
	if (!list_empty(&t->k->futexes->owned))
		wake_owned(t->k, &key);
	return futex_wake_key(t->k, &key, n, bitset);
}

long futex_wait_step(struct task *t, struct call *c)
{
	struct futex_wait *w = c->priv;
	long r;

	if (w->woken >= 0)
		return w->woken;
	if (c->timed_out)
		return -ETIMEDOUT;
	r = call_wait(t);
	if (r == CALL_PARK)
		return r;
	/* Linux: whoever was woken has been woken, whatever else came. */
	return w->woken >= 0 ? w->woken : r;
}

long futex_wait(struct task *t, struct call *c)
{
	struct futex_wait *w = c->priv;
	u32 value;
	int r;

	if (!w->queued) {
		for (int i = 0; i < w->n; i++)
			list_add_tail(bucket_of(t->k, &w->words[i].key), &w->words[i].node);
		w->queued = true;
	}
	for (int i = 0; i < w->n; i++) {
		r = user_read(t, &value, w->words[i].addr, sizeof value);
		/* The stub fetches the word while we stay queued: a wake that comes meanwhile is noted. */
		if (r == CALL_FETCH)
			return r;
		if (!r && value == w->words[i].value)
			continue;
		futex_unqueue(w);
		if (w->woken >= 0)
			return w->woken;
		return r < 0 ? r : -EAGAIN;
	}
	c->step = futex_wait_step;
	return futex_wait_step(t, c);
}

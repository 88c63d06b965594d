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
	u64 gifts;         /* words that owners gave away, and deaths of owners */
	struct list held;  /* struct futex_hold */
	struct wait_queue released;
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
	table->gifts = 0;
	list_init(&table->held);
	wait_queue_init(&table->released);
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

bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
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

/* ---- holding words ---- */

static bool is_held(struct kernel *k, const struct futex_key *key)
{
	struct futex_hold *h;

	list_for_each (h, &k->futexes->held, node) {
		if (futex_key_equal(&h->key[0], key) || futex_key_equal(&h->key[1], key))
			return true;
	}
	return false;
}

long futex_await(struct task *t, const struct futex_key *a, const struct futex_key *b)
{
	long r;

	if (!is_held(t->k, a) && !is_held(t->k, b))
		return 0;
	r = wait_add(&t->k->futexes->released, t);
	if (r < 0)
		return r;
	/* Linux: a bucket's lock is waited for whatever the call's timeout is. */
	t->call.deadline = 0;
	r = call_wait(t);
	return r == -ERESTARTSYS ? -ERESTARTNOINTR : r;
}

void futex_hold(struct task *t, struct futex_hold *hold, const struct futex_key *a, const struct futex_key *b)
{
	hold->key[0] = *a;
	hold->key[1] = *b;
	list_add_tail(&t->k->futexes->held, &hold->node);
}

void futex_release(struct task *t, struct futex_hold *hold)
{
	if (list_empty(&hold->node))
		return;
	list_del(&hold->node);
	wake_all(&t->k->futexes->released);
}

/* ---- waiting and waking ---- */

static void futex_unqueue(struct futex_wait *w)
{
	for (int i = 0; i < w->n; i++)
		list_del(&w->words[i].node);
	futex_release(w->task, &w->hold);
}

void futex_pi_leave(struct futex_pi *w)
{
	if (w->giver)
		*w->giver = NULL;
	list_del(&w->node);
}

static void futex_wait_free(struct task *t, void *priv)
{
	struct futex_wait *w = priv;

	(void)t;
	futex_unqueue(w);
	if (w->pi)
		futex_pi_leave(w->pi);
	free(w->pi);
	free(w);
}

struct futex_wait *futex_wait_new(struct task *t, struct call *c, int n)
{
	struct futex_wait *w = calloc(1, sizeof *w + (size_t)n * sizeof w->words[0]);

	if (!w)
		return NULL;
	w->task = t;
	w->woken = -1;
	w->n = n;
	list_init(&w->hold.node);
	for (int i = 0; i < n; i++) {
		list_init(&w->words[i].node);
		w->words[i].wait = w;
		w->words[i].bitset = ~0u;
	}
	c->priv = w;
	c->priv_free = futex_wait_free;
	return w;
}

/* Queued, but its word is not compared yet. */
static bool is_undecided(const struct futex_waiter *word)
{
	return word - word->wait->words == word->wait->compared;
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

struct futex_wait *futex_first(struct kernel *k, const struct futex_key *key)
{
	struct futex_waiter *word;

	list_for_each (word, bucket_of(k, key), node)
		if (futex_key_equal(&word->key, key))
			return word->wait;
	return NULL;
}

int futex_wake_key(struct kernel *k, const struct futex_key *key, int n, u32 bitset)
{
	struct list *bucket = bucket_of(k, key);
	struct futex_waiter *word, *tmp;
	int woken = 0;

	if (futex_pi_first(k, key, NULL))
		return -EINVAL;
	list_for_each_safe (word, tmp, bucket, node) {
		if (!futex_key_equal(&word->key, key))
			continue;
		if (word->wait->pi)
			return -EINVAL;
		if (!(word->bitset & bitset))
			continue;
		/* Only the end of a task comes while a word is held. Who is undecided returns too, but takes no wake. */
		if (is_undecided(word)) {
			futex_wake_one(word);
			continue;
		}
		if (woken && woken >= n)
			continue;
		futex_wake_one(word);
		if (++woken >= n && list_empty(&k->futexes->held))
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
	if (wake + requeue && futex_pi_first(k, from, NULL))
		return -EINVAL;
	list_for_each_safe (word, tmp, bucket, node) {
		if (!futex_key_equal(&word->key, from))
			continue;
		if (count - wake >= requeue)
			break;
		if (word->wait->pi) {
			count = -EINVAL;
			break;
		}
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
		if (w != but && !w->giver && futex_key_equal(&w->key, key))
			return w;
	}
	return NULL;
}

void futex_pi_given(struct kernel *k)
{
	k->futexes->gifts++;
}

u64 futex_pi_gifts(const struct kernel *k)
{
	return k->futexes->gifts;
}

void futex_owner_died(struct kernel *k)
{
	struct futex_pi *w;

	futex_pi_given(k);
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

/* The next word, queued and compared as one: 0, -EAGAIN, or why it cannot be told. */
static long compare_word(struct task *t, struct futex_wait *w, struct futex_waiter *word)
{
	u32 value;
	long r;

	if (list_empty(&w->hold.node)) {
		r = futex_await(t, &word->key, &word->key);
		if (r)
			return r;
		futex_hold(t, &w->hold, &word->key, &word->key);
		list_add_tail(bucket_of(t->k, &word->key), &word->node);
	}
	r = user_read(t, &value, word->addr, sizeof value);
	if (r == CALL_FETCH)
		return r;
	futex_release(t, &w->hold);
	if (!r && value != word->value)
		r = -EAGAIN;
	return r;
}

long futex_wait(struct task *t, struct call *c)
{
	struct futex_wait *w = c->priv;
	long r;

	while (w->compared < w->n) {
		r = compare_word(t, w, &w->words[w->compared]);
		if (r == CALL_FETCH || r == CALL_PARK)
			return r;
		if (r) {
			futex_unqueue(w);
			return w->woken >= 0 ? w->woken : r;
		}
		w->compared++;
	}
	c->step = futex_wait_step;
	return futex_wait_step(t, c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table: chains that are doubled when they grow long. */
#include "concord.h"

#include <stdlib.h>
#include <string.h>

static size_t hash(const char *text)
{
	size_t h = 1469598103934665603ul;

	while (*text)
		h = (h ^ (unsigned char)*text++) * 1099511628211ul;
	return h;
}

int table_init(struct table *t)
{
	t->buckets = 64;
	t->words = 0;
	t->bucket = calloc(t->buckets, sizeof *t->bucket);
	return t->bucket ? 0 : -1;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->buckets; i++) {
		while (t->bucket[i]) {
			struct word *w = t->bucket[i];

			t->bucket[i] = w->next;
			free(w);
		}
	}
	free(t->bucket);
}

static void grow(struct table *t)
{
	size_t more = t->buckets * 2;
	struct word **bucket = calloc(more, sizeof *bucket);

	/* Without memory the chains stay long. */
	if (!bucket)
		return;
	for (size_t i = 0; i < t->buckets; i++) {
		while (t->bucket[i]) {
			struct word *w = t->bucket[i];
			size_t at = hash(w->text) & (more - 1);

			t->bucket[i] = w->next;
			w->next = bucket[at];
			bucket[at] = w;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->buckets = more;
}

const struct word *table_find(const struct table *t, const char *text)
{
	const struct word *w = t->bucket[hash(text) & (t->buckets - 1)];

	while (w && strcmp(w->text, text))
		w = w->next;
	return w;
}

static struct word *find_or_add(struct table *t, const char *text)
{
	struct word *w = (struct word *)table_find(t, text);
	size_t at;

	if (w)
		return w;
	if (t->words > 2 * t->buckets)
		grow(t);
	w = malloc(sizeof *w + strlen(text) + 1);
	if (!w)
		return NULL;
	at = hash(text) & (t->buckets - 1);
	*w = (struct word){.next = t->bucket[at]};
	strcpy(w->text, text);
	t->bucket[at] = w;
	t->words++;
	return w;
}

int table_add(struct table *t, const char *text, unsigned long count, unsigned long files)
{
	struct word *w = find_or_add(t, text);

	if (!w)
		return -1;
	w->count += count;
	w->files += files;
	return 0;
}

int table_merge(struct table *t, const struct table *from)
{
	for (size_t i = 0; i < from->buckets; i++)
		for (const struct word *w = from->bucket[i]; w; w = w->next)
			if (table_add(t, w->text, w->count, 1))
				return -1;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct word *x = *(const struct word *const *)a, *y = *(const struct word *const *)b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->text, y->text);
}

const struct word **table_sorted(const struct table *t)
{
	const struct word **all = malloc((t->words + 1) * sizeof *all);
	size_t n = 0;

	if (!all)
		return NULL;
	for (size_t i = 0; i < t->buckets; i++)
		for (const struct word *w = t->bucket[i]; w; w = w->next)
			all[n++] = w;
	qsort(all, n, sizeof *all, compare);
	all[n] = NULL;
	return all;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that take the files one by one. */
#include "concord.h"

#include <stdio.h>

struct work {
	struct table *table;
	char **paths;
	int count, next, failed;
	unsigned long words;
	pthread_mutex_t lock;
};

static int take_file(struct work *w)
{
	int file;

	pthread_mutex_lock(&w->lock);
	file = w->next < w->count ? w->next++ : -1;
	pthread_mutex_unlock(&w->lock);
	return file;
}

static void *worker(void *arg)
{
	struct work *w = arg;
	int file;

	while ((file = take_file(w)) >= 0) {
		struct table own;
		long words = -1;

		if (!table_init(&own))
			words = scan_file(&own, w->paths[file]);
		if (words < 0)
			perror(w->paths[file]);
		pthread_mutex_lock(&w->lock);
		if (words < 0 || table_merge(w->table, &own))
			w->failed++;
		else
			w->words += (unsigned long)words;
		pthread_mutex_unlock(&w->lock);
		if (own.bucket)
			table_free(&own);
	}
	return NULL;
}

int index_files(struct table *t, char **paths, int count, int threads, unsigned long *words)
{
	struct work w = {.table = t, .paths = paths, .count = count};
	pthread_t thread[16];
	int started = 0;

	pthread_mutex_init(&w.lock, NULL);
	while (started < threads && started < 16 && !pthread_create(&thread[started], NULL, worker, &w))
		started++;
	if (!started)
		worker(&w);
	while (started)
		pthread_join(thread[--started], NULL);
	pthread_mutex_destroy(&w.lock);
	*words = w.words;
	return w.failed;
}

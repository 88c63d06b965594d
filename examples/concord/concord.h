/* SPDX-License-Identifier: Apache-2.0 */
/* concord: which words stand in which files, and how often. Threads scan a file each, into a table of
 * its own; one table then takes all.
 */
#ifndef CONCORD_H
#define CONCORD_H

#include <pthread.h>
#include <stddef.h>

#define MAX_WORD 64

struct word {
	struct word *next;
	unsigned long count; /* in all files */
	unsigned long files; /* how many have it */
	char text[];
};

/* A hash table of words that grows. */
struct table {
	struct word **bucket;
	size_t buckets, words;
};

int table_init(struct table *t);
void table_free(struct table *t);
/* Counts @text @count times more, in @files files more. 0, or -1 without memory. */
int table_add(struct table *t, const char *text, unsigned long count, unsigned long files);
/* Adds all words of @from, each as in one file more. 0, or -1 without memory. */
int table_merge(struct table *t, const struct table *from);
const struct word *table_find(const struct table *t, const char *text);
/* All words, most frequent first; freed by the caller. */
const struct word **table_sorted(const struct table *t);

/* Adds the words of the file at @path: how many, or -1 (errno says why). */
long scan_file(struct table *t, const char *path);

/* Scans @count files with @threads threads. How many could not be read. */
int index_files(struct table *t, char **paths, int count, int threads, unsigned long *words);

#endif

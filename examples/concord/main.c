/* SPDX-License-Identifier: Apache-2.0 */
/* concord [-t THREADS] [-n TOP] [-w WORD] FILE... */
#include "concord.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_top(const struct table *t, int top)
{
	const struct word **all = table_sorted(t);

	for (int i = 0; all && i < top && all[i]; i++)
		printf("%8lu %s\n", all[i]->count, all[i]->text);
	free(all);
}

int main(int argc, char **argv)
{
	int threads = 4, top = 10, option, failed;
	const char *wanted = NULL;
	unsigned long words;
	struct table table;

	while ((option = getopt(argc, argv, "t:n:w:")) != -1) {
		switch (option) {
		case 't':
			threads = atoi(optarg);
			break;
		case 'n':
			top = atoi(optarg);
			break;
		case 'w':
			wanted = optarg;
			break;
		default:
			fprintf(stderr, "usage: concord [-t THREADS] [-n TOP] [-w WORD] FILE...\n");
			return 2;
		}
	}
	if (table_init(&table)) {
		perror("concord");
		return 1;
	}
	failed = index_files(&table, argv + optind, argc - optind, threads, &words);
	if (wanted) {
		const struct word *w = table_find(&table, wanted);

		printf("%s: %lu times in %lu files\n", wanted, w ? w->count : 0, w ? w->files : 0);
	} else {
		printf("%lu words, %zu different, in %d files\n", words, table.words, argc - optind - failed);
		print_top(&table, top);
	}
	table_free(&table);
	return failed != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a file into words. */
#include "concord.h"

#include <ctype.h>
#include <stdio.h>

long scan_file(struct table *t, const char *path)
{
	FILE *in = fopen(path, "r");
	char word[MAX_WORD];
	size_t size = 0;
	long words = 0;
	int c;

	if (!in)
		return -1;
	do {
		c = getc_unlocked(in);
		if (c != EOF && isalpha(c)) {
			if (size < sizeof word - 1)
				word[size++] = (char)tolower(c);
			continue;
		}
		if (size) {
			word[size] = 0;
			size = 0;
			words++;
			if (table_add(t, word, 1, 0))
				break;
		}
	} while (c != EOF);
	fclose(in);
	return words;
}

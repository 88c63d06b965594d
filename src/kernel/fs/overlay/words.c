/* SPDX-License-Identifier: Apache-2.0 */
/* The words of which a record in the log of an upper layer consists (docs/upper.md). None of them is trusted. */
#include "fs/overlay/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *word_next(char **at)
{
	char *word = *at, *end;

	if (!word)
		return NULL;
	end = strchr(word, ' ');
	if (end)
		*end++ = 0;
	*at = end;
	return word;
}

bool word_number(char **at, int base, u64 max, u64 *out)
{
	char *word = word_next(at), *end;

	if (!word || *word < '0' || *word > '9')
		return false;
	errno = 0;
	*out = strtoul(word, &end, base);
	return !*end && !errno && *out <= max;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

long word_unescape(char *word)
{
	char *from = word, *to = word;

	if (!word)
		return -1;
	if (!strcmp(word, "%")) {
		*word = 0;
		return 0;
	}
	while (*from) {
		if (*from != '%') {
			*to++ = *from++;
			continue;
		}
		if (hex_digit(from[1]) < 0 || hex_digit(from[2]) < 0)
			return -1;
		*to++ = (char)(hex_digit(from[1]) << 4 | hex_digit(from[2]));
		from += 3;
	}
	*to = 0;
	return to - word;
}

bool word_time(char **at, struct timespec *out)
{
	char *word = word_next(at), *dot = word ? strchr(word, '.') : NULL, *end;

	if (!dot)
		return false;
	out->tv_sec = strtol(word, &end, 10);
	if (end != dot)
		return false;
	out->tv_nsec = strtol(dot + 1, &end, 10);
	return !*end && out->tv_nsec >= 0 && out->tv_nsec < 1000000000;
}

bool word_is_name(const char *name, long len)
{
	return len > 0 && len <= 255 && strlen(name) == (size_t)len && !strchr(name, '/') &&
	       strcmp(name, ".") && strcmp(name, "..");
}

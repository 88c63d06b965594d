/* SPDX-License-Identifier: Apache-2.0 */
/* Builds and writes the lines of a trace. */
#include "trace/line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Kept free for the mark of a cut line and the newline. */
#define LINE_RESERVE 16

void line_clear(struct line *l)
{
	l->used = 0;
	l->full = false;
}

void line_add(struct line *l, const char *format, ...)
{
	size_t room = sizeof l->text - LINE_RESERVE - l->used;
	va_list args;
	int n;

	if (l->full)
		return;
	va_start(args, format);
	n = vsnprintf(l->text + l->used, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		l->full = true;
		return;
	}
	l->used += (size_t)n;
}

void line_quote(struct line *l, const void *bytes, size_t size, bool more)
{
	static const char letters[] = "\a\b\t\n\v\f\r", names[] = "abtnvfr";
	const unsigned char *s = bytes;

	line_add(l, "\"");
	for (size_t i = 0; i < size; i++) {
		const char *letter = s[i] ? strchr(letters, s[i]) : NULL;
		bool digit = i + 1 < size && s[i + 1] >= '0' && s[i + 1] <= '9';

		/* As strace: \a and \b are octal, the other short ones by letter. */
		if (letter && letter >= letters + 2)
			line_add(l, "\\%c", names[letter - letters]);
		else if (s[i] == '"' || s[i] == '\\')
			line_add(l, "\\%c", s[i]);
		else if (s[i] < 0x20 || s[i] > 0x7e)
			line_add(l, digit ? "\\%03o" : "\\%o", s[i]);
		else
			line_add(l, "%c", s[i]);
	}
	line_add(l, "\"%s", more ? "..." : "");
}

int line_write(struct line *l, int fd)
{
	size_t at = 0;

	if (l->full) {
		memcpy(l->text + l->used, " <cut>", 6);
		l->used += 6;
	}
	l->text[l->used++] = '\n';
	while (at < l->used) {
		ssize_t n = write(fd, l->text + at, l->used - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

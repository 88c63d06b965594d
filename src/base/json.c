/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON writer: two spaces a level, one member a line. */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void json_init(struct json *j, int fd)
{
	j->fd = fd;
	j->error = 0;
	j->depth = 0;
	j->comma = false;
	j->used = 0;
}

static void json_flush(struct json *j)
{
	size_t at = 0;

	while (at < j->used && !j->error) {
		ssize_t n = write(j->fd, j->buffer + at, j->used - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			j->error = -errno;
	}
	j->used = 0;
}

static void put(struct json *j, const char *text, size_t size)
{
	while (size) {
		size_t n = min(size, sizeof j->buffer - j->used);

		memcpy(j->buffer + j->used, text, n);
		j->used += n;
		text += n;
		size -= n;
		if (j->used == sizeof j->buffer)
			json_flush(j);
	}
}

static void put_text(struct json *j, const char *text)
{
	put(j, text, strlen(text));
}

/* How many bytes at @s are one well-formed UTF-8 character (0: none are). */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : (s[0] & 0xf0) == 0xe0       ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_string(struct json *j, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;
	char escape[8];
	size_t n;

	put_text(j, "\"");
	while (*s) {
		n = utf8_length(s);
		if (*s == '"' || *s == '\\') {
			escape[0] = '\\';
			escape[1] = (char)*s;
			put(j, escape, 2);
		} else if (*s < 0x20 || *s == 0x7f) {
			snprintf(escape, sizeof escape, "\\u%04x", *s);
			put_text(j, escape);
		} else if (!n) {
			put_text(j, "\xef\xbf\xbd");
		} else {
			put(j, (const char *)s, n);
		}
		s += n ? n : 1;
	}
	put_text(j, "\"");
}

static void begin_line(struct json *j)
{
	if (j->comma)
		put_text(j, ",");
	if (j->depth)
		put_text(j, "\n");
	for (int i = 0; i < j->depth; i++)
		put_text(j, "  ");
}

static void begin(struct json *j, const char *name)
{
	begin_line(j);
	if (name) {
		put_string(j, name);
		put_text(j, ": ");
	}
	j->comma = true;
}

void json_open(struct json *j, const char *name, char bracket)
{
	begin(j, name);
	put(j, &bracket, 1);
	j->depth++;
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	bool filled = j->comma;

	j->depth--;
	j->comma = false;
	if (filled) {
		put_text(j, "\n");
		for (int i = 0; i < j->depth; i++)
			put_text(j, "  ");
	}
	put(j, &bracket, 1);
	j->comma = true;
}

void json_string(struct json *j, const char *name, const char *value)
{
	begin(j, name);
	put_string(j, value);
}

static void put_formatted(struct json *j, const char *name, const char *text)
{
	begin(j, name);
	put_text(j, text);
}

void json_u64(struct json *j, const char *name, u64 value)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	put_formatted(j, name, text);
}

void json_s64(struct json *j, const char *name, s64 value)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)value);
	put_formatted(j, name, text);
}

void json_f64(struct json *j, const char *name, double value)
{
	char text[32];
	u64 thousandths;

	/* Whatever the locale, the point is a point; 1e15 and more is no figure of ours. */
	if (!(value > -1e15 && value < 1e15)) {
		json_null(j, name);
		return;
	}
	thousandths = (u64)((value < 0 ? -value : value) * 1000 + 0.5);
	snprintf(text, sizeof text, "%s%llu.%03llu", value < 0 && thousandths ? "-" : "",
		 (unsigned long long)thousandths / 1000, (unsigned long long)thousandths % 1000);
	put_formatted(j, name, text);
}

void json_bool(struct json *j, const char *name, bool value)
{
	put_formatted(j, name, value ? "true" : "false");
}

void json_null(struct json *j, const char *name)
{
	put_formatted(j, name, "null");
}

int json_finish(struct json *j)
{
	put_text(j, "\n");
	json_flush(j);
	return j->error;
}

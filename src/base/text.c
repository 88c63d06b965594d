/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows as it is written. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_reserve(struct text *t, size_t more)
{
	size_t room = t->room ? t->room : 512;
	char *data;

	if (t->failed)
		return false;
	if (t->size + more + 1 <= t->room)
		return true;
	while (room < t->size + more + 1)
		room *= 2;
	data = realloc(t->data, room);
	if (!data) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->room = room;
	return true;
}

void text_add_bytes(struct text *t, const void *data, size_t size)
{
	if (!text_reserve(t, size))
		return;
	memcpy(t->data + t->size, data, size);
	t->size += size;
	t->data[t->size] = 0;
}

void text_add_octal(struct text *t, const char *s, const char *special)
{
	for (size_t n; *s; s += n) {
		n = strcspn(s, special);
		text_add_bytes(t, s, n);
		if (!n) {
			text_add(t, "\\%03o", (unsigned char)*s);
			n = 1;
		}
	}
}

void text_add(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	if (!text_reserve(t, 128))
		return;
	va_start(ap, format);
	n = vsnprintf(t->data + t->size, t->room - t->size, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (t->size + n >= t->room) {
		if (!text_reserve(t, n))
			return;
		va_start(ap, format);
		vsnprintf(t->data + t->size, t->room - t->size, format, ap);
		va_end(ap);
	}
	t->size += n;
}

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){0};
}

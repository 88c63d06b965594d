/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows as it is written, for files that are made when they are read. */
#ifndef HUSK_BASE_TEXT_H
#define HUSK_BASE_TEXT_H

#include "base/types.h"

struct text {
	char *data; /* owned; NUL-terminated once something was written */
	size_t size, room;
	bool failed; /* memory ran out: what follows is dropped */
};

/* Appends. Out of memory sets t->failed, so that only the end needs a check. */
__attribute__((format(printf, 2, 3))) void text_add(struct text *t, const char *format, ...);
void text_add_bytes(struct text *t, const void *data, size_t size);
/* @s, with the bytes that are in @special as \ooo. */
void text_add_octal(struct text *t, const char *s, const char *special);
void text_free(struct text *t);

#endif

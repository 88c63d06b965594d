/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON to a descriptor through a buffer of its own: no allocation, so that a result can be told after
 * memory has run out. Strings are taken as bytes; what is not valid UTF-8 is written as U+FFFD.
 */
#ifndef HUSK_BASE_JSON_H
#define HUSK_BASE_JSON_H

#include "base/types.h"

struct json {
	int fd;    /* borrowed */
	int error; /* the first negative errno of a write, else 0 */
	int depth;
	bool comma; /* a value has been written at this depth */
	size_t used;
	char buffer[2048];
};

void json_init(struct json *j, int fd);
/* @name is the member's name, or NULL at the top and in arrays. */
void json_open(struct json *j, const char *name, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket);                  /* '}' or ']' */
void json_string(struct json *j, const char *name, const char *value);
void json_u64(struct json *j, const char *name, u64 value);
void json_s64(struct json *j, const char *name, s64 value);
/* Three digits behind the point; null for what is no number. */
void json_f64(struct json *j, const char *name, double value);
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);
/* A newline, and everything written: 0 or the first error. */
int json_finish(struct json *j);

#endif

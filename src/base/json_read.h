/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON text (RFC 8259) into a tree. */
#ifndef HUSK_BASE_JSON_READ_H
#define HUSK_BASE_JSON_READ_H

#include "base/types.h"

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_value {
	enum json_type type;
	char *key;                /* of a member; owned */
	char *string;             /* owned; UTF-8 without NUL bytes */
	double number;            /* also the truth of a BOOL */
	u64 whole;                /* a NUMBER that is a whole one between 0 and 2^64 - 1, else 0 */
	struct json_value *first; /* owned: members or elements */
	struct json_value *next;  /* owned: the following sibling */
};

/*
 * The tree of @text, which ends with NUL: *@out is the caller's. -EINVAL with *@line, where it is wrong; -ENOMEM.
 * Nesting goes 64 levels deep at most.
 */
int json_read(const char *text, struct json_value **out, unsigned *line);
void json_value_free(struct json_value *v); /* nullable */
/* The member of an object, or NULL; of what is no object too. */
const struct json_value *json_member(const struct json_value *v, const char *key);
/* The text of a STRING member, or NULL. */
const char *json_text(const struct json_value *v, const char *key);

#endif

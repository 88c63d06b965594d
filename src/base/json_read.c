/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON text by recursive descent. */
#include "base/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 64

struct json_reader {
	const char *at;
	int error;
	unsigned depth;
};

static struct json_value *read_value(struct json_reader *r);

static void *fail(struct json_reader *r, int error)
{
	if (!r->error)
		r->error = error;
	return NULL;
}

static void skip_space(struct json_reader *r)
{
	r->at += strspn(r->at, " \t\r\n");
}

static bool take(struct json_reader *r, char c)
{
	skip_space(r);
	if (*r->at != c)
		return false;
	r->at++;
	return true;
}

void json_value_free(struct json_value *v)
{
	while (v) {
		struct json_value *next = v->next;

		json_value_free(v->first); /* as deep as json_read() allows */
		free(v->key);
		free(v->string);
		free(v);
		v = next;
	}
}

static int read_hex4(const char *p)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *d;

		d = p[i] ? strchr(digits, p[i] | 0x20) : NULL;
		if (!d)
			return -1;
		value = value * 16 + (int)(d - digits);
	}
	return value;
}

static char *put_utf8(char *to, u32 c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* \uXXXX, with its second half where there is one; at the first digit. */
static char *read_unicode(struct json_reader *r, char *to)
{
	int c = read_hex4(r->at), low;

	if (c <= 0)
		return fail(r, EINVAL);
	r->at += 4;
	if (c >= 0xd800 && c < 0xdc00) {
		low = r->at[0] == '\\' && r->at[1] == 'u' ? read_hex4(r->at + 2) : -1;
		if (low < 0xdc00 || low > 0xdfff)
			return fail(r, EINVAL);
		r->at += 6;
		c = 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00);
	} else if (c >= 0xdc00 && c < 0xe000) {
		return fail(r, EINVAL);
	}
	return put_utf8(to, (u32)c);
}

/* Behind the opening quote. */
static char *read_string(struct json_reader *r)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	size_t room = 16;
	char *string, *to, *grown;
	const char *escape;

	string = to = malloc(room + 1);
	if (!string)
		return fail(r, ENOMEM);
	while (to && *r->at != '"') {
		if ((size_t)(to - string) + 4 > room) {
			size_t used = (size_t)(to - string);

			grown = realloc(string, room * 2 + 5);
			if (!grown) {
				free(string);
				return fail(r, ENOMEM);
			}
			room = room * 2 + 4;
			string = grown;
			to = string + used;
		}
		if ((unsigned char)*r->at < 0x20) {
			to = fail(r, EINVAL);
		} else if (*r->at != '\\') {
			*to++ = *r->at++;
		} else if (r->at[1] == 'u') {
			r->at += 2;
			to = read_unicode(r, to);
		} else {
			escape = r->at[1] ? strchr(names, r->at[1]) : NULL;
			if (escape)
				*to++ = values[escape - names];
			else
				to = fail(r, EINVAL);
			r->at += 2;
		}
	}
	if (!to) {
		free(string);
		return NULL;
	}
	*to = 0;
	r->at++;
	return string;
}

static bool read_number(struct json_reader *r, struct json_value *v)
{
	size_t length = strspn(r->at, "+-0123456789.eE");
	char *end;

	if (*r->at != '-' && (*r->at < '0' || *r->at > '9'))
		return false;
	v->type = JSON_NUMBER;
	v->number = strtod(r->at, &end);
	if (end != r->at + length)
		return false;
	if (strspn(r->at, "0123456789") == length) {
		errno = 0;
		v->whole = strtoull(r->at, NULL, 10);
		if (errno)
			return false;
	}
	r->at = end;
	return true;
}

static bool read_word(struct json_reader *r, struct json_value *v)
{
	static const struct {
		const char *word;
		enum json_type type;
		double number;
	} words[] = {{"null", JSON_NULL, 0}, {"true", JSON_BOOL, 1}, {"false", JSON_BOOL, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strncmp(r->at, words[i].word, strlen(words[i].word)))
			continue;
		v->type = words[i].type;
		v->number = words[i].number;
		r->at += strlen(words[i].word);
		return true;
	}
	return false;
}

/* Elements up to the closing bracket; @object: each behind a key. */
static void read_list(struct json_reader *r, struct json_value *v, char close, bool object)
{
	struct json_value **link = &v->first;
	char *key = NULL;

	v->type = object ? JSON_OBJECT : JSON_ARRAY;
	if (take(r, close))
		return;
	do {
		if (object) {
			key = take(r, '"') ? read_string(r) : NULL;
			if (!key || !take(r, ':'))
				fail(r, EINVAL);
		}
		*link = r->error ? NULL : read_value(r);
		if (!*link) {
			free(key);
			return;
		}
		(*link)->key = key;
		link = &(*link)->next;
	} while (take(r, ','));
	if (!take(r, close))
		fail(r, EINVAL);
}

static struct json_value *read_value(struct json_reader *r)
{
	struct json_value *v = calloc(1, sizeof *v);

	if (!v)
		return fail(r, ENOMEM);
	if (++r->depth > DEPTH) {
		fail(r, EINVAL);
	} else if (take(r, '{')) {
		read_list(r, v, '}', true);
	} else if (take(r, '[')) {
		read_list(r, v, ']', false);
	} else if (take(r, '"')) {
		v->type = JSON_STRING;
		v->string = read_string(r);
	} else if (!read_number(r, v) && !read_word(r, v)) {
		fail(r, EINVAL);
	}
	r->depth--;
	if (!r->error)
		return v;
	json_value_free(v);
	return NULL;
}

int json_read(const char *text, struct json_value **out, unsigned *line)
{
	struct json_reader r = {.at = text};
	struct json_value *v = read_value(&r);

	skip_space(&r);
	if (v && *r.at) {
		json_value_free(v);
		v = fail(&r, EINVAL);
	}
	*line = 1;
	for (const char *p = text; p < r.at && *p; p++)
		*line += *p == '\n';
	if (!v)
		return -r.error;
	*out = v;
	return 0;
}

const struct json_value *json_member(const struct json_value *v, const char *key)
{
	if (!v || v->type != JSON_OBJECT)
		return NULL;
	for (v = v->first; v && strcmp(v->key, key);)
		v = v->next;
	return v;
}

const char *json_text(const struct json_value *v, const char *key)
{
	const struct json_value *member = json_member(v, key);

	return member && member->type == JSON_STRING ? member->string : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer: layout, escapes, bytes that are not UTF-8, a buffer that overflows, a descriptor that
 * fails.
 *
 * links: src/base/json.c
 */
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int bad;

static void is(const char *what, const char *got, const char *want)
{
	if (!strcmp(got, want))
		return;
	bad = 1;
	printf("not ok %s:\n%s\nnot\n%s\n", what, got, want);
}

static void small(void)
{
	char text[1024] = "";
	volatile double zero = 0;
	struct json j;
	int fd[2];

	if (pipe(fd))
		exit(1);
	json_init(&j, fd[1]);
	json_open(&j, NULL, '{');
	json_string(&j, "s", "a\"b\\c\n\x7f\xc3\xa4\xff\xe2\x82");
	json_u64(&j, "u", ~0ull);
	json_s64(&j, "i", -5);
	json_f64(&j, "f", 2.9996);
	json_f64(&j, "g", -0.25);
	json_f64(&j, "h", -0.0004);
	json_f64(&j, "nan", 0.0 / zero);
	json_bool(&j, "t", true);
	json_null(&j, "n");
	json_open(&j, "empty", '[');
	json_close(&j, ']');
	json_open(&j, "list", '[');
	json_s64(&j, NULL, 1);
	json_s64(&j, NULL, 2);
	json_close(&j, ']');
	json_close(&j, '}');
	if (json_finish(&j) || read(fd[0], text, sizeof text - 1) <= 0)
		exit(1);
	is("small", text,
	   "{\n  \"s\": \"a\\\"b\\\\c\\u000a\\u007f\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\n"
	   "  \"u\": 18446744073709551615,\n  \"i\": -5,\n  \"f\": 3.000,\n  \"g\": -0.250,\n  \"h\": "
	   "0.000,\n  \"nan\": "
	   "null,\n  \"t\": true,\n  \"n\": null,\n  \"empty\": [],\n"
	   "  \"list\": [\n    1,\n    2\n  ]\n}\n");
}

static void big(void)
{
	char name[] = "/tmp/husk-json.XXXXXX", *text = calloc(1, 5000);
	int fd = mkstemp(name);
	struct json j;

	unlink(name);
	memset(text, 'x', 4999);
	json_init(&j, fd);
	json_string(&j, NULL, text);
	if (json_finish(&j) || lseek(fd, 0, SEEK_CUR) != 5002)
		is("big", "wrong size", "5002 bytes");
	close(fd);
	free(text);
}

static void failing(void)
{
	int fd = open("/dev/full", O_WRONLY);
	struct json j;

	json_init(&j, fd);
	json_u64(&j, NULL, 1);
	if (json_finish(&j) != -ENOSPC)
		is("failing", "no error", "ENOSPC");
	close(fd);
}

int main(void)
{
	small();
	big();
	failing();
	if (!bad)
		printf("ok json\n");
	return bad;
}

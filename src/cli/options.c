/* SPDX-License-Identifier: Apache-2.0 */
/* Parses options by a table, and prints the table. */
#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int cli_error(const char *what, const char *why, ...)
{
	char text[1024];
	va_list args;

	va_start(args, why);
	vsnprintf(text, sizeof text, why, args);
	va_end(args);
	fprintf(stderr, "husk: %s: %s\n", what, text);
	return -1;
}

static const struct option_spec *find_long(const struct option_spec *specs, size_t count, const char *name,
					   size_t size)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(specs[i].name) == size && !memcmp(specs[i].name, name, size))
			return &specs[i];
	return NULL;
}

static const struct option_spec *find_short(const struct option_spec *specs, size_t count, char letter)
{
	for (size_t i = 0; letter && i < count; i++)
		if (specs[i].letter == letter)
			return &specs[i];
	return NULL;
}

static bool optional_argument(const struct option_spec *spec)
{
	return spec->argument && spec->argument[0] == '[';
}

/* One word that begins with a dash; may take the word behind it. */
static int option_take(const struct option_spec *specs, size_t count, void *target, char **argv, int *at)
{
	const char *word = argv[*at], *value = NULL;
	const struct option_spec *spec;

	if (word[1] == '-') {
		const char *equals = strchr(word, '=');
		size_t size = equals ? (size_t)(equals - word - 2) : strlen(word + 2);

		spec = find_long(specs, count, word + 2, size);
		value = equals ? equals + 1 : NULL;
	} else {
		spec = find_short(specs, count, word[1]);
		value = word[2] ? word + 2 : NULL;
	}
	if (!spec)
		return cli_error(word, "no such option; see --help");
	if (value && !spec->argument)
		return cli_error(word, "takes no argument");
	if (spec->argument && !value && !optional_argument(spec)) {
		value = argv[*at + 1];
		if (!value)
			return cli_error(word, "wants an argument: %s", spec->argument);
		(*at)++;
	}
	(*at)++;
	return spec->set(target, value);
}

int options_parse(const struct option_spec *specs, size_t count, void *target, char **argv, int *at)
{
	while (argv[*at] && argv[*at][0] == '-' && argv[*at][1]) {
		if (!strcmp(argv[*at], "--")) {
			(*at)++;
			return 0;
		}
		if (!strcmp(argv[*at], "--help") || !strcmp(argv[*at], "-h"))
			return 1;
		if (option_take(specs, count, target, argv, at))
			return -1;
	}
	return 0;
}

void options_help(const struct option_spec *specs, size_t count)
{
	char left[64], letter[8];

	for (size_t i = 0; i < count; i++) {
		const struct option_spec *s = &specs[i];

		letter[0] = 0;
		if (s->letter)
			snprintf(letter, sizeof letter, "-%c, ", s->letter);
		if (optional_argument(s))
			snprintf(left, sizeof left, "%s--%s[=%s", letter, s->name, s->argument + 1);
		else
			snprintf(left, sizeof left, "%s--%s%s%s", letter, s->name, s->argument ? " " : "",
				 s->argument ? s->argument : "");
		printf("  %-26s %s\n", left, s->help);
	}
}

void options_words(const struct option_spec *specs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("--%s%s ", specs[i].name, optional_argument(&specs[i]) ? "=" : "");
}

int parse_u64(const char *option, const char *text, u64 max, u64 *out)
{
	static const char digits[] = "0123456789abcdef";
	u64 base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10, value = 0;
	const char *start = base == 16 ? text + 2 : text, *p, *found;

	for (p = start; *p; p++) {
		found = strchr(digits, *p >= 'A' ? *p | 0x20 : *p);
		if (!found || (u64)(found - digits) >= base)
			break;
		if ((u64)(found - digits) > max || value > (max - (u64)(found - digits)) / base)
			return cli_error(option, "'%s' is too big", text);
		value = value * base + (u64)(found - digits);
	}
	if (p == start || *p)
		return cli_error(option, "'%s' is not a number", text);
	*out = value;
	return 0;
}

int parse_size(const char *option, const char *text, u64 *bytes)
{
	static const char units[] = "KMGT";
	const char *p, *unit;
	u64 value = 0;
	int shift = 0;

	for (p = text; *p >= '0' && *p <= '9' && value < 1UL << 40; p++)
		value = value * 10 + (u64)(*p - '0');
	unit = p != text && *p ? strchr(units, *p) : NULL;
	if (unit) {
		shift = 10 * (int)(unit - units + 1);
		p++;
	}
	if (p == text || *p)
		return cli_error(option, "'%s' is not a size like 512M", text);
	if (!value)
		return cli_error(option, "wants more than 0 bytes");
	if (value > (1UL << 62) >> shift)
		return cli_error(option, "'%s' is too big", text);
	*bytes = value << shift;
	return 0;
}

int parse_seconds(const char *option, const char *text, u64 *ns)
{
	u64 value = 0, unit = 1000000000;
	const char *p;

	for (p = text; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (u64)(*p - '0');
		if (value > 1000000000)
			return cli_error(option, "'%s' is too long", text);
	}
	value *= 1000000000;
	if (p != text && *p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++) {
			unit /= 10;
			value += unit * (u64)(*p - '0');
		}
	if (p == text || *p)
		return cli_error(option, "'%s' is not a number of seconds", text);
	if (!value)
		return cli_error(option, "wants more than 0 seconds");
	*ns = value;
	return 0;
}

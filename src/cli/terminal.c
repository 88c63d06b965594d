/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the terminal and at the variables by which users say what theirs can do. */
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_UNKNOWN 100
#define WIDTH_LEAST   60

/* The first of the three that is set decides, as in setlocale(3). */
static bool locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "UTF-8") || strcasestr(value, "utf8");
	}
	return false;
}

void terminal_look(struct terminal *t, int fd)
{
	const char *type = getenv("TERM"), *no_colour = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
	bool tty = isatty(fd);
	struct winsize size;

	t->utf8 = locale_is_utf8();
	t->colour = tty && type && strcmp(type, "dumb") && !(no_colour && *no_colour);
	t->width = WIDTH_UNKNOWN;
	if (tty && !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col)
		t->width = size.ws_col;
	else if (columns && atoi(columns) > 0)
		t->width = (u32)atoi(columns);
	t->width = max(t->width, (u32)WIDTH_LEAST);
}

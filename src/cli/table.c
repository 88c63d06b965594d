/* SPDX-License-Identifier: Apache-2.0 */
/* Lays tables out. */
#include "cli/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LAST_LEAST 24 /* columns of the last one, however narrow the terminal */

static const char *const escapes[] = {
	[TABLE_PLAIN] = "",        [TABLE_BOLD] = "\033[1m", [TABLE_DIM] = "\033[2m",
	[TABLE_GOOD] = "\033[32m", [TABLE_BAD] = "\033[31m", [TABLE_WARN] = "\033[33m",
};

void table_init(struct table *t, const char *align)
{
	*t = (struct table){.align = align, .columns = (u32)strlen(align)};
}

/* The next cell, empty; NULL when memory has run out. */
static struct table_cell *next_cell(struct table *t)
{
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct table_cell *cells = reallocarray(t->cells, room, sizeof *cells);

		if (!cells) {
			t->failed = true;
			return NULL;
		}
		t->cells = cells;
		t->room = room;
	}
	t->cells[t->count] = (struct table_cell){NULL, TABLE_PLAIN};
	return &t->cells[t->count++];
}

void table_cell(struct table *t, enum table_style style, const char *format, ...)
{
	struct table_cell *cell = next_cell(t);
	va_list args;

	if (!cell)
		return;
	va_start(args, format);
	if (vasprintf(&cell->text, format, args) < 0) {
		cell->text = NULL;
		t->failed = true;
	}
	va_end(args);
	cell->style = style;
}

/* A row whose second cell is not there. */
void table_heading(struct table *t, const char *text)
{
	table_cell(t, TABLE_BOLD, "%s", text);
	for (u32 i = 1; i < t->columns; i++)
		next_cell(t);
}

static bool is_heading(const struct table *t, size_t row)
{
	return t->columns > 1 && !t->cells[row * t->columns + 1].text;
}

static u32 text_width(const char *text, size_t size)
{
	u32 n = 0;

	for (size_t i = 0; i < size; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void put_padding(FILE *out, u32 n)
{
	while (n--)
		putc(' ', out);
}

static void put_text(FILE *out, const struct terminal *terminal, enum table_style style, const char *text,
		     size_t size)
{
	bool colour = terminal->colour && style != TABLE_PLAIN && size;

	if (colour)
		fputs(escapes[style], out);
	fwrite(text, 1, size, out);
	if (colour)
		fputs("\033[0m", out);
}

/* How many bytes of @text fit into @width columns without cutting a word, if that can be. */
static size_t fitting(const char *text, u32 width)
{
	size_t best = 0;

	if (text_width(text, strlen(text)) <= width)
		return strlen(text);
	for (size_t i = 0; text[i]; i++)
		if (text[i] == ' ' && text_width(text, i) <= width)
			best = i;
	return best ? best : strcspn(text, " ");
}

/* The last cell of a row, which begins at @column. */
static void put_last(FILE *out, const struct terminal *terminal, const struct table_cell *cell, u32 column)
{
	u32 width = terminal->width > column + LAST_LEAST ? terminal->width - column : LAST_LEAST;
	const char *text = cell->text;

	for (;;) {
		size_t n = fitting(text, width);

		put_text(out, terminal, cell->style, text, n);
		text += n;
		while (*text == ' ')
			text++;
		if (!*text)
			return;
		putc('\n', out);
		put_padding(out, column);
	}
}

static void put_row(const struct table *t, const struct table_cell *cells, const u32 *widths, FILE *out,
		    const struct terminal *terminal)
{
	u32 column = 0, blank = 0;

	for (u32 i = 0; i < t->columns; i++) {
		const char *text = cells[i].text;
		size_t size = strlen(text);
		u32 pad = widths[i] - text_width(text, size);

		blank += 2;
		column += 2;
		/* Blanks are owed and not written, so that no line ends in them. */
		if (t->align[i] == 'r')
			blank += pad;
		if (size) {
			put_padding(out, blank);
			blank = 0;
			if (i + 1 == t->columns && t->align[i] == 'l')
				put_last(out, terminal, &cells[i], column);
			else
				put_text(out, terminal, cells[i].style, text, size);
		}
		if (t->align[i] == 'l')
			blank += pad;
		column += widths[i];
	}
	putc('\n', out);
}

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	t->cells = NULL;
	t->count = t->room = 0;
}

int table_print(struct table *t, FILE *out, const struct terminal *terminal)
{
	size_t rows = t->count / t->columns;
	u32 widths[TABLE_COLUMNS_MAX] = {0};

	if (t->failed) {
		table_free(t);
		return -ENOMEM;
	}
	for (size_t row = 0; row < rows; row++)
		for (u32 i = 0; i < t->columns && !is_heading(t, row); i++) {
			const char *text = t->cells[row * t->columns + i].text;

			widths[i] = max(widths[i], text_width(text, strlen(text)));
		}
	for (size_t row = 0; row < rows; row++) {
		const struct table_cell *cells = &t->cells[row * t->columns];

		if (is_heading(t, row)) {
			putc('\n', out);
			put_text(out, terminal, cells->style, cells->text, strlen(cells->text));
			putc('\n', out);
		} else {
			put_row(t, cells, widths, out, terminal);
		}
	}
	table_free(t);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people: columns as wide as their widest cell, the last one wrapped at the terminal's edge, colour
 * only where the terminal takes it.
 *
 *	struct table t;
 *	table_init(&t, "lrl");                      left, right, left
 *	table_cell(&t, TABLE_BOLD, "%s", name);     cell after cell; rows end by themselves
 *	table_print(&t, stdout, &terminal);         and frees it
 *
 * Running out of memory is remembered and makes table_print() return -ENOMEM.
 */
#ifndef HUSK_CLI_TABLE_H
#define HUSK_CLI_TABLE_H

#include <stdio.h>

#include "base/types.h"
#include "cli/terminal.h"

enum table_style { TABLE_PLAIN, TABLE_BOLD, TABLE_DIM, TABLE_GOOD, TABLE_BAD, TABLE_WARN };

#define TABLE_COLUMNS_MAX 12

struct table_cell {
	char *text; /* owned; NULL: the row is a heading, that of its first cell */
	enum table_style style;
};

struct table {
	const char *align; /* a letter a column: l or r; borrowed */
	u32 columns;
	struct table_cell *cells; /* owned */
	size_t count, room;
	bool failed;
};

void table_init(struct table *t, const char *align);
/* The next cell. UTF-8 is fine; each character is taken to be one column wide. */
__attribute__((format(printf, 3, 4))) void table_cell(struct table *t, enum table_style style,
						      const char *format, ...);
/* A line over all columns with a blank one before it, between rows. */
void table_heading(struct table *t, const char *text);
/* Prints with two spaces before each column and frees what the table holds. 0, or -ENOMEM. */
int table_print(struct table *t, FILE *out, const struct terminal *terminal);

#endif

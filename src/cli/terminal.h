/* SPDX-License-Identifier: Apache-2.0 */
/* What standard output can show: colour, characters beyond ASCII, how many columns. */
#ifndef HUSK_CLI_TERMINAL_H
#define HUSK_CLI_TERMINAL_H

#include "base/types.h"

struct terminal {
	bool colour; /* a terminal that takes it, and NO_COLOR is not set */
	bool utf8;   /* the locale says so */
	u32 width;   /* columns: the terminal's, or COLUMNS, else 100 */
};

/* As descriptor @fd is. */
void terminal_look(struct terminal *t, int fd);

#endif

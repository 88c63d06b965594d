/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a broken invariant and aborts; the parent-death signal then ends every guest. */
#include "base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bug_at(const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "husk: internal error at %s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; please report this with the command line\n");
	abort();
}

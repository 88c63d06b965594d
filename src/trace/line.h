/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a trace in the making: what does not fit is left out and marked. Control bytes never get
 * through. */
#ifndef HUSK_TRACE_LINE_H
#define HUSK_TRACE_LINE_H

#include "base/types.h"

#define LINE_SIZE 16384

struct line {
	size_t used;
	bool full;
	char text[LINE_SIZE];
};

void line_clear(struct line *l);
__attribute__((format(printf, 2, 3))) void line_add(struct line *l, const char *format, ...);
/* @size bytes as a C string, escaped as strace does; @more adds the dots of a string that goes on. */
void line_quote(struct line *l, const void *bytes, size_t size, bool more);
/* Ends the line and writes it out in one piece: 0 or -errno. */
int line_write(struct line *l, int fd);

/* Names (trace/names.c). */
const char *errno_name(int error);  /* "ENOENT", or NULL; 512 to 516 too */
const char *signal_name(int signo); /* "SIGINT", or NULL */
void line_signal(struct line *l, int signo);
/* @value by the names of flag set @set (enum flag_set). */
void line_flags(struct line *l, int set, u64 value);

/* Structures (trace/structs.c): @size bytes of struct type @type (enum struct_type) at @data. False: it has
 * no printer. */
bool line_struct(struct line *l, int type, const void *data, size_t size);
void line_siginfo(struct line *l, const void *info);
void line_wait_status(struct line *l, int status);
void line_sockaddr(struct line *l, const void *address, size_t size);

#endif

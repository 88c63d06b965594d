/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a record of the log word by word; @at is where the next word begins, NULL behind the last. */
#ifndef HUSK_KERNEL_FS_OVERLAY_WORDS_H
#define HUSK_KERNEL_FS_OVERLAY_WORDS_H

#include <time.h>

#include "base/types.h"

/* The next word, ended by a zero in place of its blank, or NULL. */
char *word_next(char **at);
/* The next word as a number of @base up to @max: false when it is none. */
bool word_number(char **at, int base, u64 max, u64 *out);
/* The next word as seconds and nanoseconds. */
bool word_time(char **at, struct timespec *out);
/* Undoes the escapes in place: the length, or -1. */
long word_unescape(char *word);
/* Whether an entry may be called so: neither empty nor too long, no dots alone, no slash. */
bool word_is_name(const char *name, long len);

#endif

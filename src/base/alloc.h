/* SPDX-License-Identifier: Apache-2.0 */
/* Zeroed memory for small objects that come and go: by malloc(), whose per-thread cache glibc's calloc() passes by. */
#ifndef HUSK_BASE_ALLOC_H
#define HUSK_BASE_ALLOC_H

#include <stdlib.h>
#include <string.h>

/* @size bytes of zeroes, for free(); NULL: no memory. */
static inline void *zalloc(size_t size)
{
	void *p = malloc(size);

	__asm__("" : "+r"(p)); /* else the compiler makes a calloc() of it */
	return p ? memset(p, 0, size) : NULL;
}

/* Zeroes: by the library, whose vectors are faster than the string instruction that compilers make of a known size. */
static inline void clear(void *p, size_t size)
{
	__asm__("" : "+r"(size));
	memset(p, 0, size);
}

#endif

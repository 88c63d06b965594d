/* SPDX-License-Identifier: Apache-2.0 */
/* What tests by random steps have in common: numbers that come again with the same seed, and failures with their step. */
#ifndef HUSK_TESTS_UNIT_RANDOM_H
#define HUSK_TESTS_UNIT_RANDOM_H

#include <stdio.h>

#include "base/types.h"

static int failures, step;
static u64 seed = 1;

#define EXPECT(cond)                                                                   \
	do {                                                                           \
		if (!(cond) && failures++ < 20)                                        \
			printf("not ok step %d line %d: %s\n", step, __LINE__, #cond); \
	} while (0)

/* Below @n. */
static inline u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

#endif

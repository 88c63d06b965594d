/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the calls that have short ways, read off the lists of channel/short.h. */
#include "trap/short_numbers.h"

const u32 constant_numbers[NR_CONSTANT_CALLS] = {
#define X(name, number) [CONSTANT_##name] = (number),
	HUSK_CONSTANT_CALLS(X)
#undef X
};

const u32 short_numbers[NR_SHORT_CALLS] = {
#define X(name, number) [SHORT_##name] = (number),
	HUSK_SHORT_CALLS(X)
#undef X
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the calls that have short ways, by what channel/short.h calls them. For the kernel's side alone. */
#ifndef HUSK_CHANNEL_SHORT_NUMBERS_H
#define HUSK_CHANNEL_SHORT_NUMBERS_H

#include "channel/short.h"

static const u32 constant_numbers[NR_CONSTANT_CALLS] = {
#define X(name, number) [CONSTANT_##name] = (number),
	HUSK_CONSTANT_CALLS(X)
#undef X
};

static const u32 short_numbers[NR_SHORT_CALLS] = {
#define X(name, number) [SHORT_##name] = (number),
	HUSK_SHORT_CALLS(X)
#undef X
};

#endif

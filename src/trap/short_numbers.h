/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the calls that have short ways, by what channel/short.h calls them. */
#ifndef HUSK_TRAP_SHORT_NUMBERS_H
#define HUSK_TRAP_SHORT_NUMBERS_H

#include "base/types.h"
#include "channel/short.h"

extern const u32 constant_numbers[NR_CONSTANT_CALLS];
extern const u32 short_numbers[NR_SHORT_CALLS];

#endif

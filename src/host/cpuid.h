/* SPDX-License-Identifier: Apache-2.0 */
/* Whether asking the processor what it is takes long. */
#ifndef HUSK_HOST_CPUID_H
#define HUSK_HOST_CPUID_H

#include <stdbool.h>

/* Whether `cpuid` leaves a virtual machine, and all of the machine's processors are of one kind, so that it says the same on
 * each. */
bool host_cpuid_is_slow(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* husk check --filter. */
#ifndef HUSK_CLI_CHECK_FILTER_H
#define HUSK_CLI_CHECK_FILTER_H

#include "base/types.h"

/* Prints the guests' filter on standard output; @gated: as it is where the host has a notification listener to give. 0,
 * -ENOMEM, or -EIO when that cannot be written. */
int check_filter_show(bool gated);

#endif

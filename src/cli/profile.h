/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's and OCI's seccomp profiles. */
#ifndef HUSK_CLI_PROFILE_H
#define HUSK_CLI_PROFILE_H

#include "cli/filter.h"

/* The program of the JSON profile in a file. 0, or -1 after an error was said. */
int profile_compile(const char *path, struct filter_file *out);

#endif

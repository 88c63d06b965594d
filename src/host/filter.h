/* SPDX-License-Identifier: Apache-2.0 */
/* The host calls that the kernel process may make once guests run, as a table and as a seccomp filter of it.
 */
#ifndef HUSK_HOST_FILTER_H
#define HUSK_HOST_FILTER_H

#include "base/types.h"

/* Installs the filter in every thread of this process, which has no_new_privs. Another call fails with EPERM,
 * or, with
 * @kill, ends the process by SIGSYS. With @traces the calls of the ptrace trap are allowed too. 0 or -errno. */
int host_filter_install(bool kill, bool traces);
/* How many calls the table allows. */
int host_filter_count(bool traces);

#endif

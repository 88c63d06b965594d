/* SPDX-License-Identifier: Apache-2.0 */
/* The host calls that the kernel process may make once guests run, as a table and as a seccomp filter of it.
 */
#ifndef HUSK_HOST_FILTER_H
#define HUSK_HOST_FILTER_H

#include "base/types.h"

#define HOST_FILTER_TRACES 1u /* the ptrace trap */
#define HOST_FILTER_WRITES 2u /* files of the host are written */

/* Installs the filter in every thread of this process, which has no_new_privs. Another call fails with EPERM,
 * or, with
 * @kill, ends the process by SIGSYS. With @what (HOST_FILTER_*) the calls that those need are allowed too. 0 or -errno. */
int host_filter_install(bool kill, u32 what);
/* How many calls the table allows. */
int host_filter_count(u32 what);

#endif

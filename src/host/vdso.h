/* SPDX-License-Identifier: Apache-2.0 */
/* The host's vDSO: where its functions lie. */
#ifndef HUSK_HOST_VDSO_H
#define HUSK_HOST_VDSO_H

#include "base/types.h"

/* The offset of function @name from the vDSO's ELF header, the same in every process; 0: there is none. */
u64 host_vdso_function(const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* --strace: every call, signal and end of every guest thread, one line each, in strace's notation. */
#ifndef HUSK_TRACE_STRACE_H
#define HUSK_TRACE_STRACE_H

#include "core/tracer.h"
#include "host/types.h"

/* A tracer that writes to the borrowed descriptor @out. NULL: no memory. Owned by the caller, who ends it by
 * strace_free() after the last task. */
struct tracer *strace_new(struct hostfd out);
/* @tr: nullable. 0, or the -errno by which lines were lost. */
int strace_free(struct tracer *tr);

#endif

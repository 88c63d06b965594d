/* SPDX-License-Identifier: Apache-2.0 */
/* The part of prctl(2) that sets a task's filters. */
#ifndef HUSK_KERNEL_SYS_SECCOMP_H
#define HUSK_KERNEL_SYS_SECCOMP_H

#include "core/task.h"

long prctl_set_seccomp(struct task *t, struct call *c);

#endif

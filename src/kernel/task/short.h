/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stub may answer for a task without the kernel (channel/short.h).
 *
 * It is worked out anew whenever the task goes back to the guest, so nobody need tell of what the task changes of its own:
 * filters, credentials, dispatch. Who changes what another, running task may be answered must tell: short_parent() and
 * short_pgrp(); or, to take something away, see that the task takes a turn (trap_ops.settle).
 */
#ifndef HUSK_KERNEL_TASK_SHORT_H
#define HUSK_KERNEL_TASK_SHORT_H

#include "task/task_ops.h"

/* Registers kernel_ops.short_ways. */
void short_init(struct kernel *k);
/* @g has another parent; is in another process group. */
void short_parent(struct thread_group *g);
void short_pgrp(struct thread_group *g);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* For handlers that must know that no other thread of their mm is in the midst of anything. */
#ifndef HUSK_KERNEL_SYS_SETTLE_H
#define HUSK_KERNEL_SYS_SETTLE_H

#include "core/task.h"

/* Goes on with @then once every thread that runs on the caller's mm has taken a turn (trap_ops.settle): CALL_GONE, to be
 * returned at once, or -ENOMEM. Uses call.priv until then. */
long call_settle(struct task *t, struct call *c, call_fn *then);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What programs ask of descriptors behind a call about them, and their closing: answered by the stub. See known.c. */
#ifndef HUSK_KERNEL_TASK_KNOWN_H
#define HUSK_KERNEL_TASK_KNOWN_H

#include "core/task.h"

void known_forget(struct task *t); /* it has ended */
void known_init(struct kernel *k); /* registers operations */

#endif

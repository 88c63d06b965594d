/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/1. */
#ifndef HUSK_KERNEL_TASK_PROC_INIT_H
#define HUSK_KERNEL_TASK_PROC_INIT_H

#include "vfs/synth.h"

extern const struct synth_entry proc_init_dir;

#endif

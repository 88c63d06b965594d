/* SPDX-License-Identifier: Apache-2.0 */
/* A task's vector state as register sets and core files show it (arch/x86/kernel/fpu/regset.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "task/task_ops.h"

/* What describes the rest: in a signal frame struct _fpx_sw_bytes, here XCR0. */
#define SW       464UL
#define SW_SIZE  48UL
#define FEATURES 472UL

long task_fpstate(struct task *t, char **out)
{
	const struct trap_ops *ops = t->k->trap_ops;
	size_t size = ops->xstate_size(t->k->trap);
	char *state = calloc(1, max(size, TASK_FPREGS_SIZE));
	u64 features;

	if (!state)
		return -ENOMEM;
	ops->xstate_get(t->thread, state);
	memcpy(&features, state + FEATURES, sizeof features);
	memset(state + SW, 0, SW_SIZE);
	if (size > TASK_FPREGS_SIZE)
		memcpy(state + SW, &features, sizeof features);
	*out = state;
	return (long)size;
}

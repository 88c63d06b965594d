/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the call table from abi/syscalls.tbl.
 *
 * A line's SUPPORT is a word (FULL, PART, NONE) or a word with an errno (REFUSED(EPERM)); the three
 * CALL_x_SUPPORT macro families below turn either form into the support value, the errno and the handler.
 */
#include "core/call_table.h"

#include <errno.h>

#define CALL_SUPPORT_FULL       SUPPORT_FULL
#define CALL_SUPPORT_PART       SUPPORT_PART
#define CALL_SUPPORT_NONE       SUPPORT_NONE
#define CALL_SUPPORT_REFUSED(e) SUPPORT_REFUSED

#define CALL_REFUSE_FULL       0
#define CALL_REFUSE_PART       0
#define CALL_REFUSE_NONE       0
#define CALL_REFUSE_REFUSED(e) e

/* Each ends as the name of a macro that is then applied to the call's name. */
#define HANDLER_NAMED(name)     sys_##name
#define HANDLER_NULL(name)      NULL
#define CALL_HANDLER_FULL       HANDLER_NAMED
#define CALL_HANDLER_PART       HANDLER_NAMED
#define CALL_HANDLER_NONE       HANDLER_NULL
#define CALL_HANDLER_REFUSED(e) HANDLER_NULL
#define APPLY(macro, name)      macro(name)

/* The handlers, each in its family's file in sys/; the linker misses one that a line promises. */
#define CALL(nr, name, support, shape, args, note) long sys_##name(struct task *t, struct call *c);
#include "abi/syscalls.tbl"
#undef CALL

#define CALL(nr, name, support, shape, args, note) \
	_Static_assert((nr) < HUSK_NR_CALLS - 1, "the last entry stands for all numbers beyond");
#include "abi/syscalls.tbl"
#undef CALL

const struct call_entry call_table[HUSK_NR_CALLS] = {
#define CALL(nr, call, sup, shp, arg, text)                                              \
	[nr] = {                                                                         \
		.name = #call,                                                           \
		.fn = APPLY(CALL_HANDLER_##sup, call),                                   \
		.nargs = sizeof((const struct arg_spec[])arg) / sizeof(struct arg_spec), \
		.support = CALL_SUPPORT_##sup,                                           \
		.shape = SHAPE_##shp,                                                    \
		.refuse = CALL_REFUSE_##sup,                                             \
		.args = arg,                                                             \
		.note = text,                                                            \
	},
#include "abi/syscalls.tbl"
#undef CALL
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that limits give, and those by which filters refuse. */
#include "trap/advice.h"

#include <errno.h>

#include "base/types.h"

const char *advice_for(int err)
{
	static const struct {
		int err;
		const char *advice;
	} table[] = {
		{EMFILE, "raise ulimit -n"},
		{ENFILE, "the whole host has too many open files"},
		{EFBIG, "raise ulimit -f"},
		{EAGAIN, "raise ulimit -u, or the cgroup's pids.max"},
		{ENOMEM, "free memory, or raise ulimit -v"},
		{ENOSPC, "free memory"},
		{EPERM, "allow it in the filter around husk"},
		{EACCES, "allow it in the filter around husk"},
		{ENOSYS, "allow it in the filter around husk, or use a newer kernel"},
		{EINVAL, "allow it in the filter around husk, or use a newer kernel"},
	};

	if (err < 0)
		err = -err;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].err == err)
			return table[i].advice;
	return "see `husk check`";
}

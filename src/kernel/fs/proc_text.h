/* SPDX-License-Identifier: Apache-2.0 */
/* The contents of /proc's system-wide files: proc(5). */
#ifndef HUSK_KERNEL_FS_PROC_TEXT_H
#define HUSK_KERNEL_FS_PROC_TEXT_H

#include "base/text.h"
#include "core/task.h"

struct proc_file {
	const char *path; /* below /proc */
	u32 mode;
	/* Writes the contents as @t sees them. 0 or -errno. */
	int (*show)(struct task *t, struct text *out);
	/* Takes what @t writes; NULL: read-only. 0 or -errno. */
	int (*store)(struct task *t, const char *data, size_t size);
	const char *constant; /* contents that never change, instead of show() */
};

/* Sorted by nothing in particular; ends with a NULL path. */
extern const struct proc_file proc_system_files[];

#endif

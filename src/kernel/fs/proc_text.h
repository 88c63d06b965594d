/* SPDX-License-Identifier: Apache-2.0 */
/* The system-wide files of /proc: proc(5). */
#ifndef HUSK_KERNEL_FS_PROC_TEXT_H
#define HUSK_KERNEL_FS_PROC_TEXT_H

#include "base/text.h"
#include "vfs/synth.h"

struct proc_file {
	int (*show)(struct task *t, struct text *out); /* the contents as @t sees them: 0 or -errno */
	const char *constant;                          /* contents that never change, instead */
};

/* The static part of /proc's root. */
extern const struct synth_entry proc_entries[];

/* Symlinks: to the reader's own directories, to a fixed place (entry->data). */
extern const struct synth_ops proc_self_ops, proc_thread_self_ops, proc_link_ops;

/* Hands @text (consumed) over as a synth_ops.show() result, when @err is 0. */
int proc_text_done(struct text *text, int err, char **out, size_t *size);

#endif

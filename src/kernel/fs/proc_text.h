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

/* /proc/sys (proc_sys.c). */
extern const struct synth_entry proc_sys_entries[];
extern const struct synth_ops proc_sys_ops;
/* /proc/sys/kernel/seccomp (proc_seccomp.c). */
extern const struct synth_entry proc_seccomp_entries[];
/* core_pattern, core_uses_pid (proc_core.c). */
extern const struct synth_ops proc_core_pattern_ops, proc_core_uses_pid_ops;
/* /proc/sys/kernel/yama (proc_yama.c). */
extern const struct synth_entry proc_yama_entries[];

/* Lines of such tables: a file that show(t, text) writes, one that never changes, a directory. */
extern const struct synth_ops proc_text_ops;
#define PROC_FILE(node, ...)                                                            \
	{                                                                               \
		node, S_IFREG | 0444, &proc_text_ops, .data = &(const struct proc_file) \
		{                                                                       \
			__VA_ARGS__                                                     \
		}                                                                       \
	}
#define PROC_SHOW(node, fn)       PROC_FILE(node, .show = fn)
#define PROC_CONSTANT(node, text) PROC_FILE(node, .constant = text)
#define PROC_DIRECTORY(node, entries)               \
	{                                           \
		node, S_IFDIR | 0555, NULL, entries \
	}

/* Symlinks: to the reader's own directories, to a fixed place (entry->data). */
extern const struct synth_ops proc_self_ops, proc_thread_self_ops, proc_link_ops;

/* Hands @text (consumed) over as a synth_ops.show() result, when @err is 0. */
int proc_text_done(struct text *text, int err, char **out, size_t *size);

#endif

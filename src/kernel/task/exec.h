/* SPDX-License-Identifier: Apache-2.0 */
/* Inside exec: what its files share (exec.c the steps, exec_args.c the strings, exec_ids.c whose the program is,
 * exec_commit.c the new program in place of the old, exec_linker.c its linker's code, exec_stack.c its first stack). */
#ifndef HUSK_KERNEL_TASK_EXEC_H
#define HUSK_KERNEL_TASK_EXEC_H

#include <limits.h>

#include "task/elf.h"
#include "task/life.h"

#define EXEC_HEAD_SIZE   256 /* what is read of a file to tell its format */
#define EXEC_MAX_SCRIPTS 5
#define EXEC_MAX_PREFIX  (3 * EXEC_MAX_SCRIPTS)
#define EXEC_MAX_STRING  131072UL
#define EXEC_MAX_BYTES   (6UL << 20)
#define EXEC_MIN_BYTES   131072UL /* so much is always allowed (ARG_MAX) */
#define EXEC_MAX_AUXV    24
#define EXEC_PAGES       4 /* a vector and strings in two places */

/* Strings one behind the other, each with its NUL. */
struct exec_strings {
	char *bytes; /* owned */
	size_t used, room;
	u64 count;
	bool complete;
};

struct exec {
	struct kernel *k;
	struct task *t;             /* borrowed: its call owns this; NULL: it is gone */
	char path[PATH_MAX];        /* AT_EXECFN */
	struct file *file, *interp; /* owned, nullable */
	struct exec_strings args, env;
	u64 limit; /* of all strings and pointers, in bytes */
	/* What scripts put before the arguments, the last first; skip: so many of args are replaced (0 or 1).
	 */
	char *prefix[EXEC_MAX_PREFIX]; /* owned */
	int nprefix, skip;
	char head[EXEC_HEAD_SIZE];
	size_t head_size;
	struct elf_image image, interp_image;
	struct linker *linker; /* of the first program: read ahead; owned, nullable */
	/* Pages of guest memory, for reading strings: the one that was used last is the first. */
	struct exec_page {
		u64 addr;    /* ~0: none */
		char *bytes; /* owned, nullable */
	} pages[EXEC_PAGES];
	/* The new space; with `stays` there is none: the old one serves again. */
	struct trap_thread *thread;
	bool released, ordered, finished, stays;
	long result;
	int old_tid; /* of the thread that called execve */
	u64 interp_base;
	u32 euid, egid; /* as the file says */
	bool set_id;    /* by its set-id bits */
	bool hidden;    /* not dumpable: its caller may not read it, or it is more than its caller was */
	bool secure;    /* AT_SECURE: its ids are not its caller's */
};

/* ---- exec_args.c ---- */

/* The strings of the vector at guest address @array (0: none). 0, -E2BIG, -EFAULT, -ENOMEM or CALL_FETCH:
 * call again. */
int exec_read_strings(struct task *t, struct exec *e, struct exec_strings *s, u64 array);
int exec_add_string(struct exec_strings *s, const char *string, size_t len);
/* For a vector in husk's own memory. */
int exec_copy_strings(struct exec_strings *s, char *const *vector);
void exec_set_limit(struct task *t, struct exec *e);
/* 0 or -E2BIG, as all strings are now. */
int exec_check_size(const struct exec *e);
/*
 * e->head begins with "#!": *interp gets the interpreter's path (owned by e), arguments are put before the
 * others.
 * @script: the script's own path. 0, -ENOEXEC, -ENOMEM, -E2BIG.
 */
int exec_script(struct exec *e, const char *script, const char **interp);
void exec_free_strings(struct exec *e);

/* ---- exec_ids.c ---- */

/* What the file says of ids, once it is open: sets euid, egid, set_id and hidden. 0 or -errno. */
int exec_find_ids(struct task *t, struct exec *e);
/* Gives the task the program's credentials and limits; sets hidden and secure for good. 0 or -ENOMEM. */
int exec_take_ids(struct task *t, struct exec *e);

/* ---- exec_commit.c ---- */

/* Past the point of no return: a failure is the group's death. -errno when there is no new space, else CALL_NORETURN. */
long exec_commit(struct task *t, struct exec *e);

/* ---- exec_linker.c ---- */

/* @im, mapped from @f, is a program's linker: the sites of its code are looked for, and patched, if nobody has yet. */
void exec_read_linker(struct mm *mm, struct file *f, const struct elf_image *im);
/* The same ahead of the first program's start, in two steps: what its code has, owned, NULL if there is nothing to patch; and
 * patched copies made of it. */
struct linker *exec_linker_ahead(struct file *f, const struct elf_image *im);
void exec_expect_linker(struct kernel *k, struct file *f, struct linker *l);
void exec_linker_free(struct linker *l); /* nullable */

/* ---- exec_stack.c ---- */

/* Maps the stack and fills it: strings, vectors, auxv. *sp: the first stack pointer. 0 or -errno. */
int exec_stack(struct task *t, struct exec *e, u64 *sp);

#endif

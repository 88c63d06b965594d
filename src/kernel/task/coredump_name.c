/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file a core goes to: core_pattern, and what the file must be like (fs/coredump.c: format_corename(),
 * do_coredump()).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mm/mm.h"
#include "task/coredump.h"
#include "vfs/inode.h"

#define O_LARGEFILE_KERNEL 0100000u

struct name {
	char text[PATH_MAX];
	size_t used;
	bool pid;
};

static void add_char(struct name *n, char c)
{
	if (n->used < sizeof n->text - 1)
		n->text[n->used++] = c;
}

/* Slashes would lead elsewhere, and dots up (cn_esc_printf()). */
static void add_escaped(struct name *n, const char *text)
{
	size_t from = n->used;

	for (; *text; text++)
		add_char(n, *text == '/' ? '!' : *text);
	if (n->used - from == 1 && n->text[from] == '.')
		n->text[from] = '!';
	else if (n->used - from == 2 && n->text[from] == '.' && n->text[from + 1] == '.')
		n->text[from] = '!';
	else if (n->used == from)
		add_char(n, '!');
}

static void add_number(struct name *n, u64 number)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%lu", number);
	for (const char *c = digits; *c; c++)
		add_char(n, *c);
}

/* The path of the program's file, or its last part alone. */
static void add_program(struct name *n, struct task *t, bool whole)
{
	struct file *exe = t->mm->exe;
	char path[PATH_MAX];
	const char *last;

	if (!exe || !exe->path || path_text(t, exe->path, path, sizeof path, false) < 0) {
		add_escaped(n, t->comm);
		return;
	}
	last = strrchr(path, '/');
	add_escaped(n, whole || !last ? path : last + 1);
}

static void add_item(struct name *n, struct task *t, int signo, char item)
{
	switch (item) {
	case '%':
		add_char(n, '%');
		break;
	case 'p':
	case 'P':
		n->pid = true;
		add_number(n, (u64)t->group->tgid);
		break;
	case 'i':
	case 'I':
		add_number(n, (u64)t->tid);
		break;
	case 'u':
		add_number(n, t->cred->uid);
		break;
	case 'g':
		add_number(n, t->cred->gid);
		break;
	case 'd':
		add_number(n, (u64)t->mm->dumpable);
		break;
	case 's':
		add_number(n, (u64)signo);
		break;
	case 't':
		add_number(n, (u64)time(NULL));
		break;
	case 'h':
		add_escaped(n, t->k->hostname);
		break;
	case 'e':
		add_escaped(n, t->comm);
		break;
	case 'f':
		add_program(n, t, false);
		break;
	case 'E':
		add_program(n, t, true);
		break;
	case 'c':
		add_number(n, t->group->limits[RLIMIT_CORE].rlim_cur);
		break;
	case 'C':
		add_number(n, (u64)max(t->k->trap_ops->cpu(t->thread), 0));
		break;
	}
}

static void make_name(struct name *n, struct task *t, int signo)
{
	for (const char *c = t->k->core_pattern; *c; c++) {
		if (*c != '%')
			add_char(n, *c);
		else if (c[1])
			add_item(n, t, signo, *++c);
	}
	/* Threads of one process in different files were once a reason; the setting is older than %p. */
	if (!n->pid && t->k->core_uses_pid) {
		add_char(n, '.');
		add_number(n, (u64)t->group->tgid);
	}
	n->text[n->used] = 0;
}

/* What had the name before, but for a directory: should it stay, the new file cannot be made. */
static void remove_old(struct task *t, const char *name)
{
	char last[256];
	enum last_type type;
	struct path dir;
	bool slashes;

	if (path_parent(t, AT_FDCWD, name, 0, &dir, last, &type, &slashes))
		return;
	if (type == LAST_NORM)
		(void)vfs_remove(t, &dir, last, slashes, false);
	path_put(&dir);
}

/* What others have come to since, or what no bytes can be put at. */
static int check(struct task *t, struct file *f)
{
	struct kstat st;
	int err = file_getattr(f, &st);

	if (err)
		return err;
	if ((st.mode & S_IFMT) != S_IFREG || st.nlink != 1 || st.uid != t->cred->fsuid ||
	    (st.mode & 0677) != 0600)
		return -EPERM;
	return f->ops->write ? 0 : -EINVAL;
}

int coredump_open(struct task *t, int signo, struct file **out)
{
	struct name name = {0};
	struct file *f;
	long err;

	make_name(&name, t, signo);
	memset(&t->call, 0, sizeof t->call);
	remove_old(t, name.text);
	err = vfs_open_at(t, &t->call, AT_FDCWD, name.text,
			  O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_LARGEFILE_KERNEL, 0600, 0, &f);
	if (err)
		return err < 0 ? (int)err : -EAGAIN;
	err = check(t, f);
	if (err) {
		file_put(f);
		return (int)err;
	}
	*out = f;
	return 0;
}

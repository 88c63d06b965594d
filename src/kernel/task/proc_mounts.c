/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/mounts, mountinfo and mountstats: the mounts that the process can reach from its root (fs/proc_namespace.c). Blanks
 * and backslashes in paths are octal, since the fields are parted by blanks.
 */
#include <errno.h>
#include <stdio.h>

#include "task/proc_pid.h"
#include "vfs/inode.h"

/* Where @m is, as @t sees it; false: not below its root. */
static bool mount_place(struct task *t, struct mount *m, char *buf, size_t size)
{
	struct path p = {m, m->root};

	return path_text(t, &p, buf, size, false) > 0 && *buf == '/';
}

static void add_place(struct text *out, const char *place)
{
	text_add_octal(out, place, " \t\n\\");
}

static const char *source(const struct mount *m)
{
	return m->sb->source ? m->sb->source : m->sb->type;
}

static const char *access_of(bool read_only)
{
	return read_only ? "ro" : "rw";
}

static void show_mounts_line(struct mount *m, const char *place, struct text *out)
{
	text_add(out, "%s ", source(m));
	add_place(out, place);
	text_add(out, " %s %s,relatime%s 0 0\n", m->sb->type, access_of(m->read_only || m->sb->read_only),
		 m->sb->options);
}

static void show_mountinfo_line(struct mount *m, const char *place, struct text *out)
{
	text_add(out, "%d %d %u:%u / ", m->id, m->parent ? m->parent->id : 1, (u32)(m->sb->dev >> 8 & 0xfff),
		 (u32)(m->sb->dev & 0xff));
	add_place(out, place);
	text_add(out, " %s,relatime - %s %s %s%s\n", access_of(m->read_only || m->sb->read_only), m->sb->type,
		 source(m), access_of(m->sb->read_only), m->sb->options);
}

static void show_mountstats_line(struct mount *m, const char *place, struct text *out)
{
	text_add(out, "device %s mounted on ", source(m));
	add_place(out, place);
	text_add(out, " with fstype %s\n", m->sb->type);
}

static int show_each(struct task *t, void (*line)(struct mount *m, const char *place, struct text *out),
		     struct text *out)
{
	char place[4096];
	struct mount *m;

	if (!t->fs)
		return -EINVAL;
	list_for_each (m, &t->k->vfs->mounts, node)
		if (mount_place(t, m, place, sizeof place))
			line(m, place, out);
	return 0;
}

int proc_show_mounts(struct task *t, struct task *reader, struct text *out)
{
	return show_each(t, show_mounts_line, out);
}

int proc_show_mountinfo(struct task *t, struct task *reader, struct text *out)
{
	return show_each(t, show_mountinfo_line, out);
}

int proc_show_mountstats(struct task *t, struct task *reader, struct text *out)
{
	return show_each(t, show_mountstats_line, out);
}

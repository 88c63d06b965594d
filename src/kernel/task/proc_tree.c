/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree below /proc/PID: which processes, threads and descriptors there are, and where the links lead.
 *
 * A node names its task by tid and looks it up at each use: a file that is held open while its process ends
 * answers ESRCH, as on Linux.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/proc_text.h"
#include "mm/mm.h"
#include "task/life.h"
#include "task/proc_init.h"
#include "task/proc_pid.h"
#include "vfs/anon.h"
#include "vfs/lock.h"

struct task *proc_node_task(struct synth_node *n)
{
	struct task *t = task_find(n->k, (u32)n->owner);

	return t && n->born && t->start_ns != n->born ? NULL : t;
}

/* Numbers are used again: it is the time that tells one task from the next. */
static u64 task_born(struct synth_node *n)
{
	struct task *t = task_find(n->k, (u32)n->owner);

	return t ? t->start_ns : 0;
}

static bool task_gone(struct synth_node *n)
{
	return !proc_node_task(n);
}

static int node_fd(struct synth_node *n)
{
	return (int)(n->owner >> 32) - 1;
}

static u64 fd_owner(struct synth_node *n, u32 fd)
{
	return (u64)(fd + 1) << 32 | (u32)n->owner;
}

/* A decimal number without leading zeros, below 2^31; -1 for anything else. */
static long parse_number(const char *name, size_t len)
{
	long value = 0;

	if (!len || len > 10 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		value = value * 10 + name[i] - '0';
	}
	return value <= INT32_MAX ? value : -1;
}

void proc_node_owner(struct synth_node *n, u32 *uid, u32 *gid)
{
	struct task *t = proc_node_task(n);

	/* What is in a process that may not be dumped belongs to root, but not what everybody may list (fs/proc/base.c:
	 * task_dump_owner()): by its directory's owner ps tells whose a process is. */
	bool open = n->entry->mode == (S_IFDIR | 0555);
	bool shown = t && (open || !t->mm || t->mm->dumpable == 1);

	/* Who is gone leaves his files to himself. */
	if (t) {
		n->uid = shown ? t->cred->euid : 0;
		n->gid = shown ? t->cred->egid : 0;
	}
	*uid = n->uid;
	*gid = n->gid;
}

/* ---- files ---- */

static int file_check(struct synth_node *n, struct task *opener)
{
	const struct pid_file *file = n->data;
	struct task *t = proc_node_task(n);

	if (!t)
		return -ESRCH;
	/* A zombie has neither directory nor memory. */
	if (n->entry->ops->tells && !t->fs)
		return -EINVAL;
	if (n->entry->ops->past && !t->mm)
		return n->entry->ops->past;
	return file->guarded && !proc_may_read(opener, t) ? -EACCES : 0;
}

static u64 file_about(struct synth_node *n)
{
	struct task *t = proc_node_task(n);

	return t && t->mm ? t->mm->number : 0;
}

static int file_show(struct synth_node *n, struct task *reader, char **out, size_t *size)
{
	const struct pid_file *file = n->data;
	struct task *t = proc_node_task(n);
	struct text text = {0};
	int err = 0;

	if (!t)
		return -ESRCH;
	err = file->show(t, reader, &text);
	return proc_text_done(&text, err, out, size);
}

static int file_store(struct synth_node *n, struct task *writer, const char *data, size_t size)
{
	const struct pid_file *file = n->data;
	struct task *t = proc_node_task(n);

	if (!t)
		return -ESRCH;
	return file->store ? file->store(t, writer, data, size) : -EINVAL;
}

#define FILE_OPS .check = file_check, .show = file_show, .store = file_store, .owner = proc_node_owner
const struct synth_ops proc_pid_file_ops = {FILE_OPS};
const struct synth_ops proc_pid_value_ops = {FILE_OPS, .value = true};
const struct synth_ops proc_pid_setting_ops = {FILE_OPS, .setting = true};
const struct synth_ops proc_pid_mounts_ops = {FILE_OPS, .tells = true};
const struct synth_ops proc_pid_memory_ops = {FILE_OPS, .about = file_about};
const struct synth_ops proc_pid_summed_ops = {FILE_OPS, .about = file_about, .past = -ESRCH};
const struct synth_ops proc_pid_early_ops = {FILE_OPS, .early = true, .value = true};

/* ---- links to places ---- */

enum place { PLACE_EXE, PLACE_CWD, PLACE_ROOT };

/* References for the caller: 0, -ENOENT, -EACCES. */
static int place_path(struct synth_node *n, struct task *reader, enum place place, struct path *out)
{
	struct task *t = proc_node_task(n);

	if (!t)
		return -ENOENT;
	if (reader && !proc_may_read(reader, t))
		return -EACCES;
	if (place == PLACE_EXE) {
		if (!t->mm || !t->mm->exe || !t->mm->exe->path)
			return -ENOENT;
		*out = *t->mm->exe->path;
	} else {
		if (!t->fs)
			return -ENOENT;
		*out = place == PLACE_CWD ? t->fs->cwd : t->fs->root;
	}
	path_get(out);
	return 0;
}

static long place_text(struct synth_node *n, struct task *reader, enum place place, char *buf, size_t size)
{
	struct file *exe;
	struct path p;
	char text[4096];
	long len = place_path(n, reader, place, &p);

	if (len < 0)
		return len;
	exe = proc_node_task(n)->mm ? proc_node_task(n)->mm->exe : NULL;
	/* A memfd has a name that is no path. */
	if (place == PLACE_EXE && exe && exe->ops->link_name) {
		exe->ops->link_name(exe, text, sizeof text);
		len = (long)strlen(text);
	} else {
		len = path_text(reader, &p, text, sizeof text, true);
	}
	path_put(&p);
	if (len < 0)
		return len;
	len = min((size_t)len, size);
	memcpy(buf, text, len);
	return len;
}

#define PLACE(name, place)                                                                        \
	static int name##_follow(struct synth_node *n, struct task *t, struct path *out)          \
	{                                                                                         \
		return place_path(n, t, place, out);                                              \
	}                                                                                         \
	static long name##_readlink(struct synth_node *n, struct task *t, char *buf, size_t size) \
	{                                                                                         \
		return place_text(n, t, place, buf, size);                                        \
	}                                                                                         \
	const struct synth_ops proc_##name##_ops = {                                              \
		.follow = name##_follow, .readlink = name##_readlink, .owner = proc_node_owner}

PLACE(exe, PLACE_EXE);
PLACE(cwd, PLACE_CWD);
PLACE(root, PLACE_ROOT);

/* ---- descriptors ---- */

/* The file behind a node below fd, borrowed: 0, -ENOENT, -EACCES. */
static int node_file(struct synth_node *n, struct task *reader, struct file **out)
{
	struct task *t = proc_node_task(n);
	int fd = node_fd(n);

	if (!t || !t->files)
		return -ENOENT;
	if (reader && !proc_may_read(reader, t))
		return -EACCES;
	return fdtable_next(t->files, fd, out) == fd ? 0 : -ENOENT;
}

static int fd_link_follow(struct synth_node *n, struct task *t, struct path *out)
{
	struct file *f;
	int err = node_file(n, t, &f);

	if (err < 0)
		return err;
	return file_place(f, out);
}

static long fd_link_readlink(struct synth_node *n, struct task *t, char *buf, size_t size)
{
	char text[4096];
	struct file *f;
	long len = node_file(n, t, &f);

	if (len < 0)
		return len;
	if (f->path) {
		len = path_text(t, f->path, text, sizeof text, true);
		if (len < 0)
			return len;
	} else {
		file_link_name(f, text, sizeof text);
	}
	len = min(strlen(text), size);
	memcpy(buf, text, len);
	return len;
}

static const struct synth_ops fd_link_ops = {
	.follow = fd_link_follow, .readlink = fd_link_readlink, .owner = proc_node_owner};

#define FD_LINK_SIZE 64 /* as Linux says, whatever the text */

/* The link's permissions tell how the file is open. */
static const struct synth_entry fd_links[] = {
	{"", S_IFLNK | 0100, &fd_link_ops, .size = FD_LINK_SIZE},
	{"", S_IFLNK | 0500, &fd_link_ops, .size = FD_LINK_SIZE},
	{"", S_IFLNK | 0300, &fd_link_ops, .size = FD_LINK_SIZE},
	{"", S_IFLNK | 0700, &fd_link_ops, .size = FD_LINK_SIZE},
};

static int fd_find(struct synth_node *n, const char *name, size_t len, u64 *owner, struct file **f)
{
	struct task *t = proc_node_task(n);
	long fd = parse_number(name, len);

	if (!t || !t->files || fd < 0 || fdtable_next(t->files, fd, f) != fd)
		return -ENOENT;
	*owner = fd_owner(n, fd);
	return 0;
}

static int fd_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
		     const struct synth_entry **entry, u64 *owner)
{
	struct file *f;
	int err = fd_find(n, name, len, owner, &f);

	if (err < 0)
		return err;
	*entry = &fd_links[(file_readable(f) ? 1 : 0) | (file_writable(f) ? 2 : 0)];
	return 0;
}

/* Keys are descriptors + 1. */
static bool list_fds(struct synth_node *n, u64 *key, char *name)
{
	struct task *t = proc_node_task(n);
	struct file *f;
	int fd;

	if (!t || !t->files)
		return false;
	fd = fdtable_next(t->files, *key, &f);
	if (fd < 0)
		return false;
	*key = fd + 1;
	snprintf(name, 64, "%d", fd);
	return true;
}

static bool fd_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	*type = DT_LNK;
	return list_fds(n, key, name);
}

/* A process sees its own, whoever it has become (fs/proc/fd.c: proc_fd_permission()). */
static bool fd_open_to(struct synth_node *n, struct task *t)
{
	struct task *of = proc_node_task(n);

	return of && t && of->group == t->group;
}

/* Its size is how many there are (fs/proc/fd.c: proc_fd_getattr()). */
static void fd_attr(struct synth_node *n, struct kstat *st)
{
	struct task *t = proc_node_task(n);
	struct file *f;

	for (int fd = 0; t && t->files && (fd = fdtable_next(t->files, fd, &f)) >= 0; fd++)
		st->size++;
}

const struct synth_ops proc_fd_ops = {.attr = fd_attr,
				      .lookup = fd_lookup,
				      .next = fd_next,
				      .open_to = fd_open_to,
				      .owner = proc_node_owner,
				      .gone = task_gone};

/* The locks that the process, or this open file, holds on the file. */
static void show_locks(struct file *f, struct task *t, const struct kstat *st, struct text *out)
{
	static const char *const kinds[] = {[LOCK_POSIX] = "POSIX  ADVISORY ",
					    [LOCK_OFD] = "OFDLCK ADVISORY ",
					    [LOCK_FLOCK] = "FLOCK  ADVISORY "};
	struct inode *i = file_inode(f);
	struct file_lock *l;
	int n = 0;

	if (!i)
		return;
	list_for_each (l, &i->locks, node) {
		if (l->owner != (l->kind == LOCK_POSIX ? (const void *)t->files : (const void *)f))
			continue;
		text_add(out, "lock:\t%d: %s %s %d %02x:%02x:%lu %lu ", ++n, kinds[l->kind],
			 l->write ? "WRITE" : "READ ", l->kind == LOCK_OFD ? -1 : l->pid, major(st->dev),
			 minor(st->dev), st->ino, l->start);
		if (l->end == INT64_MAX)
			text_add(out, "EOF\n");
		else
			text_add(out, "%lu\n", l->end);
	}
}

static int fdinfo_show(struct synth_node *n, struct task *reader, char **out, size_t *size)
{
	struct text text = {0};
	struct kstat st = {0};
	struct file *f;
	struct task *t;
	s64 pos = 0;
	int err = node_file(n, reader, &f);

	if (err < 0)
		return err;
	t = proc_node_task(n);
	file_getattr(f, &st);
	/* Of the caller's own files the host knows it. */
	if (!f->ops->stream && f->ops->seek) {
		file_pos(f);
		pos = f->ops->seek(f, 0, SEEK_CUR);
	}
	text_add(&text, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%lu\nino:\t%lu\n", pos > 0 ? pos : 0,
		 file_status_flags(f) | (fd_cloexec(t->files, node_fd(n)) ? O_CLOEXEC : 0), st.mnt_id,
		 st.ino);
	show_locks(f, t, &st, &text);
	if (f->ops->show)
		f->ops->show(f, &text);
	return proc_text_done(&text, 0, out, size);
}

/* The directory and its files are for who may trace the process (fs/proc/fd.c: proc_fdinfo_access_allowed()). */
static int fdinfo_check(struct synth_node *n, struct task *opener)
{
	struct task *t = proc_node_task(n);

	if (!t)
		return -ESRCH;
	return proc_may_read(opener, t) ? 0 : -EACCES;
}

static const struct synth_ops fdinfo_ops = {
	.check = fdinfo_check, .show = fdinfo_show, .owner = proc_node_owner};
static const struct synth_entry fdinfo_entry = {"", S_IFREG | 0444, &fdinfo_ops};

static int fdinfo_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
			 const struct synth_entry **entry, u64 *owner)
{
	struct file *f;
	int err = fd_find(n, name, len, owner, &f);

	if (!err)
		*entry = &fdinfo_entry;
	return err;
}

static bool fdinfo_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	*type = DT_REG;
	return list_fds(n, key, name);
}

const struct synth_ops proc_fdinfo_ops = {.check = fdinfo_check,
					  .lookup = fdinfo_lookup,
					  .next = fdinfo_next,
					  .owner = proc_node_owner,
					  .gone = task_gone,
					  .closes = true};

/* ---- threads ---- */

static const struct synth_ops thread_dir_ops = {
	.owner = proc_node_owner, .fixed = true, .born = task_born, .gone = task_gone};
static const struct synth_entry thread_dir = {"", S_IFDIR | 0555, &thread_dir_ops, proc_thread_entries};

static int thread_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
			 const struct synth_entry **entry, u64 *owner)
{
	long tid = parse_number(name, len);
	struct task *leader = proc_node_task(n), *found = tid > 0 ? task_find(n->k, tid) : NULL;

	if (!leader || !found || found->group != leader->group)
		return -ENOENT;
	*entry = &thread_dir;
	*owner = tid;
	return 0;
}

static bool thread_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	struct task *leader = proc_node_task(n), *other, *best = NULL;

	if (!leader)
		return false;
	list_for_each (other, &leader->group->threads, group_node)
		if ((u64)other->tid > *key && (!best || other->tid < best->tid))
			best = other;
	if (!best)
		return false;
	*key = best->tid;
	*type = DT_DIR;
	snprintf(name, 64, "%d", best->tid);
	return true;
}

/* Programs that must have one thread count them by it. */
static void threads_attr(struct synth_node *n, struct kstat *st)
{
	struct task *leader = proc_node_task(n);

	if (leader)
		st->nlink += leader->group->nthreads;
}

const struct synth_ops proc_task_ops = {.lookup = thread_lookup,
					.next = thread_next,
					.attr = threads_attr,
					.owner = proc_node_owner,
					.gone = task_gone,
					.closes = true};

/* ---- processes ---- */

static const struct synth_ops process_dir_ops = {
	.owner = proc_node_owner, .fixed = true, .born = task_born, .gone = task_gone, .closes = true};
static const struct synth_entry process_dir = {"", S_IFDIR | 0555, &process_dir_ops, proc_process_entries};

bool proc_is_process(const struct file *f, struct task **leader)
{
	struct synth_node *n = synth_node(f->inode, &process_dir);

	if (n)
		*leader = proc_node_task(n);
	return n;
}

static int process_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
			  const struct synth_entry **entry, u64 *owner)
{
	long pid = parse_number(name, len);

	if (pid == HUSK_INIT_PID) {
		*entry = &proc_init_dir;
		*owner = HUSK_INIT_PID;
		return 0;
	}
	/* A thread's directory is found by its tid too, but not listed. */
	if (pid <= 0 || !task_find(n->k, pid))
		return -ENOENT;
	*entry = &process_dir;
	*owner = pid;
	return 0;
}

static bool process_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	struct thread_group *g;

	*type = DT_DIR;
	if (*key < HUSK_INIT_PID) {
		*key = HUSK_INIT_PID;
		snprintf(name, 64, "%d", HUSK_INIT_PID);
		return true;
	}
	g = group_next(n->k, *key);
	if (!g)
		return false;
	*key = g->tgid;
	snprintf(name, 64, "%d", g->tgid);
	return true;
}

static void processes_attr(struct synth_node *n, struct kstat *st)
{
	st->nlink++; /* init */
	for (struct thread_group *g = group_next(n->k, 0); g; g = group_next(n->k, g->tgid))
		st->nlink++;
}

static const struct synth_ops processes = {
	.lookup = process_lookup, .next = process_next, .attr = processes_attr};

void proc_pid_init(struct kernel *k)
{
	k->proc_pids = &processes;
}

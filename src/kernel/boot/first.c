/* SPDX-License-Identifier: Apache-2.0 */
/* The first program: its descriptors, its directory, where it is found. */
#include "boot/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/tracer.h"
#include "fs/hostio.h"
#include "fs/pty.h"
#include "fs/relay.h"
#include "task/ctty.h"
#include "task/seccomp.h"
#include "task/task_ops.h"
#include "vfs/inode.h"

/* Whether the guest's descriptor @i is its own terminal: every one that would be the caller's. */
static bool is_relayed(const struct sandbox *s, int i)
{
	struct hostfd fd = s->config->stdio[i];

	return s->relay && (i < 2 || (hostfd_valid(fd) && isatty(fd.fd)));
}

static int open_own_terminal(struct sandbox *s, struct task *t, int fd)
{
	struct pty *p = relay_pty(s->relay);
	struct file *f;
	int err = p ? devpts_open_peer(p, t, O_RDWR | O_NOCTTY, &f) : -EIO;

	if (!err)
		err = fd_install_at(t, f, false, fd);
	return min(err, 0);
}

static int open_stdio(struct sandbox *s, struct task *t)
{
	for (int i = 0; i < 3; i++) {
		struct hostfd fd = {-1};
		struct file *f;
		int err;

		if (is_relayed(s, i)) {
			err = open_own_terminal(s, t, i);
			if (err)
				return err;
			continue;
		}
		if (!hostfd_valid(s->config->stdio[i]))
			continue;
		fd.fd = fcntl(s->config->stdio[i].fd, F_DUPFD_CLOEXEC, 3);
		if (fd.fd < 0)
			return -errno;
		err = hostio_open(&s->k, fd, &f);
		if (!err)
			err = fd_install_at(t, f, false, i);
		if (err < 0)
			return err;
	}
	return 0;
}

static int enter_cwd(struct sandbox *s, struct task *t)
{
	const char *cwd = s->config->cwd ? s->config->cwd : "/";
	struct path p;
	int err = path_lookup(t, AT_FDCWD, cwd, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err && s->config->cwd_optional)
		return 0;
	/* The caller's own may be one that nobody could enter again, as on Linux. */
	if (!err && !s->config->cwd_optional) {
		err = path_permission(t, &p, MAY_EXEC);
		if (err)
			path_put(&p);
	}
	if (err) {
		snprintf(s->result->why, sizeof s->result->why,
			 "cannot enter %s: %s; give a directory of the guest with --chdir", cwd,
			 strerror(-err));
		return err;
	}
	path_put(&t->fs->cwd);
	t->fs->cwd = p;
	return 0;
}

static const char *search_path(char *const *envp)
{
	for (; envp && *envp; envp++)
		if (!strncmp(*envp, "PATH=", 5))
			return *envp + 5;
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int start_at(struct sandbox *s, struct task *t, const char *path)
{
	const struct sandbox_config *c = s->config;
	struct kernel *k = &s->k;
	int err = task_prepare_first(k, path, c->argv, c->envp, t->files, t->fs, t->cred, &s->first);

	if (!err && k->tracer && k->first)
		k->tracer->started(k->tracer, k->first->leader, path, c->argv, c->envp);
	return err;
}

/* Starts @path as it is, or searched like execvp(3) does: -EACCES is remembered while others are tried. */
static int start_program(struct sandbox *s, struct task *t)
{
	const struct sandbox_config *c = s->config;
	int err, remembered = -ENOENT;
	const char *dir, *end;
	char path[PATH_MAX];

	if (strchr(c->path, '/'))
		return start_at(s, t, c->path);
	for (dir = search_path(c->envp); dir; dir = *end ? end + 1 : NULL) {
		end = dir + strcspn(dir, ":");
		if (snprintf(path, sizeof path, "%.*s%s%s", (int)(end - dir), dir, end > dir ? "/" : "",
			     c->path) >= (int)sizeof path)
			continue;
		err = start_at(s, t, path);
		if (err == -EACCES)
			remembered = err;
		if (err != -EACCES && err != -ENOENT && err != -ENOTDIR)
			return err;
	}
	return remembered;
}

int sandbox_prepare_first(struct sandbox *s)
{
	const struct sandbox_config *c = s->config;
	struct task t = {.k = &s->k};
	int err = -ENOMEM;

	t.files = fdtable_new(&s->k);
	t.fs = fs_info_new(&s->k);
	t.cred = cred_new(&s->k, c->uid, c->gid);
	if (!t.files || !t.fs || !t.cred)
		goto put;
	err = open_stdio(s, &t);
	if (err)
		goto put;
	err = enter_cwd(s, &t);
	if (err)
		goto put;
	err = start_program(s, &t);
	if (!err)
		return 0;
put:
	fdtable_put(t.files);
	fs_info_put(t.fs);
	cred_put(t.cred);
	return err;
}

int sandbox_start_first(struct sandbox *s)
{
	const struct sandbox_config *c = s->config;
	int err = s->first_error;

	if (err)
		return err;
	s->k.first->leader->nice = c->nice;
	err = c->filter_size ? seccomp_start(s->k.first->leader, c->filter, c->filter_size) : 0;
	if (err)
		return sandbox_fail(s, "cannot install the filter", err);
	if (s->relay && relay_pty(s->relay))
		ctty_set(s->k.first, &relay_pty(s->relay)->tty);
	task_start_first(s->first);
	s->first = NULL;
	return 0;
}

void sandbox_forget_first(struct sandbox *s)
{
	if (s->first)
		task_forget_first(s->first);
	s->first = NULL;
}

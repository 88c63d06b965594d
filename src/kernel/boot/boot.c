/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sandbox from its configuration to its result.
 *
 * The order is that of containment: everything of the host's that husk will need is opened first; then the
 * kernel process gives up what it can (phase 0), starts the zygote, and filters itself (phase 1); only then a
 * guest runs.
 */
#include "boot/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf/arena.h"
#include "core/call_table.h"
#include "core/helper.h"
#include "core/kernel.h"
#include "core/tracer.h"
#include "fs/dev.h"
#include "fs/hostio.h"
#include "fs/pipe.h"
#include "fs/proc.h"
#include "fs/sysfs.h"
#include "fs/pty.h"
#include "fs/relay.h"
#include "host/poller.h"
#include "mm/mm.h"
#include "net/socket.h"
#include "mm/patch.h"
#include "task/ctty.h"
#include "task/proc_pid.h"
#include "task/signal.h"
#include "task/task_ops.h"
#include "task/dispatch.h"
#include "task/seccomp.h"
#include "task/short.h"
#include "vfs/inode.h"

#define NR_HELPERS 2

struct sandbox {
	struct kernel k;
	const struct sandbox_config *config;
	struct sandbox_result *result;
	struct timer time_limit;
	struct watch signals;
	struct relay *relay; /* --tty; else NULL */
	struct timer stop;   /* armed: husk is to stop as its first program has */
	bool went_on;        /* SIGCONT came */
};

static int fail(struct sandbox *s, const char *what, int err)
{
	if (!s->result->why[0])
		snprintf(s->result->why, sizeof s->result->why, "%s: %s", what, strerror(-err));
	return err;
}

/* ---- the tree ---- */

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

/* An in-memory tree at @dir. Where the working directory lies below it, that stays to be seen, below a layer of its
 * own. */
static int mount_memory(struct sandbox *s, const char *dir, u32 mode, u32 uid, u32 gid)
{
	const struct sandbox_config *c = s->config;
	int err = vfs_mount_tmpfs(&s->k, dir, mode, uid, gid, 0);

	if (!err && c->cwd && is_below(c->cwd, dir) && strcmp(c->cwd, dir))
		err = vfs_mount_overlay(&s->k, c->cwd, c->cwd);
	return err == -ENOENT ? 0 : err;
}

static int mount_super(struct sandbox *s, int (*make)(struct kernel *k, struct super **out), const char *path)
{
	struct super *sb;
	int err = make(&s->k, &sb);

	return err ? err : vfs_mount_super(&s->k, sb, path, false);
}

/* Each of the command line's mounts; an error names it. */
static int mount_one(struct sandbox *s, const struct sandbox_mount *m)
{
	static const char *const doing[] = {
		[MOUNT_TMPFS] = "cannot mount a tmpfs at",
		[MOUNT_BIND] = "cannot bind",
		[MOUNT_RO_BIND] = "cannot bind",
		[MOUNT_HIDE] = "cannot hide",
	};
	int err = 0;

	switch (m->kind) {
	case MOUNT_TMPFS:
		err = vfs_mount_tmpfs(&s->k, m->dst, 0755, s->config->uid, s->config->gid, m->size);
		break;
	case MOUNT_BIND:
	case MOUNT_RO_BIND:
		err = vfs_bind_host(&s->k, m->src, m->dst, m->kind == MOUNT_BIND);
		break;
	case MOUNT_HIDE:
		err = vfs_hide(&s->k, m->dst);
		break;
	}
	if (!err)
		return 0;
	if (m->src && strcmp(m->src, m->dst))
		snprintf(s->result->why, sizeof s->result->why, "%s %s at %s: %s", doing[m->kind], m->src,
			 m->dst, strerror(-err));
	else
		snprintf(s->result->why, sizeof s->result->why, "%s %s: %s", doing[m->kind], m->dst,
			 strerror(-err));
	return err;
}

static int mount_all(struct sandbox *s)
{
	const struct sandbox_config *c = s->config;
	int err;

	/* What is made on the host by a bind has the mode that the guest gives. */
	umask(0);
	err = vfs_init(&s->k, c->root, c->upper, s->result->why, sizeof s->result->why);

	if (!err)
		s->k.vfs->disk_max = c->disk_limit;
	if (!err)
		err = mount_super(s, proc_super, "/proc");
	if (!err)
		err = mount_super(s, sysfs_super, "/sys");
	if (!err)
		err = mount_super(s, dev_super, "/dev");
	if (!err)
		err = mount_super(s, devpts_super, "/dev/pts");
	if (!err)
		err = mount_memory(s, "/dev/shm", 01777, 0, 0);
	if (!err)
		err = mount_memory(s, "/tmp", 01777, 0, 0);
	if (!err)
		err = mount_memory(s, "/run", 0755, 0, 0);
	if (!err && c->upper)
		err = vfs_hide(&s->k, c->upper);
	for (size_t i = 0; !err && i < c->nmounts; i++) {
		err = mount_one(s, &c->mounts[i]);
		if (err)
			return err;
	}
	if (!err)
		vfs_begin(&s->k);
	return err ? fail(s, "cannot mount the guest's tree", err) : 0;
}

/* ---- what comes from outside while guests run ---- */

static void time_is_up(struct timer *timer)
{
	struct sandbox *s = container_of(timer, struct sandbox, time_limit);

	s->k.reason = "time_limit";
	s->k.ended = true;
}

static void to_first(struct sandbox *s, int signo)
{
	siginfo_t info = signal_info(signo, SI_KERNEL);

	if (s->k.first)
		signal_send_pgrp(&s->k, s->k.first->pgid, &info);
}

static void go_on(struct sandbox *s)
{
	s->went_on = true;
	if (s->relay)
		relay_resume(s->relay);
	to_first(s, SIGCONT);
}

static void forward_signal(struct watch *w, u32 events)
{
	struct sandbox *s = container_of(w, struct sandbox, signals);
	struct signalfd_siginfo host;

	while (read(w->fd.fd, &host, sizeof host) == sizeof host) {
		siginfo_t info = signal_info((int)host.ssi_signo, SI_KERNEL);

		if (host.ssi_signo == SIGCONT) {
			go_on(s);
			continue;
		}
		if (host.ssi_signo == SIGWINCH && s->relay) {
			relay_resized(s->relay);
			continue;
		}
		/* From the terminal: for whoever is in its foreground. By kill: for the program. */
		if (host.ssi_code == SI_KERNEL)
			tty_signal(&s->k, (int)host.ssi_signo);
		else if (s->k.first)
			signal_send_group(s->k.first, &info);
	}
}

/* The first program has stopped: its parent outside must see husk stop, with the terminal as it was. Where nobody would
 * let it go on (an orphaned group), the host drops SIGTSTP, and the program goes on at once. */
static void stop_too(struct timer *timer)
{
	struct sandbox *s = container_of(timer, struct sandbox, stop);
	sigset_t stop;

	if (!s->k.first || !s->k.first->stopped)
		return;
	s->went_on = false;
	if (s->relay)
		relay_suspend(s->relay);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	kill(0, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	/* Here husk stands still. */
	sigprocmask(SIG_BLOCK, &stop, NULL);
	forward_signal(&s->signals, EPOLLIN);
	if (!s->went_on)
		go_on(s);
}

/* Not at once: the task that stops is being served. */
static void first_stopped(struct kernel *k)
{
	struct sandbox *s = container_of(k, struct sandbox, k);

	if (k->job_control)
		timer_arm(k, &s->stop, kernel_now(k), stop_too);
}

/* ---- the first program ---- */

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

	if (err)
		return err;
	err = fd_install_at(t, f, false, fd);
	if (err < 0)
		file_put(f);
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
		if (!err) {
			err = fd_install_at(t, f, false, i);
			if (err < 0)
				file_put(f);
		}
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
	int err = task_start_first(k, path, c->argv, c->envp, t->files, t->fs, t->cred);

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

static int start_first(struct sandbox *s)
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
	if (!err) {
		s->k.first->leader->nice = c->nice;
		err = c->filter_size ? seccomp_start(s->k.first->leader, c->filter, c->filter_size) : 0;
		return err ? fail(s, "cannot install the filter", err) : 0;
	}
put:
	fdtable_put(t.files);
	fs_info_put(t.fs);
	cred_put(t.cred);
	return err;
}

/* ---- assembling ---- */

static int init_kernel(struct sandbox *s)
{
	struct kernel *k = &s->k;
	struct timespec ts;
	int err;

	list_init(&k->runnable);
	klog_init(k);
	list_init(&k->mms);
	k->calls = call_table;
	k->caller_limits = s->config->limits;
	k->ncpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	k->reason = "exited";
	k->boot_ns = kernel_now(k);
	clock_gettime(CLOCK_REALTIME, &ts);
	k->boot_realtime_ns = (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	snprintf(k->core_pattern, sizeof k->core_pattern, "core");
	snprintf(k->hostname, sizeof k->hostname, "%s", s->config->hostname ? s->config->hostname : "husk");
	snprintf(k->domainname, sizeof k->domainname, "(none)");
	k->stats.timing = s->config->stats_timing;
	err = poller_new(&k->poller);
	if (err)
		return fail(s, "cannot make an epoll set", err);
	mm_init(k);
	task_init(k);
	ctty_init(k);
	proc_pid_init(k);
	sigio_init(k);
	k->job_control = s->config->job_control;
	k->ops.first_stopped = first_stopped;
	short_init(k);
	dispatch_init(k);
	seccomp_init(k);
	err = signal_init(k);
	return err ? fail(s, "cannot set up signals", err) : 0;
}

static int confine(struct sandbox *s, int phase)
{
	const struct sandbox_config *c = s->config;

	return c->confine ? c->confine(phase, s->k.trap_ops && s->k.trap_ops->traces, c->confine_arg,
				       s->result->why, sizeof s->result->why)
			  : 0;
}

/* Takes the first driver that starts. What the others lack is told only when none does. */
static int start_trap(struct sandbox *s)
{
	const struct trap_ops *const *ops = s->config->traps;
	char *all = s->result->why;
	size_t used = 0, size = sizeof s->result->why;
	int err = -ENOSYS;

	if (ops[0] && ops[1])
		used = (size_t)snprintf(all, size, "no trap can be used here; ");
	for (; *ops; ops++) {
		char why[256] = "";

		err = (*ops)->start(&s->k.trap, s->k.poller, &s->config->trap_config, why, sizeof why);
		if (!err) {
			s->k.trap_ops = *ops;
			mm_patch_init(&s->k, !s->config->trap_config.no_patch);
			s->result->trap = (*ops)->name;
			s->result->gated = (*ops)->gated(s->k.trap);
			all[0] = 0;
			return 0;
		}
		if (used < size)
			used += (size_t)snprintf(all + used, size - used, "%s: %s%s", (*ops)->name,
						 why[0] ? why : strerror(-err), ops[1] ? "; " : "");
	}
	return err;
}

/* Afterwards this process can map nothing executable any more. */
static int make_arena(struct sandbox *s)
{
	int err = s->config->bpf_jit == BPF_JIT_OFF ? 0 : bpf_arena_create(&s->k.bpf_arena);

	return err && s->config->bpf_jit == BPF_JIT_ON ? fail(s, "no executable memory for filters", err) : 0;
}

static int assemble(struct sandbox *s)
{
	struct kernel *k = &s->k;
	int err = init_kernel(s);

	if (!err)
		err = mount_all(s);
	if (err)
		return err;
	pipe_init(k);
	if (s->config->tty)
		err = relay_new(k, s->config->uid, s->config->stdio[0], s->config->stdio[1], &s->relay);
	if (err)
		return fail(s, "cannot give the guest a terminal", err);
	err = make_arena(s);
	if (err)
		return err;
	err = confine(s, 0);
	if (err)
		return err;
	err = start_trap(s);
	if (err)
		return err;
	err = helpers_start(k, NR_HELPERS);
	if (err)
		return fail(s, "cannot start a thread", err);
	err = confine(s, 1);
	if (err)
		return err;
	if (hostfd_valid(s->config->signals)) {
		err = watch_add(k->poller, &s->signals, s->config->signals, EPOLLIN, forward_signal);
		if (err)
			return fail(s, "cannot watch signals", err);
	}
	err = s->relay ? relay_start(s->relay) : 0;
	if (err)
		return fail(s, "cannot watch the terminal", err);
	return 0;
}

static void report_leaks(struct kernel *k)
{
#ifdef HUSK_DEBUG
	bool any = false;

	for (int i = 0; i < k->nobjects; i++) {
		if (!k->objects[i].live)
			continue;
		fprintf(stderr, "husk: leak: %ld %s left at the end\n", k->objects[i].live,
			k->objects[i].name);
		any = true;
	}
	if (any)
		abort();
#endif
}

static void count_short_calls(struct kernel *k)
{
	k->trap_ops->short_calls(k->trap, k->stats.stub_by_call);
	for (u32 nr = 0; nr < HUSK_COUNTED_CALLS; nr++)
		k->stats.stub_calls += k->stats.stub_by_call[nr];
}

static void take_apart(struct sandbox *s)
{
	struct kernel *k = &s->k;

	timer_cancel(k, &s->time_limit);
	timer_cancel(k, &s->stop);
	watch_del(&s->signals);
	relay_free(s->relay);
	task_shutdown(k);
	unix_collect(k);
	if (k->trap)
		count_short_calls(k);
	helpers_stop(k);
	signal_fini(k);
	vfs_shutdown(k);
	if (k->trap)
		k->trap_ops->stop(k->trap);
	mm_patch_exit(k);
	if (k->poller)
		poller_free(k->poller);
	bpf_arena_destroy(k->bpf_arena);
	klog_free(k);
	report_leaks(k);
}

/* ---- what guests changed ---- */

struct lines {
	char **line;
	size_t count, room;
};

/* Names may hold anything: a newline, another control character or a backslash is shown in octal. */
static int add_change(void *arg, char what, const char *path)
{
	struct lines *l = arg;
	char *line = malloc(4 * strlen(path) + 3), *to = line;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		char **more = realloc(l->line, room * sizeof *more);

		if (!more) {
			free(line);
			return -ENOMEM;
		}
		l->line = more;
		l->room = room;
	}
	if (!line)
		return -ENOMEM;
	*to++ = what;
	*to++ = ' ';
	for (; *path; path++) {
		if ((u8)*path < ' ' || *path == '\\' || *path == 127)
			to += sprintf(to, "\\%03o", (u8)*path);
		else
			*to++ = *path;
	}
	*to = 0;
	l->line[l->count++] = line;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a + 2, *(char *const *)b + 2);
}

/* Leaves result->changes NULL when there is no memory for it. */
static void collect_changes(struct sandbox *s)
{
	struct lines l = {0};
	size_t size = 0;
	char *text = NULL, *to;
	int err = vfs_changes(&s->k, add_change, &l);

	if (l.count)
		qsort(l.line, l.count, sizeof *l.line, by_path);
	for (size_t i = 0; i < l.count; i++)
		size += strlen(l.line[i]) + 1;
	to = text = err ? NULL : malloc(size + 1);
	for (size_t i = 0; i < l.count; i++) {
		if (text) {
			to = stpcpy(to, l.line[i]);
			*to++ = '\n';
		}
		free(l.line[i]);
	}
	free(l.line);
	if (text)
		*to = 0;
	s->result->changes = text;
}

static void fill_result(struct sandbox *s)
{
	struct sandbox_result *r = s->result;
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	r->cpu_ns = (u64)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec +
			  children.ru_stime.tv_sec) *
			    1000000000 +
		    (u64)(self.ru_utime.tv_usec + self.ru_stime.tv_usec + children.ru_utime.tv_usec +
			  children.ru_stime.tv_usec) *
			    1000;
	r->peak_bytes = (u64)children.ru_maxrss * 1024;
	r->status = s->k.exit_status;
	r->reason = s->k.reason;
	if (r->started && !strcmp(r->reason, "exited") && WIFSIGNALED(r->status))
		r->reason = "signaled";
	r->stats = s->k.stats;
	for (size_t i = 0; i < HUSK_NR_CALLS; i++)
		r->calls += s->k.stats.calls[i];
}

int sandbox_run(const struct sandbox_config *config, struct sandbox_result *result)
{
	struct sandbox *s = calloc(1, sizeof *s);
	int err;

	if (!s)
		return -ENOMEM;
	memset(result, 0, sizeof *result);
	s->config = config;
	s->result = result;
	err = assemble(s);
	if (!err) {
		if (config->time_limit_ns)
			timer_arm(&s->k, &s->time_limit, kernel_now(&s->k) + config->time_limit_ns,
				  time_is_up);
		s->k.tracer = config->tracer;
		result->error = start_first(s);
		result->started = !result->error;
		if (result->started && s->relay && relay_pty(s->relay))
			ctty_set(s->k.first, &relay_pty(s->relay)->tty);
		if (result->started)
			kernel_loop(&s->k);
		if (config->changes)
			collect_changes(s);
		result->wall_ns = kernel_now(&s->k) - s->k.boot_ns;
	}
	take_apart(s);
	if (!err)
		fill_result(s);
	free(s);
	return err;
}

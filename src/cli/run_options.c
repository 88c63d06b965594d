/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `husk run`: one line each, with the function that takes it. */
#include "cli/run_options.h"

#include "kernel/boot/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int no_memory(void)
{
	return cli_error("options", "out of memory");
}

static int words_add(struct words *w, char *word)
{
	char **more = word ? realloc(w->word, (w->count + 2) * sizeof *more) : NULL;

	if (!more) {
		free(word);
		return no_memory();
	}
	w->word = more;
	w->word[w->count++] = word;
	w->word[w->count] = NULL;
	return 0;
}

static void words_clear(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->word[i]);
	w->count = 0;
	if (w->word)
		w->word[0] = NULL;
}

/* Whether @entry is `NAME=...` with the @size bytes of @name. */
static bool env_is(const char *entry, const char *name, size_t size)
{
	return !strncmp(entry, name, size) && entry[size] == '=';
}

static void env_remove(struct words *env, const char *name, size_t size)
{
	size_t kept = 0;

	for (size_t i = 0; i < env->count; i++) {
		if (env_is(env->word[i], name, size))
			free(env->word[i]);
		else
			env->word[kept++] = env->word[i];
	}
	env->count = kept;
	if (env->word)
		env->word[kept] = NULL;
}

/* --- one function an option
 * --------------------------------------------------------------------------------------- */

static int set_root(void *target, const char *value)
{
	((struct run_options *)target)->root = value;
	return 0;
}

/* Takes @src and @dst over. */
static int add_mount(struct run_options *o, int kind, char *src, char *dst, u64 size)
{
	struct sandbox_mount *more = realloc(o->mounts, (o->nmounts + 1) * sizeof *more);

	if (!more || !dst) {
		o->mounts = more ? more : o->mounts;
		free(src);
		free(dst);
		return no_memory();
	}
	o->mounts = more;
	more[o->nmounts++] = (struct sandbox_mount){kind, src, dst, size};
	return 0;
}

/* DST[:SIZE]; a colon in the path itself is meant when no size follows it. */
static int add_tmpfs(void *target, const char *value)
{
	const char *colon = strrchr(value, ':');
	u64 size = 0;

	if (value[0] != '/')
		return cli_error("--tmpfs", "'%s' is not an absolute path", value);
	if (colon && colon[1] >= '0' && colon[1] <= '9') {
		if (parse_size("--tmpfs", colon + 1, &size))
			return -1;
	} else {
		colon = value + strlen(value);
	}
	return add_mount(target, MOUNT_TMPFS, NULL, strndup(value, (size_t)(colon - value)), size);
}

/* SRC[:DST]; a relative SRC is the caller's, from where it stands. */
static int add_bind(const char *option, void *target, int kind, const char *value)
{
	const char *colon = strchr(value, ':');
	char *given = colon ? strndup(value, (size_t)(colon - value)) : strdup(value);
	char *src = given ? realpath(given, NULL) : NULL;

	if (!src) {
		cli_error(option, "%s: %s", given ? given : value, strerror(errno));
		free(given);
		return -1;
	}
	if (colon && colon[1] != '/') {
		free(given);
		free(src);
		return cli_error(option, "'%s' is not an absolute path", colon + 1);
	}
	/* Without a DST the guest sees it under the name that was given. */
	if (!colon && given[0] == '/') {
		return add_mount(target, kind, src, given, 0);
	}
	free(given);
	return add_mount(target, kind, src, strdup(colon ? colon + 1 : src), 0);
}

static int add_bind_writable(void *target, const char *value)
{
	return add_bind("--bind", target, MOUNT_BIND, value);
}

static int add_bind_read_only(void *target, const char *value)
{
	return add_bind("--ro-bind", target, MOUNT_RO_BIND, value);
}

static int add_hide(void *target, const char *value)
{
	if (value[0] != '/')
		return cli_error("--hide", "'%s' is not an absolute path", value);
	return add_mount(target, MOUNT_HIDE, NULL, strdup(value), 0);
}

/* Made here, for realpath() wants it to be there. */
static int set_upper(void *target, const char *value)
{
	struct run_options *o = target;

	if (mkdir(value, 0700) && errno != EEXIST)
		return cli_error("--upper", "%s: %s", value, strerror(errno));
	free(o->upper);
	o->upper = realpath(value, NULL);
	return o->upper ? 0 : cli_error("--upper", "%s: %s", value, strerror(errno));
}

static int set_disk_limit(void *target, const char *value)
{
	return parse_size("--disk-limit", value, &((struct run_options *)target)->disk_limit);
}

static int set_chdir(void *target, const char *value)
{
	((struct run_options *)target)->chdir = value;
	return 0;
}

static int set_env(void *target, const char *value)
{
	struct run_options *o = target;
	const char *equals = strchr(value, '=');

	if (!equals || equals == value)
		return cli_error("--setenv", "'%s' is not NAME=VALUE", value);
	env_remove(&o->env, value, (size_t)(equals - value));
	return words_add(&o->env, strdup(value));
}

static int unset_env(void *target, const char *value)
{
	struct run_options *o = target;

	if (!*value || strchr(value, '='))
		return cli_error("--unsetenv", "'%s' is not a name", value);
	env_remove(&o->env, value, strlen(value));
	return 0;
}

static int clear_env(void *target, const char *value)
{
	words_clear(&((struct run_options *)target)->env);
	return 0;
}

/* The highest id is -1 to many calls ("leave it"), so that nobody can have it. */
static int set_uid(void *target, const char *value)
{
	return parse_u64("--uid", value, 0xfffffffe, &((struct run_options *)target)->uid);
}

static int set_gid(void *target, const char *value)
{
	return parse_u64("--gid", value, 0xfffffffe, &((struct run_options *)target)->gid);
}

static int set_hostname(void *target, const char *value)
{
	if (!*value || strlen(value) > 64)
		return cli_error("--hostname", "wants 1 to 64 bytes");
	((struct run_options *)target)->hostname = value;
	return 0;
}

static int set_time_limit(void *target, const char *value)
{
	return parse_seconds("--time-limit", value, &((struct run_options *)target)->time_limit_ns);
}

static int set_trap(void *target, const char *value)
{
	((struct run_options *)target)->trap = value;
	return 0;
}

static int set_strace(void *target, const char *value)
{
	struct run_options *o = target;

	o->strace = true;
	o->strace_file = value;
	return 0;
}

static int set_stats(void *target, const char *value)
{
	struct run_options *o = target;

	o->stats = true;
	o->stats_file = value;
	return 0;
}

static int set_result(void *target, const char *value)
{
	((struct run_options *)target)->result_file = value;
	return 0;
}

static int set_tty(void *target, const char *value)
{
	struct run_options *o = target;

	o->tty = true;
	o->no_tty = false;
	return 0;
}

static int set_no_tty(void *target, const char *value)
{
	struct run_options *o = target;

	o->tty = false;
	o->no_tty = true;
	return 0;
}

static int set_changes(void *target, const char *value)
{
	struct run_options *o = target;

	o->changes = true;
	o->changes_file = value;
	return 0;
}

static int set_profile(void *target, const char *value)
{
	((struct run_options *)target)->profile = value;
	return 0;
}

static int set_bpf_jit(void *target, const char *value)
{
	static const char *const names[] = {
		[BPF_JIT_AUTO] = "auto", [BPF_JIT_ON] = "on", [BPF_JIT_OFF] = "off"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], value))
			continue;
		((struct run_options *)target)->bpf_jit = (int)i;
		return 0;
	}
	return cli_error("--bpf-jit", "wants auto, on or off");
}

static int set_patch(void *target, const char *value)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return cli_error("--patch", "wants on or off");
	((struct run_options *)target)->no_patch = !strcmp(value, "off");
	return 0;
}

const struct option_spec run_option_table[] = {
	{0, "root", "DIR", "the guest's root tree, read-only below what it writes (/)", set_root},
	{0, "upper", "DIR", "keep what the guest writes in DIR, for a later run to go on with", set_upper},
	{0, "changes", "[FILE]", "at the end, what the guest added (A), changed (C), deleted (D)",
	 set_changes},
	{0, "bind", "SRC[:DST]", "SRC of the host at DST, written through; repeatable", add_bind_writable},
	{0, "ro-bind", "SRC[:DST]", "SRC of the host at DST, read-only; repeatable", add_bind_read_only},
	{0, "tmpfs", "DST[:SIZE]", "an empty in-memory tree at DST; repeatable", add_tmpfs},
	{0, "hide", "PATH", "a path of the root that the guest must not see; repeatable", add_hide},
	{0, "disk-limit", "SIZE", "how much the guest may write, in bytes or with K, M, G, T (none)",
	 set_disk_limit},
	{'w', "chdir", "DIR", "working directory (the caller's, where the guest has it, else /)", set_chdir},
	{'e', "setenv", "K=V", "set a variable of the environment (the caller's)", set_env},
	{0, "unsetenv", "K", "remove a variable", unset_env},
	{0, "clearenv", NULL, "begin with an empty environment", clear_env},
	{0, "uid", "N", "the guest's user id (the caller's)", set_uid},
	{0, "gid", "N", "the guest's group id (the caller's)", set_gid},
	{0, "hostname", "NAME", "the guest's host name (husk)", set_hostname},
	{0, "time-limit", "SEC", "end everything after SEC seconds, with status 124", set_time_limit},
	{0, "trap", "HOW", "how guests are trapped: auto, seccomp, dispatch or ptrace (auto)", set_trap},
	{0, "patch", "HOW", "rewrite call sites so that they need no signal: on or off (on)", set_patch},
	{0, "seccomp", "PROFILE", "a seccomp profile of Docker or OCI (JSON) as the program's first filter",
	 set_profile},
	{0, "bpf-jit", "HOW", "compile the guests' own filters: auto, on or off (auto)", set_bpf_jit},
	{0, "strace", "[FILE]", "print every system call to standard error or FILE", set_strace},
	{0, "stats", "[FILE]", "at the end, what was served and how; JSON when FILE ends in .json",
	 set_stats},
	{'t', "tty", NULL,
	 "give the guest a terminal of its own (yes when standard input and output are one)", set_tty},
	{'T', "no-tty", NULL, "let the guest work on the caller's terminal itself", set_no_tty},
	{0, "result", "FILE", "at the end, JSON: exit code, signal, reason, times, memory, calls",
	 set_result},
};

const size_t run_option_count = ARRAY_SIZE(run_option_table);

int run_options_init(struct run_options *o)
{
	*o = (struct run_options){.root = "/", .hostname = "husk", .uid = getuid(), .gid = getgid()};
	for (char **e = environ; e && *e; e++)
		if (words_add(&o->env, strdup(*e)))
			return -1;
	return 0;
}

void run_options_free(struct run_options *o)
{
	for (size_t i = 0; i < o->nmounts; i++) {
		free(o->mounts[i].src);
		free(o->mounts[i].dst);
	}
	free(o->mounts);
	free(o->upper);
	words_clear(&o->env);
	free(o->env.word);
}

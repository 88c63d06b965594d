// SPDX-License-Identifier: Apache-2.0
/*
 * Docker and OCI seccomp profiles become programs, by libseccomp.
 *
 * libseccomp is loaded when a profile is compiled and not before: nothing else of husk wants it, and a start
 * should not pay for it. The few declarations below are its stable ABI (libseccomp 2.x, seccomp.h).
 *
 * As in Docker, a rule counts when its `includes` hold and its `excludes` do not: for amd64, Docker's default
 * capabilities, and a kernel that is new enough; calls that libseccomp does not know are passed over.
 */
#include "cli/profile.h"
#include "cli/cli.h"
#include "cli/options.h"

#include "base/json_read.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROFILE_MOST (1u << 20)
#define ARCH_X32     (EM_X86_64 | __AUDIT_ARCH_LE)

enum { ATTRIBUTE_OPTIMIZE = 8 };

struct condition {
	unsigned arg;
	int op;
	u64 a, b;
};

struct library {
	void *handle;
	void *(*init)(u32 action);
	void (*release)(void *ctx);
	int (*arch_add)(void *ctx, u32 arch);
	int (*attr_set)(void *ctx, int attribute, u32 value);
	int (*resolve)(const char *name);
	int (*rule_add)(void *ctx, u32 action, int nr, unsigned count, const struct condition *conditions);
	int (*export_bpf)(void *ctx, int fd);
};

struct profile {
	const char *path;
	struct library lib;
	void *ctx;
	u32 default_action;
};

static int library_open(struct library *l)
{
	const struct {
		const char *name;
		void *slot;
	} symbols[] = {
		{"seccomp_init", &l->init},
		{"seccomp_release", &l->release},
		{"seccomp_arch_add", &l->arch_add},
		{"seccomp_attr_set", &l->attr_set},
		{"seccomp_syscall_resolve_name", &l->resolve},
		{"seccomp_rule_add_array", &l->rule_add},
		{"seccomp_export_bpf", &l->export_bpf},
	};

	l->handle = dlopen("libseccomp.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!l->handle)
		return cli_error("libseccomp", "profiles are compiled by it; install libseccomp2");
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(l->handle, symbols[i].name);

		if (!symbol)
			return cli_error("libseccomp", "this version has no %s", symbols[i].name);
		memcpy(symbols[i].slot, &symbol, sizeof symbol);
	}
	return 0;
}

/* ---- words of profiles ---- */

static int read_action(const struct profile *p, const char *name, const struct json_value *errno_ret,
		       u32 *action)
{
	static const struct {
		const char *name;
		u32 action;
	} actions[] = {
		{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
		{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
		{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
		{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
		{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
		{"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
		{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
		{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
		{"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
	};

	for (size_t i = 0; name && i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, name))
			continue;
		*action = actions[i].action;
		if (*action == SECCOMP_RET_ERRNO || *action == SECCOMP_RET_TRACE)
			*action |= errno_ret && errno_ret->type == JSON_NUMBER
					   ? (u32)errno_ret->whole & 0xffff
					   : EPERM;
		return 0;
	}
	return cli_error(p->path, "no such action: %s", name ? name : "(none)");
}

static int read_op(const struct profile *p, const char *name, int *op)
{
	static const char *const ops[] = {NULL,          "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",
					  "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};

	for (size_t i = 1; name && i < ARRAY_SIZE(ops); i++) {
		if (strcmp(ops[i], name))
			continue;
		*op = (int)i;
		return 0;
	}
	return cli_error(p->path, "no such comparison: %s", name ? name : "(none)");
}

static bool lists(const struct json_value *list, const char *word)
{
	for (const struct json_value *v = list ? list->first : NULL; v; v = v->next)
		if (v->type == JSON_STRING && !strcmp(v->string, word))
			return true;
	return false;
}

static bool any_capability(const struct json_value *list)
{
	static const char *const given[] = {
		"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",      "CAP_FOWNER",           "CAP_MKNOD",
		"CAP_NET_RAW", "CAP_SETGID",       "CAP_SETUID",      "CAP_SETFCAP",          "CAP_SETPCAP",
		"CAP_KILL",    "CAP_SYS_CHROOT",   "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE",
	};

	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		if (lists(list, given[i]))
			return true;
	return false;
}

static bool counts(const struct json_value *rule)
{
	const struct json_value *in = json_member(rule, "includes"), *out = json_member(rule, "excludes");
	const struct json_value *arches = json_member(in, "arches"), *caps = json_member(in, "caps");

	if (lists(json_member(out, "arches"), "amd64") || any_capability(json_member(out, "caps")))
		return false;
	if (arches && arches->first && !lists(arches, "amd64"))
		return false;
	return !caps || !caps->first || any_capability(caps);
}

/* ---- rules ---- */

static int read_conditions(const struct profile *p, const struct json_value *args, struct condition *out,
			   unsigned *count)
{
	*count = 0;
	for (const struct json_value *v = args ? args->first : NULL; v; v = v->next) {
		const struct json_value *index = json_member(v, "index"), *value = json_member(v, "value");
		const struct json_value *two = json_member(v, "valueTwo");
		struct condition *c = &out[*count];

		if (*count == 6 || !index || index->whole > 5)
			return cli_error(p->path, "a rule's arguments are not up to six, numbered from 0");
		*c = (struct condition){.arg = (unsigned)index->whole};
		c->a = value ? value->whole : 0;
		c->b = two ? two->whole : 0;
		if (read_op(p, json_text(v, "op"), &c->op))
			return -1;
		(*count)++;
	}
	return 0;
}

static bool same_argument_twice(const struct condition *c, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		for (unsigned j = 0; j < i; j++)
			if (c[i].arg == c[j].arg)
				return true;
	return false;
}

static int add_rule(const struct profile *p, u32 action, int nr, const struct condition *c, unsigned count)
{
	int error = p->lib.rule_add(p->ctx, action, nr, count, c);

	/* What is there already, or what the library cannot express for one of the architectures. */
	if (error && error != -EEXIST && error != -EDOM)
		return cli_error(p->path, "libseccomp takes no rule for call %d: %s", nr, strerror(-error));
	return 0;
}

static int add_call(const struct profile *p, const char *name, u32 action, const struct condition *c,
		    unsigned count)
{
	int nr = p->lib.resolve(name), error = 0;

	if (nr == -1)
		return 0; /* newer than the library, or another machine's */
	if (!same_argument_twice(c, count))
		return add_rule(p, action, nr, c, count);
	/* As OCI runtimes do: alternatives then, not all at once. */
	for (unsigned i = 0; i < count && !error; i++)
		error = add_rule(p, action, nr, &c[i], 1);
	return error;
}

static int add_rules(const struct profile *p, const struct json_value *rule)
{
	const struct json_value *names = json_member(rule, "names");
	const char *single = json_text(rule, "name");
	struct condition conditions[6];
	unsigned count;
	u32 action;
	int error;

	if (!counts(rule))
		return 0;
	if (read_action(p, json_text(rule, "action"), json_member(rule, "errnoRet"), &action) ||
	    read_conditions(p, json_member(rule, "args"), conditions, &count))
		return -1;
	if (action == p->default_action)
		return 0;
	error = single ? add_call(p, single, action, conditions, count) : 0;
	for (const struct json_value *v = names ? names->first : NULL; v && !error; v = v->next) {
		if (v->type != JSON_STRING)
			return cli_error(p->path, "a call's name is no string");
		error = add_call(p, v->string, action, conditions, count);
	}
	return error;
}

/* What x86-64 brings along: from `archMap` (Docker) or `architectures` (OCI). */
static void add_arches(const struct profile *p, const struct json_value *root)
{
	const struct json_value *map = json_member(root, "archMap"),
				*list = json_member(root, "architectures");

	for (const struct json_value *v = map ? map->first : NULL; v; v = v->next) {
		const char *arch = json_text(v, "architecture");

		if (arch && !strcmp(arch, "SCMP_ARCH_X86_64"))
			list = json_member(v, "subArchitectures");
	}
	if (lists(list, "SCMP_ARCH_X86"))
		p->lib.arch_add(p->ctx, AUDIT_ARCH_I386);
	if (lists(list, "SCMP_ARCH_X32"))
		p->lib.arch_add(p->ctx, ARCH_X32);
}

static int export_program(const struct profile *p, struct filter_file *out)
{
	int fd = memfd_create("profile", MFD_CLOEXEC), error;
	ssize_t n = -1;

	if (fd < 0)
		return cli_error(p->path, "%s", strerror(errno));
	error = p->lib.export_bpf(p->ctx, fd);
	if (!error)
		n = pread(fd, out->f, sizeof out->f, 0);
	close(fd);
	if (n <= 0 || (size_t)n == sizeof out->f)
		return cli_error(p->path, "the program is too long, or cannot be made");
	out->size = (unsigned)((size_t)n / sizeof *out->f);
	return 0;
}

static int compile(struct profile *p, const struct json_value *root, struct filter_file *out)
{
	const struct json_value *rules = json_member(root, "syscalls");
	int error = 0;

	if (read_action(p, json_text(root, "defaultAction"), json_member(root, "defaultErrnoRet"),
			&p->default_action) ||
	    library_open(&p->lib))
		return -1;
	p->ctx = p->lib.init(p->default_action);
	if (!p->ctx)
		return cli_error(p->path, "libseccomp takes no such default action");
	add_arches(p, root);
	for (const struct json_value *v = rules ? rules->first : NULL; v && !error; v = v->next)
		error = add_rules(p, v);
	if (!error)
		error = export_program(p, out);
	p->lib.release(p->ctx);
	return error;
}

static char *read_text(const char *path)
{
	char *text = malloc(PROFILE_MOST + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = fd < 0 || !text ? -1 : 0;

	while (!n && used < PROFILE_MOST) {
		n = read(fd, text + used, PROFILE_MOST - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		n = 0;
	}
	if (n < 0)
		cli_error(path, "%s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[used] = 0;
	return text;
}

int profile_compile(const char *path, struct filter_file *out)
{
	struct profile p = {.path = path};
	struct json_value *root = NULL;
	char *text = read_text(path);
	unsigned line;
	int error;

	if (!text)
		return -1;
	error = json_read(text, &root, &line);
	free(text);
	if (error == -EINVAL)
		return cli_error(path, "line %u is not JSON", line);
	if (error)
		return cli_error(path, "%s", strerror(-error));
	error = compile(&p, root, out);
	json_value_free(root);
	if (p.lib.handle)
		dlclose(p.lib.handle);
	return error;
}

int filter_compile(const struct filter_command *c)
{
	struct filter_file *file = malloc(sizeof *file);
	int error = file ? profile_compile(c->words[0], file) : cli_error("compile", "out of memory");

	if (!error && fwrite(file->f, sizeof *file->f, file->size, stdout) != file->size)
		error = cli_error("standard output", "%s", strerror(errno));
	free(file);
	return error ? STATUS_FAILED : 0;
}

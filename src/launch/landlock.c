/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock (Documentation/userspace-api/landlock.rst): below the guest's root and /proc the kernel process
 * may only read, everywhere else nothing, and no TCP, whatever its code does. Descriptors that are open
 * already (the caller's files, --result) keep their rights, and memory files are not paths, so nothing of
 * husk's own work is touched.
 */
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers and layouts of include/uapi/linux/landlock.h, which older build machines do not have. */
#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_ADD_RULE       445
#define NR_LANDLOCK_RESTRICT_SELF  446
#define CREATE_RULESET_VERSION     1u
#define RULE_PATH_BENEATH          1

#define ACCESS_EXECUTE   (1ull << 0)
#define ACCESS_READ_FILE (1ull << 2)
#define ACCESS_READ_DIR  (1ull << 3)
/* Character devices are needed for whiteouts, 0:0; the kernel's filter knows no others. */
#define ACCESS_MAKE_BLOCK (1ull << 11)
#define ACCESS_OF_FILES   (1ull << 0 | 1ull << 1 | 1ull << 2 | 1ull << 14 | 1ull << 15)

struct ruleset_attr {
	u64 handled_access_fs, handled_access_net, scoped;
};

struct path_beneath_attr {
	u64 allowed_access;
	s32 parent_fd;
} __attribute__((packed));

/* What each version of the interface can restrict, in all. */
static const struct {
	u64 fs, net, scoped;
	size_t size; /* of struct ruleset_attr as that version knows it */
} versions[] = {
	{0, 0, 0, 0},
	{(1ull << 13) - 1, 0, 0, 8},
	{(1ull << 14) - 1, 0, 0, 8},  /* moving between directories */
	{(1ull << 15) - 1, 0, 0, 8},  /* truncation */
	{(1ull << 15) - 1, 3, 0, 16}, /* TCP bind and connect */
	{(1ull << 16) - 1, 3, 0, 16}, /* ioctl on devices */
	{(1ull << 16) - 1, 3, 3, 24}, /* abstract sockets and signals beyond this domain */
};

static int allow_reading(int ruleset, const char *path)
{
	struct path_beneath_attr rule = {.allowed_access =
						 ACCESS_EXECUTE | ACCESS_READ_FILE | ACCESS_READ_DIR};
	struct stat st;
	int error = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	if (!fstat(rule.parent_fd, &st) && !S_ISDIR(st.st_mode))
		rule.allowed_access &= ACCESS_OF_FILES;
	if (syscall(NR_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0))
		error = -errno;
	close(rule.parent_fd);
	return error;
}

/* Everything that the rule set handles; on a file, what can be done to a file. */
static int allow_writing(int ruleset, const char *path, u64 handled)
{
	struct path_beneath_attr rule = {.allowed_access = handled & ~ACCESS_EXECUTE & ~ACCESS_MAKE_BLOCK};
	struct stat st;
	int error = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	if (!fstat(rule.parent_fd, &st) && !S_ISDIR(st.st_mode))
		rule.allowed_access &= ACCESS_OF_FILES;
	/* Execution: guests' mappings are made of these descriptors. */
	rule.allowed_access |= ACCESS_EXECUTE;
	if (syscall(NR_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0))
		error = -errno;
	close(rule.parent_fd);
	return error;
}

/* The command line's paths. */
static int allow_paths(int ruleset, const struct launch *l, u64 handled)
{
	int error = 0;

	for (size_t i = 0; !error && i < l->npaths; i++) {
		const struct launch_path *p = &l->paths[i];

		error = p->writable ? allow_writing(ruleset, p->path, handled)
				    : allow_reading(ruleset, p->path);
	}
	return error;
}

static void allow_executing(int ruleset, int fd)
{
	struct path_beneath_attr rule = {.allowed_access = ACCESS_EXECUTE | ACCESS_READ_FILE,
					 .parent_fd = fd};

	syscall(NR_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
}

int launch_landlock(struct launch *l)
{
	struct layer_state *state = &l->layers[LAYER_LANDLOCK];
	struct ruleset_attr attr;
	long version;
	int ruleset, error;

	if (l->no_landlock) {
		snprintf(state->why, sizeof state->why, "switched off");
		return -ECANCELED;
	}
	version = syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
	if (version < 1) {
		error = version ? errno : ENOSYS;
		snprintf(state->why, sizeof state->why, "the host does not offer it (error %d)", error);
		return -error;
	}
	if ((size_t)version >= ARRAY_SIZE(versions))
		version = ARRAY_SIZE(versions) - 1;
	attr = (struct ruleset_attr){versions[version].fs, versions[version].net, versions[version].scoped};
	ruleset = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &attr, versions[version].size, 0);
	if (ruleset < 0) {
		error = errno;
		snprintf(state->why, sizeof state->why, "no rule set (error %d)", error);
		return -error;
	}
	error = allow_reading(ruleset, l->root);
	if (!error)
		error = allow_reading(ruleset, "/proc");
	if (!error)
		error = allow_paths(ruleset, l, attr.handled_access_fs);
	/* A memfd needs no rule, and gets none. */
	if (!error && l->image >= 0)
		allow_executing(ruleset, l->image);
	if (!error && syscall(NR_LANDLOCK_RESTRICT_SELF, ruleset, 0))
		error = -errno;
	close(ruleset);
	if (error)
		snprintf(state->why, sizeof state->why, "refused (error %d)", -error);
	else
		snprintf(state->why, sizeof state->why, "version %ld: %s is read-only%s", version, l->root,
			 l->writes ? " but for what is bound to be written" : "");
	return error;
}

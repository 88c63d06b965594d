/* SPDX-License-Identifier: Apache-2.0 */
/* Trials of what husk locks itself up with, and of how much room the host gives it. */
#include "trap/probe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/channel.h"
#include "host/cpus.h"

#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_RESTRICT_SELF  446
#define RULESET_VERSION            1u
#define ACCESS_READ_DIR            8ull
#define FDS_A_PROCESS              3   /* region, socket, doorbell */
#define FDS_FOR_FILES              200 /* of the kernel process itself, and some files of guests */
#define FEW_PROCESSES              64

void probe_no_new_privs(struct probe_result *r)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		probe_refused(r, "prctl(PR_SET_NO_NEW_PRIVS)", errno);
	else
		probe_say(r, PROBE_YES, "set for good");
}

void probe_landlock(struct probe_result *r)
{
	u64 handled = ACCESS_READ_DIR;
	long version = syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0UL, RULESET_VERSION);
	int ruleset;

	if (version < 1) {
		if (version && errno == EOPNOTSUPP)
			probe_say(r, PROBE_NO, "switched off on this host (lsm= of its command line)");
		else
			probe_refused(r, "landlock_create_ruleset", version ? errno : ENOSYS);
		return;
	}
	ruleset = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &handled, sizeof handled, 0UL);
	if (ruleset < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(NR_LANDLOCK_RESTRICT_SELF, ruleset, 0UL)) {
		probe_refused(r, "a rule set", errno);
		return;
	}
	if (open("/", O_RDONLY | O_DIRECTORY) >= 0 || errno != EACCES) {
		probe_say(r, PROBE_WRONG, "a rule set was taken and does nothing");
		return;
	}
	r->number = (u64)version;
	snprintf(r->value, sizeof r->value, "version %ld", version);
	probe_say(r, PROBE_YES, "a rule set was taken, and obeyed");
}

static bool reads(const char *path, const char *value)
{
	char text[16] = "";
	FILE *f = fopen(path, "re");

	if (f && fgets(text, sizeof text, f))
		text[strcspn(text, "\n")] = 0;
	if (f)
		fclose(f);
	return f && !strcmp(text, value);
}

void probe_user_namespace(struct probe_result *r)
{
	int error;

	if (!unshare(CLONE_NEWUSER)) {
		probe_say(r, PROBE_YES, "one was made");
		return;
	}
	error = errno;
	if (reads("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		probe_say(r, PROBE_NO, "sysctl kernel.unprivileged_userns_clone is 0");
	else if (reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
		probe_say(r, PROBE_NO, "sysctl kernel.apparmor_restrict_unprivileged_userns is 1");
	else if (reads("/proc/sys/user/max_user_namespaces", "0"))
		probe_say(r, PROBE_NO, "sysctl user.max_user_namespaces is 0");
	else
		probe_refused(r, "unshare(CLONE_NEWUSER)", error);
}

/* A count that may be without a limit. */
static void tell_count(struct probe_result *r, rlim_t count, rlim_t few, const char *what)
{
	r->number = count == RLIM_INFINITY ? 0 : count;
	if (count == RLIM_INFINITY)
		snprintf(r->value, sizeof r->value, "no limit");
	else
		snprintf(r->value, sizeof r->value, "%llu", (unsigned long long)count);
	probe_say(r, count < few ? PROBE_NO : PROBE_YES, "%s", what);
}

/* The soft limit is raised to the hard one, as husk does at its start. */
void probe_descriptors(struct probe_result *r)
{
	struct rlimit limit;
	char what[96];
	rlim_t processes;

	if (getrlimit(RLIMIT_NOFILE, &limit)) {
		probe_refused(r, "getrlimit", errno);
		return;
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		probe_refused(r, "raising the soft limit to the hard one", errno);
		return;
	}
	processes = limit.rlim_max > FDS_FOR_FILES ? (limit.rlim_max - FDS_FOR_FILES) / FDS_A_PROCESS : 0;
	snprintf(what, sizeof what, "room for about %llu guest processes", (unsigned long long)processes);
	tell_count(r, limit.rlim_max, FDS_FOR_FILES + FDS_A_PROCESS * FEW_PROCESSES,
		   limit.rlim_max == RLIM_INFINITY ? "room for any number of guest processes" : what);
}

void probe_processes(struct probe_result *r)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit))
		probe_refused(r, "getrlimit", errno);
	else
		tell_count(r, geteuid() ? limit.rlim_max : RLIM_INFINITY, FEW_PROCESSES,
			   "threads of all of this user's processes together");
}

/* A limit in bytes, as people say it. */
static void tell_bytes(struct probe_result *r, int resource, rlim_t few, const char *what)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit)) {
		probe_refused(r, "getrlimit", errno);
		return;
	}
	tell_count(r, limit.rlim_cur, few, what);
	if (limit.rlim_cur != RLIM_INFINITY)
		snprintf(r->value, sizeof r->value, "%llu MiB", (unsigned long long)limit.rlim_cur >> 20);
}

void probe_address_space(struct probe_result *r)
{
	tell_bytes(r, RLIMIT_AS, 8UL * HUSK_CHAN_SIZE,
		   "a guest process maps a channel, the kernel process all of them");
}

void probe_file_size(struct probe_result *r)
{
	tell_bytes(r, RLIMIT_FSIZE, HUSK_CHAN_SIZE, "for memory files, too");
}

void probe_cpus(struct probe_result *r)
{
	struct host_cpus cpus;

	host_cpus_read(&cpus);
	r->number = cpus.usable;
	snprintf(r->value, sizeof r->value, "%u of %u", cpus.usable, cpus.online);
	if (cpus.quota)
		probe_say(r, cpus.usable > 1 ? PROBE_YES : PROBE_NO,
			  "%u by affinity; a cgroup's quota allows %llu.%02llu", cpus.allowed,
			  (unsigned long long)cpus.quota / 1000, (unsigned long long)cpus.quota % 1000 / 10);
	else
		probe_say(r, cpus.usable > 1 ? PROBE_YES : PROBE_NO, "%u by affinity; no quota",
			  cpus.allowed);
}

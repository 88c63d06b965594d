/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processors that may be used. A quota can stand at any cgroup between this process and the root, in version 2
 * (cpu.max) or version 1 (cpu.cfs_quota_us) of the interface. Inside a container the tree often begins at the
 * container's own group while /proc/self/cgroup names it from the outside: so a path that is not there is cut
 * from its end until something is, and the top of the tree is always looked at.
 */
#include "host/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"

static void take(struct host_cpus *cpus, long long quota, long long period)
{
	u64 thousandths;

	if (quota <= 0 || period <= 0)
		return;
	thousandths = (u64)quota * 1000 / (u64)period;
	thousandths = max(thousandths, (u64)1);
	if (!cpus->quota || thousandths < cpus->quota)
		cpus->quota = thousandths;
}

static int read_pair(const char *dir, const char *file, long long *a, long long *b)
{
	char path[512];
	FILE *f;
	int n;

	if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path)
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fscanf(f, "%lld %lld", a, b);
	fclose(f);
	return n;
}

/* The limits of @path below @top and of all above it. */
static void walk_up(struct host_cpus *cpus, const char *top, const char *path)
{
	char dir[512];
	size_t top_len = strlen(top);
	long long a, b;

	if (!strcmp(path, "/"))
		path = "";

	/* Most of the places where a tree could be are none. */
	snprintf(dir, sizeof dir, "%s/cgroup.procs", top);
	if (access(dir, F_OK))
		return;
	if (snprintf(dir, sizeof dir, "%s%s", top, path) >= (int)sizeof dir)
		return;
	for (;;) {
		char *slash;

		if (read_pair(dir, "cpu.max", &a, &b) == 2)
			take(cpus, a, b);
		if (read_pair(dir, "cpu.cfs_quota_us", &a, &b) >= 1) {
			long long quota = a;

			if (read_pair(dir, "cpu.cfs_period_us", &a, &b) >= 1)
				take(cpus, quota, a);
		}
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) < top_len)
			return;
		*slash = 0;
	}
}

/* True when the list of controllers "a,b,c" has @name. */
static bool has_word(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (; *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ','))
		if (strcspn(list, ",") == n && !memcmp(list, name, n))
			return true;
	return false;
}

/* Lines of /proc/self/cgroup are number:controllers:path; version 2 has number 0 and no controllers. */
static void read_quota(struct host_cpus *cpus)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512];

	while (f && fgets(line, sizeof line, f)) {
		char *controllers = strchr(line, ':'),
		     *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*controllers++ = 0;
		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		if (!*controllers) {
			walk_up(cpus, CGROUPS, path);
			walk_up(cpus, CGROUPS "/unified", path);
		} else if (has_word(controllers, "cpu")) {
			walk_up(cpus, CGROUPS "/cpu", path);
			walk_up(cpus, CGROUPS "/cpu,cpuacct", path);
		}
	}
	if (f)
		fclose(f);
}

void host_cpus_read(struct host_cpus *cpus)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	*cpus = (struct host_cpus){.online = online > 0 ? (u32)online : 1};
	cpus->allowed = cpus->online;
	if (!sched_getaffinity(0, sizeof set, &set))
		cpus->allowed = (u32)CPU_COUNT(&set);
	read_quota(cpus);
	cpus->usable = cpus->allowed;
	if (cpus->quota)
		cpus->usable = min(cpus->usable, (u32)min(max(cpus->quota / 1000, (u64)1), (u64)1 << 20));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* /sys, as far as programs size themselves by it. Natively it needs a mounted /sys. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "check.h"

#define CPU "/sys/devices/system/cpu/"

/* The file's text, with its newline. */
static const char *text(const char *path)
{
	static char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);

	CHECK(n >= 0);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	return buf;
}

/* How many numbers a list like "0-3,5" holds. */
static int count(const char *list)
{
	int n = 0;

	while (*list >= '0' && *list <= '9') {
		long from = strtol(list, (char **)&list, 10), to = from;

		if (*list == '-')
			to = strtol(list + 1, (char **)&list, 10);
		n += (int)(to - from + 1);
		if (*list == ',')
			list++;
	}
	return *list == '\n' ? n : -1;
}

int main(void)
{
	char path[128];
	struct statfs fs;
	struct stat st;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (statfs("/sys", &fs) || fs.f_type != SYSFS_MAGIC)
		check_skip("no /sys here");
	CHECK_EQ(count(text(CPU "online")), cpus);
	CHECK_EQ(count(text(CPU "present")), sysconf(_SC_NPROCESSORS_CONF));
	CHECK(count(text(CPU "possible")) >= cpus);
	CHECK(atoi(text(CPU "kernel_max")) >= cpus - 1);
	for (long i = 0; i < cpus; i++) {
		snprintf(path, sizeof path, CPU "cpu%ld/topology/core_id", i);
		CHECK(atoi(text(path)) >= 0);
		snprintf(path, sizeof path, CPU "cpu%ld/topology/thread_siblings_list", i);
		CHECK(count(text(path)) >= 1);
	}
	snprintf(path, sizeof path, CPU "cpu%ld", sysconf(_SC_NPROCESSORS_CONF) + 5000);
	CHECK_ERRNO(stat(path, &st), ENOENT);
	CHECK_ERRNO(stat(CPU "cpu", &st), ENOENT);
	CHECK_ERRNO(stat(CPU "cpu00", &st), ENOENT);
	CHECK(mkdir("/sys/here", 0755) < 0);
	CHECK_OK(stat("/sys/kernel/mm", &st));
	CHECK(S_ISDIR(st.st_mode));
	if (!stat("/sys/kernel/mm/transparent_hugepage", &st)) {
		CHECK(strchr(text("/sys/kernel/mm/transparent_hugepage/enabled"), '['));
		CHECK_EQ(atoi(text("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")), 2 << 20);
	}
	CHECK_OK(stat("/sys/fs/cgroup", &st));
	return check_done();
}

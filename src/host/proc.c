/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU times and memory of guest host processes. The total comes from the process's CPU clock, which needs no
 * file; all else from /proc, where that belongs to this pid namespace.
 */
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CPUCLOCK_SCHED 2

int host_process_cpu(struct hostpid pid, u64 *ns)
{
	struct timespec ts;
	clockid_t clock = (clockid_t)(~(u32)pid.pid << 3 | CPUCLOCK_SCHED);

	if (pid.pid <= 0)
		return -ESRCH;
	if (clock_gettime(clock, &ts) < 0)
		return -errno;
	*ns = (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	return 0;
}

/* Whether /proc shows the numbers that we use: it is another one's when a new pid namespace has no /proc of
 * its own. */
static bool proc_is_ours(void)
{
	char self[16];
	ssize_t n = readlink("/proc/self", self, sizeof self - 1);

	if (n <= 0)
		return false;
	self[n] = 0;
	return atoi(self) == getpid();
}

static int read_file(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	if (!proc_is_ours())
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n <= 0)
		return -ENOENT;
	buf[n] = 0;
	return 0;
}

int host_thread_cpu(struct hostpid pid, struct hostpid tid, u64 *ns)
{
	char path[64], buf[128];
	int r;

	snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid.pid, tid.pid);
	r = read_file(path, buf, sizeof buf);
	if (r < 0)
		return r;
	*ns = strtoull(buf, NULL, 10);
	return 0;
}

int host_usage(struct hostpid pid, struct hostpid tid, struct host_usage *out)
{
	unsigned long min_flt, maj_flt, utime, stime;
	char path[64], buf[1024], *p;
	int r;

	if (tid.pid)
		snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid.pid, tid.pid);
	else
		snprintf(path, sizeof path, "/proc/%d/stat", pid.pid);
	r = read_file(path, buf, sizeof buf);
	if (r < 0)
		return r;
	/* The name may hold blanks and parentheses: the fields begin behind the last one. */
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu", &min_flt, &maj_flt,
			 &utime, &stime) != 4)
		return -EIO;
	*out = (struct host_usage){utime, stime, min_flt, maj_flt};
	return 0;
}

int host_process_peak(struct hostpid pid, u64 *peak_kb)
{
	char path[64], buf[4096], *p;
	int r;

	snprintf(path, sizeof path, "/proc/%d/status", pid.pid);
	r = read_file(path, buf, sizeof buf);
	if (r < 0)
		return r;
	p = strstr(buf, "VmHWM:");
	if (!p)
		return -ENOENT;
	*peak_kb = strtoull(p + 6, NULL, 10);
	return 0;
}

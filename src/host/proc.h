/* SPDX-License-Identifier: Apache-2.0 */
/* What the host says about the CPU time and memory of guest host processes. */
#ifndef HUSK_HOST_PROC_H
#define HUSK_HOST_PROC_H

#include "host/types.h"

struct host_usage {
	u64 utime_ticks, stime_ticks; /* 1/100 s */
	u64 min_flt, maj_flt;
};

/* CPU time of a whole process, exact: 0 or -errno. */
int host_process_cpu(struct hostpid pid, u64 *ns);
/* CPU time of one thread of a process, exact. Needs the host's /proc: -ENOENT where it is not to be had. */
int host_thread_cpu(struct hostpid pid, struct hostpid tid, u64 *ns);
/* User and system time as the host's tick shows them, and faults; @tid none: of the whole process. */
int host_usage(struct hostpid pid, struct hostpid tid, struct host_usage *out);
/* The process's peak and present resident memory, kB. */
int host_process_peak(struct hostpid pid, u64 *peak_kb);

#endif

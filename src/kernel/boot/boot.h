/* SPDX-License-Identifier: Apache-2.0 */
/* Assembles one kernel from its rooms, runs one sandbox, takes the kernel apart again. */
#ifndef HUSK_KERNEL_BOOT_BOOT_H
#define HUSK_KERNEL_BOOT_BOOT_H

#include "core/stats.h"
#include "host/types.h"
#include "trap/trap.h"

struct tracer;
struct sock_filter;

/* One of --tmpfs, --bind, --ro-bind, --hide. */
struct sandbox_mount {
	enum { MOUNT_TMPFS, MOUNT_BIND, MOUNT_RO_BIND, MOUNT_HIDE } kind;
	char *src, *dst; /* src: on the host, for binds */
	u64 size;        /* of a tmpfs; 0: half of the memory */
};

struct sandbox_config {
	const char *root;                   /* host directory that is the guest's / */
	const struct sandbox_mount *mounts; /* in this order, after husk's own */
	size_t nmounts;
	const char *upper; /* host directory that keeps the layer above the root; NULL: memory */
	u64 disk_limit;    /* what guests may write to trees in memory, in bytes; 0: any */
	const char *cwd;   /* working directory in the guest; falls back to / when cwd_optional */
	bool cwd_optional;
	const char *path; /* the program as typed: searched in PATH of envp when it has no slash */
	char *const *argv, *const *envp;
	u32 uid, gid;
	int nice;                    /* of the first process: the caller's */
	const struct rlimit *limits; /* of the first process, RLIM_NLIMITS of them; NULL: Linux's defaults */
	const char *hostname;
	u64 time_limit_ns; /* 0: none */
	/* Trap drivers in the order in which they are tried, NULL-terminated: the first that starts is
	 * taken. */
	const struct trap_ops *const *traps;
	struct trap_config trap_config;
	struct hostfd stdio[3]; /* become the guest's 0, 1, 2; -1: closed */
	bool tty;         /* the guest gets a terminal of its own that stands for stdio[0] and stdio[1] */
	bool job_control; /* husk's caller can stop it and let it go on */
	struct tracer *tracer; /* --strace's; borrowed, nullable */
	struct hostfd signals; /* a signalfd whose signals go to the guest's first process; -1: none */
	bool stats_timing;
	bool changes; /* tell what guests changed */
	/* The first program's seccomp filter, borrowed; size 0: none. */
	const struct sock_filter *filter;
	unsigned filter_size;
	/* Whether guests' filters are compiled: AUTO where executable memory can be had, else they are interpreted. */
	enum bpf_jit { BPF_JIT_AUTO, BPF_JIT_ON, BPF_JIT_OFF } bpf_jit;
	/* Called once everything host-side is open and before the first guest process: the outer jail
	 * (launch) confines the kernel process here, in two steps around the zygote (phase 0: before it,
	 * phase 1: after it, when it is known whether the kernel process is to trace its guests). */
	int (*confine)(int phase, bool traces, void *arg, char *why, size_t size);
	void *confine_arg;
};

struct sandbox_result {
	char *changes; /* what guests changed, a line each, sorted; malloc()ed, the caller's; NULL: not asked for, or */
	int changes_error; /* why it cannot be told: -errno */
	int status;        /* of the first program, as waitpid() gives it */
	int error;    /* negative errno when the program could not be started (-ENOENT, -EACCES, ...) or husk
			 failed */
	bool started; /* the program ran */
	const char *trap;   /* name of the driver that was taken; NULL: none started */
	bool gated;         /* guests can clone nothing that the kernel did not order */
	const char *reason; /* exited, signaled, time_limit, memory_limit, disk_limit, pids_limit, policy,
			       internal */
	u64 wall_ns, cpu_ns, peak_bytes;
	u64 calls;
	struct stats stats;
	char why[1024]; /* sentence for error */
};

/* Runs one sandbox to its end. 0, or a negative errno with result->why set when husk itself failed. */
int sandbox_run(const struct sandbox_config *config, struct sandbox_result *result);

#endif

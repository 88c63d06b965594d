/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filters that are measured, made by libseccomp: a short and a large one (the shape of its own
 * 05-sim-long_jumps), and one that does what Docker's default profile does to a container without extra
 * capabilities; linear and as trees.
 */
#include "bench.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool export_filter(scmp_filter_ctx ctx, struct bench_filter *out)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0 && !seccomp_export_bpf(ctx, fd))
		n = pread(fd, out->f, sizeof out->f, 0);
	if (fd >= 0)
		close(fd);
	out->size = n > 0 ? (unsigned)n / sizeof *out->f : 0;
	return n > 0;
}

static bool make_simple(struct bench_filter *out, int checked, bool tree)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL);
	bool good;
	int count = 0;

	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, tree ? 2 : 1);
	seccomp_rule_add_exact(ctx, SCMP_ACT_ALLOW, SCMP_SYS(brk), 0);
	if (checked > 1)
		seccomp_rule_add_exact(ctx, SCMP_ACT_ALLOW, SCMP_SYS(close), 0);
	if (checked == 1)
		seccomp_rule_add_exact(ctx, SCMP_ACT_ALLOW, SYS_getppid, 1, SCMP_A0(SCMP_CMP_EQ, 100));
	for (int nr = 0; checked > 1 && count < checked; nr++) {
		if (nr == SYS_brk || nr == SYS_close)
			continue;
		seccomp_rule_add_exact(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_EQ, 100));
		count++;
	}
	out->nr = SYS_getppid;
	out->arg = 100;
	good = export_filter(ctx, out);
	seccomp_release(ctx);
	return good;
}

/* What Docker refuses to a container without capabilities; everything else that libseccomp knows is allowed. */
static const char *const refused[] = {
	"acct",
	"add_key",
	"bpf",
	"chroot",
	"clock_settime",
	"create_module",
	"delete_module",
	"fanotify_init",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"get_kernel_syms",
	"get_mempolicy",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"ioperm",
	"iopl",
	"kcmp",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"lookup_dcookie",
	"mbind",
	"mount",
	"mount_setattr",
	"move_mount",
	"move_pages",
	"nfsservctl",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"pidfd_getfd",
	"pivot_root",
	"process_madvise",
	"query_module",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"request_key",
	"set_mempolicy",
	"setdomainname",
	"sethostname",
	"setns",
	"settimeofday",
	"swapoff",
	"swapon",
	"sysfs",
	"_sysctl",
	"syslog",
	"umount",
	"umount2",
	"unshare",
	"uselib",
	"userfaultfd",
	"ustat",
	"vhangup",
	"vm86",
	"vm86old",
	"stime",
	"clock_settime64",
	"clone",
	"clone3",
	"personality",
	"socket",
	"afs_syscall",
	"getpmsg",
	"putpmsg",
	"tuxcall",
	"security",
	"vserver",
	"epoll_ctl_old",
	"epoll_wait_old",
	"migrate_pages",
	"mseal",
};

static bool is_refused(const char *name)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (!strcmp(refused[i], name))
			return true;
	return false;
}

static bool make_docker(struct bench_filter *out, bool three, bool tree)
{
	static const uint64_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	bool good;

	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, tree ? 2 : 1);
	if (three) {
		seccomp_arch_add(ctx, SCMP_ARCH_X86);
		seccomp_arch_add(ctx, SCMP_ARCH_X32);
	}
	for (int nr = 0; nr < 460; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		if (name && !is_refused(name))
			seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
		free(name);
	}
	for (size_t i = 0; i < sizeof personalities / sizeof *personalities; i++)
		seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
				 SCMP_A0(SCMP_CMP_EQ, personalities[i]));
	seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_NE, 40));
	seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, 0x7e020000, 0));
	seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	out->nr = SYS_personality;
	out->arg = 0xffffffff;
	good = export_filter(ctx, out);
	seccomp_release(ctx);
	return good;
}

unsigned filters_make(struct bench_filter *out, unsigned most)
{
	static const struct {
		const char *name;
		int checked; /* 0: Docker's */
		bool three, tree;
		enum bench_goal goal;
	} wanted[] = {
		{"short, 2 rules", 1, false, false, GOAL_SHORT},
		{"large, 200 rules", 198, false, false, GOAL_LARGE},
		{"large, tree", 198, false, true, NR_GOALS},
		{"docker x86-64", 0, false, false, GOAL_DOCKER},
		{"docker x86-64, tree", 0, false, true, NR_GOALS},
		{"docker 3 arches", 0, true, false, GOAL_DOCKER},
		{"docker 3 arches, tree", 0, true, true, NR_GOALS},
	};
	unsigned n = 0;

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted && n < most; i++) {
		bool good = wanted[i].checked ? make_simple(&out[n], wanted[i].checked, wanted[i].tree)
					      : make_docker(&out[n], wanted[i].three, wanted[i].tree);

		out[n].name = wanted[i].name;
		out[n].goal = wanted[i].goal;
		n += good;
	}
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp filter that refuses what Docker's default profile refuses to a container without extra capabilities: EPERM, and
 * ENOSYS for clone3 (so that libc falls back on clone, whose flags can be looked at).
 */
#ifndef TOOLS_DOCKER_FILTER_H
#define TOOLS_DOCKER_FILTER_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const int docker_refused[] = {
	SYS_acct,
	SYS_add_key,
	SYS_bpf,
	SYS_chroot,
	SYS_clock_settime,
	SYS_create_module,
	SYS_delete_module,
	SYS_fanotify_init,
	SYS_finit_module,
	SYS_get_kernel_syms,
	SYS_get_mempolicy,
	SYS_init_module,
	SYS_ioperm,
	SYS_iopl,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_io_uring_setup,
	SYS_kcmp,
	SYS_kexec_file_load,
	SYS_kexec_load,
	SYS_keyctl,
	SYS_lookup_dcookie,
	SYS_mbind,
	SYS_mount,
	SYS_move_pages,
	SYS_nfsservctl,
	SYS_open_by_handle_at,
	SYS_perf_event_open,
	SYS_pivot_root,
	SYS_query_module,
	SYS_quotactl,
	SYS_reboot,
	SYS_request_key,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_set_mempolicy,
	SYS_setns,
	SYS_settimeofday,
	SYS_swapoff,
	SYS_swapon,
	SYS_sysfs,
	SYS__sysctl,
	SYS_syslog,
	SYS_umount2,
	SYS_unshare,
	SYS_uselib,
	SYS_userfaultfd,
	SYS_ustat,
	SYS_vhangup,
	428 /* open_tree */,
	429 /* move_mount */,
	430 /* fsopen */,
	431 /* fsconfig */,
	432 /* fsmount */,
	433 /* fspick */,
	438 /* pidfd_getfd */,
	440 /* process_madvise */,
	442 /* mount_setattr */,
	443 /* quotactl_fd */,
	450 /* set_mempolicy_home_node */,
};

#define NAMESPACES                                                                                    \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
	 CLONE_NEWNET)

#define LOAD(field) \
	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_NOT(k, skip) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (skip))
#define RETURN(k)       (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (k))
#define REFUSE(e)       RETURN(SECCOMP_RET_ERRNO | (e))

/* 0, or -1 with errno. @no_process_vm also forbids process_vm_readv and process_vm_writev. */
static int docker_filter_install(int no_process_vm)
{
	struct sock_filter f[256];
	struct sock_fprog program = {.filter = f};
	unsigned short n = 0;

	f[n++] = LOAD(arch);
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	f[n++] = REFUSE(EPERM);
	f[n++] = LOAD(nr);
	for (size_t i = 0; i < sizeof docker_refused / sizeof *docker_refused; i++) {
		f[n++] = IF_NOT((unsigned)docker_refused[i], 1);
		f[n++] = REFUSE(EPERM);
	}
	if (no_process_vm) {
		f[n++] = IF_NOT(SYS_process_vm_readv, 1);
		f[n++] = REFUSE(EPERM);
		f[n++] = IF_NOT(SYS_process_vm_writev, 1);
		f[n++] = REFUSE(EPERM);
	}
	f[n++] = IF_NOT(435 /* clone3 */, 1);
	f[n++] = REFUSE(ENOSYS);
	/* socket(AF_VSOCK): refused. */
	f[n++] = IF_NOT(SYS_socket, 3);
	f[n++] = LOAD(args[0]);
	f[n++] = IF_NOT(40, 1);
	f[n++] = REFUSE(EPERM);
	f[n++] = LOAD(nr);
	/* clone with a new namespace: refused. */
	f[n++] = IF_NOT(SYS_clone, 3);
	f[n++] = LOAD(args[0]);
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1);
	f[n++] = REFUSE(EPERM);
	f[n++] = RETURN(SECCOMP_RET_ALLOW);
	program.len = n;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#endif

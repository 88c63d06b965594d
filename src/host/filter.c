/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel process's own filter, from one table: what is not listed is refused.
 *
 * A line may pin one argument: the call is allowed when (argument & mask) == value, for one of the lines that
 * name it. So nothing can be mapped executable, no program be started, no socket be made but pairs, whatever
 * the code of this process is made to do. openat2's flags lie in memory, where no filter sees them: that no
 * file is opened for writing is Landlock's to hold.
 */
#include "host/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/file.h"

struct allowed {
	u16 nr;
	u8 arg;
	u32 mask, value; /* of the argument's low 32 bits; mask 0: any */
	u8 only;         /* HOST_FILTER_*: for those alone; 0: always */
	u16 error;       /* not allowed: fails with it, whatever else fails with */
};

/* What libc makes a thread with (clone(2)): it shares everything, this filter too. */
#define THREAD_FLAGS                                                                                       \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static const struct allowed allowed[] = {
	/* Waiting and waking. */
	{SYS_epoll_wait},
	{SYS_epoll_pwait2},
	{SYS_epoll_ctl},
	{SYS_eventfd2},
	{SYS_futex},
	{SYS_poll},
	{SYS_sched_getaffinity},
	{SYS_sched_setaffinity},
	{SYS_sched_yield, .only = HOST_FILTER_TRACES},
	{SYS_clock_gettime},
	{SYS_timerfd_create},
	{SYS_timerfd_settime},
	{SYS_sysinfo},
	{SYS_getrusage},
	{SYS_prlimit64, 2, ~0u, 0},
	/* Guests: their memory, descriptors and deaths. */
	{SYS_ioctl, 1, ~0u, (u32)SECCOMP_IOCTL_NOTIF_RECV},
	{SYS_ioctl, 1, ~0u, (u32)SECCOMP_IOCTL_NOTIF_SEND},
	{SYS_process_vm_readv},
	{SYS_process_vm_writev},
	{SYS_socketpair, 0, ~0u, AF_UNIX},
	{SYS_sendmsg},
	{SYS_recvmsg},
	{SYS_waitid},
	{SYS_wait4},
	{SYS_pidfd_open},
	{SYS_kill},
	{SYS_tgkill},
	{SYS_ptrace, 0, ~0u, PTRACE_SYSEMU, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_GET_SYSCALL_INFO, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_GETREGSET, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_SETREGSET, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_SYSCALL, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_CONT, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_GETSIGINFO, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_GETEVENTMSG, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_INTERRUPT, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_PEEKDATA, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_POKEDATA, HOST_FILTER_TRACES},
	{SYS_ptrace, 0, ~0u, PTRACE_POKEUSER, HOST_FILTER_TRACES},
	/* Files: for reading, by descriptors. */
	{SYS_openat, 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
	{SYS_read},
	{SYS_pread64},
	{SYS_preadv2},
	{SYS_write},
	{SYS_pwrite64},
	{SYS_writev},
	{SYS_lseek},
	{SYS_close},
	{SYS_fstat},
	{SYS_newfstatat},
	{SYS_statx},
	{SYS_fstatfs},
	{SYS_readlink},
	{SYS_readlinkat},
	{SYS_getdents64},
	{SYS_fcntl},
	{SYS_memfd_create},
	{SYS_ftruncate},
	{SYS_fsync},
	{SYS_fdatasync},
	{SYS_cachestat},
	{SYS_getxattr},
	{SYS_listxattr},
	{SYS_fgetxattr},
	{SYS_flistxattr},
	/* Files that are bound to be written: Landlock holds them below those. */
	{SYS_openat, 2, O_PATH, 0, HOST_FILTER_WRITES},
	{SYS_mkdirat, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_mknodat, 2, S_IFMT, S_IFIFO, HOST_FILTER_WRITES},
	{SYS_mknodat, 2, S_IFMT, S_IFSOCK, HOST_FILTER_WRITES},
	{SYS_symlinkat, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_linkat, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_unlinkat, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_renameat2, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_chmod, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_fchownat, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_utimensat, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_truncate, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_syncfs, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_setxattr, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_removexattr, 0, 0, 0, HOST_FILTER_WRITES},
	{SYS_fallocate},
	/* The caller's terminal and pipes: never TIOCSTI, which types into the caller's shell. */
	{SYS_ioctl, 1, ~7u, 0x5400},     /* TCGETS, TCSETS, TCSETSW, TCSETSF */
	{SYS_ioctl, 1, ~3u, 0x5408},     /* TCSBRK, TCXONC, TCFLSH */
	{SYS_ioctl, 1, ~0u, 0x802c542a}, /* TCGETS2 */
	{SYS_ioctl, 1, ~0u, 0x402c542b}, /* TCSETS2, TCSETSW2, TCSETSF2 */
	{SYS_ioctl, 1, ~0u, 0x402c542c},
	{SYS_ioctl, 1, ~0u, 0x402c542d},
	{SYS_ioctl, 1, ~0u, TIOCGPGRP},
	{SYS_ioctl, 1, ~0u, TIOCGWINSZ},
	{SYS_ioctl, 1, ~0u, TIOCSWINSZ},
	{SYS_ioctl, 1, ~0u, TIOCGETD},
	{SYS_ioctl, 1, ~0u, TIOCOUTQ},
	{SYS_ioctl, 1, ~0u, TCSBRKP},
	{SYS_ioctl, 1, ~0u, FIONREAD},
	/* Its own memory: nothing executable. */
	{SYS_mmap, 2, PROT_EXEC, 0},
	{SYS_mprotect, 2, PROT_EXEC, 0},
	{SYS_munmap},
	{SYS_mremap},
	{SYS_madvise},
	{SYS_mincore},
	{SYS_brk},
	{SYS_getrandom},
	/* Its own end and signals; helper threads. The flags of clone3 lie in memory, where no filter sees them: libc
	 * takes clone instead where there is none. */
	{SYS_clone, 0, ~0u, THREAD_FLAGS},
	{SYS_clone3, .error = ENOSYS},
	{SYS_set_robust_list},
	{SYS_rseq},
	{SYS_rt_sigprocmask},
	{SYS_rt_sigaction},
	{SYS_rt_sigreturn},
	{SYS_getpid},
	{SYS_gettid},
	{SYS_exit},
	{SYS_exit_group},
};

#define LOAD(field) \
	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP_EQ(k, yes, no) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))
#define RETURN(k)           (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (k))

/* Whether the line is one for a process that does @what. */
static bool applies(const struct allowed *a, u32 what)
{
	return !a->only || a->only & what;
}

int host_filter_count(u32 what)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen |= allowed[j].nr == allowed[i].nr && applies(&allowed[j], what);
		n += !seen && !allowed[i].error && applies(&allowed[i], what);
	}
	return n;
}

struct builder {
	const struct allowed
		*line[ARRAY_SIZE(allowed)]; /* those that apply, by number, else in the table's order */
	u16 first[ARRAY_SIZE(allowed) + 1]; /* of each call's lines; behind the last call: their number */
	u16 calls;
	u32 otherwise;
	struct sock_filter code[8 + 8 * ARRAY_SIZE(allowed)];
	u16 n;
};

static void sort_lines(struct builder *b, u32 what)
{
	u16 n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		u16 at = n;

		if (!applies(&allowed[i], what))
			continue;
		for (; at && b->line[at - 1]->nr > allowed[i].nr; at--)
			b->line[at] = b->line[at - 1];
		b->line[at] = &allowed[i];
		n++;
	}
	for (u16 i = 0; i < n; i++)
		if (!i || b->line[i]->nr != b->line[i - 1]->nr)
			b->first[b->calls++] = i;
	b->first[b->calls] = n;
}

/* The number is that of the @call-th call or of none. */
static void emit_call(struct builder *b, u16 call)
{
	b->code[b->n++] = JUMP_EQ(b->line[b->first[call]]->nr, 1, 0);
	b->code[b->n++] = RETURN(b->otherwise);
	for (u16 i = b->first[call]; i < b->first[call + 1]; i++) {
		const struct allowed *a = b->line[i];

		if (!a->mask) {
			b->code[b->n++] = RETURN(a->error ? SECCOMP_RET_ERRNO | a->error : SECCOMP_RET_ALLOW);
			return;
		}
		b->code[b->n++] = (struct sock_filter)BPF_STMT(
			BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8u * a->arg);
		b->code[b->n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, a->mask);
		b->code[b->n++] = JUMP_EQ(a->value, 0, 1);
		b->code[b->n++] = RETURN(SECCOMP_RET_ALLOW);
	}
	b->code[b->n++] = RETURN(b->otherwise);
}

/* Looks for the number, which is in the accumulator, among calls [from, end), by halves: the host runs a new filter once
 * for each call that it has (kernel/seccomp.c, seccomp_cache_prepare()), and for those with pinned arguments each time. */
static void emit_search(struct builder *b, u16 from, u16 end)
{
	u16 middle = (u16)((from + end) / 2), jump;

	if (end - from == 1) {
		emit_call(b, from);
		return;
	}
	b->code[b->n++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, b->line[b->first[middle]]->nr, 0, 1);
	jump = b->n++; /* further than a condition can */
	emit_search(b, from, middle);
	b->code[jump] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (u32)(b->n - jump - 1));
	emit_search(b, middle, end);
}

int host_filter_install(bool kill, u32 what)
{
	struct builder b = {.otherwise = kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM};
	struct sock_fprog program = {.filter = b.code};

	sort_lines(&b, what);
	b.code[b.n++] = LOAD(arch);
	b.code[b.n++] = JUMP_EQ(AUDIT_ARCH_X86_64, 1, 0);
	b.code[b.n++] = RETURN(SECCOMP_RET_KILL_PROCESS);
	b.code[b.n++] = LOAD(nr);
	emit_search(&b, 0, b.calls);
	program.len = b.n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		return errno == EAGAIN || errno == ESRCH ? -EBUSY : -errno;
	return 0;
}

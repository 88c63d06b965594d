/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the structures of abi/structs.tbl; one function each, chosen by a table. */
#include "abi/calls.h"
#include "trace/line.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <linux/stat.h>
#include <poll.h>
#include <time.h>

static void p_int32(struct line *l, const void *p)
{
	line_add(l, "[%d]", *(const s32 *)p);
}

static void p_uint32(struct line *l, const void *p)
{
	line_add(l, "[%u]", *(const u32 *)p);
}

static void p_int64(struct line *l, const void *p)
{
	line_add(l, "[%lld]", *(const long long *)p);
}

static void p_ptr(struct line *l, const void *p)
{
	line_add(l, "[%#llx]", *(const unsigned long long *)p);
}

static void p_int32pair(struct line *l, const void *p)
{
	const s32 *v = p;

	line_add(l, "[%d, %d]", v[0], v[1]);
}

static void p_timespec(struct line *l, const void *p)
{
	const s64 *v = p;

	if (v[1] == ((1l << 30) - 1l))
		line_add(l, "UTIME_NOW");
	else if (v[1] == ((1l << 30) - 2l))
		line_add(l, "UTIME_OMIT");
	else
		line_add(l, "{tv_sec=%lld, tv_nsec=%lld}", (long long)v[0], (long long)v[1]);
}

static void p_timeval(struct line *l, const void *p)
{
	const s64 *v = p;

	line_add(l, "{tv_sec=%lld, tv_usec=%lld}", (long long)v[0], (long long)v[1]);
}

static void two(struct line *l, const void *p, void (*one)(struct line *, const void *))
{
	line_add(l, "[");
	one(l, p);
	line_add(l, ", ");
	one(l, (const char *)p + 16);
	line_add(l, "]");
}

static void p_timespec2(struct line *l, const void *p)
{
	two(l, p, p_timespec);
}

static void p_timeval2(struct line *l, const void *p)
{
	two(l, p, p_timeval);
}

static void interval(struct line *l, const void *p, void (*one)(struct line *, const void *))
{
	line_add(l, "{it_interval=");
	one(l, p);
	line_add(l, ", it_value=");
	one(l, (const char *)p + 16);
	line_add(l, "}");
}

static void p_itimerval(struct line *l, const void *p)
{
	interval(l, p, p_timeval);
}

static void p_itimerspec(struct line *l, const void *p)
{
	interval(l, p, p_timespec);
}

static void p_sigset(struct line *l, const void *p)
{
	u64 set = *(const u64 *)p;
	const char *separator = "";

	/* As strace: a set that is more than half full is shown by what it lacks. */
	if (__builtin_popcountll(set) > 32) {
		line_add(l, "~");
		set = ~set;
	}
	line_add(l, "[");
	for (int i = 1; i <= 64; i++)
		if (set & (1ull << (i - 1))) {
			line_add(l, "%s", separator);
			if (signal_name(i))
				line_add(l, "%s", signal_name(i) + 3);
			else
				line_add(l, i == 32 ? "RTMIN" : "RT_%d", i - 32);
			separator = " ";
		}
	line_add(l, "]");
}

static void p_sigaction(struct line *l, const void *p)
{
	const u64 *v = p;

	line_add(l,
		 v[0] == 0   ? "{sa_handler=SIG_DFL"
		 : v[0] == 1 ? "{sa_handler=SIG_IGN"
			     : "{sa_handler=%#llx",
		 (unsigned long long)v[0]);
	line_add(l, ", sa_mask=");
	p_sigset(l, &v[3]);
	line_add(l, ", sa_flags=");
	line_flags(l, FLAGS_sa, v[1]);
	if (v[1] & 0x04000000)
		line_add(l, ", sa_restorer=%#llx", (unsigned long long)v[2]);
	line_add(l, "}");
}

static const char *signal_code(int signo, int code)
{
	static const char *const chld[] = {NULL,          "CLD_EXITED",  "CLD_KILLED",   "CLD_DUMPED",
					   "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"};
	static const char *const segv[] = {NULL, "SEGV_MAPERR", "SEGV_ACCERR"};
	static const char *const bus[] = {NULL, "BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR"};
	static const char *const fpe[] = {NULL,         "FPE_INTDIV", "FPE_INTOVF",
					  "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND",
					  "FPE_FLTRES", "FPE_FLTINV", "FPE_FLTSUB"};
	static const char *const ill[] = {NULL, "ILL_ILLOPC", "ILL_ILLOPN"};
	static const char *const trap[] = {NULL, "TRAP_BRKPT", "TRAP_TRACE"};
	static const struct {
		int signo;
		size_t count;
		const char *const *names;
	} tables[] = {
		{SIGCHLD, ARRAY_SIZE(chld), chld}, {SIGSEGV, ARRAY_SIZE(segv), segv},
		{SIGBUS, ARRAY_SIZE(bus), bus},    {SIGFPE, ARRAY_SIZE(fpe), fpe},
		{SIGILL, ARRAY_SIZE(ill), ill},    {SIGTRAP, ARRAY_SIZE(trap), trap},
	};

	switch (code) {
	case SI_USER:
		return "SI_USER";
	case SI_KERNEL:
		return "SI_KERNEL";
	case SI_QUEUE:
		return "SI_QUEUE";
	case SI_TIMER:
		return "SI_TIMER";
	case SI_TKILL:
		return "SI_TKILL";
	}
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (tables[i].signo == signo && code > 0 && (size_t)code < tables[i].count)
			return tables[i].names[code];
	return NULL;
}

void line_siginfo(struct line *l, const void *info)
{
	siginfo_t si;
	const char *code;

	memcpy(&si, info, sizeof si);
	code = signal_code(si.si_signo, si.si_code);
	line_add(l, "{si_signo=");
	line_signal(l, si.si_signo);
	if (code)
		line_add(l, ", si_code=%s", code);
	else
		line_add(l, ", si_code=%#x", (unsigned)si.si_code);
	if (si.si_signo == SIGCHLD && si.si_code > 0) {
		line_add(l, ", si_pid=%d, si_uid=%u, si_status=", si.si_pid, si.si_uid);
		if (si.si_code == CLD_EXITED)
			line_add(l, "%d", si.si_status);
		else
			line_signal(l, si.si_status);
		line_add(l, ", si_utime=%ld, si_stime=%ld", (long)si.si_utime, (long)si.si_stime);
	} else if (si.si_code > 0 && si.si_code < SI_KERNEL) {
		line_add(l, ", si_addr=%#llx", (unsigned long long)(uintptr_t)si.si_addr);
	} else if (si.si_code == SI_TIMER) {
		line_add(l, ", si_timerid=%#x, si_overrun=%d", (unsigned)si.si_timerid, si.si_overrun);
	} else if (si.si_code <= 0) {
		line_add(l, ", si_pid=%d, si_uid=%u", si.si_pid, si.si_uid);
		if (si.si_code == SI_QUEUE)
			line_add(l, ", si_value={int=%d}", si.si_value.sival_int);
	}
	line_add(l, "}");
}

static void p_stack(struct line *l, const void *p)
{
	const u64 *v = p;

	line_add(l, "{ss_sp=%#llx, ss_flags=", (unsigned long long)v[0]);
	line_flags(l, FLAGS_ss, (u32)v[1]);
	line_add(l, ", ss_size=%llu}", (unsigned long long)v[2]);
}

static void mode(struct line *l, u32 value)
{
	line_flags(l, FLAGS_file_type, value & S_IFMT);
	line_add(l, "|%#o", value & 07777);
}

static void p_stat(struct line *l, const void *p)
{
	const struct stat *st = p;

	line_add(l, "{st_mode=");
	mode(l, st->st_mode);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		line_add(l, ", st_rdev=makedev(%#llx, %#llx), ...}",
			 (unsigned long long)(st->st_rdev >> 8 & 0xfff),
			 (unsigned long long)(st->st_rdev & 0xff));
	else
		line_add(l, ", st_size=%lld, ...}", (long long)st->st_size);
}

static void p_statx(struct line *l, const void *p)
{
	const struct statx *st = p;

	line_add(l, "{stx_mask=");
	line_flags(l, FLAGS_statx, st->stx_mask);
	line_add(l, ", stx_mode=");
	mode(l, st->stx_mode);
	line_add(l, ", stx_size=%llu, ...}", (unsigned long long)st->stx_size);
}

static void p_statfs(struct line *l, const void *p)
{
	const struct statfs *st = p;

	line_add(l, "{f_type=%#llx, f_bsize=%lld, f_blocks=%llu, f_bfree=%llu, ...}",
		 (unsigned long long)st->f_type, (long long)st->f_bsize, (unsigned long long)st->f_blocks,
		 (unsigned long long)st->f_bfree);
}

static void p_pollfd(struct line *l, const void *p)
{
	const struct pollfd *f = p;

	line_add(l, "{fd=%d, events=", f->fd);
	line_flags(l, FLAGS_poll, (u16)f->events);
	if (f->revents) {
		line_add(l, ", revents=");
		line_flags(l, FLAGS_poll, (u16)f->revents);
	}
	line_add(l, "}");
}

static void p_fdset(struct line *l, const void *p)
{
	const u8 *bytes = p;
	const char *separator = "";

	line_add(l, "[");
	for (int i = 0; i < FD_SETSIZE; i++)
		if (bytes[i / 8] & (1 << (i % 8))) {
			line_add(l, "%s%d", separator, i);
			separator = " ";
		}
	line_add(l, "]");
}

static void p_epoll_event(struct line *l, const void *p)
{
	struct epoll_event e;

	memcpy(&e, p, sizeof e);
	line_add(l, "{events=");
	line_flags(l, FLAGS_epoll, e.events);
	line_add(l, ", data=%#llx}", (unsigned long long)e.data.u64);
}

static void limit(struct line *l, u64 value)
{
	if (value == ~0ull)
		line_add(l, "RLIM64_INFINITY");
	else if (value && value % 1024 == 0)
		line_add(l, "%llu*1024", (unsigned long long)value / 1024);
	else
		line_add(l, "%llu", (unsigned long long)value);
}

static void p_rlimit(struct line *l, const void *p)
{
	const u64 *v = p;

	line_add(l, "{rlim_cur=");
	limit(l, v[0]);
	line_add(l, ", rlim_max=");
	limit(l, v[1]);
	line_add(l, "}");
}

static void p_rusage(struct line *l, const void *p)
{
	line_add(l, "{ru_utime=");
	p_timeval(l, p);
	line_add(l, ", ru_stime=");
	p_timeval(l, (const char *)p + 16);
	line_add(l, ", ...}");
}

static void p_sysinfo(struct line *l, const void *p)
{
	const struct sysinfo *si = p;

	line_add(l, "{uptime=%ld, totalram=%lu, freeram=%lu, procs=%u, ...}", si->uptime, si->totalram,
		 si->freeram, si->procs);
}

static void p_utsname(struct line *l, const void *p)
{
	const struct utsname *u = p;

	line_add(l, "{sysname=");
	line_quote(l, u->sysname, strnlen(u->sysname, sizeof u->sysname), false);
	line_add(l, ", nodename=");
	line_quote(l, u->nodename, strnlen(u->nodename, sizeof u->nodename), false);
	line_add(l, ", ...}");
}

static void p_tms(struct line *l, const void *p)
{
	const long long *v = p;

	line_add(l, "{tms_utime=%lld, tms_stime=%lld, tms_cutime=%lld, tms_cstime=%lld}", v[0], v[1], v[2],
		 v[3]);
}

static void p_sigevent(struct line *l, const void *p)
{
	const struct sigevent *e = p;

	line_add(l, "{sigev_signo=");
	line_signal(l, e->sigev_signo);
	line_add(l, ", sigev_notify=%d}", e->sigev_notify);
}

static void p_msghdr(struct line *l, const void *p)
{
	const struct msghdr *m = p;

	line_add(l,
		 "{msg_name=%#llx, msg_namelen=%u, msg_iov=%#llx, msg_iovlen=%zu, msg_controllen=%zu, "
		 "msg_flags=",
		 (unsigned long long)(uintptr_t)m->msg_name, m->msg_namelen,
		 (unsigned long long)(uintptr_t)m->msg_iov, m->msg_iovlen, m->msg_controllen);
	line_flags(l, FLAGS_msg, (u32)m->msg_flags);
	line_add(l, "}");
}

static void p_cap_header(struct line *l, const void *p)
{
	const u32 *v = p;

	line_add(l, "{version=%#x, pid=%d}", v[0], (int)v[1]);
}

static void p_cap_data(struct line *l, const void *p)
{
	const u32 *v = p;

	line_add(l, "{effective=%#llx, permitted=%#llx, inheritable=%#llx}",
		 (unsigned long long)v[3] << 32 | v[0], (unsigned long long)v[4] << 32 | v[1],
		 (unsigned long long)v[5] << 32 | v[2]);
}

static void (*const printers[NR_STRUCTS])(struct line *, const void *) = {
	[STRUCT_int32] = p_int32,
	[STRUCT_int64] = p_int64,
	[STRUCT_uint32] = p_uint32,
	[STRUCT_int32pair] = p_int32pair,
	[STRUCT_ptr] = p_ptr,
	[STRUCT_timespec] = p_timespec,
	[STRUCT_timeval] = p_timeval,
	[STRUCT_timespec2] = p_timespec2,
	[STRUCT_timeval2] = p_timeval2,
	[STRUCT_itimerval] = p_itimerval,
	[STRUCT_itimerspec] = p_itimerspec,
	[STRUCT_tms] = p_tms,
	[STRUCT_sigset] = p_sigset,
	[STRUCT_sigaction] = p_sigaction,
	[STRUCT_siginfo] = line_siginfo,
	[STRUCT_sigevent] = p_sigevent,
	[STRUCT_stack] = p_stack,
	[STRUCT_stat] = p_stat,
	[STRUCT_statx] = p_statx,
	[STRUCT_statfs] = p_statfs,
	[STRUCT_pollfd] = p_pollfd,
	[STRUCT_fdset] = p_fdset,
	[STRUCT_epoll_event] = p_epoll_event,
	[STRUCT_rlimit] = p_rlimit,
	[STRUCT_rusage] = p_rusage,
	[STRUCT_sysinfo] = p_sysinfo,
	[STRUCT_utsname] = p_utsname,
	[STRUCT_cap_header] = p_cap_header,
	[STRUCT_cap_data] = p_cap_data,
	[STRUCT_sched_param] = p_int32,
	[STRUCT_msghdr] = p_msghdr,
};

bool line_struct(struct line *l, int type, const void *data, size_t size)
{
	if (type <= STRUCT_none || type >= NR_STRUCTS || !printers[type])
		return false;
	printers[type](l, data);
	return true;
}

void line_wait_status(struct line *l, int status)
{
	if (WIFEXITED(status)) {
		line_add(l, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
	} else if (WIFSTOPPED(status)) {
		line_add(l, "[{WIFSTOPPED(s) && WSTOPSIG(s) == ");
		line_signal(l, WSTOPSIG(status));
		line_add(l, "}]");
	} else if (WIFCONTINUED(status)) {
		line_add(l, "[{WIFCONTINUED(s)}]");
	} else {
		line_add(l, "[{WIFSIGNALED(s) && WTERMSIG(s) == ");
		line_signal(l, WTERMSIG(status));
		line_add(l, "%s}]", WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
	}
}

void line_sockaddr(struct line *l, const void *address, size_t size)
{
	const struct sockaddr_un *un = address;
	size_t path = size - offsetof(struct sockaddr_un, sun_path);

	if (size < sizeof un->sun_family) {
		line_add(l, "{}");
		return;
	}
	line_add(l, "{sa_family=");
	line_flags(l, FLAGS_af, un->sun_family);
	if (un->sun_family == AF_UNIX && size > offsetof(struct sockaddr_un, sun_path)) {
		line_add(l, ", sun_path=");
		if (!un->sun_path[0]) {
			line_add(l, "@");
			line_quote(l, un->sun_path + 1, path - 1, false);
		} else {
			line_quote(l, un->sun_path, strnlen(un->sun_path, path), false);
		}
	}
	line_add(l, "}");
}

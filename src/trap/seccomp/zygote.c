/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zygote: the stub's image executed in a fresh host process, from which every guest process is forked. It
 * shares no addresses with the kernel process, and lies in its first turn for ever.
 */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#else
#include <cpuid.h>
#endif

#include "host/cpus.h"
#include "host/vdso.h"
#include "trap/advice.h"
#include "trap/image.h"
#include "trap/seccomp/filter.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
#define SECCOMP_NOTIF_SET_FLAGS _IOW('!', 4, u64)
#define HWCAP2_FSGSBASE_BIT     2
#define START_TIMEOUT_MS        5000
#define START_SPIN_NS           200000
#define START_TRIES             8
#define TRY_AGAIN               1
#define STEP_FILTER             5 /* of stub/boot.c */
#define STEP_EXEC               30
#define STEP_DESCRIPTORS        31

/* libc has asked the processor already, which takes 50 us where that leaves a virtual machine. */
static bool has_rdpid(void)
{
#ifdef CPU_FEATURE_PRESENT
	return CPU_FEATURE_PRESENT(RDPID);
#else
	u32 a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_RDPID);
#endif
}

static int make_kpage(struct strap *t)
{
	t->kpage_fd = memfd_create("husk-kernel-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->kpage_fd < 0 || ftruncate(t->kpage_fd, HUSK_KPAGE_SIZE) < 0)
		return -errno;
	t->kpage = mmap(NULL, HUSK_KPAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->kpage_fd, 0);
	if (t->kpage == MAP_FAILED)
		return -errno;
	/* Whoever holds the descriptor cannot map it writable any more (Linux 5.1; the filter pins mappings
	 * anyway). */
	fcntl(t->kpage_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	t->kpage->kernel_pid = (u32)getpid();
	t->kpage->dispatch = t->dispatch;
	t->kpage->rdpid = has_rdpid();
	t->kpage->fsgsbase = !!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT);
	t->kpage->patches = borrows_gs(t);
	return 0;
}

static u64 vdso_function(const struct strap *t, const char *name)
{
	u64 offset = t->vdso_code ? host_vdso_function(name) : 0;

	return offset ? t->vdso_code + offset : 0;
}

/* Where the host keeps its vDSO, as the same in every process: the boot words tell the zygote what to move. */
static void describe_vdso(struct strap *t, u64 *boot)
{
	u64 code = getauxval(AT_SYSINFO_EHDR), first = 0, n = 0;
	char text[16384], *line = text, *next;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t got;

	while (code && fd >= 0 && (got = read(fd, text + size, sizeof text - 1 - size)) > 0)
		size += (size_t)got;
	if (fd >= 0)
		close(fd);
	text[size] = 0;
	for (; (next = strchr(line, '\n')) && n < 5; line = next + 1) {
		unsigned long start, end;

		*next = 0;
		if (!strstr(line, "[vvar") && !strstr(line, "[vdso]"))
			continue;
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (!n)
			first = start;
		boot[3 + 2 * n] = start - code;
		boot[4 + 2 * n] = end - start;
		t->vdso_end = HUSK_VDSO_BASE + (end - first);
		n++;
	}
	t->vdso_start = HUSK_VDSO_BASE;
	t->vdso_code = HUSK_VDSO_BASE + (code - first);
	boot[2] = n;
}

/* What the child of a launch works with, in memory that it shares until it executes the image. */
struct launch {
	int image, filler, fds[4];
	u64 *boot;
	char stack[32768] __attribute__((aligned(16)));
};

/* The child: @boot tells the kernel process why when it comes back. */
static int exec_zygote(void *arg)
{
	struct launch *l = arg;

	l->boot[15] = (u64)image_exec(l->image, l->fds, ARRAY_SIZE(l->fds), l->filler);
	l->boot[14] = (int)l->boot[15] == -EMFILE ? STEP_DESCRIPTORS : STEP_EXEC;
	return 1;
}

/* What each step of the start needs of the host, for whoever has to find out why it is refused. */
static const struct {
	u64 step;
	const char *sentence;
} steps[] = {
	{STEP_EXEC,
	 "the host forbids executing a memfd; see sysctl vm.memfd_noexec and the filter around husk"},
	{STEP_DESCRIPTORS, "too few descriptors; raise ulimit -n"},
	{1, "the host refuses setpgid"},
	{2, "the host refuses prctl(PR_SET_PDEATHSIG)"},
	{3, "the first guest process has another parent"},
	{4, "the host refuses no_new_privs"},
	{STEP_FILTER,
	 "the host refuses seccomp filters; allow seccomp(2) in the filter around husk, or use a "
	 "kernel with CONFIG_SECCOMP_FILTER"},
	{6, "the host refuses user dispatch"},
	{10, "the host refuses rt_sigaction"},
	{11, "the host refuses rt_sigprocmask"},
	{12, "the host refuses sigaltstack"},
	{20, "the host refuses munmap of its own mappings"},
};

static void tell_step(u64 step, int err, char *why, size_t size)
{
	const char *sentence = "the first guest process failed";

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i].step == step)
			sentence = steps[i].sentence;
	if (!step)
		snprintf(why, size,
			 "the first guest process did not answer; are SIGSYS and futexes let through?");
	else
		snprintf(why, size, "%s (step %lu: %s)", sentence, (unsigned long)step, strerror(err));
}

/* Waits for the first turn of the zygote: 0, or -errno with the boot words telling more. It comes soon: sleeping would take
 * longer than that. */
static int wait_ready(struct strap *t, struct sthread *th, int *status)
{
	u64 start = now_ns(), now = start;

	while (!t->one_cpu && now - start < START_SPIN_NS) {
		for (int i = 0; i < 64; i++) {
			if (load_acquire(&th->slot->state) == TURN_KERNEL)
				return 0;
			__builtin_ia32_pause();
		}
		now = now_ns();
	}
	store_seq(&t->kpage->asleep, 1);
	while (load_acquire(&th->slot->state) != TURN_KERNEL) {
		struct pollfd p = {th->space->region->bell, POLLIN, 0};

		if (waitpid(th->space->pid, status, WNOHANG) == th->space->pid) {
			th->space->pid = 0;
			return -ECHILD;
		}
		if (now_ns() - start > START_TIMEOUT_MS * 1000000UL)
			return -ETIMEDOUT;
		poll(&p, 1, 2);
	}
	store_seq(&t->kpage->asleep, 0);
	return 0;
}

static int receive_listener(struct strap *t, int socket)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return -errno;
	if (m.msg_controllen < CMSG_LEN(sizeof(int)) || control.header.cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&t->listener, CMSG_DATA(&control.header), sizeof(int));
	/* SYNC_WAKE_UP (Linux 6.6): who answers and who waits share a CPU. */
	(void)ioctl(t->listener, SECCOMP_NOTIF_SET_FLAGS, 1UL);
	return 0;
}

/* Learns the layout of vector state from the zygote's own signal frame: no guest has run yet. */
static int learn_frame(struct strap *t, struct sthread *th)
{
	th->uc_offset = th->slot->uc_offset;
	th->fpstate_offset = th->slot->fpstate_offset;
	if (th->fpstate_offset < HUSK_SIGSTACK_OFFSET || th->fpstate_offset > HUSK_IN_OFFSET - 1024)
		return -EPROTO;
	return xstate_learn(&t->xstate, (const char *)th->slot + th->fpstate_offset + XSTATE_SW_BYTES);
}

/* The child's memory is ours until it executes the image: *@l is the caller's to free when it has. */
static int launch(struct strap *t, struct sspace *s, struct sthread *th, int image, struct launch *l)
{
	th->slot->boot[0] = t->gate;
	th->slot->boot[1] =
		stub_filter_build((struct sock_filter *)((char *)th->slot + HUSK_IN_OFFSET), t->gate);
	describe_vdso(t, th->slot->boot);
	l->image = image;
	l->filler = t->kpage_fd;
	l->fds[0] = s->region->guest_socket;
	l->fds[1] = s->region->bell;
	l->fds[2] = s->region->fd;
	l->fds[3] = t->kpage_fd;
	l->boot = th->slot->boot;
	/* Not as vfork() does it: what it takes the child to begin is time for us. */
	s->pid = clone(exec_zygote, l->stack + sizeof l->stack, CLONE_VM | SIGCHLD, l);
	if (s->pid > 0)
		return 0;
	s->pid = 0;
	return -errno;
}

/* While the zygote makes its way: all that a start needs besides. */
static void meanwhile(struct strap *t)
{
	struct host_cpus cpus;

	if (!t->cycles_per_us) {
		u64 ns = now_ns(), cycles = __rdtsc();

		host_cpus_read(&cpus);
		t->ncpus = (int)cpus.usable;
		t->one_cpu = cpus.allowed < 2;
		if (!t->prepared)
			(void)region_new(t, &t->prepared);
		while (now_ns() - ns < 20000)
			;
		t->cycles_per_us = (__rdtsc() - cycles) * 1000 / (now_ns() - ns);
		idle_begin(t);
	}
	if (t->config.meanwhile)
		t->config.meanwhile(t->config.meanwhile_arg);
	t->config.meanwhile = NULL;
}

/* The zygote has not come as far as its first turn: TRY_AGAIN, or -errno with a sentence. */
static int start_failed(struct strap *t, struct sspace *s, int status, char *why, size_t size)
{
	u64 step = s->by_index[1]->slot->boot[14];
	int err = -(int)(s64)s->by_index[1]->slot->boot[15];

	if (s->pid) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, &status, 0);
		s->pid = 0;
	}
	space_free(s);
	/* No listener: one is taken already (EBUSY), the host has none to give (EINVAL, Linux before 5.0), or somebody forbids
	 * it. Without a gate, then; a filter that is refused as such fails again. */
	if (step == STEP_FILTER && t->gate) {
		t->gate = false;
		return TRY_AGAIN;
	}
	if (!step && WIFSIGNALED(status))
		return TRY_AGAIN; /* the host's random stack lay where the stub goes: rare */
	tell_step(step, err, why, size);
	return err > 0 ? -err : -EPROTO;
}

/* One try: 0; TRY_AGAIN; else -errno. */
static int start_once(struct strap *t, int image, struct launch *l, char *why, size_t size)
{
	struct sspace *s;
	struct sthread *th;
	int status = 0, err;

	err = space_alloc(t, NULL, &s);
	if (err) {
		snprintf(why, size, "cannot make a channel (%s); %s", strerror(-err), advice_for(err));
		return err;
	}
	th = thread_alloc(s, 1);
	if (!th)
		return -ENOMEM;
	err = launch(t, s, th, image, l);
	close(s->region->guest_socket);
	s->region->guest_socket = -1;
	if (err) {
		space_free(s);
		snprintf(why, size, "cannot start a process (%s); %s", strerror(-err), advice_for(err));
		return err;
	}
	thread_named(th, s->pid);
	meanwhile(t);
	if (wait_ready(t, th, &status))
		return start_failed(t, s, status, why, size);
	if (t->gate) {
		err = receive_listener(t, s->region->socket);
		if (err) {
			snprintf(why, size, "no notification listener from the zygote: %s", strerror(-err));
			return err;
		}
	}
	if (!th->slot->boot[13])
		t->vdso_code = 0;
	t->kpage->vdso_clock_gettime = vdso_function(t, "__vdso_clock_gettime");
	t->kpage->vdso_clock_getres = vdso_function(t, "__vdso_clock_getres");
	err = learn_frame(t, th);
	if (err) {
		snprintf(why, size, "the host's signal frame has an unknown layout");
		return err;
	}
	space_named(s, s->pid);
	th->state = THREAD_HELD;
	th->base.held = true;
	t->zygote = s;
	return 0;
}

int zygote_start(struct strap *t, char *why, size_t size)
{
	int err = make_kpage(t), image;
	struct launch *l;

	if (err) {
		snprintf(why, size, "cannot make a memfd (%s); %s", strerror(-err), advice_for(err));
		return err;
	}
	l = malloc(sizeof *l);
	if (!l)
		return -ENOMEM;
	image = image_take(&t->config, why, size);
	err = image < 0 ? image : TRY_AGAIN;
	for (int i = 0; i < START_TRIES && err == TRY_AGAIN; i++)
		err = start_once(t, image, l, why, size);
	if (image >= 0)
		close(image);
	free(l);
	if (err != TRY_AGAIN)
		return err;
	snprintf(why, size, "the first guest process was killed at its start %d times", START_TRIES);
	return -EAGAIN;
}

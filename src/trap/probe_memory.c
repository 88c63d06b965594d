/* SPDX-License-Identifier: Apache-2.0 */
/* Trials of memory and processor state: memory files, executing them, sealing mappings, FS and GS, vector state. */
#include "trap/probe_impl.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10
#endif
#define NR_MSEAL       462
#define HWCAP_FSGSBASE 2 /* in AT_HWCAP2 */
#define XSTATE_MAX     4096
#define XSTATE_MAGIC1  0x46505853
#define SW_RESERVED    464 /* of struct _fpstate */
#define EXIT_STATUS    42

void probe_memfd(struct probe_result *r)
{
	int fd = memfd_create("husk-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		probe_refused(r, "memfd_create", errno);
	else if (ftruncate(fd, 4096) ||
		 mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		probe_refused(r, "mapping one", errno);
	else if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		probe_refused(r, "sealing one", errno);
	else
		probe_say(r, PROBE_YES, "one was made, mapped and sealed");
}

/* A program of three instructions: exit_group(EXIT_STATUS). One page, one segment, read and execute. */
static const u8 tiny_program[] =
	{
		0x7f, 'E',         'L',  'F',  2, 1,    1,    0, 0,  0,    0,    0,   0, 0,  0,
		0,    2,           0,    62,   0, 1,    0,    0, 0, /* ELF header */
		0x78, 0,           0x40, 0,    0, 0,    0,    0, 64, 0,    0,    0,   0, 0,  0,
		0,    0,           0,    0,    0, 0,    0,    0, 0,  0,    0,    0,   0, 64, 0,
		56,   0,           1,    0,    0, 0,    0,    0, 0,  0,    1,    0,   0, 0,  5,
		0,    0,           0,    0,    0, 0,    0,    0, 0,  0,    0, /* program header */
		0,    0,           0x40, 0,    0, 0,    0,    0, 0,  0,    0x40, 0,   0, 0,  0,
		0,    0x84,        0,    0,    0, 0,    0,    0, 0,  0x84, 0,    0,   0, 0,  0,
		0,    0,           0,    0x10, 0, 0,    0,    0, 0,  0,    0xb8, 231, 0, 0,  0,
		0xbf, EXIT_STATUS, 0,    0,    0, 0x0f, 0x05, /* mov, mov, syscall */
};

_Static_assert(sizeof tiny_program == 0x84, "its header says so");

static int execute(int fd)
{
	static char *const none[] = {NULL};
	int child = probe_fork();

	if (!child) {
		syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
		_exit(errno);
	}
	return child < 0 ? errno : probe_wait(child);
}

static unsigned memfd_noexec(void)
{
	FILE *f = fopen("/proc/sys/vm/memfd_noexec", "re");
	unsigned value = 0;

	if (f && fscanf(f, "%u", &value) != 1)
		value = 0;
	if (f)
		fclose(f);
	return value;
}

void probe_memfd_exec(struct probe_result *r)
{
	int fd = memfd_create("husk-probe", MFD_CLOEXEC | MFD_EXEC), status;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("husk-probe", MFD_CLOEXEC);
	if (fd < 0) {
		if (memfd_noexec() > 1)
			probe_say(r, PROBE_NO, "sysctl vm.memfd_noexec is %u", memfd_noexec());
		else
			probe_refused(r, "memfd_create(MFD_EXEC)", errno);
		return;
	}
	if (write(fd, tiny_program, sizeof tiny_program) != sizeof tiny_program) {
		probe_refused(r, "writing to one", errno);
		return;
	}
	status = execute(fd);
	if (status == EXIT_STATUS)
		probe_say(r, PROBE_YES, "a program was executed out of one");
	else if (status > 0)
		probe_refused(r, "executing one", status);
	else
		probe_say(r, PROBE_WRONG, "a program out of one does not run");
}

void probe_mseal(struct probe_result *r)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		probe_refused(r, "a page", errno);
	else if (syscall(NR_MSEAL, page, 4096UL, 0UL))
		probe_refused(r, "mseal", errno);
	else if (!munmap(page, 4096) || errno != EPERM)
		probe_say(r, PROBE_WRONG, "a sealed page can be unmapped");
	else
		probe_say(r, PROBE_YES, "a sealed page stayed");
}

/* By the instruction itself: SIGILL where the host does not allow it, which probe_try() reports. */
void probe_fsgsbase(struct probe_result *r)
{
	u64 base, kept, value = 0x1234000;

	if (!(getauxval(AT_HWCAP2) & HWCAP_FSGSBASE)) {
		probe_say(r, PROBE_NO, "the processor or the host kernel does not offer it");
		return;
	}
	__asm__ volatile("rdgsbase %0\n\twrgsbase %2\n\trdgsbase %1\n\twrgsbase %0"
			 : "=&r"(kept), "=&r"(base)
			 : "r"(value));
	probe_say(r, base == value ? PROBE_YES : PROBE_WRONG, "GS base was written and read");
}

/* What a signal frame says about the vector state behind it: found by raising one. */
static void read_frame(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	const char *state = (const char *)uc->uc_mcontext.fpregs;
	u64 *out = info->si_value.sival_ptr;
	u32 magic, size;

	memcpy(&magic, state + SW_RESERVED, 4);
	memcpy(&out[1], state + SW_RESERVED + 8, 8);
	memcpy(&size, state + SW_RESERVED + 16, 4);
	out[0] = magic == XSTATE_MAGIC1 ? size : 512;
}

void probe_xsave(struct probe_result *r)
{
	static const struct {
		u64 bits;
		const char *name;
	} parts[] = {{4, "AVX"}, {0xe0, "AVX-512"}, {0x200, "PKRU"}, {0x60000, "AMX"}, {0x80000, "APX"}};
	struct sigaction action = {.sa_sigaction = read_frame, .sa_flags = SA_SIGINFO};
	u64 frame[2] = {0};
	union sigval value = {.sival_ptr = frame};
	char names[96] = "x87, SSE";
	size_t used = strlen(names);

	if (sigaction(SIGUSR1, &action, NULL) || sigqueue(getpid(), SIGUSR1, value) || !frame[0]) {
		probe_say(r, PROBE_NO, "no signal frame to learn it from");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts) && used < sizeof names; i++)
		if (frame[1] & parts[i].bits)
			used += (size_t)snprintf(names + used, sizeof names - used, ", %s", parts[i].name);
	r->number = frame[0];
	snprintf(r->value, sizeof r->value, "%llu bytes", (unsigned long long)frame[0]);
	probe_say(r, frame[0] <= XSTATE_MAX ? PROBE_YES : PROBE_WRONG, "a signal frame holds %s", names);
}

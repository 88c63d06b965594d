/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the stub's own host calls, from every instruction of the stub, with arguments that would harm: the
 * windows remapped, protected or unmapped, strange descriptors written, received from and closed, clones that
 * nobody ordered, memory advice that hurts others. None may succeed; afterwards the windows are as they were.
 */
#include "tests/escape/escape.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>

static uint64_t page; /* a page of the guest's own */
static uint64_t message;

#define STUB       HUSK_STUB_BASE
#define KPAGE      HUSK_KPAGE_BASE
#define CHAN       HUSK_CHAN_BASE
#define SLOT1      (HUSK_CHAN_BASE + HUSK_SLOT_SIZE)
#define BELOW      0x7ffdfffff000
#define RWX        7
#define FIXED_ANON (MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS)

/* What must be refused wherever it comes from. 1 << 63 in `a` stands for `page`, 1 << 62 for `message`. */
#define PAGE    (1ULL << 63)
#define MESSAGE (1ULL << 62)
static const struct attack {
	const char *name;
	long nr;
	uint64_t a[6];
} attacks[] = {
	{"map over the stub", SYS_mmap, {STUB, 4096, RWX, FIXED_ANON, -1UL, 0}},
	{"map over the kernel page", SYS_mmap, {KPAGE, 4096, 3, FIXED_ANON, -1UL, 0}},
	{"map over the channel", SYS_mmap, {SLOT1, 4096, 3, FIXED_ANON, -1UL, 0}},
	{"map over the whole channel", SYS_mmap, {CHAN, HUSK_CHAN_SIZE, 3, FIXED_ANON, -1UL, 0}},
	{"map the channel, executable", SYS_mmap, {CHAN, HUSK_CHAN_SIZE, 7, MAP_SHARED | MAP_FIXED, 5, 0}},
	{"map a length that reaches the stub", SYS_mmap, {BELOW, 0x200000000, 3, FIXED_ANON, -1UL, 0}},
	{"map a length that wraps", SYS_mmap, {0x10000, -0x10000UL, 3, FIXED_ANON, -1UL, 0}},
	{"map without a place", SYS_mmap, {0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1UL, 0}},
	{"map huge pages", SYS_mmap, {0x40000000, 0x200000, 3, FIXED_ANON | MAP_HUGETLB, -1UL, 0}},
	{"map locked", SYS_mmap, {0x40000000, 0x200000, 3, FIXED_ANON | MAP_LOCKED, -1UL, 0}},
	{"map growing down", SYS_mmap, {0x40000000, 0x200000, 3, FIXED_ANON | MAP_GROWSDOWN, -1UL, 0}},
	{"map with unknown flags", SYS_mmap, {0x40000000, 4096, 3, FIXED_ANON | 0x80000000, -1UL, 0}},
	{"unmap the stub", SYS_munmap, {STUB, 4096}},
	{"unmap the kernel page", SYS_munmap, {KPAGE, 4096}},
	{"unmap a slot", SYS_munmap, {CHAN + 64 * HUSK_SLOT_SIZE, HUSK_SLOT_SIZE}},
	{"unmap everything", SYS_munmap, {0, 0x7ffffffff000}},
	{"unmap up to the stub", SYS_munmap, {BELOW, 0x100002000}},
	{"unmap the vDSO's window", SYS_munmap, {HUSK_VDSO_BASE, HUSK_VDSO_SIZE}},
	{"make the stub writable", SYS_mprotect, {STUB, 4096, RWX}},
	{"make the constants executable", SYS_mprotect, {STUB, HUSK_STUB_SIZE, RWX}},
	{"make the kernel page writable", SYS_mprotect, {KPAGE, 4096, 3}},
	{"make the channel executable", SYS_mprotect, {SLOT1, 4096, RWX}},
	{"make the channel unreadable", SYS_mprotect, {CHAN, HUSK_CHAN_SIZE, 0}},
	{"move the stub away", SYS_mremap, {STUB, 4096, 4096, 3, PAGE}},
	{"move the channel away", SYS_mremap, {SLOT1, 4096, 4096, 3, PAGE}},
	{"move a page over the stub", SYS_mremap, {PAGE, 4096, 4096, 3, STUB}},
	{"move a page over the kernel page", SYS_mremap, {PAGE, 4096, 4096, 3, KPAGE}},
	{"move a page over the channel", SYS_mremap, {PAGE, 4096, 4096, 3, SLOT1}},
	{"copy the kernel page", SYS_mremap, {KPAGE, 0, 4096, 3, PAGE}},
	{"grow a page anywhere", SYS_mremap, {PAGE, 4096, 0x40000000, 1, 0}},
	{"drop the channel's pages", SYS_madvise, {CHAN, HUSK_CHAN_SIZE, MADV_REMOVE}},
	{"drop the stub's pages", SYS_madvise, {STUB, 4096, MADV_DONTNEED}},
	{"keep the stub from forks", SYS_madvise, {STUB, 4096, MADV_DONTFORK}},
	{"merge with strangers' pages", SYS_madvise, {PAGE, 4096, MADV_MERGEABLE}},
	{"poison a page", SYS_madvise, {PAGE, 4096, 100}},
	{"take a page offline", SYS_madvise, {PAGE, 4096, 101}},
	{"write to standard output", SYS_write, {1, MESSAGE, 8}},
	{"write to the socket", SYS_write, {HUSK_SOCKET_FD, MESSAGE, 8}},
	{"write less to the doorbell", SYS_write, {HUSK_DOORBELL_FD, MESSAGE, 7}},
	{"receive from standard input", SYS_recvmsg, {0, MESSAGE, 0x40000040}},
	{"receive and wait", SYS_recvmsg, {HUSK_SOCKET_FD, MESSAGE, 0}},
	{"send a message", SYS_sendmsg, {HUSK_DOORBELL_FD, MESSAGE, 0}},
	{"close the socket", SYS_close, {HUSK_SOCKET_FD}},
	{"close the doorbell", SYS_close, {HUSK_DOORBELL_FD}},
	{"duplicate over 0", SYS_dup2, {HUSK_SOCKET_FD, 0}},
	{"duplicate over 7", SYS_dup2, {HUSK_SOCKET_FD, 7}},
	{"duplicate the socket among donated files", SYS_dup2, {HUSK_SOCKET_FD, HUSK_DONATED_FD}},
	{"duplicate the doorbell among donated files", SYS_dup2, {HUSK_DOORBELL_FD, HUSK_DONATED_FD}},
	{"duplicate behind donated files", SYS_dup2, {HUSK_REGION_FD, HUSK_DONATED_FD + HUSK_NR_DONATED}},
	{"read from the socket", SYS_read, {HUSK_SOCKET_FD, MESSAGE, 8}},
	{"read from the doorbell", SYS_read, {HUSK_DOORBELL_FD, MESSAGE, 8}},
	{"read from standard input", SYS_read, {0, MESSAGE, 8}},
	{"read below donated files", SYS_read, {HUSK_DONATED_FD - 1, MESSAGE, 8}},
	{"read at a place of the socket", SYS_pread64, {HUSK_SOCKET_FD, MESSAGE, 8, 0}},
	{"read from the socket by a vector", SYS_readv, {HUSK_SOCKET_FD, MESSAGE, 1}},
	{"seek in standard input", SYS_lseek, {0, 0, SEEK_CUR}},
	{"close all", SYS_close_range, {0, ~0U, 0}},
	{"close from the socket on", SYS_close_range, {HUSK_SOCKET_FD, HUSK_DONATED_FD, 0}},
	{"have all closed later", SYS_close_range, {HUSK_DONATED_FD, HUSK_DONATED_FD, 4}},
	{"have descriptors of its own", SYS_close_range, {HUSK_DONATED_FD, HUSK_DONATED_FD, 2}},
	{"fork unordered", SYS_clone, {CLONE_PARENT | SIGCHLD}},
	{"fork, plain", SYS_clone, {SIGCHLD}},
	{"fork without the parent", SYS_clone, {0}},
	{"fork with new namespaces", SYS_clone, {CLONE_NEWUSER | CLONE_PARENT | SIGCHLD}},
	{"fork untraced", SYS_clone, {CLONE_PARENT | CLONE_UNTRACED | SIGCHLD}},
	{"fork with high bits", SYS_clone, {(1ULL << 33) | CLONE_PARENT | SIGCHLD}},
	{"share memory with a process", SYS_clone, {CLONE_VM | CLONE_PARENT | SIGCHLD, PAGE + 4096}},
	{"vfork", SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD, PAGE + 4096}},
	{"set a foreign base", SYS_arch_prctl, {0x1012 /* ARCH_CPUID */, 0}},
	{"map the vDSO", SYS_arch_prctl, {0x2003, 0x10000}},
	{"undo the parent-death signal", SYS_prctl, {PR_SET_PDEATHSIG, 0}},
	{"another parent-death signal", SYS_prctl, {PR_SET_PDEATHSIG, SIGCONT}},
	{"become undumpable", SYS_prctl, {PR_SET_DUMPABLE, 0}},
	{"change the name", SYS_prctl, {PR_SET_NAME, MESSAGE}},
	{"lock a priority futex", SYS_futex, {MESSAGE, FUTEX_LOCK_PI, 0, 0, 0, 0}},
	{"wait on a vector", SYS_futex, {MESSAGE, 13, 0, 0, 0, 0}},
	{"execute", SYS_execve, {MESSAGE, 0, 0}},
	{"kill everybody", SYS_kill, {-1UL, SIGKILL}},
};

struct
try {
	const struct attack *attack;
	uint64_t site;
};

/* The windows are as they were: the stub's first bytes and a call that has to travel through all of it. */
static int intact(void)
{
	return *(volatile uint8_t *)STUB == *(volatile uint8_t *)STUB && syscall(SYS_getppid) > 0 &&
	       mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int try_attack(void *arg)
{
	struct try *t = arg;
	uint64_t a[6];
	long r;

	for (int i = 0; i < 6; i++) {
		a[i] = t->attack->a[i];
		if (a[i] != -1UL && a[i] & PAGE)
			a[i] = page + (a[i] & ~PAGE);
		else if (a[i] != -1UL && (a[i] & MESSAGE) && !(a[i] >> 63))
			a[i] = message;
	}
	r = stub_jump(t->site, t->attack->nr, a);
	if (r >= 0)
		return ESCAPED;
	return intact() ? NOTHING : UNSURE;
}

int main(void)
{
	static char text[64] = "/bin/true";

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	page = (uint64_t)mmap(NULL, 65536, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	message = (uint64_t)text;
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		for (int s = 0; s < nsites; s++) {
			struct try t = {&attacks[i], sites[s]};
			char name[128];

			snprintf(name, sizeof(name), "%s from %llx", attacks[i].name,
				 (unsigned long long)sites[s]);
			attempt(name, try_attack, &t, 3000);
		}
	}
	return verdict("hostile arguments at the stub's instructions");
}

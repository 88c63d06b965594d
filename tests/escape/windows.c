/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaches for the windows of stub, kernel page and channel with the guest's own calls and stores: calls must
 * refuse them as addresses outside of user space, stores to read-only parts are SIGSEGV.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/uio.h>

static const uint64_t windows[] = {HUSK_STUB_BASE,
				   HUSK_STUB_BASE + 4096,
				   HUSK_VDSO_BASE,
				   HUSK_KPAGE_BASE,
				   HUSK_CHAN_BASE,
				   HUSK_CHAN_BASE + HUSK_SLOT_SIZE,
				   HUSK_CHAN_BASE + HUSK_SLOT_SIZE + 0x10000};

static int store(void *arg)
{
	volatile uint64_t *p = arg;

	signal(SIGSEGV, SIG_DFL);
	*p = *p + 1;
	return ESCAPED;
}

static int execute(void *arg)
{
	signal(SIGSEGV, SIG_DFL);
	((void (*)(void))arg)();
	return ESCAPED;
}

static void refused(const char *name, uint64_t addr, long result)
{
	attempts++;
	if (result < 0)
		return;
	escaped++;
	printf("not ok - %s at %llx gave %ld\n", name, (unsigned long long)addr, result);
}

static void calls(uint64_t addr)
{
	char *page = mmap(NULL, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = open("/dev/zero", O_RDONLY), mem = open("/proc/self/mem", O_RDWR);
	struct iovec local = {page, 16}, remote = {(void *)addr, 16};
	long r;

	refused("munmap", addr, syscall(SYS_munmap, addr, 4096));
	refused("mmap", addr,
		syscall(SYS_mmap, addr, 4096, 7, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	refused("mmap from below", addr,
		syscall(SYS_mmap, 0x7ffdffffe000, addr - 0x7ffdffffe000 + 4096, 3,
			MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	refused("mprotect", addr, syscall(SYS_mprotect, addr, 4096, 7));
	refused("mremap away", addr, syscall(SYS_mremap, addr, 4096, 4096, 3, page + 4096));
	refused("mremap over", addr, syscall(SYS_mremap, page + 4096, 4096, 4096, 3, addr));
	if (addr != HUSK_VDSO_BASE) /* a mapping of the guest's, as on Linux: see below */
		refused("madvise", addr, syscall(SYS_madvise, addr, 4096, MADV_DONTNEED));
	refused("read into", addr, syscall(SYS_read, zero, addr, 16));
	refused("getcwd into", addr, syscall(SYS_getcwd, addr, 100));
	refused("shmat-like munmap of a far range", addr,
		syscall(SYS_munmap, addr & ~0xffffffffUL, 0x100000000));
	if (mem >= 0) {
		r = pwrite(mem, page, 16, (off_t)addr);
		refused("/proc/self/mem write", addr, r);
	}
	r = syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0);
	refused("process_vm_writev", addr, r);
	/* mmap without MAP_FIXED may take the address as a hint only. */
	r = syscall(SYS_mmap, addr, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	refused("mmap by hint", addr, r == (long)addr ? 0 : -1);
	if (r > 0)
		munmap((void *)r, 4096);
	close(zero);
	if (mem >= 0)
		close(mem);
	munmap(page, 8192);
}

/* Advice on the vDSO may be taken, as on Linux, but has no effect: no byte changes, and children live. */
static int advise_vdso(void *arg)
{
	static char before[4096];
	const void *code = (void *)getauxval(AT_SYSINFO_EHDR); /* behind the pages of clocks */
	int status = 0;
	pid_t pid;

	memcpy(before, code, sizeof(before));
	for (int advice = 0; advice < 110; advice++) {
		syscall(SYS_madvise, HUSK_VDSO_BASE, 4096, advice);
		syscall(SYS_madvise, code, 4096, advice);
		syscall(SYS_madvise, HUSK_VDSO_BASE, HUSK_VDSO_SIZE, advice);
		pid = fork();
		if (pid == 0)
			_exit(memcmp(before, code, sizeof(before)) != 0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			return ESCAPED;
	}
	return memcmp(before, code, sizeof(before)) ? ESCAPED : NOTHING;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		calls(windows[i]);
	for (uint64_t a = HUSK_STUB_BASE; a < HUSK_STUB_BASE + HUSK_STUB_SIZE; a += 4096)
		attempt("store into the stub", store, (void *)a, 2000);
	attempt("store into the kernel page", store, (void *)HUSK_KPAGE_BASE, 2000);
	attempt("store into the vDSO", store, (void *)HUSK_VDSO_BASE, 2000);
	attempt("advise on the vDSO", advise_vdso, NULL, 2000);
	attempt("run the kernel page", execute, (void *)HUSK_KPAGE_BASE, 2000);
	attempt("run the channel", execute, (void *)(HUSK_CHAN_BASE + HUSK_SLOT_SIZE + 0x10000), 2000);
	/* Kernel addresses and the vsyscall page's neighbourhood. */
	refused("munmap", 0xffffffffff600000, syscall(SYS_munmap, 0xffffffffff600000, 4096));
	refused("mmap", 0xffff800000000000, syscall(SYS_mmap, 0xffff800000000000, 4096, 3, 0x32, -1, 0));
	attempt("store into the vsyscall page", store, (void *)0xffffffffff600000, 2000);
	return verdict("the windows");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals memory by the stub's own instruction, behind husk's back: husk knows of no seal, but the host holds one. What
 * husk orders later fails, as the guest's own calls, with the store as it was; nothing crashes. Then the windows
 * themselves: none of them can be sealed so.
 */
#include "tests/escape/escape.h"

#define NR_MSEAL 462
#define LENGTH   (4 * 4096UL)

static char *memory;

static void expect(int holds, const char *what)
{
	if (holds)
		return;
	printf("# %s (errno %d)\n", what, errno);
	fflush(stdout);
	_exit(ESCAPED);
}

static int hidden(void *site)
{
	char *p = memory;

	memset(p, 7, LENGTH);
	if (STUB_CALL(*(uint64_t *)site, NR_MSEAL, (uint64_t)p + 4096, 4096, 0))
		return NOTHING;
	errno = 0;
	expect(munmap(p, LENGTH) == -1 && errno == EPERM, "munmap of what the host has sealed");
	expect(p[0] + p[4096] == 14, "what could not be unmapped is there");
	expect(mprotect(p + 4096, 4096, PROT_READ) == -1 && errno == EPERM, "mprotect");
	p[4096] = 8;
	expect(mmap(p, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		       MAP_FAILED,
	       "a mapping over it");
	expect(p[0] + p[4096] == 15, "what could not be replaced is there");
	expect(mremap(p + 4096, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED, "mremap");
	expect(madvise(p + 4096, 4096, MADV_DONTFORK) == 0, "an advice");
	/* The child was not to have it, and husk cannot take it away: the child may die of that, and only the child. */
	pid_t pid = fork();
	if (!pid)
		_exit(0);
	expect(pid < 0 || waitpid(pid, NULL, 0) == pid, "a fork");
	/* Sealed by the book as well, all goes as ever. */
	expect(syscall(NR_MSEAL, p, LENGTH, 0UL) == 0, "mseal");
	expect(munmap(p, LENGTH) == -1 && errno == EPERM, "munmap of what husk has sealed");
	expect(munmap(p + LENGTH, 4096) == 0, "munmap of what lies behind");
	printf("# sealed at %#lx\n", *(uint64_t *)site - HUSK_STUB_BASE);
	fflush(stdout);
	return NOTHING;
}

static const uint64_t windows[] = {HUSK_STUB_BASE, HUSK_VDSO_BASE, HUSK_KPAGE_BASE, HUSK_CHAN_BASE,
				   HUSK_CHAN_BASE + 5 * HUSK_SLOT_SIZE};

static int window(void *site)
{
	for (unsigned i = 0; i < sizeof windows / sizeof *windows; i++)
		if (!STUB_CALL(*(uint64_t *)site, NR_MSEAL, windows[i], 4096, 0))
			return ESCAPED;
	/* From below into one. */
	return STUB_CALL(*(uint64_t *)site, NR_MSEAL, 0x10000, HUSK_STUB_BASE, 0) ? NOTHING : ESCAPED;
}

int main(void)
{
	memory = mmap(NULL, LENGTH + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	find_sites();
	for (int i = 0; i < nsites; i++) {
		attempt("a hidden seal", hidden, &sites[i], 2000);
		attempt("a sealed window", window, &sites[i], 2000);
	}
	return verdict("seals behind the kernel's back");
}

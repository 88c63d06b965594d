/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals memory as every program may, and then jumps to the stub's own memory calls: what those can do to other memory
 * they cannot do to what is sealed, because the host has sealed it, too. The program's own text and data are sealed as
 * well, after calls from there that husk may have rewritten, and go on working. Where the host does not seal the seal
 * holds against calls alone, and this says so with 77.
 */
#include "tests/escape/escape.h"

#define NR_MSEAL 462
#define PAGE     4096UL

enum { UNMAP, PROTECT, REPLACE, MOVE, DISCARD, KINDS };

static const char *const names[KINDS] = {"munmap", "mprotect", "mmap", "mremap", "madvise"};

/* Shared with the attempts: what a jump could do to memory that nobody has sealed, and whether the host can seal. */
static struct found {
	int works[KINDS], seals;
} * found;

struct trial {
	uint64_t site;
	int kind;
};

static char *page_of(int byte)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*p = (char)byte;
	return p;
}

/* By the instruction at @site: 0 when the host has done it. */
static long by_stub(uint64_t site, int kind, uint64_t p)
{
	switch (kind) {
	case UNMAP:
		return STUB_CALL(site, SYS_munmap, p, PAGE);
	case PROTECT:
		return STUB_CALL(site, SYS_mprotect, p, PAGE, PROT_NONE);
	case REPLACE:
		return STUB_CALL(site, SYS_mmap, p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				 -1UL, 0) != (long)p;
	case MOVE: {
		uint64_t to = (uint64_t)page_of(0);

		return STUB_CALL(site, SYS_mremap, p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) !=
		       (long)to;
	}
	}
	return STUB_CALL(site, SYS_madvise, p, PAGE, MADV_DONTNEED);
}

static int tries(void *arg)
{
	const struct trial *t = arg;
	char *open = page_of(1), *held = page_of(2);

	/* Not to be written, so that discarding is forbidden as well. */
	if (mprotect(open, PAGE, PROT_READ) || mprotect(held, PAGE, PROT_READ) ||
	    syscall(NR_MSEAL, held, PAGE, 0UL))
		return ESCAPED;
	if (!by_stub(t->site, t->kind, (uint64_t)open))
		found->works[t->kind] = 1;
	if (!by_stub(t->site, t->kind, (uint64_t)held) && found->seals)
		return ESCAPED;
	return found->seals && *held != 2 ? ESCAPED : NOTHING;
}

static int finds_seal(void *arg)
{
	if (!STUB_CALL(*(uint64_t *)arg, NR_MSEAL, (uint64_t)page_of(1), PAGE, 0))
		found->seals = 1;
	return NOTHING;
}

/* ---- what the program itself consists of ---- */

extern char __executable_start[], etext[], edata[];
static volatile int data = 7;

static long calls(void)
{
	long n = 0;

	for (int i = 0; i < 200; i++)
		n += getppid() > 0 && syscall(SYS_personality, 0xffffffff) >= 0;
	return n;
}

static int own_text(void *arg)
{
	const struct trial *t = arg;
	uint64_t text = (uint64_t)(uintptr_t)tries & -PAGE, own = (uint64_t)(uintptr_t)&data & -PAGE;

	if (calls() != 200 || syscall(NR_MSEAL, text, PAGE, 0UL) || syscall(NR_MSEAL, own, PAGE, 0UL))
		return ESCAPED;
	/* Written to, the data may be discarded. */
	if (!by_stub(t->site, t->kind, text) || (t->kind != DISCARD && !by_stub(t->site, t->kind, own)))
		return t->kind == DISCARD ? NOTHING : ESCAPED;
	return calls() == 200 && data == 7 ? NOTHING : ESCAPED;
}

int main(void)
{
	struct trial t;

	found = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	find_sites();
	for (int i = 0; i < nsites; i++)
		attempt("a seal", finds_seal, &sites[i], 2000);
	if (!found->seals) {
		printf("1..0 # SKIP the host does not seal\n");
		return 77;
	}
	for (int i = 0; i < nsites; i++)
		for (t.site = sites[i], t.kind = 0; t.kind < KINDS; t.kind++) {
			attempt(names[t.kind], tries, &t, 2000);
			attempt(names[t.kind], own_text, &t, 2000);
		}
	for (int i = 0; i < KINDS; i++)
		if (!found->works[i]) {
			printf("not ok - no instruction made %s\n", names[i]);
			escaped++;
		}
	return verdict("sealed memory and the stub's own calls");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processor says of itself, collected for the stub's answers (channel/cpuid.h; Intel SDM volume 2, CPUID; AMD64
 * APM volume 3, appendix E).
 *
 * Only what every processor of a machine says, at all times: neither leaf 1 nor those about topology, which tell which one
 * was asked. What depends on the host's settings of XCR0 and IA32_XSS (leaf 13) is the same on all of them.
 */
#include <cpuid.h>

#include "trap/seccomp/seccomp.h"

#define EXTENDED 0x80000000u
#define ANY_SUB  ~0u

/* What linkers ask. What they ask again and again comes first, since it is found first, and one program alone would ask it:
 * caches (of Intel's and AMD's processors, one by one until there is no more). */
static const struct {
	u32 leaf, sub;
} questions[] = {
	{4, 0},
	{4, 1},
	{4, 2},
	{4, 3},
	{4, 4},
	{2, ANY_SUB},
	{EXTENDED, ANY_SUB},
	{0, ANY_SUB},
	{EXTENDED + 0x1d, 0},
	{EXTENDED + 0x1d, 1},
	{EXTENDED + 0x1d, 2},
	{EXTENDED + 0x1d, 3},
	{EXTENDED + 0x1d, 4},
	{EXTENDED + 1, ANY_SUB},
	{EXTENDED + 5, ANY_SUB},
	{EXTENDED + 6, ANY_SUB},
	{EXTENDED + 7, ANY_SUB},
	{EXTENDED + 8, ANY_SUB},
	{7, 0},
	{7, 1},
	{0xd, 0},
	{0xd, 1},
	{0xd, 2},
	{0xd, 3},
	{0xd, 5},
	{0xd, 6},
	{0xd, 7},
	{0x14, 0},
	{0x19, ANY_SUB},
};
#define ASKED_AGAIN 13

_Static_assert(ARRAY_SIZE(questions) <= HUSK_CPUID_ANSWERS, "there is room for all answers");

/* Whether the processor has the leaf: above the last one it would tell of others, which no linker asks for. */
static bool is_there(const struct kpage *page, u32 leaf)
{
	const u32 base = leaf & EXTENDED;

	for (u32 i = 0; i < page->ncpuid; i++)
		if (page->cpuid[i].leaf == base)
			return leaf <= page->cpuid[i].eax;
	return true;
}

static void ask(struct kpage *page, u32 leaf, u32 sub)
{
	struct cpuid_answer *a = &page->cpuid[page->ncpuid];

	a->leaf = leaf;
	a->any = sub == ANY_SUB;
	a->sub = a->any ? 0 : sub;
	__cpuid_count(leaf, a->sub, a->eax, a->ebx, a->ecx, a->edx);
	/* Guests see it from here on. */
	__atomic_store_n(&page->ncpuid, page->ncpuid + 1, __ATOMIC_RELEASE);
}

void cpuid_ask(struct strap *t)
{
	bool free_cpu = !t->one_cpu && t->running < t->ncpus;
	u32 most = !t->cpuid_wanted ? 0 : t->multiplies ? ARRAY_SIZE(questions) : ASKED_AGAIN;

	while (t->cpuid_asked < most) {
		u32 i = t->cpuid_asked++;

		if (!is_there(t->kpage, questions[i].leaf))
			continue;
		ask(t->kpage, questions[i].leaf, questions[i].sub);
		events_collect(t);
		if (!free_cpu || !list_empty(&t->ready))
			return;
	}
}

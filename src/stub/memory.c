/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory calls that are made here: by the host's own, at its price, and told to the kernel afterwards.
 *
 * The kernel gives leave while the thread is alone in its address space, and says where (channel/memory.h): in zones where
 * all that is mapped is plain memory, the break within its bounds, new mappings at places of its choice. Anything else,
 * and what the host refuses, is left to the kernel: it makes the call again, and knows what Linux answers.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "stub/stub.h"

#define RWX     (PROT_READ | PROT_WRITE | PROT_EXEC)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define HUGE    (2UL << 20) /* mappings of whole huge pages are aligned to them: by the kernel */
#define TELL    (HUSK_MEMORY_DEEDS / 2)

static u64 page_up(u64 x)
{
	return align_up(x, PAGE_SIZE);
}

/* Whether [addr, addr + *len) lies in a zone; *len is made whole pages, at least one. */
static int in_zone(const struct slot_memory *m, u64 addr, u64 *len)
{
	u64 end;

	*len = page_up(*len);
	end = addr + *len;
	if ((addr & (PAGE_SIZE - 1)) || end <= addr)
		return 0;
	for (u32 i = 0; i < HUSK_MEMORY_ZONES; i++)
		if (m->leave.zone[i].start <= addr && end <= m->leave.zone[i].end)
			return 1;
	return 0;
}

/* Writes down what has been done: there is room, stub_short_memory() has looked. When half of it is used the kernel is told,
 * which takes it over while the program goes on. */
static void note(struct slot *slot, struct slot_memory *m, u32 kind, u64 prot, u64 addr, u64 len)
{
	u32 said = m->said;
	struct memory_deed *d = &m->deed[said % HUSK_MEMORY_DEEDS];

	d->kind = kind;
	d->prot = (u32)prot;
	d->addr = addr;
	d->len = len;
	__atomic_store_n(&m->said, said + 1, __ATOMIC_RELEASE);
	if ((said + 1) % TELL == 0)
		stub_announce(slot);
}

static int short_munmap(struct slot *slot, struct slot_memory *m, u64 *r)
{
	u64 addr = r[SREG_RDI], len = r[SREG_RSI];

	if (!in_zone(m, addr, &len) || stub_host_munmap(addr, len))
		return 0;
	memory_freed(&m->leave, addr, addr + len);
	note(slot, m, DEED_UNMAP, 0, addr, len);
	r[SREG_RAX] = 0;
	return 1;
}

/* What can be executed alone would be made unreadable by hosts with protection keys. */
static int usual_prot(u64 prot)
{
	return !(prot & ~(u64)RWX) && prot != PROT_EXEC;
}

static int short_mprotect(struct slot *slot, struct slot_memory *m, u64 *r)
{
	u64 addr = r[SREG_RDI], len = r[SREG_RSI], prot = r[SREG_RDX];

	if (!usual_prot(prot) || !in_zone(m, addr, &len) || stub_host_mprotect(addr, len, (int)prot))
		return 0;
	note(slot, m, DEED_PROTECT, prot, addr, len);
	r[SREG_RAX] = 0;
	return 1;
}

/* Advice that changes at most the pages' contents, and such as shows in /proc/PID/smaps, which is told. */
static int usual_advice(int advice, int *tell)
{
	*tell = 0;
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
		*tell = 1;
		return 1;
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return 1;
	}
	return 0;
}

static int short_madvise(struct slot *slot, struct slot_memory *m, u64 *r)
{
	u64 addr = r[SREG_RDI], len = r[SREG_RSI];
	int advice = (int)r[SREG_RDX], tell;

	if (!usual_advice(advice, &tell) || !in_zone(m, addr, &len) || stub_host_madvise(addr, len, advice))
		return 0;
	if (tell)
		note(slot, m, DEED_ADVISE, (u64)advice, addr, len);
	r[SREG_RAX] = 0;
	return 1;
}

static struct memory_place *find_place(struct slot_memory *m, u64 len)
{
	for (u32 i = HUSK_MEMORY_PLACES; i--;)
		if (memory_place_fits(&m->leave.place[i], len))
			return &m->leave.place[i];
	return 0;
}

static int short_mmap(struct slot *slot, struct slot_memory *m, u64 *r)
{
	u64 addr = r[SREG_RDI], len = page_up(r[SREG_RSI]), prot = r[SREG_RDX];
	u64 flags = r[SREG_R10] & ~(u64)(MAP_STACK | MAP_NORESERVE), extra = r[SREG_R10] & MAP_NORESERVE;
	struct memory_place *place = 0;

	if (!usual_prot(prot) || !len || r[SREG_R9])
		return 0;
	if (flags == PRIVATE && !addr && len % HUGE) {
		place = find_place(m, len);
		if (!place)
			return 0;
		addr = place->end - len;
	} else if (flags != (PRIVATE | MAP_FIXED) || !in_zone(m, addr, &len)) {
		return 0;
	}
	if (stub_host_mmap(addr, len, (int)prot, (int)(PRIVATE | MAP_FIXED | extra), -1, 0) != (long)addr)
		return 0;
	if (place)
		place->end = addr;
	else
		memory_filled(&m->leave, addr, addr + len);
	note(slot, m, DEED_MAP, prot | (extra ? DEED_NORESERVE : 0), addr, len);
	r[SREG_RAX] = addr;
	return 1;
}

/* The host's mappings up to the page where the break is. */
static int move_break(struct slot_memory *m, u64 to)
{
	u64 from = page_up(m->leave.brk), len;

	to = page_up(to);
	if (to == from)
		return 1;
	if (to > from)
		return stub_host_mmap(from, to - from, PROT_READ | PROT_WRITE, PRIVATE | MAP_FIXED, -1, 0) ==
		       (long)from;
	len = from - to;
	return in_zone(m, to, &len) && !stub_host_munmap(to, len);
}

static int short_brk(struct slot *slot, struct slot_memory *m, u64 *r)
{
	u64 brk = r[SREG_RDI];

	if (!m->leave.brk || brk > m->leave.brk_most)
		return 0;
	if (brk >= m->leave.brk_start && brk != m->leave.brk) {
		if (!move_break(m, brk))
			return 0;
		m->leave.brk = brk;
		note(slot, m, DEED_BRK, 0, brk, 0);
	}
	r[SREG_RAX] = m->leave.brk;
	return 1;
}

int stub_short_memory(struct slot *slot, u64 nr)
{
	struct slot_memory *m = (void *)((char *)slot + HUSK_MEMORY_OFFSET);

	if (m->said - load(&m->taken) >= HUSK_MEMORY_DEEDS)
		return 0;
	switch (nr) {
	case __NR_munmap:
		return short_munmap(slot, m, slot->regs);
	case __NR_mprotect:
		return short_mprotect(slot, m, slot->regs);
	case __NR_madvise:
		return short_madvise(slot, m, slot->regs);
	case __NR_mmap:
		return short_mmap(slot, m, slot->regs);
	case __NR_brk:
		return short_brk(slot, m, slot->regs);
	}
	return 0;
}

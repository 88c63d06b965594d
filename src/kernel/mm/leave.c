/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory calls that a process makes without the kernel.
 *
 * munmap, mprotect, madvise, mmap and brk of plain memory need no judgement: the host does with its own mappings what
 * Linux would do. So the stub may make them (stub/memory.c) and tell afterwards, while nobody else has a say:
 *
 *	the process has one thread, since the order of two threads' calls is the kernel's to decide;
 *	no limit on address space or data, no mlockall() for what comes, no READ_IMPLIES_EXEC;
 *	all that is mapped in the range is plain: private, anonymous, not sealed, not locked, not a stack (vma_plain()).
 *
 * The last is told by *zones*: ranges without anything else in them. They are worked out around the addresses of calls that
 * came to the kernel, and given up all at once when anything comes into the store that is not plain (vma_store.odd). What
 * a zone leaves free may be mapped later by anybody, so leave to map is another thing: a *place* below which new mappings
 * go, and how far the break may rise, each as the kernel's own rules would have it, and only until the store is changed by
 * the kernel.
 *
 * The store is behind until the thread's next turn. Who looks at it meanwhile for somebody else asks mm_catch_up() first.
 * What the stub says is the guest's word: a lie makes its own /proc/self/maps wrong. It is minded that the store's
 * promises hold, and no more.
 */
#include "mm/leave.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "mm/internal.h"
#include "mm/patch_map.h"

#define MOST_STEPS  256           /* mappings that are looked at each way for a zone */
#define MOST_ABOVE  64            /* mappings above a place */
#define BIG_PLACE   (1UL << 30)   /* free room that is worth being a place */
#define BREAK_AHEAD (256UL << 20) /* as far as the break may rise before the kernel is asked again */
#define HUGE_SIZE   (2UL << 20)
#define ANON_FLAGS  (VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

void mm_leave_wish(struct mm *mm, enum mm_wish wish, u64 addr, u64 len)
{
	mm->leave.wish = wish;
	mm->leave.wish_addr = addr;
	mm->leave.wish_len = len;
	mm->leave.changed = true;
}

void mm_leave_changed(struct mm *mm)
{
	mm->leave.changed = true;
}

void mm_leave_revoke(struct mm *mm)
{
	mm->leave.revoked = mm->leave.changed = true;
}

/* ---- zones ---- */

static bool in_zone(const struct mm *mm, u64 start, u64 end)
{
	for (int i = 0; i < HUSK_MEMORY_ZONES; i++)
		if (mm->leave.given.zone[i].start <= start && end <= mm->leave.given.zone[i].end)
			return true;
	return false;
}

/* Down from @v, which is plain: where the zone begins. */
static u64 zone_start(const struct vma *v)
{
	const struct vma *prev;

	for (int i = 0; i < MOST_STEPS; i++, v = prev) {
		prev = vma_prev(v);
		if (!prev)
			return MM_MIN_ADDR;
		if (!vma_plain(prev))
			return prev->end;
	}
	return v->start;
}

static u64 zone_end(const struct vma *v)
{
	const struct vma *next;

	for (int i = 0; i < MOST_STEPS; i++, v = next) {
		next = vma_next(v);
		if (!next)
			return TRAP_GUEST_TOP;
		if (!vma_plain(next))
			return min(max(vma_start_gap(next), v->end), TRAP_GUEST_TOP);
	}
	return v->end;
}

/* Leaves out the trampolines, which the store does not show. */
static void spare_areas(const struct mm *mm, const struct vma *v, u64 *start, u64 *end)
{
	for (u32 i = 0; mm->patch && i < mm->patch->nareas; i++) {
		u64 area = mm->patch->areas[i].start;

		if (area >= v->end)
			*end = min(*end, area);
		else
			*start = max(*start, area + PATCH_AREA_SIZE);
	}
}

/* Zones that meet become one; else the new one takes an empty place, or the oldest one's. */
static void zone_add(struct mm_leave *l, u64 start, u64 end)
{
	int at = -1;

	for (int i = 0; i < HUSK_MEMORY_ZONES; i++) {
		u64 *from = &l->given.zone[i].start, *to = &l->given.zone[i].end;

		if (*from == *to || (*from <= end && start <= *to)) {
			if (*from != *to) {
				start = min(start, *from);
				end = max(end, *to);
			}
			*from = *to = 0;
			at = i;
		}
	}
	if (at < 0)
		at = l->next_zone++ % HUSK_MEMORY_ZONES;
	l->given.zone[at].start = start;
	l->given.zone[at].end = end;
}

/* The zone around @addr, or around what lies next to it. */
static void zone_find(struct mm *mm, u64 addr)
{
	struct vma *v = vma_find(&mm->vmas, addr);
	u64 start, end;

	if (v && !vma_plain(v))
		v = vma_prev(v);
	if (!v || !vma_plain(v))
		return;
	start = zone_start(v);
	end = zone_end(v);
	spare_areas(mm, v, &start, &end);
	if (start <= v->start && v->end <= end)
		zone_add(&mm->leave, start, end);
}

/* ---- free room ---- */

/* Where find_down() in map.c has put a mapping: others as big go right below it, as long as there is room. */
static void place_found(struct mm *mm, u64 addr, u64 len)
{
	struct vma *v = vma_lookup(&mm->vmas, addr);
	u64 start = addr;

	if (!v || addr + len > mm->mmap_base || !(len & (HUGE_SIZE - 1)))
		return;
	if (v->start == addr)
		start = vma_prev(v) ? vma_prev(v)->end : MM_MIN_ADDR;
	mm->leave.given.place[1] = (struct memory_place){start, addr, len};
}

/* Where it would put big mappings: the highest room of @BIG_PLACE, and what goes there fits nowhere above. */
static void place_find(struct mm *mm)
{
	struct memory_place *place = mm->leave.given.place;
	u64 at = vma_gap_down(&mm->vmas, BIG_PLACE, MM_MIN_ADDR, mm->mmap_base, PAGE_SIZE), end, least = 0;
	struct vma *v;

	if (!at)
		return;
	end = at + BIG_PLACE;
	v = vma_find(&mm->vmas, end);
	for (int i = 0; v && v->end < mm->mmap_base; i++, v = vma_next(v)) {
		u64 to = vma_next(v) ? vma_start_gap(vma_next(v)) : mm->mmap_base;

		if (i == MOST_ABOVE)
			return;
		to = min(to, mm->mmap_base);
		if (to > v->end)
			least = max(least, to - v->end);
	}
	place[0] = (struct memory_place){at, end, least + PAGE_SIZE};
	if (place[1].end == end)
		place[1].end = 0;
}

static void brk_find(struct mm *mm)
{
	struct memory_leave *g = &mm->leave.given;
	struct vma *next = vma_find(&mm->vmas, page_up(mm->brk));
	u64 most = mm->brk + BREAK_AHEAD;

	if (next)
		most = min(most, vma_start_gap(next) - min(vma_start_gap(next), PAGE_SIZE));
	most = min(most, TRAP_GUEST_TOP);
	for (int i = 0; i < HUSK_MEMORY_PLACES; i++)
		if (g->place[i].end > mm->brk)
			most = min(most, g->place[i].start);
	if (most < mm->brk || mm->vmas.count > MM_MAX_COUNT / 2)
		return;
	g->brk_start = mm->start_brk;
	g->brk = mm->brk;
	g->brk_most = most;
}

/* ---- giving it ---- */

static bool allowed(struct task *t, const struct mm *mm)
{
	return mm_limit(t, RLIMIT_AS) == RLIM_INFINITY && mm_limit(t, RLIMIT_DATA) == RLIM_INFINITY &&
	       !mm->def_flags && !(t->personality & READ_IMPLIES_EXEC) && mm->k->trap_ops->deeds;
}

static void refresh(struct task *t, struct mm *mm)
{
	struct mm_leave *l = &mm->leave;
	struct memory_leave *g = &l->given;

	l->changed = false;
	if (l->odd != mm->vmas.odd || l->revoked || !l->version) {
		*g = (struct memory_leave){0};
		l->revoked = false;
		l->odd = mm->vmas.odd;
		l->allowed = allowed(t, mm);
	}
	memset(g->place, 0, sizeof g->place);
	g->brk = 0;
	l->version = ++mm->k->leaves;
	if (!l->allowed || l->wish == MM_WISH_NONE)
		return;
	if (l->wish == MM_WISH_PLACE)
		place_found(mm, l->wish_addr, l->wish_len);
	if (l->wish != MM_WISH_CHANGE) {
		place_find(mm);
		brk_find(mm);
	}
	if (!in_zone(mm, l->wish_addr, l->wish_addr + PAGE_SIZE))
		zone_find(mm, l->wish_addr);
	l->wish = MM_WISH_NONE;
}

bool mm_leave_give(struct task *t)
{
	struct mm *mm = t->mm;

	if (mm->users != 1)
		return false;
	if (mm->leave.changed)
		refresh(t, mm);
	t->thread->leave = &mm->leave.given;
	t->thread->leave_version = mm->leave.version;
	return mm->leave.allowed;
}

/* ---- what has been done ---- */

static int did_unmap(struct mm *mm, const struct memory_deed *d)
{
	if (!in_zone(mm, d->addr, d->addr + d->len))
		return 0;
	memory_freed(&mm->leave.given, d->addr, d->addr + d->len);
	return vma_remove(&mm->vmas, d->addr, d->addr + d->len);
}

static int did_protect(struct mm *mm, const struct memory_deed *d)
{
	u64 at, to, end = d->addr + d->len;
	struct vma *v;
	int error = 0;

	if (!in_zone(mm, d->addr, end))
		return 0;
	for (at = d->addr; at < end && !error && (v = vma_lookup(&mm->vmas, at)); at = to) {
		u64 set = d->prot & VM_ACCESS_FLAGS;

		to = min(v->end, end);
		if ((set & VM_WRITE) && !(v->flags & VM_NORESERVE))
			set |= VM_ACCOUNT;
		error = vma_change(&mm->vmas, at, to, VM_ACCESS_FLAGS, set);
	}
	return error;
}

static int did_advise(struct mm *mm, const struct memory_deed *d)
{
	u64 clear, set;

	if (!in_zone(mm, d->addr, d->addr + d->len) || !mm_advice_flags((int)d->prot, &clear, &set))
		return 0;
	return vma_change(&mm->vmas, d->addr, d->addr + d->len, clear, set);
}

static int map(struct mm *mm, u64 start, u64 end, u64 flags)
{
	if (vma_intersect(&mm->vmas, start, end))
		return 0;
	flags |= (flags & (VM_WRITE | VM_NORESERVE)) == VM_WRITE ? VM_ACCOUNT : 0;
	return vma_insert(&mm->vmas, start, end, flags | ANON_FLAGS, start >> PAGE_SHIFT, NULL, NULL);
}

static int did_map(struct mm *mm, const struct memory_deed *d)
{
	u64 end = d->addr + d->len;
	u64 flags = (d->prot & VM_ACCESS_FLAGS) | (d->prot & DEED_NORESERVE ? VM_NORESERVE : 0);
	struct memory_place *p;
	int error;

	for (p = mm->leave.given.place; p < mm->leave.given.place + HUSK_MEMORY_PLACES; p++) {
		if (p->end != end || !memory_place_fits(p, d->len))
			continue;
		p->end = d->addr;
		return map(mm, d->addr, end, flags);
	}
	if (!in_zone(mm, d->addr, end))
		return 0;
	memory_filled(&mm->leave.given, d->addr, end);
	error = vma_remove(&mm->vmas, d->addr, end);
	return error ? error : map(mm, d->addr, end, flags);
}

static int did_brk(struct mm *mm, const struct memory_deed *d)
{
	u64 from = page_up(mm->brk), to = page_up(d->addr);

	if (!mm->leave.given.brk || d->addr < mm->start_brk || d->addr > mm->leave.given.brk_most)
		return 0;
	mm->brk = mm->leave.given.brk = d->addr;
	if (to > from)
		return map(mm, from, to, VM_READ | VM_WRITE);
	return to < from && in_zone(mm, to, from) ? vma_remove(&mm->vmas, to, from) : 0;
}

/* Addresses and lengths as no host would have them are not worth a look. */
static bool makes_sense(const struct memory_deed *d)
{
	if (d->kind == DEED_BRK)
		return d->addr <= TRAP_GUEST_TOP;
	return !((d->addr | d->len) & (PAGE_SIZE - 1)) && d->len && d->addr <= TRAP_GUEST_TOP &&
	       d->len <= TRAP_GUEST_TOP - d->addr;
}

void mm_catch_up(struct mm *mm)
{
	static int (*const done[])(struct mm * mm, const struct memory_deed *d) = {
		[DEED_UNMAP] = did_unmap, [DEED_PROTECT] = did_protect, [DEED_MAP] = did_map,
		[DEED_BRK] = did_brk,     [DEED_ADVISE] = did_advise,
	};
	struct memory_deed deeds[HUSK_MEMORY_DEEDS];
	u32 n = 0;
	int error = 0;

	if (mm->space && !mm->space->dead && mm->k->trap_ops->deeds)
		n = mm->k->trap_ops->deeds(mm->space, deeds);
	/* Leave is taken back when anything else has come, and the thread was asked before. */
	if (mm->leave.odd != mm->vmas.odd)
		return;
	for (u32 i = 0; i < n && !error; i++)
		if (deeds[i].kind < ARRAY_SIZE(done) && done[deeds[i].kind] && makes_sense(&deeds[i]))
			error = done[deeds[i].kind](mm, &deeds[i]);
	if (n)
		mm_count(mm);
	/* On no memory the store would not be what the host has: the process cannot go on. */
	if (error)
		mm->k->ops.space_died(mm, SIGKILL);
}

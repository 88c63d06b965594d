/* SPDX-License-Identifier: Apache-2.0 */
/* The record of what is mapped from patched copies, and the operations that change it. */
#include "mm/patch_map.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/internal.h"
#include "mm/leave.h"

/* ---- ranges and areas ---- */

u32 patch_range_from(const struct mm_patch *p, u64 addr)
{
	u32 low = 0, high = p->nranges;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (p->ranges[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct patch_range *patch_range_at(const struct mm_patch *p, u64 addr)
{
	u32 i = patch_range_from(p, addr);

	return i < p->nranges && p->ranges[i].start <= addr ? &p->ranges[i] : NULL;
}

bool patch_ranges_reserve(struct mm_patch *p, u32 n)
{
	struct patch_range *more;
	u32 room = p->range_room;

	while (p->nranges + n > room)
		room = room ? 2 * room : 16;
	if (room == p->range_room)
		return true;
	more = realloc(p->ranges, room * sizeof *more);
	if (!more)
		return false;
	p->ranges = more;
	p->range_room = room;
	return true;
}

void patch_range_put(struct mm *mm, struct patch_range *r)
{
	patch_text_put(patch_store_of(mm), r->text);
	file_put(r->file);
}

void patch_range_insert(struct mm_patch *p, u32 at, const struct patch_range *r)
{
	memmove(p->ranges + at + 1, p->ranges + at, (p->nranges - at) * sizeof *r);
	p->ranges[at] = *r;
	p->nranges++;
	patch_text_ref(r->text);
	file_get(r->file);
}

static void range_remove(struct mm *mm, struct mm_patch *p, u32 at)
{
	patch_range_put(mm, &p->ranges[at]);
	p->nranges--;
	memmove(p->ranges + at, p->ranges + at + 1, (p->nranges - at) * sizeof p->ranges[0]);
}

void patch_ranges_cut(struct mm *mm, struct mm_patch *p, u64 start, u64 end)
{
	for (u32 i = patch_range_from(p, start); i < p->nranges && p->ranges[i].start < end;) {
		struct patch_range *r = &p->ranges[i], rest = *r;

		if (r->start >= start && r->end <= end) {
			range_remove(mm, p, i);
			continue;
		}
		if (r->start < start && r->end > end) {
			r->end = start;
			rest.start = end;
			patch_range_insert(p, i + 1, &rest);
			return;
		}
		if (r->start < start)
			r->end = start;
		else
			r->start = end;
		i++;
	}
}

struct patch_area *patch_area_at(const struct mm_patch *p, u64 addr)
{
	for (u32 i = 0; i < p->nareas; i++)
		if (addr - p->areas[i].start < PATCH_AREA_SIZE)
			return &p->areas[i];
	return NULL;
}

/* ---- the host's side ---- */

static void own_op_done(void *arg, long result);

static bool queue_own(struct mm *mm, u64 addr, u64 len, struct hostfd fd, u64 offset, bool alone)
{
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = addr,
		.len = len,
		.prot = PROT_READ | PROT_EXEC,
		.flags = MAP_PRIVATE | MAP_FIXED,
		.fd = fd,
		.offset = offset,
		.alone = alone,
		.undo = own_op_done,
		.arg = mm_get(mm),
	};

	if (!mm->k->trap_ops->op(mm->space, &op))
		return true;
	mm_put(mm);
	return false;
}

/* Maps what the file itself has at [start, end) of @r. False: the process cannot go on as it is. */
static bool restore_part(struct mm *mm, const struct patch_range *r, u64 start, u64 end)
{
	struct mmap_backing backing = {.fd = HOSTFD_NONE};

	return !r->file->ops->mmap(r->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing) &&
	       queue_own(mm, start, end - start, backing.fd, start - r->bias + backing.offset, false);
}

bool patch_restore(struct mm *mm, struct mm_patch *p, u64 start, u64 end)
{
	bool good = patch_ranges_reserve(p, 1);

	for (u32 i = patch_range_from(p, start); good && i < p->nranges && p->ranges[i].start < end; i++)
		good = restore_part(mm, &p->ranges[i], max(p->ranges[i].start, start),
				    min(p->ranges[i].end, end));
	if (good)
		patch_ranges_cut(mm, p, start, end);
	else
		mm->k->ops.space_died(mm, SIGKILL);
	return good;
}

/* An operation of husk's own was refused: the guest's call goes on as if nothing had been tried. What depends on it,
 * and may still be carried out, is taken back. */
static void own_op_done(void *arg, long result)
{
	struct mm *mm = arg;

	if (result < 0 && mm->patch && mm->space) {
		mm->patch->off = true;
		mm->patch->refused = true;
		patch_restore(mm, mm->patch, 0, ~0UL);
	}
	mm_put(mm);
}

/* Trampolines of @text lead into the stub from now on. */
static bool enter(struct mm *mm, struct patch_text *text)
{
	struct kernel *k = mm->k;
	u64 cpuid_entry = patch_text_wants_cpuid(text) ? k->trap_ops->cpuid_entry(k->trap) : 0;

	return patch_text_enter(text, patch_store_of(mm)->entry, cpuid_entry);
}

bool patch_area_ensure(struct mm *mm, struct mm_patch *p, struct patch_text *text, u64 bias)
{
	u64 start = patch_text_area(text) + bias;

	if (!enter(mm, text))
		return false;
	for (u32 i = 0; i < p->nareas; i++)
		if (p->areas[i].start == start)
			return p->areas[i].text == text;
	if (start < MM_MIN_ADDR || start > TRAP_GUEST_TOP - PATCH_AREA_SIZE ||
	    vma_intersect(&mm->vmas, start, start + PATCH_AREA_SIZE) || patch_area_at(p, start) ||
	    patch_area_at(p, start + PATCH_AREA_SIZE - 1))
		return false;
	if (p->nareas == p->area_room) {
		u32 room = p->area_room ? 2 * p->area_room : 8;
		struct patch_area *more = realloc(p->areas, room * sizeof *more);

		if (!more)
			return false;
		p->areas = more;
		p->area_room = room;
	}
	if (!queue_own(mm, start, PATCH_AREA_SIZE, patch_text_fd(text), 0, false))
		return false;
	p->areas[p->nareas++] = (struct patch_area){start, bias, patch_text_ref(text)};
	mm->vmas.odd++;
	mm_leave_changed(mm);
	return true;
}

bool patch_map_copy(struct mm *mm, struct mm_patch *p, const struct patch_range *r, struct hostfd fd,
		    u64 offset)
{
	/* Nobody may come to stand behind a `syscall` that becomes part of a jump. */
	if (!patch_ranges_reserve(p, 2) || !queue_own(mm, r->start, r->end - r->start, fd, offset, true))
		return false;
	patch_ranges_cut(mm, p, r->start, r->end);
	patch_range_insert(p, patch_range_from(p, r->start), r);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory calls that the stub may make by itself: where the kernel lets it, and what it has done. A page of the slot.
 *
 * The kernel gives leave when it hands the slot over and something has changed; both sides move it on with each call. What
 * the stub has done it writes into a ring, counting in `said`; the kernel takes it over into its store before it looks at
 * anything else of the thread's next turn, or meanwhile, and counts in `taken`. All of it is the guest's word, about its
 * own memory.
 */
#ifndef HUSK_CHANNEL_MEMORY_H
#define HUSK_CHANNEL_MEMORY_H

#include "base/types.h"

#define HUSK_MEMORY_OFFSET 0x2000
#define HUSK_MEMORY_ZONES  8
#define HUSK_MEMORY_PLACES 2
#define HUSK_MEMORY_DEEDS  128

enum memory_deed_kind {
	DEED_UNMAP = 1, /* addr, len */
	DEED_PROTECT,   /* addr, len, prot */
	DEED_MAP,       /* addr, len, prot: private anonymous memory */
	DEED_BRK,       /* addr: the break */
	DEED_ADVISE,    /* addr, len, prot: the advice */
};

#define DEED_NORESERVE 0x100 /* in prot: MAP_NORESERVE */

struct memory_deed {
	u32 kind, prot;
	u64 addr, len;
};

struct memory_leave {
	struct {
		u64 start, end;
	} zone[HUSK_MEMORY_ZONES]; /* where all that is mapped is plain memory; unused ones are empty */
	/* New mappings of @least bytes or more end at @end, and do not begin below @start; end 0: none. */
	struct memory_place {
		u64 start, end, least;
	} place[HUSK_MEMORY_PLACES];
	u64 brk_start, brk, brk_most; /* brk 0: none */
};

struct slot_memory {
	u32 said;                               /* the stub's */
	u32 taken __attribute__((aligned(64))); /* the kernel's */
	struct memory_leave leave __attribute__((aligned(64)));
	struct memory_deed deed[HUSK_MEMORY_DEEDS];
};

/* Whether @len bytes go to this place. */
static inline int memory_place_fits(const struct memory_place *p, u64 len)
{
	return len >= p->least && len <= p->end && p->end - len >= p->start;
}

/*
 * [addr, end) has become free. Right above a place it is that place's again, and for places below a gap that smaller
 * mappings go to; elsewhere above a place nobody knows how big the gap is that it belongs to.
 */
static inline void memory_freed(struct memory_leave *l, u64 addr, u64 end)
{
	struct memory_place *p, *back = 0;

	for (p = l->place; p < l->place + HUSK_MEMORY_PLACES; p++)
		if (p->end && p->end == addr) {
			p->end = end;
			back = p;
		}
	for (p = l->place; p < l->place + HUSK_MEMORY_PLACES; p++) {
		if (p == back || p->end > addr)
			continue;
		if (!back)
			p->end = 0;
		else if (p->least <= end - back->start)
			p->least = end - back->start + PAGE_SIZE;
	}
}

/* [addr, end) has been mapped where the program wanted it: what was free may be no more. */
static inline void memory_filled(struct memory_leave *l, u64 addr, u64 end)
{
	for (struct memory_place *p = l->place; p < l->place + HUSK_MEMORY_PLACES; p++)
		if (addr < p->end && end > p->start)
			p->end = 0;
	if (addr < l->brk_most && end > l->brk)
		l->brk = 0;
}

#endif

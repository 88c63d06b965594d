/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of one address space are mapped from patched copies, and where its trampolines lie; for the files of
 * patching alone (mm/patch.h). */
#ifndef HUSK_KERNEL_MM_PATCH_MAP_H
#define HUSK_KERNEL_MM_PATCH_MAP_H

#include "mm/mm.h"
#include "mm/patch_text.h"

#define NR_SEEN   256 /* call sites whose signals are counted at a time */
#define SEEN_WAYS 4

/* Pages that are mapped from a copy. */
struct patch_range {
	u64 start, end;
	u64 bias; /* address less position in the file */
	u32 version;
	struct patch_text *text; /* counted */
	struct file *file;       /* counted: what the pages are of */
};

/* Trampolines that are mapped. */
struct patch_area {
	u64 start, bias;
	struct patch_text *text; /* counted */
};

struct mm_patch {
	bool off, never, refused;
	struct patch_range *ranges; /* in order of addresses */
	u32 nranges, range_room;
	struct patch_area *areas;
	u32 nareas, area_room;
	struct patch_seen {
		u64 call;
		u32 count;
		bool never;
	} seen[NR_SEEN];         /* in sets of SEEN_WAYS */
	u64 seen_low, seen_high; /* where the calls of seen[] lie */
};

static inline struct patch_store *patch_store_of(const struct mm *mm)
{
	return mm->k->patches;
}

/* The index of the first range that ends behind @addr. */
u32 patch_range_from(const struct mm_patch *p, u64 addr);
/* The range that holds @addr; NULL: none. */
const struct patch_range *patch_range_at(const struct mm_patch *p, u64 addr);
/* Makes room for @n ranges more; false: no memory. */
bool patch_ranges_reserve(struct mm_patch *p, u32 n);
/* Puts *r, with references of its own, at index @at; there is room for it. */
void patch_range_insert(struct mm_patch *p, u32 at, const struct patch_range *r);
void patch_range_put(struct mm *mm, struct patch_range *r);
/* Forgets what is known of [start, end); there is room for one range more. */
void patch_ranges_cut(struct mm *mm, struct mm_patch *p, u64 start, u64 end);
/* The trampolines that hold @addr; NULL: none. */
struct patch_area *patch_area_at(const struct mm_patch *p, u64 addr);

/* Has the file's own pages mapped again in [start, end). False: that cannot be, and the process is ended. */
bool patch_restore(struct mm *mm, struct mm_patch *p, u64 start, u64 end);
/* Has trampolines of @text mapped for @bias; false: there is no room, or no memory. */
bool patch_area_ensure(struct mm *mm, struct mm_patch *p, struct patch_text *text, u64 bias);
/* Has the range *r mapped from @fd at @offset, and notes it; false: no memory. */
bool patch_map_copy(struct mm *mm, struct mm_patch *p, const struct patch_range *r, struct hostfd fd,
		    u64 offset);

/* patch_place.c: kernel_ops of these names. */
void patch_place_shown(struct task *t, struct trap_event *event);
void patch_place_real(struct task *t);
void patch_code_shown(struct mm *mm, void *bytes, u64 addr, size_t size);

#endif

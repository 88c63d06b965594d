/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandbox knows of one file's code: its call sites, their trampolines, and patched copies of its pages, shared
 * by every address space that maps the file.
 *
 * Positions are offsets in the file; an address is a position plus the mapping's bias. The trampolines lie at one
 * position for all, in front of the file's lowest mapping, so that one copy of a page fits every bias. Copies are never
 * changed once they are made: a page with one site more is another copy.
 */
#ifndef HUSK_KERNEL_MM_PATCH_TEXT_H
#define HUSK_KERNEL_MM_PATCH_TEXT_H

#include "base/list.h"
#include "host/types.h"
#include "mm/vma.h"
#include "trap/site.h"

#define PATCH_AREA_SIZE VMA_ROOM /* of a file's trampolines */

struct patch_text;

struct patch_store {
	struct list texts; /* struct patch_text, the last used first */
	int count;
	u64 entry; /* of the stub, for trampolines; 0: not known yet */
};

void patch_store_init(struct patch_store *store);
void patch_store_clear(struct patch_store *store);

/* The text of the host file @fd, with one reference for the caller; made, with its trampolines at @area_at, when there
 * is none and @make. NULL: none; no memory; a file that was changed a moment ago, so that a later change could not be
 * told from what is there now; or one whose trampolines lie elsewhere. */
struct patch_text *patch_text_get(struct patch_store *store, struct hostfd fd, u64 area_at, bool make);
struct patch_text *patch_text_ref(struct patch_text *text);
void patch_text_put(struct patch_store *store, struct patch_text *text);

/* Where the trampolines lie, and what to map there for guests: read only, from its offset 0. Borrowed. */
u64 patch_text_area(const struct patch_text *text);
struct hostfd patch_text_fd(const struct patch_text *text);
/* How many sites are known. Copies count them so: a copy's version. */
u32 patch_text_version(const struct patch_text *text);

/* Learns the site at position @call, from the file @fd; the code around it lies in [@low, @high). True when it is, or
 * was already, one that can be patched: *at is where its jump lies. */
bool patch_text_learn(struct patch_text *text, struct hostfd fd, u64 call, u64 low, u64 high, u64 *at);
/* Many sites of code that is at hand, whole pages of it. */
struct patch_code {
	u8 *bytes; /* from position @start on */
	size_t size;
	u64 start;
	struct patch_found {
		u64 at, before; /* and of the instruction before it; the same: there is none */
		enum site_insn insn;
	} * found;
	u32 n;
};
void patch_text_learn_all(struct patch_text *text, const struct patch_code *code);
/* Whether nobody has looked through this code for its sites: true once for each. */
bool patch_text_unread(struct patch_text *text);
/* To be called before the trampolines are mapped: where they lead to, @entry for calls, and, if it wants that now, @cpuid_entry
 * for `cpuid`. False: they cannot be used. */
bool patch_text_wants_cpuid(const struct patch_text *text);
bool patch_text_enter(struct patch_text *text, u64 entry, u64 cpuid_entry);
/* A call came from position @call for the first time in one address space: true when it was so in another before, so
 * that the next copies had better know it. */
bool patch_text_note(struct patch_text *text, u64 call);
/* A copy of the page at position @page with all sites known in it, in patch_text_fd() at *offset. 0 or -errno. */
int patch_text_page(struct patch_text *text, struct hostfd fd, u64 page, u64 *offset, u32 *version);
/* Another process maps [start, start + len). The pages there with sites, in @pages[@max], if a whole copy is not worth while
 * yet, since copies of these pages alone have cost less so far: how many; else 0. */
u32 patch_text_few(struct patch_text *text, u64 start, u64 len, u64 *pages, u32 max);
/* A copy of [start, start + len) with all sites known now or lately, to be mapped from its offset 0; borrowed.
 * HOSTFD_NONE: not worth it, or no memory. */
struct hostfd patch_text_whole(struct patch_text *text, struct hostfd fd, u64 start, u64 len, u32 *version);
/* Makes that copy of code that is at hand, which is patched on the way. */
void patch_text_make_whole(struct patch_text *text, struct patch_code *code);
/* Whether the page at @page has a tail (trap/site.h) that copies of version @from do not have. */
bool patch_text_has_tail(const struct patch_text *text, u64 page, u32 from);

/* Where one stands in the unpatched program who stands at @offset of the trampolines: a position. */
u64 patch_text_original(const struct patch_text *text, u64 offset);
/* Where one goes on who stands at position @at, in copies of @version: an offset in the trampolines, or -1: there. */
s64 patch_text_moved(const struct patch_text *text, u64 at, u32 version);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an address space belongs into a core file (fs/coredump.c: vma_dump_size(); fs/binfmt_elf.c:
 * fill_files_note(); core(5)).
 *
 * Whether a private mapping has pages of its own is known to the host alone: its smaps tell.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/smaps.h"
#include "mm/dump.h"
#include "mm/internal.h"
#include "vfs/inode.h"

/* Bits of /proc/PID/coredump_filter. */
#define ANON_PRIVATE   1u
#define ANON_SHARED    2u
#define MAPPED_PRIVATE 4u
#define MAPPED_SHARED  8u
#define ELF_HEADERS    16u

/* ---- pages of its own ---- */

struct own_ranges {
	bool known;
	u32 count, room, at;
	struct {
		u64 start, end;
	} * range; /* in order of addresses */
};

static bool add_range(struct own_ranges *o, u64 start, u64 end)
{
	if (o->count == o->room) {
		u32 room = o->room ? 2 * o->room : 256;
		void *more = realloc(o->range, room * sizeof *o->range);

		if (!more)
			return false;
		o->range = more;
		o->room = room;
	}
	o->range[o->count].start = start;
	o->range[o->count++].end = end;
	return true;
}

/* Where the host's mappings hold anonymous pages, in memory or swapped out. */
static void find_own(struct mm *mm, struct own_ranges *o)
{
	char *text = host_smaps(mm->k->trap_ops->pid(mm->space));
	unsigned long long start = 0, end = 0, from, to, kb;
	bool added = true;

	o->known = text;
	for (const char *line = text; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2) {
			start = from;
			end = to;
			added = false;
		} else if (!added && (sscanf(line, "Anonymous: %llu kB", &kb) == 1 ||
				      sscanf(line, "Swap: %llu kB", &kb) == 1)) {
			added = kb && add_range(o, start, end);
			o->known &= !kb || added;
		}
	}
	free(text);
}

/* Called with rising addresses. */
static bool has_own(struct own_ranges *o, const struct vma *v)
{
	if (!o->known)
		return v->flags & (VM_WRITE | VM_ACCOUNT);
	while (o->at < o->count && o->range[o->at].end <= v->start)
		o->at++;
	return o->at < o->count && o->range[o->at].start < v->end;
}

/* ---- segments ---- */

static bool begins_with_elf(struct mm *mm, const struct vma *v)
{
	struct kstat st;
	char magic[SELFMAG];

	if (v->pgoff || !(v->flags & VM_READ))
		return false;
	if (!file_getattr(vma_file(v), &st) && (st.mode & 0111))
		return true;
	return mm_peek(mm, magic, v->start, SELFMAG) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);
}

/* How much of @v, from its start. */
static u64 size_of(struct mm *mm, const struct vma *v, struct own_ranges *own)
{
	u64 whole = v->end - v->start;
	struct kstat st = {0};

	if (v->flags & VM_DONTDUMP)
		return 0;
	if (v->label)
		return whole;
	if (v->flags & VM_SHARED) {
		u32 bit = !vma_file(v) || (!file_getattr(vma_file(v), &st) && !st.nlink) ? ANON_SHARED
											 : MAPPED_SHARED;

		return mm->dump_filter & bit ? whole : 0;
	}
	if (has_own(own, v) && (mm->dump_filter & ANON_PRIVATE))
		return whole;
	if (!vma_file(v))
		return 0;
	if (mm->dump_filter & MAPPED_PRIVATE)
		return whole;
	return (mm->dump_filter & ELF_HEADERS) && begins_with_elf(mm, v) ? PAGE_SIZE : 0;
}

long mm_dump_segments(struct mm *mm, struct mm_segment **out)
{
	struct own_ranges own = {0};
	struct mm_segment *s = calloc((size_t)mm->vmas.count + 1, sizeof *s);
	long n = 0;

	if (!s)
		return -ENOMEM;
	find_own(mm, &own);
	for (const struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v))
		s[n++] = (struct mm_segment){
			.start = v->start,
			.end = v->end,
			.size = size_of(mm, v, &own),
			.flags = (v->flags & VM_READ ? PF_R : 0) | (v->flags & VM_WRITE ? PF_W : 0) |
				 (v->flags & VM_EXEC ? PF_X : 0),
			.sparse = !v->label && !v->object,
		};
	free(own.range);
	*out = s;
	return n;
}

/* ---- names of files ---- */

long mm_dump_files(struct mm *mm, char **out)
{
	size_t heads = 2 * 8, size, used;
	u64 count = 0, dev, ino, *head;
	char name[4096], *text;

	for (const struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v))
		count += vma_file(v) != NULL;
	used = heads + count * 3 * 8;
	size = used + 4096;
	text = malloc(size);
	if (!text)
		return -ENOMEM;
	((u64 *)text)[0] = count;
	((u64 *)text)[1] = PAGE_SIZE;
	count = 0;
	for (const struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v)) {
		size_t len;

		if (!vma_file(v))
			continue;
		head = (u64 *)(text + heads) + 3 * count++;
		head[0] = v->start;
		head[1] = v->end;
		head[2] = v->pgoff;
		mm_file_name(vma_file(v), &dev, &ino, name, sizeof name);
		len = strlen(name) + 1;
		if (size - used < len) {
			char *more = realloc(text, 2 * size + len);

			if (!more) {
				free(text);
				return -ENOMEM;
			}
			text = more;
			size = 2 * size + len;
		}
		memcpy(text + used, name, len);
		used += len;
	}
	*out = text;
	return (long)used;
}

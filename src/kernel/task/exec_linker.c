/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking through the code of a program's linker for `cpuid` and calls, once for each linker that a sandbox knows: all
 * programs begin with it. Which code is a function's, and where instructions begin, its tables for unwinding tell.
 *
 * The first program's linker is read while the trap starts, and patched while the program's space is made.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "host/cpuid.h"
#include "mm/patch.h"
#include "task/exec.h"
#include "trap/code_sites.h"
#include "vfs/inode.h"

#define MOST_SITES  128
#define SHORT_BYTES 512 /* of functions that are decoded for their calls: more than a call's wrapper has */
#define MOST_BYTES  (1UL << 20) /* of a segment: linkers have less */

struct linker {
	u8 *bytes; /* of the code, then of the tables; owned */
	size_t size;
	struct patch_code code; /* borrowed bytes */
	u64 area_at; /* where the trampolines lie: as a position in the file, on the code's scale */
	struct code_site sites[MOST_SITES];
	struct patch_found found[MOST_SITES];
};

/* The segment whose file bytes hold @addr; NULL: none that can be looked at. */
static const Elf64_Phdr *segment_at(const struct elf_image *im, u64 addr)
{
	for (int i = 0; i < im->count; i++) {
		const Elf64_Phdr *p = &im->segments[i];

		if (p->p_type == PT_LOAD && addr - p->p_vaddr < p->p_filesz && p->p_filesz <= MOST_BYTES)
			return p;
	}
	return NULL;
}

static const Elf64_Phdr *find(const struct elf_image *im, u32 type)
{
	for (int i = 0; i < im->count; i++)
		if (im->segments[i].p_type == type)
			return &im->segments[i];
	return NULL;
}

/* Memory for what is read of the file, all zero, and there at once: a fault for each page would take longer than all else. */
static bool linker_room(struct linker *l, size_t size)
{
	void *bytes =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (bytes == MAP_FAILED)
		return false;
	l->bytes = bytes;
	l->size = size;
	return true;
}

/* Reads a segment, and what its last page has besides, to @bytes. False: it is not there whole. */
static bool read_segment(struct file *f, const Elf64_Phdr *p, u8 *bytes, struct loaded *out)
{
	if (file_pread(f, bytes, align_up(p->p_filesz, PAGE_SIZE), p->p_offset, false) < (long)p->p_filesz)
		return false;
	*out = (struct loaded){.bytes = bytes, .addr = p->p_vaddr, .size = p->p_filesz};
	return true;
}

void exec_linker_free(struct linker *l)
{
	if (!l)
		return;
	if (l->bytes)
		munmap(l->bytes, l->size);
	free(l);
}

/* Adds the places of @insn in functions of at most @longest bytes to those that were found. @shift: from addresses to
 * positions. */
static void add_sites(struct linker *l, const struct loaded *text, const struct loaded *tables, u64 header,
		      enum site_insn insn, size_t longest, u64 shift)
{
	struct patch_found *found = l->found + l->code.n;
	u32 n = code_sites(text, tables, header, insn, longest, l->sites, MOST_SITES - l->code.n);

	for (u32 i = 0; i < n; i++)
		found[i] = (struct patch_found){l->sites[i].addr + shift, l->sites[i].before + shift, insn};
	l->code.n += n;
}

/* What the linker's code has, owned by the caller; NULL: nothing, or no memory. */
static struct linker *linker_read(struct file *f, const struct elf_image *im)
{
	const Elf64_Phdr *code = segment_at(im, im->header.e_entry), *header = find(im, PT_GNU_EH_FRAME);
	const Elf64_Phdr *holder = header ? segment_at(im, header->p_vaddr) : NULL;
	struct linker *l = code && holder && !(code->p_offset % PAGE_SIZE) ? calloc(1, sizeof *l) : NULL;
	struct loaded text, tables;
	size_t text_size;
	u64 shift;

	if (!l)
		return NULL;
	text_size = align_up(code->p_filesz, PAGE_SIZE);
	if (!linker_room(l, text_size + align_up(holder->p_filesz, PAGE_SIZE)) ||
	    !read_segment(f, code, l->bytes, &text) ||
	    !read_segment(f, holder, l->bytes + text_size, &tables)) {
		exec_linker_free(l);
		return NULL;
	}
	shift = code->p_offset - code->p_vaddr;
	add_sites(l, &text, &tables, header->p_vaddr, SITE_CPUID, ~0UL, shift);
	if (!l->code.n) {
		exec_linker_free(l);
		return NULL;
	}
	add_sites(l, &text, &tables, header->p_vaddr, SITE_SYSCALL, SHORT_BYTES, shift);
	l->code.bytes = l->bytes;
	l->code.size = text_size;
	l->code.start = code->p_offset;
	l->code.found = l->found;
	l->area_at = im->min + shift - PATCH_AREA_SIZE;
	return l;
}

void exec_read_linker(struct mm *mm, struct file *f, const struct elf_image *im)
{
	struct linker *l;

	if (!host_cpuid_is_slow() || !mm_patch_unread(mm, im->entry))
		return;
	l = linker_read(f, im);
	if (l)
		mm_patch_read(mm, im->entry, &l->code);
	exec_linker_free(l);
}

struct linker *exec_linker_ahead(struct file *f, const struct elf_image *im)
{
	return host_cpuid_is_slow() ? linker_read(f, im) : NULL;
}

void exec_expect_linker(struct kernel *k, struct file *f, struct linker *l)
{
	mm_patch_ahead(k, f, l->area_at, &l->code);
}

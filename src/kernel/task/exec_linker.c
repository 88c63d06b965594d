/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking through the code of a program's linker for `cpuid`, once for each linker that a sandbox knows: all programs begin
 * with it. Which code is a function's, and where instructions begin, its tables for unwinding tell.
 */
#include <stdlib.h>

#include "host/cpuid.h"
#include "mm/patch.h"
#include "task/exec.h"
#include "trap/code_sites.h"
#include "vfs/inode.h"

#define MOST_SITES 128
#define MOST_BYTES (1UL << 20) /* of a segment: linkers have less */

struct linker {
	struct loaded text, tables; /* owned bytes */
	struct patch_code code;     /* borrowed bytes: the text's */
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

/* Reads a segment: *out's bytes are the caller's to free. False: not there whole, or no memory. */
static bool read_segment(struct file *f, const Elf64_Phdr *p, struct loaded *out)
{
	u8 *bytes = malloc(p->p_filesz);

	out->bytes = bytes;
	out->addr = p->p_vaddr;
	out->size = p->p_filesz;
	return bytes && file_pread(f, bytes, p->p_filesz, p->p_offset, false) == (long)p->p_filesz;
}

static void linker_free(struct linker *l)
{
	if (!l)
		return;
	free((void *)l->text.bytes);
	free((void *)l->tables.bytes);
	free(l);
}

/* What the linker's code has, owned by the caller; NULL: nothing, or no memory. */
static struct linker *linker_read(struct file *f, const struct elf_image *im)
{
	const Elf64_Phdr *code = segment_at(im, im->header.e_entry), *header = find(im, PT_GNU_EH_FRAME);
	const Elf64_Phdr *holder = header ? segment_at(im, header->p_vaddr) : NULL;
	struct linker *l = code && holder && !(code->p_offset % PAGE_SIZE) ? calloc(1, sizeof *l) : NULL;
	u32 n = 0;

	if (!l)
		return NULL;
	if (read_segment(f, code, &l->text) && read_segment(f, holder, &l->tables))
		n = code_sites(&l->text, &l->tables, header->p_vaddr, SITE_CPUID, l->sites, MOST_SITES);
	if (!n) {
		linker_free(l);
		return NULL;
	}
	for (u32 i = 0; i < n; i++) {
		l->found[i].at = l->sites[i].addr - code->p_vaddr + code->p_offset;
		l->found[i].before = l->sites[i].before - code->p_vaddr + code->p_offset;
	}
	l->code = (struct patch_code){l->text.bytes, l->text.size, code->p_offset, SITE_CPUID, l->found, n};
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
	linker_free(l);
}

void exec_expect_linker(struct kernel *k, struct file *f, const struct elf_image *im)
{
	struct linker *l = host_cpuid_is_slow() ? linker_read(f, im) : NULL;

	/* The trampolines lie in front of the lowest segment: as a position in the file, on the text's scale. */
	if (l)
		mm_patch_ahead(k, f, im->min - (l->text.addr - l->code.start) - PATCH_AREA_SIZE, &l->code);
	linker_free(l);
}

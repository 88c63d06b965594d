/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF programs. Every number in a file is hostile until it is bounded here: tables are limited before they
 * are read, sums are checked for overflow, and where a segment may lie is decided by mm_map() again.
 */
#include "task/elf.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/mm.h"
#include "vfs/inode.h"

#define MAX_HEADERS_BYTES 65536
#define ALIGN_MAX         (1UL << 30) /* beyond it an alignment is taken for nonsense */

static int read_all(struct file *f, void *to, size_t size, u64 at)
{
	long n = at > LONG_MAX ? -EINVAL : file_pread(f, to, size, at, false);

	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EIO;
}

static bool header_ok(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && (h->e_type == ET_EXEC || h->e_type == ET_DYN) &&
	       h->e_machine == EM_X86_64 && h->e_phentsize == sizeof(Elf64_Phdr) && h->e_phnum > 0 &&
	       h->e_phnum <= MAX_HEADERS_BYTES / sizeof(Elf64_Phdr);
}

/* The span of all PT_LOAD segments. Those that Linux would refuse when it maps them make the span unusable.
 */
static void measure(struct elf_image *im)
{
	im->min = ~0UL;
	im->align = PAGE_SIZE;
	for (int i = 0; i < im->count; i++) {
		const Elf64_Phdr *p = &im->segments[i];
		u64 end;

		if (p->p_type == PT_GNU_STACK)
			im->exec_stack = p->p_flags & PF_X;
		if (p->p_type != PT_LOAD)
			continue;
		im->loadable = true;
		if (__builtin_add_overflow(p->p_vaddr, p->p_memsz, &end) || end > TRAP_GUEST_TOP)
			end = TRAP_GUEST_TOP + PAGE_SIZE;
		im->min = min(im->min, align_down(p->p_vaddr, PAGE_SIZE));
		im->max = max(im->max, align_up(end, PAGE_SIZE));
		if (p->p_align <= ALIGN_MAX && !(p->p_align & (p->p_align - 1)))
			im->align = max(im->align, p->p_align);
	}
	if (!im->loadable)
		im->min = 0;
}

int elf_read(struct file *f, const void *head, size_t size, bool interp, struct elf_image *out)
{
	const int bad = interp ? -ELIBBAD : -ENOEXEC;
	struct elf_image im = {0};
	size_t bytes;
	int err;

	if (size < sizeof im.header)
		return bad;
	memcpy(&im.header, head, sizeof im.header);
	if (!header_ok(&im.header) || !f->ops->mmap)
		return bad;
	im.count = im.header.e_phnum;
	bytes = (size_t)im.count * sizeof(Elf64_Phdr);
	im.segments = malloc(bytes);
	if (!im.segments)
		return -ENOMEM;
	err = read_all(f, im.segments, bytes, im.header.e_phoff);
	if (err) {
		free(im.segments);
		return err == -ENOMEM ? err : bad;
	}
	measure(&im);
	*out = im;
	return 0;
}

void elf_free(struct elf_image *im)
{
	free(im->segments);
	im->segments = NULL;
}

int elf_interp(struct file *f, const struct elf_image *im, char **out)
{
	*out = NULL;
	for (int i = 0; i < im->count; i++) {
		const Elf64_Phdr *p = &im->segments[i];
		char *path;
		int err;

		if (p->p_type != PT_INTERP)
			continue;
		if (p->p_filesz > PATH_MAX || p->p_filesz < 2)
			return -ENOEXEC;
		path = malloc(p->p_filesz);
		if (!path)
			return -ENOMEM;
		err = read_all(f, path, p->p_filesz, p->p_offset);
		if (!err && path[p->p_filesz - 1])
			err = -ENOEXEC;
		if (err) {
			free(path);
			return err;
		}
		*out = path;
		return 0;
	}
	return 0;
}

static int segment_prot(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* Zeroes the rest of the page in which a segment's file data ends. */
static int zero_tail(struct task *t, u64 from, u64 to, bool writable)
{
	static const char zeros[PAGE_SIZE];
	int err;

	if (from == to)
		return 0;
	err = user_write(t, from, zeros, to - from);
	/* Linux: what cannot be written stays as the file has it. */
	return err < 0 && writable ? err : 0;
}

static int map_segment(struct task *t, struct mm *mm, struct file *f, const Elf64_Phdr *p, u64 bias)
{
	u64 addr = p->p_vaddr + bias, in_page = addr % PAGE_SIZE, start = addr - in_page, file_end, end,
	    zero_end;
	int prot = segment_prot(p);
	long r;

	if (__builtin_add_overflow(addr, p->p_memsz, &end) || end > TRAP_GUEST_TOP ||
	    p->p_filesz > p->p_memsz)
		return -EINVAL;
	file_end = addr + p->p_filesz;
	zero_end = align_up(end, PAGE_SIZE);
	if (p->p_filesz) {
		if (p->p_offset % PAGE_SIZE != in_page || p->p_offset < in_page)
			return -EINVAL;
		r = mm_map(t, mm, start, align_up(file_end, PAGE_SIZE) - start, prot,
			   MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE, f, p->p_offset - in_page);
		if (r < 0)
			return (int)r;
		start = align_up(file_end, PAGE_SIZE);
		if (p->p_memsz > p->p_filesz) {
			r = zero_tail(t, file_end, min(start, zero_end), prot & PROT_WRITE);
			if (r < 0)
				return (int)r;
		}
	}
	if (zero_end <= start)
		return 0;
	r = mm_map(t, mm, start, zero_end - start, PROT_READ | PROT_WRITE | (prot & PROT_EXEC),
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0);
	return r < 0 ? (int)r : 0;
}

/* What mm's fields and the auxiliary vector want to know of a mapped segment. */
static void note_segment(struct elf_image *im, const Elf64_Phdr *p, bool first)
{
	const Elf64_Ehdr *h = &im->header;
	u64 start = p->p_vaddr + im->bias, file_end = start + p->p_filesz, end = start + p->p_memsz;

	if (h->e_phoff >= p->p_offset && h->e_phoff - p->p_offset < p->p_filesz)
		im->phdr = h->e_phoff - p->p_offset + start;
	if (first || ((p->p_flags & PF_X) && start < im->start_code))
		im->start_code = start;
	im->start_data = max(im->start_data, start);
	if (p->p_flags & PF_X)
		im->end_code = max(im->end_code, file_end);
	im->end_data = max(im->end_data, file_end);
	im->brk = max(im->brk, end);
}

int elf_map(struct task *t, struct mm *mm, struct file *f, struct elf_image *im, u64 bias)
{
	bool first = true;

	im->bias = bias;
	im->entry = im->header.e_entry + bias;
	for (int i = 0; i < im->count; i++) {
		const Elf64_Phdr *p = &im->segments[i];
		int err;

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		err = map_segment(t, mm, f, p, bias);
		if (err)
			return err;
		note_segment(im, p, first);
		first = false;
	}
	for (int i = 0; i < im->count; i++)
		if (im->segments[i].p_type == PT_PHDR)
			im->phdr = im->segments[i].p_vaddr + bias;
	return im->entry < TRAP_GUEST_TOP ? 0 : -EINVAL;
}

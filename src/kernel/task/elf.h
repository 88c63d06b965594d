/* SPDX-License-Identifier: Apache-2.0 */
/* ELF programs: reading and checking their headers, mapping them (elf(5); fs/binfmt_elf.c). */
#ifndef HUSK_KERNEL_TASK_ELF_H
#define HUSK_KERNEL_TASK_ELF_H

#include <elf.h>

#include "core/task.h"

struct file;

struct elf_image {
	Elf64_Ehdr header;
	Elf64_Phdr *segments; /* owned */
	int count;
	u64 min, max;    /* page-aligned span of the PT_LOAD segments */
	u64 align;       /* the largest alignment asked for, at least a page */
	bool loadable;   /* there is a PT_LOAD */
	bool exec_stack; /* PT_GNU_STACK asks for it (there is none: Linux's default for x86-64 is no) */
	/* After elf_map(). */
	u64 bias, entry, phdr;
	u64 start_code, end_code, start_data, end_data, brk;
};

/*
 * Reads and checks the headers of @f. @head: its first @size bytes. 0; -ENOEXEC when it is no ELF that can
 * run here
 * (-ELIBBAD for an interpreter, @interp); -EIO, -ENOMEM. The image is freed by elf_free().
 */
int elf_read(struct file *f, const void *head, size_t size, bool interp, struct elf_image *out);
void elf_free(struct elf_image *im);
/* The path of the interpreter (malloc()ed, *out owned by the caller; NULL when there is none). 0 or -ENOEXEC,
 * -EIO, -ENOMEM. */
int elf_interp(struct file *f, const struct elf_image *im, char **out);
/* Maps the image at its addresses plus @bias and zeroes what is behind the file's data. 0 or -errno: the
 * address space is then of no use. */
int elf_map(struct task *t, struct mm *mm, struct file *f, struct elf_image *im, u64 bias);

#endif

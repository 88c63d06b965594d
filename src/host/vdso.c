/* SPDX-License-Identifier: Apache-2.0 */
/* Finds functions in the vDSO that the host has mapped here, by its dynamic symbols (vdso(7)). */
#include "host/vdso.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

static const Elf64_Shdr *find_section(const Elf64_Ehdr *elf, u32 type)
{
	const Elf64_Shdr *s = (const Elf64_Shdr *)((const char *)elf + elf->e_shoff);

	if (!elf->e_shoff || elf->e_shentsize != sizeof *s)
		return NULL;
	for (int i = 0; i < elf->e_shnum; i++)
		if (s[i].sh_type == type)
			return &s[i];
	return NULL;
}

u64 host_vdso_function(const char *name)
{
	const Elf64_Ehdr *elf = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Shdr *dynsym = elf ? find_section(elf, SHT_DYNSYM) : NULL, *sections;
	const Elf64_Sym *symbols;
	const char *names;

	if (!dynsym || dynsym->sh_link >= elf->e_shnum)
		return 0;
	sections = (const Elf64_Shdr *)((const char *)elf + elf->e_shoff);
	symbols = (const Elf64_Sym *)((const char *)elf + dynsym->sh_offset);
	names = (const char *)elf + sections[dynsym->sh_link].sh_offset;
	for (u64 i = 0; i < dynsym->sh_size / sizeof *symbols; i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC && symbols[i].st_shndx != SHN_UNDEF &&
		    !strcmp(names + symbols[i].st_name, name))
			return symbols[i].st_value;
	return 0;
}

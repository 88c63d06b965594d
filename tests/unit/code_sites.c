/* SPDX-License-Identifier: Apache-2.0 */
/* Where programs make calls and ask the processor what it is: what is found in real ones against objdump, the trampolines for
 * the latter, and tables that lie.
 * links: src/trap/code_sites.c src/trap/site.c src/trap/insn.c */
#include "trap/code_sites.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/guest/check.h"
#include "trap/insn.h"
#include "trap/site.h"

#define MOST 1024

struct program {
	u8 *file;
	size_t size;
	struct loaded text, tables;
	u64 text_offset, header;
};

static const Elf64_Phdr *segment(const struct program *p, u32 type, u32 flags, u64 addr)
{
	const Elf64_Ehdr *e = (const void *)p->file;
	const Elf64_Phdr *h = (const void *)(p->file + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++)
		if (h[i].p_type == type && (h[i].p_flags & flags) == flags &&
		    (!addr || addr - h[i].p_vaddr < h[i].p_filesz))
			return &h[i];
	return NULL;
}

static struct loaded load(const struct program *p, const Elf64_Phdr *h)
{
	return (struct loaded){p->file + h->p_offset, h->p_vaddr, h->p_filesz};
}

static int read_program(const char *name, struct program *p)
{
	const Elf64_Phdr *text, *header;
	struct stat st;
	int fd = open(name, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		return -1;
	p->size = (size_t)st.st_size;
	p->file = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p->file == MAP_FAILED)
		return -1;
	text = segment(p, PT_LOAD, PF_X, 0);
	header = segment(p, PT_GNU_EH_FRAME, 0, 0);
	if (!text || !header)
		return -1;
	p->text = load(p, text);
	p->text_offset = text->p_offset;
	p->header = header->p_vaddr;
	p->tables = load(p, segment(p, PT_LOAD, 0, p->header));
	return 0;
}

struct listed {
	u64 addr;
	enum site_insn insn;
};

/* Both instructions as objdump sees them. */
static u32 disassembled(const char *name, struct listed *out, u32 most)
{
	char command[256], line[1024];
	u32 n = 0;
	FILE *f;

	snprintf(command, sizeof command, "objdump -d -w --insn-width=15 '%s'", name);
	f = popen(command, "r");
	while (f && n < most && fgets(line, sizeof line, f)) {
		char *text = strchr(line, '\t');

		text = text ? strchr(text + 1, '\t') : NULL;
		if (!text || (strncmp(text + 1, "cpuid", 5) && strncmp(text + 1, "syscall", 7)))
			continue;
		out[n].insn = text[1] == 'c' ? SITE_CPUID : SITE_SYSCALL;
		n += sscanf(line, " %lx", &out[n].addr) == 1;
	}
	if (f)
		pclose(f);
	return n;
}

/* The trampoline comes back behind the instruction by rbx, which `cpuid` does not read. */
static void check_trampoline(const struct site *s)
{
	u64 to = s->at - 0x100000, entry = to - 0x38;
	u32 enter = s->shape == SITE_HEAD ? s->length : 0;
	u64 back = s->shape == SITE_HEAD ? s->call + 2 : to + 15;
	u8 code[SITE_TRAMPOLINE];
	struct insn insn;
	s32 distance;

	CHECK(site_emit(s, to, entry, code));
	CHECK(!memcmp(code + enter, "\x48\x8d\x1d", 3)); /* lea ...(%rip),%rbx */
	memcpy(&distance, code + enter + 3, 4);
	CHECK_EQ(to + enter + 7 + (u64)(s64)distance, back);
	memcpy(&distance, code + enter + 9, 4);
	CHECK_EQ(to + enter + 13 + (u64)(s64)distance, entry);
	if (s->shape == SITE_HEAD)
		return;
	CHECK(!memcmp(code + 13, "\x0f\xa2", 2));
	CHECK_EQ(insn_decode(code + 15, 15, &insn), 7);
	CHECK_EQ(code[15], 0x0f); /* nop: rcx is a result */
	CHECK_EQ(code[16], 0x1f);
	CHECK(!memcmp(code + 22, s->moved, s->length));
	memcpy(&distance, code + 22 + s->length + 1, 4);
	CHECK_EQ(to + 22 + s->length + 5 + (u64)(s64)distance, s->call + 2 + s->length);
}

/* All that is found stands in the listing, in its order, and @least of a hundred of that are found. */
static u32 check_found(const struct program *p, const char *name, enum site_insn insn, u32 least,
		       struct code_site *found)
{
	static struct listed seen[MOST];
	u32 listed = disassembled(name, seen, MOST), at = 0, want = 0;
	u32 n = code_sites(&p->text, &p->tables, p->header, insn, ~0UL, found, MOST);

	for (u32 i = 0; i < n; i++) {
		while (at < listed && (seen[at].addr < found[i].addr || seen[at].insn != insn))
			at++;
		CHECK(at < listed && seen[at].addr == found[i].addr);
		CHECK(found[i].before == found[i].addr || found[i].addr - found[i].before <= INSN_MAX);
	}
	for (u32 i = 0; i < listed; i++)
		want += seen[i].insn == insn;
	printf("%s: %u of %u 0f%02x\n", name, n, want, insn);
	CHECK(n * 100 >= want * least);
	return n;
}

/* Whether most calls stand in functions of at most @longest bytes, and the same are found there as without that limit. */
static bool check_short(const struct program *p, size_t longest)
{
	static struct code_site all[MOST], some[MOST];
	u32 n = code_sites(&p->text, &p->tables, p->header, SITE_SYSCALL, ~0UL, all, MOST);
	u32 fewer = code_sites(&p->text, &p->tables, p->header, SITE_SYSCALL, longest, some, MOST), at = 0;

	for (u32 i = 0; i < fewer; i++) {
		while (at < n && memcmp(&all[at], &some[i], sizeof some[i]))
			at++;
		CHECK(at < n);
	}
	return fewer < n && fewer > n / 2;
}

/* Most of those of `cpuid` can be patched, in the same way whether branches are collected before or looked for each time. */
static void check_program(const char *name)
{
	static struct code_site found[MOST];
	struct site_text near, all;
	struct program p;
	u32 n, shaped = 0;

	CHECK(!read_program(name, &p));
	CHECK(check_found(&p, name, SITE_SYSCALL, 90, found) > 40);
	n = check_found(&p, name, SITE_CPUID, 100, found);
	near = all = (struct site_text){p.text.bytes, p.text.size, p.text_offset, NULL};
	CHECK(site_find_targets(&all));
	for (u32 i = 0; i < n; i++) {
		s64 before = (s64)(found[i].before - p.text.addr);
		struct site s, other;

		site_find(&near, found[i].addr - p.text.addr, SITE_CPUID, before, &s);
		CHECK_EQ(s.call, found[i].addr - p.text.addr + p.text_offset);
		site_find(&all, found[i].addr - p.text.addr, SITE_CPUID, before, &other);
		CHECK(!memcmp(&s, &other, sizeof s));
		site_find(&near, found[i].addr - p.text.addr, SITE_CPUID, SITE_UNKNOWN, &other);
		CHECK(!memcmp(&s, &other, sizeof s));
		shaped += s.shape != SITE_NONE;
		if (s.shape != SITE_NONE)
			check_trampoline(&s);
	}
	CHECK(shaped * 100 >= n * 70);
	CHECK_EQ(code_sites(&p.text, &p.tables, p.header, SITE_SYSCALL, ~0UL, found, 3), 3);
	/* In short functions alone: some, each of which is found without a limit, too. */
	CHECK(check_short(&p, 512));
	free(all.targets);
	munmap(p.file, p.size);
}

/* Whatever the tables say, what is found are bytes of `cpuid` in the text. */
static void check_lies(const char *name)
{
	static struct code_site found[MOST];
	struct program p;
	u64 header_at;

	CHECK(!read_program(name, &p));
	header_at = p.header - p.tables.addr;
	srandom(1);
	for (int i = 0; i < 300; i++) {
		u8 *tables = (u8 *)p.tables.bytes;
		/* Half of them hit the header and the beginning of its table. */
		size_t at = i & 1 ? (size_t)random() % p.tables.size : header_at + 4 + (size_t)random() % 256;
		struct loaded cut = p.tables, text = p.text;
		u8 old = tables[at];
		u32 n;

		tables[at] = (u8)random();
		if (i % 3 == 0)
			cut.size = (size_t)random() % cut.size;
		if (i % 5 == 0)
			text.size = (size_t)random() % text.size;
		n = code_sites(&text, &cut, p.header, SITE_CPUID, ~0UL, found, MOST);
		for (u32 k = 0; k < n; k++) {
			u64 offset = found[k].addr - text.addr;

			CHECK(offset + 2 <= text.size);
			CHECK(text.bytes[offset] == 0x0f && text.bytes[offset + 1] == SITE_CPUID);
			CHECK(!k || found[k].addr > found[k - 1].addr);
		}
		tables[at] = old;
	}
	CHECK_EQ(code_sites(&p.text, &p.tables, p.header + 4, SITE_CPUID, ~0UL, found, MOST), 0);
	CHECK_EQ(code_sites(&p.text, &p.text, p.header, SITE_CPUID, ~0UL, found, MOST), 0);
	munmap(p.file, p.size);
}

int main(void)
{
	check_program("/lib64/ld-linux-x86-64.so.2");
	check_program("/lib/x86_64-linux-gnu/libc.so.6");
	check_lies("/lib64/ld-linux-x86-64.so.2");
	return check_done();
}

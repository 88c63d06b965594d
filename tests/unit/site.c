/* SPDX-License-Identifier: Apache-2.0 */
/* Call sites: every `syscall` of real programs against objdump's view of what stands around it, and what is written in
 * its place.
 * links: src/trap/site.c src/trap/insn.c */
#include "trap/site.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/guest/check.h"
#include "trap/insn.h"

struct file {
	const u8 *text;
	size_t size;
};

static struct file map_file(const char *name)
{
	struct file f = {0};
	struct stat st;
	int fd = open(name, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		return f;
	f.text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	f.size = f.text == MAP_FAILED ? 0 : (size_t)st.st_size;
	close(fd);
	return f;
}

/* The trampoline's bytes do what stood there: the moved instructions, and jumps that lead where they should. */
static void check_code(const struct file *f, const struct site *s)
{
	u64 to = s->at - 0x100000, entry = to - 0x40;
	u8 code[SITE_TRAMPOLINE], text[64];
	struct insn insn;
	s32 distance;
	u32 moved = s->shape == SITE_HEAD ? 0 : 22, enter = s->shape == SITE_HEAD ? s->length : 0;
	u64 back = s->shape == SITE_HEAD ? s->call + 2 : to + 15;

	CHECK(site_emit(s, to, entry, code));
	if (!s->rip_at)
		CHECK(!memcmp(code + moved, s->moved, s->length));
	memcpy(&distance, code + enter + 3, 4);
	CHECK_EQ(to + enter + 7 + (u64)(s64)distance, back);
	CHECK_EQ(insn_decode(code + enter, 15, &insn), 7);
	memcpy(&distance, code + enter + 9, 4);
	CHECK_EQ(to + enter + 13 + (u64)(s64)distance, entry);
	CHECK_EQ(insn_decode(code + enter + 7, 15, &insn), 6);
	memcpy(text, f->text + s->at, sizeof text);
	site_write(s, to, text, s->at);
	memcpy(&distance, text + 1, 4);
	CHECK_EQ(text[0], 0xe9);
	CHECK_EQ(s->at + 5 + (u64)(s64)distance, to);
	CHECK(!memcmp(text + 5, f->text + s->at + 5, sizeof text - 5));
	if (s->shape == SITE_HEAD) {
		CHECK(!memcmp(text + (s->call - s->at), "\x0f\x05", 2));
		CHECK_EQ(site_original(s, 0), s->at);
		CHECK_EQ(site_original(s, s->length), s->call);
		CHECK_EQ(site_moved(s, s->call), -1);
		return;
	}
	CHECK_EQ(site_original(s, 0), s->call);
	CHECK_EQ(site_original(s, 15), s->call + 2);
	CHECK_EQ(site_moved(s, s->call + 2), 15);
	CHECK_EQ(site_moved(s, s->call), -1);
	CHECK_EQ(site_moved(s, s->call + 2 + s->length), -1);
	CHECK(!memcmp(code + 13, "\x0f\x05", 2));
	memcpy(&distance, code + 15 + 3, 4);
	CHECK_EQ(to + 22 + (u64)(s64)distance, s->call + 2);
	memcpy(&distance, code + 22 + s->length + 1, 4);
	CHECK_EQ(to + 22 + s->length + 5 + (u64)(s64)distance, s->call + 2 + s->length);
}

/* @least: how many of a hundred sites must be found to be of a shape that can be patched. */
static void check_file(const char *name, int least)
{
	struct file f = map_file(name);
	char command[256], line[1024];
	u64 before = 0, at;
	struct site_text whole = {.bytes = f.text, .size = f.size};
	int sites = 0, heads = 0, tails = 0, wrong = 0;
	FILE *p;

	CHECK(f.size > 0);
	snprintf(command, sizeof command, "objdump -d -w --insn-width=15 '%s'", name);
	p = popen(command, "r");
	while (p && f.size && fgets(line, sizeof line, p)) {
		struct site s;
		char *text = strchr(line, '\t');

		if (!text || sscanf(line, " %lx", &at) != 1 || !(text = strchr(text + 1, '\t')))
			continue;
		if (!strncmp(text + 1, "syscall", 7)) {
			sites++;
			site_find(&whole, at, SITE_SYSCALL, SITE_UNKNOWN, &s);
			CHECK_EQ(s.call, at);
			if (s.shape == SITE_HEAD && s.at != before && ++wrong)
				printf("%s: the instruction before %#lx begins at %#lx, not %#lx\n", name, at,
				       before, s.at);
			heads += s.shape == SITE_HEAD;
			tails += s.shape == SITE_TAIL;
			if (s.shape != SITE_NONE)
				check_code(&f, &s);
			else
				printf("%s: none at %#lx\n", name, at);
		}
		before = at;
	}
	if (p)
		pclose(p);
	printf("%s: %d sites, %d heads, %d tails\n", name, sites, heads, tails);
	CHECK(sites > 10);
	CHECK_EQ(wrong, 0);
	CHECK((heads + tails) * 100 >= sites * least);
	munmap((void *)f.text, f.size);
}

static u8 code[65536];
static const struct site_text text_of_code = {code, sizeof code, 0x400000, NULL};

static void find_at(const char *bytes, size_t n, size_t offset, struct site *s)
{
	memset(code, 0x90, sizeof code);
	memcpy(code + 4096, bytes, n);
	site_find(&text_of_code, 4096 + offset, code[4096 + offset + 1], SITE_UNKNOWN, s);
}

static void check_shapes(void)
{
	struct site s;

	find_at("\xb8\x27\0\0\0\x0f\x05\xc3", 8, 5, &s);
	CHECK_EQ(s.shape, SITE_HEAD);
	CHECK_EQ(s.at, 0x401000);
	/* The five bytes are the end of a longer instruction: movl $0x27,-0x48(%rbp). */
	find_at("\xc7\x45\xb8\x27\0\0\0\x0f\x05\xc3", 10, 7, &s);
	CHECK_EQ(s.shape, SITE_HEAD);
	CHECK_EQ(s.at, 0x401000);
	CHECK_EQ(s.length, 7);
	/* xor %eax,%eax; syscall; cmp $-4096,%rax; ja */
	find_at("\x31\xc0\x0f\x05\x48\x3d\0\xf0\xff\xff\x77\x58\xc3", 13, 2, &s);
	CHECK_EQ(s.shape, SITE_TAIL);
	CHECK_EQ(s.length, 6);
	/* The same, with a branch to the compare from elsewhere. */
	find_at("\x31\xc0\x0f\x05\x48\x3d\0\xf0\xff\xff\x77\x58\xeb\xf6", 14, 2, &s);
	CHECK_EQ(s.shape, SITE_NONE);
	/* Nothing to move. */
	find_at("\x31\xc0\x0f\x05\xc3", 5, 2, &s);
	CHECK_EQ(s.shape, SITE_NONE);
	find_at("\x31\xc0\x0f\x05\x75\x02\x90\x90\x90", 9, 2, &s);
	CHECK_EQ(s.shape, SITE_NONE);
	/* mov 8(%rip),%rax (its target is as far from the trampoline as it is from the site) */
	find_at("\x48\x8b\x05\x08\0\0\0\x0f\x05\xc3", 10, 7, &s);
	CHECK_EQ(s.shape, SITE_HEAD);
	CHECK_EQ(s.rip_at, 3);
	/* A call before it is no head. */
	find_at("\xe8\0\0\0\0\x0f\x05\xc3", 8, 5, &s);
	CHECK_EQ(s.shape, SITE_NONE);
	/* Over the end of a page. */
	memset(code, 0x90, sizeof code);
	memcpy(code + 8192 - 4, "\xb8\x27\0\0\0\x0f\x05\xc3", 8);
	site_find(&text_of_code, 8193, SITE_SYSCALL, SITE_UNKNOWN, &s);
	CHECK_EQ(s.shape, SITE_NONE);
	/* No call at all. */
	site_find(&text_of_code, 100, SITE_SYSCALL, SITE_UNKNOWN, &s);
	CHECK_EQ(s.shape, SITE_NONE);
}

int main(void)
{
	check_shapes();
	check_file("/lib/x86_64-linux-gnu/libc.so.6", 90);
	check_file("/lib64/ld-linux-x86-64.so.2", 80);
	return check_done();
}

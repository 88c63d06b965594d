/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions, found by decoding functions from their beginnings. All that is read is a file's word: bounded first. */
#include "trap/code_sites.h"

#include <string.h>

#include "trap/insn.h"

#define ENTRY_SIZE  8       /* of the table of functions: beginning and description, relative to the header */
#define HEADER_SIZE 12      /* in front of it */
#define MOST_CODE   0x40000 /* bytes that are decoded, in all */

/* How the header says that its table is read: by binary search, offsets of four bytes (DW_EH_PE_*). */
static const u8 known_header[4] = {
	1,    /* version */
	0x1b, /* .eh_frame: signed, 4 bytes, from here */
	0x03, /* number of functions: unsigned, 4 bytes */
	0x3b, /* the table: signed, 4 bytes, from the header */
};

struct function {
	u64 start, end;
};

static bool read_at(const struct loaded *from, u64 addr, void *to, size_t size)
{
	u64 offset = addr - from->addr;

	if (offset > from->size || from->size - offset < size)
		return false;
	memcpy(to, from->bytes + offset, size);
	return true;
}

/* Number of functions that the table tells; 0: it is none that is known here. */
static u32 count_functions(const struct loaded *tables, u64 header)
{
	u8 head[sizeof known_header];
	u32 n;

	if (!read_at(tables, header, head, sizeof head) || memcmp(head, known_header, sizeof head) ||
	    !read_at(tables, header + 8, &n, sizeof n) || n > tables->size / ENTRY_SIZE)
		return 0;
	return n;
}

/* Where a description (FDE) says that its function lies. Its first field has the size that the header's table has, or the
 * beginning that it tells would be another one. */
static bool read_function(const struct loaded *tables, u64 header, u32 i, struct function *out)
{
	s32 entry[2], from;
	u32 length;
	u64 fde;

	if (!read_at(tables, header + HEADER_SIZE + (u64)i * ENTRY_SIZE, entry, sizeof entry))
		return false;
	fde = header + (u64)(s64)entry[1];
	if (!read_at(tables, fde + 8, &from, sizeof from) ||
	    !read_at(tables, fde + 12, &length, sizeof length))
		return false;
	out->start = header + (u64)(s64)entry[0];
	out->end = out->start + length;
	return out->start == fde + 8 + (u64)(s64)from;
}

/* The function that holds @addr. */
static bool find_function(const struct loaded *tables, u64 header, u32 n, u64 addr, struct function *out)
{
	u32 low = 0, high = n;

	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;
		s32 start;

		if (!read_at(tables, header + HEADER_SIZE + (u64)middle * ENTRY_SIZE, &start, sizeof start))
			return false;
		if ((s64)(header + (u64)(s64)start - addr) <= 0)
			low = middle;
		else
			high = middle;
	}
	return n && read_function(tables, header, low, out) && addr - out->start < out->end - out->start;
}

static bool is_site(const u8 *code, enum site_insn insn)
{
	return code[0] == 0x0f && code[1] == insn;
}

/* Adds those of [@from, @end), where instructions begin at @from, as far as they can be decoded. */
static u32 sweep(const struct loaded *text, u64 from, u64 end, enum site_insn insn, struct code_site *found,
		 u32 n, u32 most)
{
	struct insn decoded;
	u64 before = from;

	for (u64 at = from; at < end && n < most; before = at, at += decoded.length) {
		const u8 *code = text->bytes + (at - text->addr);

		if (!insn_decode(code, end - at, &decoded))
			break;
		if (decoded.length == 2 && is_site(code, insn))
			found[n++] = (struct code_site){at, before};
	}
	return n;
}

/* The first place from offset @from on that looks like @insn; the text's size: none. Its second byte is the rarer one. */
static size_t find_bytes(const struct loaded *text, size_t from, enum site_insn insn)
{
	for (size_t at = from + 1; at < text->size; at++) {
		const u8 *second = memchr(text->bytes + at, insn, text->size - at);

		if (!second)
			break;
		at = (size_t)(second - text->bytes);
		if (second[-1] == 0x0f)
			return at - 1;
	}
	return text->size;
}

u32 code_sites(const struct loaded *text, const struct loaded *tables, u64 header, enum site_insn insn,
	       size_t longest, struct code_site *found, u32 most)
{
	u32 functions = count_functions(tables, header), n = 0;
	size_t at = 0, end = 0; /* end: of the last function */
	u64 decoded = 0;
	struct function f;

	while (n < most && functions && (at = find_bytes(text, at, insn)) < text->size) {
		u64 addr = text->addr + at++;

		/* In order: functions don't overlap. */
		if (!find_function(tables, header, functions, addr, &f) || f.start < text->addr ||
		    f.start - text->addr < end || f.end - text->addr > text->size ||
		    f.end - f.start > longest)
			continue;
		decoded += f.end - f.start;
		if (decoded > MOST_CODE)
			break;
		n = sweep(text, f.start, f.end, insn, found, n, most);
		at = end = f.end - text->addr;
	}
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The lengths of instructions against objdump's, over the text of real programs.
 * links: src/trap/insn.c */
#include "trap/insn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/check.h"

/* One line "  addr:\tbytes \tmnemonic ..." of objdump -d --insn-width=15. Bytes found; 0: not such a line. */
static size_t parse(const char *line, u8 *bytes, const char **text)
{
	const char *p = strchr(line, ':');
	size_t n = 0;
	unsigned byte;
	int used;

	if (!p || p[1] != '\t')
		return 0;
	for (p += 2; n < INSN_MAX && sscanf(p, "%2x %n", &byte, &used) == 1; p += used) {
		bytes[n++] = (u8)byte;
		if (p[2] != ' ')
			return 0;
		if (p[used] == '\t' || p[used - 1] == '\t')
			break;
	}
	*text = p;
	return n;
}

static void compare(const char *file)
{
	char command[512], line[1024];
	long seen = 0, wrong = 0, unknown = 0;
	FILE *f;

	snprintf(command, sizeof command, "objdump -d -w --insn-width=15 '%s'", file);
	f = popen(command, "r");
	CHECK(f != NULL);
	while (f && fgets(line, sizeof line, f)) {
		u8 bytes[INSN_MAX + 8] = {0};
		struct insn insn;
		const char *text = "";
		size_t n = parse(line, bytes, &text);
		u32 got;

		if (!n || strstr(line, "(bad)") || strstr(line, ".byte"))
			continue;
		seen++;
		memset(bytes + n, 0x90, sizeof bytes - n);
		got = insn_decode(bytes, INSN_MAX, &insn);
		if (!got)
			unknown++;
		else if (got != n && ++wrong < 10)
			printf("%s: %u, not %zu: %s", file, got, n, line);
	}
	if (f)
		pclose(f);
	printf("%s: %ld instructions, %ld unknown\n", file, seen, unknown);
	CHECK(seen > 10000);
	CHECK(wrong == 0);
	CHECK(unknown * 1000 < seen);
}

static void check_one(const char *bytes, size_t n, u32 length, bool transfer, u32 rip_at)
{
	struct insn insn;

	CHECK_EQ(insn_decode((const u8 *)bytes, n, &insn), length);
	if (!length)
		return;
	CHECK_EQ(insn.transfer, transfer);
	CHECK_EQ(insn.rip_at, rip_at);
}

int main(void)
{
	check_one("\xb8\x27\0\0\0", 5, 5, false, 0);
	check_one("\xb8\x27\0\0", 4, 0, false, 0); /* cut off */
	check_one("\x48\xb8\1\2\3\4\5\6\7\x08", 10, 10, false, 0);
	check_one("\x66\xb8\1\2", 4, 4, false, 0);
	check_one("\x4c\x8b\x4c\x24\x08", 5, 5, false, 0);
	check_one("\x48\x8b\x05\1\2\3\4", 7, 7, false, 3); /* mov disp(%rip),%rax */
	check_one("\x80\x3d\1\2\3\4\0", 7, 7, false, 2);
	check_one("\x0f\x05", 2, 2, true, 0);
	check_one("\xeb\x00", 2, 2, true, 0);
	check_one("\xe8\1\2\3\4", 5, 5, true, 0);
	check_one("\x0f\x84\1\2\3\4", 6, 6, true, 0);
	check_one("\xff\xe0", 2, 2, true, 0);
	check_one("\xff\xc0", 2, 2, false, 0);
	check_one("\xf7\xc0\1\2\3\4", 6, 6, false, 0);
	check_one("\xf7\xd0", 2, 2, false, 0);
	check_one("\xc3", 1, 1, true, 0);
	check_one("\xcc", 1, 1, true, 0);
	check_one("\x06", 1, 0, false, 0);
	check_one("\x62\xf1\x7c\x48\x28\x05\1\2\3\4", 10, 10, false, 6);
	check_one("\xc5\xf8\x77", 3, 3, false, 0);
	compare("/lib/x86_64-linux-gnu/libc.so.6");
	compare("/bin/bash");
	compare("/lib64/ld-linux-x86-64.so.2");
	return check_done();
}

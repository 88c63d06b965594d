/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a copy of an ELF file with some fields of its headers changed: elf_mutate SOURCE TARGET SEED. The
 * same seed gives the same file.
 */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static uint64_t seed;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t odd_value(uint64_t old)
{
	static const uint64_t values[] = {0,
					  1,
					  2,
					  7,
					  0xfff,
					  0x1000,
					  0x1001,
					  0x7fff,
					  0x8000,
					  0xffff,
					  0x7fffffff,
					  0x80000000,
					  0xffffffff,
					  1ULL << 32,
					  1ULL << 40,
					  0x7ffdfffff000,
					  0x7fff00000000,
					  0x7ffffffff000,
					  1ULL << 47,
					  1ULL << 63,
					  ~0ULL,
					  ~0xfffULL};

	switch (next_random() % 5) {
	case 0:
		return old + 1;
	case 1:
		return old ^ 1ULL << next_random() % 64;
	case 2:
		return next_random();
	default:
		return values[next_random() % (sizeof(values) / sizeof(values[0]))];
	}
}

/* Changes a field of 1, 2, 4 or 8 bytes. */
static void change(unsigned char *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	v = odd_value(v);
	memcpy(p, &v, size);
}

static void change_header(unsigned char *file)
{
	static const struct {
		unsigned char at, size;
	} fields[] = {{4, 1},  {5, 1},  {6, 1},  {7, 1},  {16, 2}, {18, 2}, {20, 4},
		      {24, 8}, {32, 8}, {48, 4}, {52, 2}, {54, 2}, {56, 2}};
	size_t i = next_random() % (sizeof(fields) / sizeof(fields[0]));

	change(file + fields[i].at, fields[i].size);
}

static void change_segment(unsigned char *file, size_t size)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)file;
	static const unsigned char at[] = {0, 4, 8, 16, 24, 32, 40, 48}, width[] = {4, 4, 8, 8, 8, 8, 8, 8};
	size_t i = next_random() % 8, n = e->e_phnum ? next_random() % e->e_phnum : 0;
	size_t offset = e->e_phoff + n * sizeof(Elf64_Phdr);

	if (e->e_phoff < size && offset + sizeof(Elf64_Phdr) <= size)
		change(file + offset + at[i], width[i]);
}

int main(int argc, char **argv)
{
	unsigned char *file;
	FILE *in, *out;
	struct stat st;
	size_t n;

	if (argc != 4 || !(in = fopen(argv[1], "rb")) || fstat(fileno(in), &st) ||
	    !(out = fopen(argv[2], "wb")))
		return 1;
	file = calloc(1, (size_t)st.st_size + sizeof(Elf64_Ehdr));
	if (!file || (n = fread(file, 1, (size_t)st.st_size, in)) < sizeof(Elf64_Ehdr))
		return 1;
	seed = 88172645463325252ULL ^ strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15ULL;
	for (uint64_t changes = 1 + next_random() % 3; changes; changes--) {
		if (next_random() % 3 == 0)
			change_header(file);
		else
			change_segment(file, n);
	}
	if (fwrite(file, 1, n, out) != n || fclose(out))
		return 1;
	fclose(in);
	free(file);
	return chmod(argv[2], 0755) ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* map_many DIR COUNT: so many small files below DIR, each written, mapped, changed by the mapping and closed; then all are
 * read again. For kernels whose descriptors are fewer than that. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 5000

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 0, fd;
	char name[32], text[SIZE], *map;

	if (argc < 3 || chdir(argv[1]))
		return fail("map_many DIR COUNT");
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "m%d", i);
		memset(text, 'a' + i % 26, SIZE);
		fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, text, SIZE) != SIZE)
			return fail(name);
		map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return fail("mmap");
		map[4999] = 'Z';
		munmap(map, SIZE);
		close(fd);
	}
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "m%d", i);
		fd = open(name, O_RDONLY);
		if (fd < 0 || read(fd, text, SIZE) != SIZE || text[4998] != 'a' + i % 26 ||
		    text[4999] != 'Z') {
			printf("%s is not what was written\n", name);
			return 1;
		}
		close(fd);
		unlink(name);
	}
	puts("all there");
	return 0;
}

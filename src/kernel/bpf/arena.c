// SPDX-License-Identifier: Apache-2.0
/* Memory for machine code: two memory files, their mappings, and who has which granules of them. */
#include "bpf/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define GRANULE    64u
#define CODE_ROOM  (4u << 20)
#define CONST_ROOM (2u << 20)
#define STEP       (64u << 10) /* by which the files grow */
#define INT3       0xcc

/* One of the two files. */
struct area {
	int fd;
	u8 *map;
	u32 room, size; /* bytes: mapped; of the file */
	u8 fill;
	u8 *used; /* a byte a granule; NULL until the first is taken */
};

struct bpf_arena {
	struct area code, constants;
	u8 *base;
	size_t reserved;
	u64 seed;
};

static u32 arena_random(struct bpf_arena *a)
{
	a->seed ^= a->seed << 13;
	a->seed ^= a->seed >> 7;
	a->seed ^= a->seed << 17;
	return (u32)(a->seed >> 32);
}

static int area_open(struct area *area, const char *name, u8 *where, u32 room, int protection, u8 fill)
{
	area->room = room;
	area->fill = fill;
	area->fd = memfd_create(name, MFD_CLOEXEC);
	if (area->fd < 0)
		return -errno;
	area->map = mmap(where, room, protection, MAP_SHARED | MAP_FIXED, area->fd, 0);
	if (area->map == MAP_FAILED)
		return -errno;
	return 0;
}

int bpf_arena_create(struct bpf_arena **out)
{
	struct bpf_arena *a = calloc(1, sizeof *a);
	size_t slack;
	int error;

	if (!a)
		return -ENOMEM;
	a->code.fd = a->constants.fd = -1;
	if (getrandom(&a->seed, sizeof a->seed, GRND_NONBLOCK) != sizeof a->seed)
		a->seed = (u64)a;
	a->seed |= 1;
	slack = (size_t)(arena_random(a) & 0xfff) * PAGE_SIZE;
	a->reserved = CONST_ROOM + CODE_ROOM + 3 * PAGE_SIZE + slack;
	a->base = mmap(NULL, a->reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->base == MAP_FAILED) {
		error = -errno;
		a->base = NULL;
		goto destroy;
	}
	error = area_open(&a->constants, "husk-bpf-constants", a->base + slack + PAGE_SIZE, CONST_ROOM,
			  PROT_READ, 0);
	if (error)
		goto destroy;
	error = area_open(&a->code, "husk-bpf-code", a->base + slack + CONST_ROOM + 2 * PAGE_SIZE, CODE_ROOM,
			  PROT_READ | PROT_EXEC, INT3);
	if (error)
		goto destroy;
	*out = a;
	return 0;
destroy:
	bpf_arena_destroy(a);
	return error;
}

void bpf_arena_destroy(struct bpf_arena *a)
{
	if (!a)
		return;
	if (a->base)
		munmap(a->base, a->reserved);
	if (a->code.fd >= 0)
		close(a->code.fd);
	if (a->constants.fd >= 0)
		close(a->constants.fd);
	free(a->code.used);
	free(a->constants.used);
	free(a);
}

static int area_write(struct area *area, u32 at, const void *data, u32 size)
{
	for (u32 done = 0; done < size;) {
		ssize_t n = pwrite(area->fd, (const u8 *)data + done, size - done, at + done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (u32)n;
	}
	return 0;
}

static int area_paint(struct area *area, u32 at, u32 size)
{
	u8 page[PAGE_SIZE];
	int error = 0;

	memset(page, area->fill, sizeof page);
	for (u32 done = 0; done < size && !error; done += sizeof page)
		error = area_write(area, at + done, page, min(size - done, (u32)sizeof page));
	return error;
}

static int area_grow(struct area *area)
{
	int error;

	if (area->size == area->room)
		return -ENOSPC;
	error = area_paint(area, area->size, STEP);
	if (!error)
		area->size += STEP;
	return error;
}

static bool area_is_free(const struct area *area, u32 first, u32 count)
{
	return !memchr(area->used + first, 1, count);
}

/* The place of @size free bytes of the file as it is, searched from a random granule on. */
static int area_search(struct bpf_arena *a, struct area *area, u32 size, u32 *at)
{
	u32 count = (size + GRANULE - 1) / GRANULE, total = area->size / GRANULE;
	u32 places = total >= count ? total - count + 1 : 0, first = places ? arena_random(a) % places : 0;

	for (u32 i = 0; i < places; i++) {
		u32 place = first + i < places ? first + i : first + i - places;

		if (!area_is_free(area, place, count))
			continue;
		memset(area->used + place, 1, count);
		*at = place * GRANULE;
		return 0;
	}
	return -ENOSPC;
}

static int area_take(struct bpf_arena *a, struct area *area, u32 size, u32 *at)
{
	int error = -ENOSPC;

	if (!area->used)
		area->used = calloc(area->room / GRANULE, 1);
	if (!area->used)
		return -ENOSPC;
	while (error == -ENOSPC) {
		/* Half of the file stays free, so that places cannot be guessed. */
		if (area->size >= 2 * size && !area_search(a, area, size, at))
			return 0;
		error = area_grow(area);
		if (error)
			return area_search(a, area, size, at) ? -ENOSPC : 0;
		error = -ENOSPC;
	}
	return error;
}

static void area_leave(struct area *area, u32 at, u32 size)
{
	memset(area->used + at / GRANULE, 0, (size + GRANULE - 1) / GRANULE);
}

int bpf_arena_take(struct bpf_arena *a, u32 code_size, u32 constant_size, struct bpf_span *span)
{
	u32 code, constants;

	constant_size = max(constant_size, 4u);
	if (code_size > CODE_ROOM || constant_size > CONST_ROOM ||
	    area_take(a, &a->constants, constant_size, &constants))
		return -ENOSPC;
	if (area_take(a, &a->code, code_size, &code)) {
		area_leave(&a->constants, constants, constant_size);
		return -ENOSPC;
	}
	*span = (struct bpf_span){a->code.map + code, a->constants.map + constants, code_size, constant_size};
	return 0;
}

int bpf_arena_fill(struct bpf_arena *a, const struct bpf_span *span, const void *code, const void *constants)
{
	int error = 0;

	/* The constants first: code that is there can run. */
	if (constants)
		error = area_write(&a->constants, (u32)(span->constants - a->constants.map), constants,
				   span->constant_size);
	return error ? error : area_write(&a->code, (u32)(span->code - a->code.map), code, span->code_size);
}

void bpf_arena_drop(struct bpf_arena *a, const struct bpf_span *span)
{
	u32 code = (u32)(span->code - a->code.map), constants = (u32)(span->constants - a->constants.map);

	/* What cannot be wiped is not used again either. */
	if (area_paint(&a->code, code, span->code_size))
		return;
	area_leave(&a->code, code, span->code_size);
	area_leave(&a->constants, constants, span->constant_size);
}

bool bpf_arena_contains(const struct bpf_arena *a, const void *p)
{
	return (const u8 *)p >= a->base && (const u8 *)p < a->base + a->reserved;
}

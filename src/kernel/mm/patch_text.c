/* SPDX-License-Identifier: Apache-2.0 */
/* Patched copies of a file's code, and the trampolines that their jumps lead to. */
#include "mm/patch_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/file.h"

#define MAX_TEXTS  32
#define MAX_COPIES (2UL << 20) /* bytes of page copies that one text keeps */
#define MAX_WHOLE  (4UL << 20) /* the longest text that is copied whole */
#define MIN_WHOLE  4           /* sites that make it worth while */
#define MAP_COST   4           /* of a page's copy mapped alone: as many pages could be copied */
#define SIGNAL_COST \
	3 /* of calls from a site in a process that has it unpatched: as many pages could be copied */
#define MAX_SITES      (PATCH_AREA_SIZE / SITE_TRAMPOLINE - 1)
#define NR_HASH        4096 /* a power of two, well above MAX_SITES */
#define NR_NOTED       256
#define CPUID_ENTRY_AT 8            /* in the trampolines' first bytes */
#define WINDOW         8320         /* bytes of code each way that deciding on a site looks at */
#define PIECE          (64UL << 10) /* whole pages: no site lies in two */
#define RECENT_SEC     2            /* a change as new as this could be followed by one of the same time */

struct page_copy {
	u64 page, offset;
	u32 version; /* sites known when it was made */
	u32 newest;  /* sites known when the newest site of the page became so; 0: no site */
};

struct patch_text {
	struct list node;
	int refs;
	struct stat id;
	u64 area_at;
	bool read;                   /* its sites were looked for */
	bool entered, cpuid_entered; /* the trampolines lead somewhere */
	u32 ncpuid;                  /* sites of `cpuid` */
	struct hostfd fd, read_fd;   /* trampolines, then copies of pages */
	u64 used;                    /* bytes of it */
	struct site *sites;          /* the trampoline of the i-th is the (i+1)-th */
	u32 nsites, room;
	u16 hash[NR_HASH];   /* by position of the call: index + 1 in sites */
	u64 noted[NR_NOTED]; /* calls of one address space each */
	struct page_copy *pages;
	u32 npages, page_room;
	u32 alone; /* copies of pages that were mapped alone when processes mapped the code */
	struct {
		struct hostfd read_fd;
		u64 start, len;
		u32 version, uses;
	} whole;
};

/* ---- texts ---- */

void patch_store_init(struct patch_store *store)
{
	list_init(&store->texts);
	store->count = 0;
	store->entry = 0;
}

static void text_free(struct patch_store *store, struct patch_text *text)
{
	host_close(&text->fd);
	host_close(&text->read_fd);
	host_close(&text->whole.read_fd);
	list_del(&text->node);
	store->count--;
	free(text->sites);
	free(text->pages);
	free(text);
}

void patch_store_clear(struct patch_store *store)
{
	while (!list_empty(&store->texts))
		text_free(store, list_first(&store->texts, struct patch_text, node));
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool changed_lately(const struct stat *st)
{
	time_t now = time(NULL);

	return now - st->st_mtim.tv_sec < RECENT_SEC || now - st->st_ctim.tv_sec < RECENT_SEC;
}

static int make_area(struct patch_text *text)
{
	int err = host_memfd("husk-text", &text->fd);

	if (err)
		return err;
	if (ftruncate(text->fd.fd, PATCH_AREA_SIZE) < 0)
		return -errno;
	text->used = PATCH_AREA_SIZE;
	return host_reopen(text->fd, O_RDONLY, &text->read_fd);
}

static void evict(struct patch_store *store)
{
	struct patch_text *text;

	for (struct list *at = store->texts.prev; at != &store->texts; at = at->prev) {
		text = list_entry(at, struct patch_text, node);
		if (!text->refs) {
			text_free(store, text);
			return;
		}
	}
}

static struct patch_text *text_new(struct patch_store *store, const struct stat *st, u64 area_at)
{
	struct patch_text *text;

	if (store->count >= MAX_TEXTS)
		evict(store);
	if (store->count >= MAX_TEXTS)
		return NULL;
	text = calloc(1, sizeof *text);
	if (!text)
		return NULL;
	text->id = *st;
	text->area_at = area_at;
	text->fd = text->read_fd = text->whole.read_fd = HOSTFD_NONE;
	list_add(&store->texts, &text->node);
	store->count++;
	if (make_area(text)) {
		text_free(store, text);
		return NULL;
	}
	return text;
}

struct patch_text *patch_text_get(struct patch_store *store, struct hostfd fd, u64 area_at, bool make)
{
	struct patch_text *text, *found = NULL;
	struct stat st;

	if (fstat(fd.fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	list_for_each (text, &store->texts, node) {
		if (same_file(&text->id, &st)) {
			found = text;
			break;
		}
	}
	if (!found && make && !changed_lately(&st))
		found = text_new(store, &st, area_at);
	if (!found || found->area_at != area_at)
		return NULL;
	list_del(&found->node);
	list_add(&store->texts, &found->node);
	return patch_text_ref(found);
}

struct patch_text *patch_text_ref(struct patch_text *text)
{
	text->refs++;
	return text;
}

void patch_text_put(struct patch_store *store, struct patch_text *text)
{
	(void)store;
	text->refs--;
}

u64 patch_text_area(const struct patch_text *text)
{
	return text->area_at;
}

struct hostfd patch_text_fd(const struct patch_text *text)
{
	return text->read_fd;
}

u32 patch_text_version(const struct patch_text *text)
{
	return text->nsites;
}

/* ---- sites ---- */

static u32 hash_of(u64 call)
{
	return (u32)(call * 0x9e3779b97f4a7c15UL >> 52) & (NR_HASH - 1);
}

/* The index of the site at @call, or -1. */
static s64 find_site(const struct patch_text *text, u64 call)
{
	for (u32 h = hash_of(call); text->hash[h]; h = (h + 1) & (NR_HASH - 1))
		if (text->sites[text->hash[h] - 1].call == call)
			return text->hash[h] - 1;
	return -1;
}

static u64 trampoline_of(u32 index)
{
	return (u64)(index + 1) * SITE_TRAMPOLINE;
}

static bool add_site(struct patch_text *text, const struct site *site)
{
	u32 h = hash_of(site->call);

	if (text->nsites == text->room) {
		u32 room = text->room ? 2 * text->room : 32;
		struct site *more = realloc(text->sites, room * sizeof *more);

		if (!more)
			return false;
		text->sites = more;
		text->room = room;
	}
	text->sites[text->nsites++] = *site;
	while (text->hash[h])
		h = (h + 1) & (NR_HASH - 1);
	text->hash[h] = (u16)text->nsites;
	return true;
}

/* Room for what is known of the page at @page. NULL: no memory. */
static struct page_copy *page_of(struct patch_text *text, u64 page)
{
	for (u32 i = 0; i < text->npages; i++)
		if (text->pages[i].page == page)
			return &text->pages[i];
	if (text->npages == text->page_room) {
		u32 room = text->page_room ? 2 * text->page_room : 16;
		struct page_copy *more = realloc(text->pages, room * sizeof *more);

		if (!more)
			return NULL;
		text->pages = more;
		text->page_room = room;
	}
	text->pages[text->npages] = (struct page_copy){.page = page};
	return &text->pages[text->npages++];
}

static bool place_trampoline(struct patch_text *text, const struct site *site, u32 index)
{
	u64 at = trampoline_of(index), entry_at = site->insn == SITE_CPUID ? CPUID_ENTRY_AT : 0;
	u8 code[SITE_TRAMPOLINE];

	return site_emit(site, text->area_at + at, text->area_at + entry_at, code) &&
	       pwrite(text->fd.fd, code, sizeof code, (off_t)at) == (ssize_t)sizeof code;
}

/* Keeps *site, the place of whose instruction is told, whatever its shape; its index or -1. */
static s64 keep_site(struct patch_text *text, struct site *site)
{
	struct page_copy *page;

	if (text->nsites == MAX_SITES)
		return -1;
	if (site->shape != SITE_NONE && !place_trampoline(text, site, text->nsites))
		site->shape = SITE_NONE;
	/* The jump of a head may lie in the page before. */
	page = page_of(text, align_down(site->shape != SITE_NONE ? site->at : site->call, PAGE_SIZE));
	if (!page || !add_site(text, site))
		return -1;
	if (site->shape != SITE_NONE) {
		page->newest = text->nsites;
		text->ncpuid += site->insn == SITE_CPUID;
	}
	return text->nsites - 1;
}

bool patch_text_learn(struct patch_text *text, struct hostfd fd, u64 call, u64 low, u64 high, u64 *at)
{
	s64 index = find_site(text, call);

	if (index < 0) {
		u8 *code;
		ssize_t n;

		low = call - low > WINDOW ? call - WINDOW : low;
		high = high - call > WINDOW ? call + WINDOW : high;
		code = malloc(high - low);
		n = code ? pread(fd.fd, code, high - low, (off_t)low) : -1;
		if (n >= 0) {
			struct site site;

			site_find(&(struct site_text){code, (size_t)n, low, NULL}, call - low, SITE_SYSCALL,
				  SITE_UNKNOWN, &site);
			site.call = call;
			index = keep_site(text, &site);
		}
		free(code);
	}
	if (index < 0)
		return false;
	*at = text->sites[index].at;
	return text->sites[index].shape != SITE_NONE;
}

/* The code around all `cpuid` that were found. */
static struct site_text around_cpuid(const struct patch_code *code)
{
	u64 first = code->start + code->size, end = first, last = code->start, low, high;

	for (u32 i = 0; i < code->n; i++) {
		if (code->found[i].insn != SITE_CPUID)
			continue;
		first = min(first, code->found[i].at);
		last = max(last, code->found[i].at);
	}
	if (first > last)
		return (struct site_text){code->bytes, 0, code->start, NULL};
	low = first - code->start > WINDOW ? first - WINDOW : code->start;
	high = end - last > WINDOW ? last + WINDOW : end;
	return (struct site_text){code->bytes + (low - code->start), high - low, low, NULL};
}

/* Of calls heads alone, which nearly all are: the code ends behind the instruction. For a tail it would have to be searched
 * for branches, and a call that is made often is learnt all the same. */
static void learn_found(struct patch_text *text, const struct patch_code *code,
			const struct site_text *cpuids, const struct patch_found *f)
{
	struct site_text upto = {code->bytes, f->at + SITE_LENGTH - code->start, code->start, NULL};
	const struct site_text *t = f->insn == SITE_CPUID ? cpuids : &upto;
	struct site site;

	if (find_site(text, f->at) >= 0)
		return;
	site_find(t, f->at - t->start, f->insn, f->before < f->at ? (s64)(f->before - t->start) : SITE_FIRST,
		  &site);
	site.call = f->at;
	if (site.shape != SITE_NONE || f->insn == SITE_CPUID)
		keep_site(text, &site);
}

void patch_text_learn_all(struct patch_text *text, const struct patch_code *code)
{
	struct site_text cpuids = around_cpuid(code);

	if (!site_find_targets(&cpuids))
		return;
	for (u32 i = 0; i < code->n; i++)
		learn_found(text, code, &cpuids, &code->found[i]);
	free(cpuids.targets);
}

bool patch_text_unread(struct patch_text *text)
{
	bool unread = !text->read;

	text->read = true;
	return unread;
}

bool patch_text_wants_cpuid(const struct patch_text *text)
{
	return text->ncpuid && !text->cpuid_entered;
}

/* The first words of the trampolines are the addresses that they jump to. */
bool patch_text_enter(struct patch_text *text, u64 entry, u64 cpuid_entry)
{
	if (!text->entered)
		text->entered = pwrite(text->fd.fd, &entry, sizeof entry, 0) == (ssize_t)sizeof entry;
	if (cpuid_entry)
		text->cpuid_entered = pwrite(text->fd.fd, &cpuid_entry, sizeof cpuid_entry, CPUID_ENTRY_AT) ==
				      (ssize_t)sizeof cpuid_entry;
	return text->entered && !patch_text_wants_cpuid(text);
}

bool patch_text_note(struct patch_text *text, u64 call)
{
	u64 *noted = &text->noted[hash_of(call) % NR_NOTED];

	if (*noted == call)
		return true;
	*noted = call;
	return false;
}

static void write_sites(const struct patch_text *text, u8 *code, u64 start, u64 len)
{
	for (u32 i = 0; i < text->nsites; i++) {
		const struct site *s = &text->sites[i];

		if (s->shape != SITE_NONE && s->at - start < len)
			site_write(s, text->area_at + trampoline_of(i), code, start);
	}
}

int patch_text_page(struct patch_text *text, struct hostfd fd, u64 page, u64 *offset, u32 *version)
{
	struct page_copy *copy = page_of(text, page);
	u8 code[PAGE_SIZE] = {0};

	if (!copy)
		return -ENOMEM;
	if (!copy->offset || copy->version < copy->newest) {
		if (text->used + PAGE_SIZE > PATCH_AREA_SIZE + MAX_COPIES)
			return -ENOSPC;
		if (pread(fd.fd, code, sizeof code, (off_t)page) < 0)
			return -errno;
		write_sites(text, code, page, sizeof code);
		if (pwrite(text->fd.fd, code, sizeof code, (off_t)text->used) != (ssize_t)sizeof code)
			return -ENOSPC;
		copy->offset = text->used;
		copy->version = text->nsites;
		text->used += PAGE_SIZE;
	}
	*offset = copy->offset;
	*version = copy->version;
	return 0;
}

/* The whole copy has been written to @memfd, or with @err has not been: 0 or -errno, with none. */
static int whole_written(struct patch_text *text, struct hostfd *memfd, u64 start, u64 len, int err)
{
	host_close(&text->whole.read_fd);
	if (!err)
		err = host_reopen(*memfd, O_RDONLY, &text->whole.read_fd);
	host_close(memfd);
	text->whole.start = start;
	text->whole.len = len;
	text->whole.version = text->nsites;
	text->whole.uses = 0;
	return err;
}

static int write_code(const struct patch_text *text, int to, u8 *code, u64 start, size_t size, u64 at)
{
	write_sites(text, code, start + at, size);
	return pwrite(to, code, size, (off_t)at) == (ssize_t)size ? 0 : -ENOSPC;
}

/* Patches @code, which lies at position @start, and keeps it as the whole copy. 0 or -errno, with none. */
static int keep_whole(struct patch_text *text, u8 *code, u64 start, u64 len)
{
	struct hostfd memfd = HOSTFD_NONE;
	int err = host_memfd("husk-text", &memfd);

	if (!err)
		err = write_code(text, memfd.fd, code, start, len, 0);
	return whole_written(text, &memfd, start, len, err);
}

/* The same of the file's code there. By pieces, the memory for which serves again: the host's making of pages for all of it
 * would take longer than the copying. */
static int read_whole(struct patch_text *text, struct hostfd fd, u64 start, u64 len)
{
	struct hostfd memfd = HOSTFD_NONE;
	int err = host_memfd("husk-text", &memfd);
	u8 *piece = malloc(PIECE);

	if (!piece)
		err = -ENOMEM;
	for (u64 at = 0; !err && at < len; at += PIECE) {
		size_t size = min(len - at, PIECE);
		ssize_t n = pread(fd.fd, piece, size, (off_t)(start + at));

		if (n < 0 || (!n && !at)) {
			err = -EIO;
			break;
		}
		memset(piece + n, 0, size - (size_t)n);
		err = write_code(text, memfd.fd, piece, start, size, at);
	}
	free(piece);
	return whole_written(text, &memfd, start, len, err);
}

/* Whether a copy is there that is worth mapping once more: the sites that it does not know have not cost as much yet as
 * another one would. */
static bool whole_is_good(const struct patch_text *text, u64 start, u64 len)
{
	u64 unknown = text->nsites - text->whole.version;

	return hostfd_valid(text->whole.read_fd) && text->whole.start == start && text->whole.len == len &&
	       unknown * text->whole.uses * SIGNAL_COST <= len / PAGE_SIZE;
}

static bool whole_is_worth_it(const struct patch_text *text, u64 len)
{
	return len <= MAX_WHOLE && text->nsites >= MIN_WHOLE;
}

u32 patch_text_few(struct patch_text *text, u64 start, u64 len, u64 *pages, u32 max)
{
	u32 n = 0;

	if (text->nsites < MIN_WHOLE || hostfd_valid(text->whole.read_fd))
		return 0;
	for (u32 i = 0; i < text->npages; i++) {
		if (!text->pages[i].newest || text->pages[i].page - start >= len)
			continue;
		if (n == max)
			return 0;
		pages[n++] = text->pages[i].page;
	}
	if (len <= MAX_WHOLE && (text->alone + n) * MAP_COST > len / PAGE_SIZE)
		return 0;
	text->alone += n;
	return n;
}

void patch_text_make_whole(struct patch_text *text, struct patch_code *code)
{
	if (whole_is_worth_it(text, code->size))
		(void)keep_whole(text, code->bytes, code->start, code->size);
}

struct hostfd patch_text_whole(struct patch_text *text, struct hostfd fd, u64 start, u64 len, u32 *version)
{
	if (!whole_is_worth_it(text, len) ||
	    (!whole_is_good(text, start, len) && read_whole(text, fd, start, len)))
		return HOSTFD_NONE;
	text->whole.uses++;
	*version = text->whole.version;
	return text->whole.read_fd;
}

bool patch_text_has_tail(const struct patch_text *text, u64 page, u32 from)
{
	for (u32 i = from; i < text->nsites; i++)
		if (text->sites[i].shape == SITE_TAIL && text->sites[i].at - page < PAGE_SIZE)
			return true;
	return false;
}

/* ---- where threads stand ---- */

u64 patch_text_original(const struct patch_text *text, u64 offset)
{
	u64 index = offset / SITE_TRAMPOLINE;

	if (!index || index > text->nsites)
		return text->area_at + offset;
	return site_original(&text->sites[index - 1], offset % SITE_TRAMPOLINE);
}

s64 patch_text_moved(const struct patch_text *text, u64 at, u32 version)
{
	for (u64 call = at - 2; call > at - 2 - sizeof text->sites->moved; call--) {
		s64 index = find_site(text, call);

		if (index >= 0 && index < version) {
			s64 to = site_moved(&text->sites[index], at);

			if (to >= 0)
				return (s64)trampoline_of((u32)index) + to;
		}
	}
	return -1;
}

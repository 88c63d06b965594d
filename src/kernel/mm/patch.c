/* SPDX-License-Identifier: Apache-2.0 */
/* When call sites of an address space are patched, and when they are put back. */
#include "mm/patch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/internal.h"
#include "mm/patch_map.h"

#define WORTH_IT     2  /* signals from a site before it is learnt, for the next process that maps its code */
#define WORTH_A_PAGE 4  /* and before this one gets a copy of its page, which takes as long as ten signals */
#define FEW_PAGES    12 /* that are worth a mapping of their own */
#define MAX_MAPPINGS 50000 /* mappings of an address space above which none are added */

static struct mm_patch *mm_patch_of(struct mm *mm)
{
	if (!mm->patch && patch_store_of(mm)) {
		mm->patch = calloc(1, sizeof *mm->patch);
		if (mm->patch)
			mm->patch->seen_low = ~0UL;
	}
	return mm->patch;
}

/* ---- when to patch ---- */

/* Whether the pages of @v are as the file has them: private memory that was once writable is accounted. */
static bool pristine(const struct vma *v)
{
	return (v->flags & (VM_EXEC | VM_READ | VM_WRITE | VM_MAYSHARE | VM_ACCOUNT | VM_NORESERVE |
			    VM_SEALED)) == (VM_EXEC | VM_READ) &&
	       vma_file(v);
}

/* The lowest address of the mappings of one file that stand close together around @v. */
static u64 lowest_mapping(const struct vma *v)
{
	const struct inode *inode = vma_file(v)->inode;
	const struct vma *before = v;

	while ((before = vma_prev(v)) && before->end == v->start && vma_file(before) &&
	       vma_file(before)->inode == inode)
		v = before;
	return v->start;
}

static struct patch_text *text_at(struct mm *mm, const struct vma *v, u64 bias, struct mmap_backing *backing,
				  bool make)
{
	struct file *f = vma_file(v);

	*backing = (struct mmap_backing){.fd = HOSTFD_NONE};
	if (f->ops->mmap(f, PROT_READ | PROT_EXEC, MAP_PRIVATE, backing) || !hostfd_valid(backing->fd) ||
	    backing->offset)
		return NULL;
	return patch_text_get(patch_store_of(mm), backing->fd, lowest_mapping(v) - PATCH_AREA_SIZE - bias,
			      make);
}

/* Maps a copy of the page at position @page with all that is known of it. False: not now. */
static bool patch_page(struct mm *mm, const struct vma *v, struct patch_text *text, u64 bias,
		       struct hostfd fd, u64 page)
{
	struct mm_patch *p = mm->patch;
	const struct patch_range *old = patch_range_at(p, page + bias);
	struct patch_range r = {
		.start = page + bias, .end = page + bias + PAGE_SIZE, .bias = bias, .text = text};
	u64 offset;

	if (r.start < v->start || r.end > v->end)
		return false;
	/* Another thread could stand behind a call that becomes a jump. */
	if (patch_text_has_tail(text, page, old ? old->version : 0) && !mm->k->trap_ops->quiet(mm->space))
		return false;
	if (patch_text_page(text, fd, page, &offset, &r.version) || !patch_area_ensure(mm, p, text, bias))
		return false;
	r.file = vma_file(v);
	return patch_map_copy(mm, p, &r, patch_text_fd(text), offset);
}

/* Learns the site at @call; with @page, and where that is possible, it is patched here too. */
static void patch_site(struct mm *mm, u64 call, bool page, bool *never)
{
	struct vma *v = vma_lookup(&mm->vmas, call);
	struct mmap_backing backing;
	struct patch_text *text;
	u64 bias, at;

	*never = true;
	if (!v || !pristine(v) || call + 2 > v->end || mm->vmas.count > MAX_MAPPINGS)
		return;
	bias = v->start - (v->pgoff << PAGE_SHIFT);
	text = text_at(mm, v, bias, &backing, true);
	if (!text)
		return;
	if (patch_text_learn(text, backing.fd, call - bias, v->start - bias, v->end - bias, &at)) {
		const struct patch_range *r = patch_range_at(mm->patch, at + bias);

		*never = false;
		if (page && (!r || patch_text_version(text) > r->version))
			patch_page(mm, v, text, bias, backing.fd, align_down(at, PAGE_SIZE));
	}
	patch_text_put(patch_store_of(mm), text);
}

/* A patched copy in the mapping *@v at @addr: the first; NULL: there is none. */
static const struct patch_range *patched_in(struct mm *mm, u64 addr, struct vma **v)
{
	const struct mm_patch *p = mm->patch;
	u32 i;

	*v = vma_lookup(&mm->vmas, addr);
	if (!*v || !p)
		return NULL;
	i = patch_range_from(p, (*v)->start);
	return i < p->nranges && p->ranges[i].start < (*v)->end ? &p->ranges[i] : NULL;
}

/* The first signal from a site of code that other address spaces have, too: its next copies are to be patched there. */
static void note_site(struct mm *mm, u64 call)
{
	struct mmap_backing backing = {.fd = HOSTFD_NONE};
	struct vma *v;
	const struct patch_range *r = patched_in(mm, call, &v);
	u64 at;

	if (r && patch_text_note(r->text, call - r->bias) &&
	    !r->file->ops->mmap(r->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing))
		patch_text_learn(r->text, backing.fd, call - r->bias, v->start - r->bias, v->end - r->bias,
				 &at);
}

/* What is counted of the site at @call. Sites that are called in turn must not push each other out: whether two of a library
 * share a set is the same in every process. */
static struct patch_seen *seen_at(struct mm_patch *p, u64 call)
{
	u64 hash = call * 0x9e3779b97f4a7c15UL >> 32;
	struct patch_seen *set = &p->seen[hash % (NR_SEEN / SEEN_WAYS) * SEEN_WAYS], *least = set;

	for (struct patch_seen *s = set; s < set + SEEN_WAYS; s++) {
		if (s->call == call)
			return s;
		if (s->count < least->count)
			least = s;
	}
	*least = (struct patch_seen){.call = call};
	p->seen_low = min(p->seen_low, call);
	p->seen_high = max(p->seen_high, call);
	return least;
}

/* kernel_ops.call_seen: a call came by a signal. */
static void call_seen(struct task *t)
{
	struct mm *mm = t->mm;
	struct mm_patch *p = mm ? mm_patch_of(mm) : NULL;
	u64 call = task_regs(t)->rip - 2;
	struct patch_seen *seen;

	if (!p || p->off)
		return;
	seen = seen_at(p, call);
	if (!seen->count++)
		note_site(mm, call);
	/* What cannot be now is tried again ever more rarely. */
	if (seen->never || seen->count < WORTH_IT || (seen->count & (seen->count - 1)))
		return;
	patch_site(mm, call, seen->count >= WORTH_A_PAGE, &seen->never);
}

/* Has a copy of the whole code mapped at *r, with all that is known of it by now. */
static void map_whole(struct mm *mm, struct patch_range *r, struct hostfd fd)
{
	struct hostfd copy =
		patch_text_whole(r->text, fd, r->start - r->bias, r->end - r->start, &r->version);

	if (hostfd_valid(copy) && mm_patch_of(mm) && patch_area_ensure(mm, mm->patch, r->text, r->bias))
		patch_map_copy(mm, mm->patch, r, copy, 0);
}

/* Has copies of the few pages mapped of which sites are known at *r. False: they are not few. */
static bool map_few(struct mm *mm, const struct patch_range *r, struct hostfd fd)
{
	u64 pages[FEW_PAGES], offset;
	u32 n;

	if (mm->vmas.count > MAX_MAPPINGS)
		return false;
	n = patch_text_few(r->text, r->start - r->bias, r->end - r->start, pages, FEW_PAGES);
	if (!n || !mm_patch_of(mm) || !patch_area_ensure(mm, mm->patch, r->text, r->bias))
		return n;
	for (u32 i = 0; i < n; i++) {
		struct patch_range page = *r;

		page.start = pages[i] + r->bias;
		page.end = page.start + PAGE_SIZE;
		if (patch_text_page(r->text, fd, pages[i], &offset, &page.version) ||
		    !patch_map_copy(mm, mm->patch, &page, patch_text_fd(r->text), offset))
			break;
	}
	return true;
}

void mm_patch_mapped(struct mm *mm, u64 start, u64 len, struct file *file, u64 pgoff,
		     const struct mmap_backing *backing)
{
	struct patch_store *store = patch_store_of(mm);
	struct vma *v = vma_lookup(&mm->vmas, start);
	u64 bias = start - (pgoff << PAGE_SHIFT);
	struct patch_range r = {.start = start, .end = start + len, .bias = bias, .file = file};

	if (!store || !mm->space || list_empty(&store->texts) || backing->offset || !v || !pristine(v) ||
	    (mm->patch && mm->patch->off))
		return;
	r.text = patch_text_get(store, backing->fd, lowest_mapping(v) - PATCH_AREA_SIZE - bias, false);
	if (!r.text)
		return;
	if (!map_few(mm, &r, backing->fd))
		map_whole(mm, &r, backing->fd);
	patch_text_put(store, r.text);
}

bool mm_patch_unread(struct mm *mm, u64 addr)
{
	struct vma *v;
	const struct patch_range *r = mm->patch && !mm->patch->off ? patched_in(mm, addr, &v) : NULL;

	return r && patch_text_unread(r->text);
}

void mm_patch_read(struct mm *mm, u64 addr, struct patch_code *code)
{
	struct vma *v;
	const struct patch_range *in = patched_in(mm, addr, &v);
	struct mmap_backing backing = {.fd = HOSTFD_NONE};
	struct patch_range r;

	if (!in || in->file->ops->mmap(in->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing))
		return;
	/* The map has these again. */
	r = *in;
	r.start = v->start;
	r.end = v->end;
	patch_text_ref(r.text);
	file_get(r.file);
	patch_text_learn_all(r.text, code);
	patch_text_make_whole(r.text, code);
	map_whole(mm, &r, backing.fd);
	patch_range_put(mm, &r);
}

void mm_patch_ahead(struct kernel *k, struct file *file, u64 area_at, struct patch_code *code)
{
	struct mmap_backing backing = {.fd = HOSTFD_NONE};
	struct patch_text *text;

	if (file->ops->mmap(file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing) ||
	    !hostfd_valid(backing.fd) || backing.offset)
		return;
	text = patch_text_get(k->patches, backing.fd, area_at, true);
	if (!text)
		return;
	if (patch_text_unread(text)) {
		patch_text_learn_all(text, code);
		patch_text_make_whole(text, code);
	}
	patch_text_put(k->patches, text);
}

/* ---- what the guest changes ---- */

static void forget_seen(struct mm_patch *p, u64 start, u64 end)
{
	if (start > p->seen_high || end <= p->seen_low)
		return;
	memset(p->seen, 0, sizeof p->seen);
	p->seen_low = ~0UL;
	p->seen_high = 0;
}

/* Something else comes to where trampolines lie: nothing may lead there any more. */
static void free_areas(struct mm *mm, struct mm_patch *p, u64 start, u64 end)
{
	for (u32 i = 0; i < p->nareas;) {
		struct patch_area area = p->areas[i];

		if (area.start >= end || area.start + PATCH_AREA_SIZE <= start) {
			i++;
			continue;
		}
		p->areas[i] = p->areas[--p->nareas];
		for (u32 j = 0; j < p->nranges;) {
			if (p->ranges[j].text != area.text || p->ranges[j].bias != area.bias)
				j++;
			else if (!patch_restore(mm, p, p->ranges[j].start, p->ranges[j].end))
				break;
		}
		patch_text_put(patch_store_of(mm), area.text);
	}
}

static void before_range(struct mm *mm, u64 start, u64 end, bool keeps_pages)
{
	struct mm_patch *p = mm->patch;

	if (start >= end)
		return;
	forget_seen(p, start, end);
	if (keeps_pages)
		patch_restore(mm, p, start, end);
	else if (patch_ranges_reserve(p, 1))
		patch_ranges_cut(mm, p, start, end);
	else
		mm->k->ops.space_died(mm, SIGKILL);
	free_areas(mm, p, start, end);
}

void mm_patch_before(struct mm *mm, const struct trap_op *op)
{
	if (!mm->patch || !mm->space)
		return;
	switch (op->kind) {
	case TRAP_OP_MAP:
	case TRAP_OP_UNMAP:
		before_range(mm, op->addr, op->addr + op->len, false);
		break;
	case TRAP_OP_SEAL: /* what is sealed could not be put back later */
	case TRAP_OP_PROTECT:
		before_range(mm, op->addr, op->addr + op->len, true);
		break;
	case TRAP_OP_REMAP:
		before_range(mm, op->addr, op->addr + op->len, true);
		before_range(mm, op->new_addr, op->new_addr + op->new_len, op->new_addr == op->addr);
		break;
	case TRAP_OP_ADVISE:
	case TRAP_OP_MINCORE:
	case TRAP_OP_DONATE:
	case TRAP_OP_CLOSE:
		break;
	}
}

void mm_patch_allow(struct mm *mm, bool allow)
{
	struct mm_patch *p = mm_patch_of(mm);

	if (!p)
		return;
	p->off = !allow || p->never;
	if (p->off && mm->space)
		patch_restore(mm, p, 0, ~0UL);
}

void mm_patch_never(struct mm *mm)
{
	struct mm_patch *p = mm_patch_of(mm);

	if (!p)
		return;
	p->never = true;
	mm_patch_allow(mm, false);
}

int mm_patch_fork(struct mm *child, const struct mm *mm)
{
	struct mm_patch *from = mm->patch, *to;

	if (!from || (!from->nranges && !from->nareas && !from->never))
		return 0;
	to = mm_patch_of(child);
	if (!to || !patch_ranges_reserve(to, from->nranges))
		return -ENOMEM;
	to->areas = malloc((from->nareas + 1) * sizeof *to->areas);
	if (!to->areas)
		return -ENOMEM;
	to->area_room = from->nareas + 1;
	to->off = from->off;
	to->never = from->never;
	for (u32 i = 0; i < from->nranges; i++)
		patch_range_insert(to, i, &from->ranges[i]);
	for (u32 i = 0; i < from->nareas; i++) {
		to->areas[to->nareas++] = from->areas[i];
		patch_text_ref(from->areas[i].text);
	}
	return 0;
}

void mm_patch_free(struct mm *mm)
{
	struct mm_patch *p = mm->patch;

	if (!p)
		return;
	mm->patch = NULL;
	for (u32 i = 0; i < p->nranges; i++)
		patch_range_put(mm, &p->ranges[i]);
	for (u32 i = 0; i < p->nareas; i++)
		patch_text_put(patch_store_of(mm), p->areas[i].text);
	free(p->ranges);
	free(p->areas);
	free(p);
}

/* kernel_ops.own_op_refused: asked once for each. */
static bool own_op_refused(struct task *t)
{
	bool refused = t->mm && t->mm->patch && t->mm->patch->refused;

	if (refused)
		t->mm->patch->refused = false;
	return refused;
}

void mm_patch_prepare(struct kernel *k)
{
	k->patches = malloc(sizeof *k->patches);
	if (k->patches)
		patch_store_init(k->patches);
}

void mm_patch_init(struct kernel *k)
{
	if (k->patches)
		k->patches->entry = k->trap_ops->patch_entry(k->trap);
	if (!k->patches || !k->patches->entry) {
		mm_patch_exit(k);
		return;
	}
	k->ops.call_seen = call_seen;
	k->ops.place_shown = patch_place_shown;
	k->ops.place_real = patch_place_real;
	k->ops.code_shown = patch_code_shown;
	k->ops.own_op_refused = own_op_refused;
}

void mm_patch_exit(struct kernel *k)
{
	if (k->patches)
		patch_store_clear(k->patches);
	free(k->patches);
	k->patches = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Patched call sites of one address space. */
#include "mm/patch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mm/internal.h"
#include "mm/patch_text.h"

#define NR_SEEN      256   /* call sites whose signals are counted at a time; a power of two */
#define WORTH_IT     2     /* signals from a site before it is patched */
#define MAX_MAPPINGS 50000 /* mappings of an address space above which none are added */

/* Pages that are mapped from a copy. */
struct patch_range {
	u64 start, end;
	u64 bias; /* address less position in the file */
	u32 version;
	struct patch_text *text; /* counted */
	struct file *file;       /* counted: what the pages are of */
};

/* Trampolines that are mapped. */
struct patch_area {
	u64 start, bias;
	struct patch_text *text; /* counted */
};

struct mm_patch {
	bool off, refused;
	struct patch_range *ranges; /* in order of addresses */
	u32 nranges, range_room;
	struct patch_area *areas;
	u32 nareas, area_room;
	struct {
		u64 call;
		u32 count;
		bool never;
	} seen[NR_SEEN];
	u64 seen_low, seen_high; /* where the calls of seen[] lie */
};

static struct patch_store *store_of(const struct mm *mm)
{
	return mm->k->patches;
}

static struct mm_patch *patch_of(struct mm *mm)
{
	if (!mm->patch && store_of(mm)) {
		mm->patch = calloc(1, sizeof *mm->patch);
		if (mm->patch)
			mm->patch->seen_low = ~0UL;
	}
	return mm->patch;
}

/* ---- ranges and areas ---- */

/* The index of the first range that ends behind @addr. */
static u32 range_from(const struct mm_patch *p, u64 addr)
{
	u32 low = 0, high = p->nranges;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (p->ranges[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static const struct patch_range *range_at(const struct mm_patch *p, u64 addr)
{
	u32 i = range_from(p, addr);

	return i < p->nranges && p->ranges[i].start <= addr ? &p->ranges[i] : NULL;
}

/* Makes room for @n more. */
static bool ranges_reserve(struct mm_patch *p, u32 n)
{
	struct patch_range *more;
	u32 room = p->range_room;

	while (p->nranges + n > room)
		room = room ? 2 * room : 16;
	if (room == p->range_room)
		return true;
	more = realloc(p->ranges, room * sizeof *more);
	if (!more)
		return false;
	p->ranges = more;
	p->range_room = room;
	return true;
}

static void range_put(struct mm *mm, struct patch_range *r)
{
	patch_text_put(store_of(mm), r->text);
	file_put(r->file);
}

static void range_insert(struct mm_patch *p, u32 at, const struct patch_range *r)
{
	memmove(p->ranges + at + 1, p->ranges + at, (p->nranges - at) * sizeof *r);
	p->ranges[at] = *r;
	p->nranges++;
	patch_text_ref(r->text);
	file_get(r->file);
}

static void range_remove(struct mm *mm, struct mm_patch *p, u32 at)
{
	range_put(mm, &p->ranges[at]);
	p->nranges--;
	memmove(p->ranges + at, p->ranges + at + 1, (p->nranges - at) * sizeof p->ranges[0]);
}

/* Forgets what is known of [start, end); there is room for one range more. */
static void ranges_cut(struct mm *mm, struct mm_patch *p, u64 start, u64 end)
{
	for (u32 i = range_from(p, start); i < p->nranges && p->ranges[i].start < end;) {
		struct patch_range *r = &p->ranges[i], rest = *r;

		if (r->start >= start && r->end <= end) {
			range_remove(mm, p, i);
			continue;
		}
		if (r->start < start && r->end > end) {
			r->end = start;
			rest.start = end;
			range_insert(p, i + 1, &rest);
			return;
		}
		if (r->start < start)
			r->end = start;
		else
			r->start = end;
		i++;
	}
}

static struct patch_area *area_at(const struct mm_patch *p, u64 addr)
{
	for (u32 i = 0; i < p->nareas; i++)
		if (addr - p->areas[i].start < PATCH_AREA_SIZE)
			return &p->areas[i];
	return NULL;
}

/* ---- the host's side ---- */

static void own_op_done(void *arg, long result);

static bool queue_own(struct mm *mm, u64 addr, u64 len, struct hostfd fd, u64 offset)
{
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = addr,
		.len = len,
		.prot = PROT_READ | PROT_EXEC,
		.flags = MAP_PRIVATE | MAP_FIXED,
		.fd = fd,
		.offset = offset,
		.undo = own_op_done,
		.arg = mm_get(mm),
	};

	if (!mm->k->trap_ops->op(mm->space, &op))
		return true;
	mm_put(mm);
	return false;
}

/* Maps what the file itself has at [start, end) of @r. False: the process cannot go on as it is. */
static bool restore_part(struct mm *mm, const struct patch_range *r, u64 start, u64 end)
{
	struct mmap_backing backing = {.fd = HOSTFD_NONE};

	return !r->file->ops->mmap(r->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing) &&
	       queue_own(mm, start, end - start, backing.fd, start - r->bias + backing.offset);
}

static bool restore(struct mm *mm, struct mm_patch *p, u64 start, u64 end)
{
	bool good = ranges_reserve(p, 1);

	for (u32 i = range_from(p, start); good && i < p->nranges && p->ranges[i].start < end; i++)
		good = restore_part(mm, &p->ranges[i], max(p->ranges[i].start, start),
				    min(p->ranges[i].end, end));
	if (good)
		ranges_cut(mm, p, start, end);
	else
		mm->k->ops.space_died(mm, SIGKILL);
	return good;
}

/* An operation of husk's own was refused: the guest's call goes on as if nothing had been tried. What depends on it,
 * and may still be carried out, is taken back. */
static void own_op_done(void *arg, long result)
{
	struct mm *mm = arg;

	if (result < 0 && mm->patch && mm->space) {
		mm->patch->off = true;
		mm->patch->refused = true;
		restore(mm, mm->patch, 0, ~0UL);
	}
	mm_put(mm);
}

/* Has trampolines of @text mapped for @bias. */
static bool area_ensure(struct mm *mm, struct mm_patch *p, struct patch_text *text, u64 bias)
{
	u64 start = patch_text_area(text) + bias;

	for (u32 i = 0; i < p->nareas; i++)
		if (p->areas[i].start == start)
			return p->areas[i].text == text;
	if (start < MM_MIN_ADDR || start > TRAP_GUEST_TOP - PATCH_AREA_SIZE ||
	    vma_intersect(&mm->vmas, start, start + PATCH_AREA_SIZE) || area_at(p, start) ||
	    area_at(p, start + PATCH_AREA_SIZE - 1))
		return false;
	if (p->nareas == p->area_room) {
		u32 room = p->area_room ? 2 * p->area_room : 8;
		struct patch_area *more = realloc(p->areas, room * sizeof *more);

		if (!more)
			return false;
		p->areas = more;
		p->area_room = room;
	}
	if (!queue_own(mm, start, PATCH_AREA_SIZE, patch_text_fd(text), 0))
		return false;
	p->areas[p->nareas++] = (struct patch_area){start, bias, patch_text_ref(text)};
	return true;
}

static bool map_copy(struct mm *mm, struct mm_patch *p, const struct patch_range *r, struct hostfd fd,
		     u64 offset)
{
	if (!ranges_reserve(p, 2) || !queue_own(mm, r->start, r->end - r->start, fd, offset))
		return false;
	ranges_cut(mm, p, r->start, r->end);
	range_insert(p, range_from(p, r->start), r);
	return true;
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
	return patch_text_get(store_of(mm), backing->fd, lowest_mapping(v) - PATCH_AREA_SIZE - bias, make);
}

/* Maps a copy of the page at position @page with all that is known of it. False: not now. */
static bool patch_page(struct mm *mm, const struct vma *v, struct patch_text *text, u64 bias,
		       struct hostfd fd, u64 page)
{
	struct mm_patch *p = mm->patch;
	const struct patch_range *old = range_at(p, page + bias);
	struct patch_range r = {
		.start = page + bias, .end = page + bias + PAGE_SIZE, .bias = bias, .text = text};
	u64 offset;

	if (r.start < v->start || r.end > v->end)
		return false;
	/* Another thread could stand behind a call that becomes a jump. */
	if (patch_text_has_tail(text, page, old ? old->version : 0) && !mm->k->trap_ops->quiet(mm->space))
		return false;
	if (patch_text_page(text, fd, page, &offset, &r.version) || !area_ensure(mm, p, text, bias))
		return false;
	r.file = vma_file(v);
	return map_copy(mm, p, &r, patch_text_fd(text), offset);
}

static void patch_site(struct mm *mm, u64 call, bool *never)
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
		const struct patch_range *r = range_at(mm->patch, at + bias);

		*never = false;
		if (!r || patch_text_version(text) > r->version)
			patch_page(mm, v, text, bias, backing.fd, align_down(at, PAGE_SIZE));
	}
	patch_text_put(store_of(mm), text);
}

/* The first signal from a site of code that other address spaces have, too: its next copies are to be patched there. */
static void note_site(struct mm *mm, u64 call)
{
	const struct patch_range *r = range_at(mm->patch, call);
	struct mmap_backing backing = {.fd = HOSTFD_NONE};
	u64 at;

	if (r && patch_text_note(r->text, call - r->bias) &&
	    !r->file->ops->mmap(r->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing))
		patch_text_learn(r->text, backing.fd, call - r->bias, r->start - r->bias, r->end - r->bias,
				 &at);
}

/* kernel_ops.call_seen: a call came by a signal. */
static void call_seen(struct task *t)
{
	struct mm *mm = t->mm;
	struct mm_patch *p = mm ? patch_of(mm) : NULL;
	u64 call = task_regs(t)->rip - 2;
	u32 slot = (u32)(call * 0x9e3779b97f4a7c15UL >> 56) & (NR_SEEN - 1);

	if (!p || p->off)
		return;
	if (p->seen[slot].call != call) {
		p->seen[slot].call = call;
		p->seen[slot].count = 0;
		p->seen[slot].never = false;
		p->seen_low = min(p->seen_low, call);
		p->seen_high = max(p->seen_high, call);
	}
	if (!p->seen[slot].count++)
		note_site(mm, call);
	/* What cannot be now is tried again ever more rarely. */
	if (p->seen[slot].never || p->seen[slot].count < WORTH_IT ||
	    (p->seen[slot].count & (p->seen[slot].count - 1)))
		return;
	patch_site(mm, call, &p->seen[slot].never);
}

void mm_patch_mapped(struct mm *mm, u64 start, u64 len, struct file *file, u64 pgoff,
		     const struct mmap_backing *backing)
{
	struct patch_store *store = store_of(mm);
	struct vma *v = vma_lookup(&mm->vmas, start);
	u64 bias = start - (pgoff << PAGE_SHIFT);
	struct patch_range r = {.start = start, .end = start + len, .bias = bias, .file = file};
	struct patch_text *text;
	struct hostfd fd;

	if (!store || !mm->space || list_empty(&store->texts) || backing->offset || !v || !pristine(v) ||
	    (mm->patch && mm->patch->off))
		return;
	text = patch_text_get(store, backing->fd, lowest_mapping(v) - PATCH_AREA_SIZE - bias, false);
	if (!text)
		return;
	fd = patch_text_whole(text, backing->fd, pgoff << PAGE_SHIFT, len, &r.version);
	r.text = text;
	if (hostfd_valid(fd) && patch_of(mm) && area_ensure(mm, mm->patch, text, bias))
		map_copy(mm, mm->patch, &r, fd, 0);
	patch_text_put(store, text);
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
			else if (!restore(mm, p, p->ranges[j].start, p->ranges[j].end))
				break;
		}
		patch_text_put(store_of(mm), area.text);
	}
}

static void before_range(struct mm *mm, u64 start, u64 end, bool keeps_pages)
{
	struct mm_patch *p = mm->patch;

	if (start >= end)
		return;
	forget_seen(p, start, end);
	if (keeps_pages)
		restore(mm, p, start, end);
	else if (ranges_reserve(p, 1))
		ranges_cut(mm, p, start, end);
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
		break;
	}
}

void mm_patch_allow(struct mm *mm, bool allow)
{
	struct mm_patch *p = patch_of(mm);

	if (!p)
		return;
	p->off = !allow;
	if (!allow && mm->space)
		restore(mm, p, 0, ~0UL);
}

int mm_patch_fork(struct mm *child, const struct mm *mm)
{
	struct mm_patch *from = mm->patch, *to;

	if (!from || (!from->nranges && !from->nareas))
		return 0;
	to = patch_of(child);
	if (!to || !ranges_reserve(to, from->nranges))
		return -ENOMEM;
	to->areas = malloc((from->nareas + 1) * sizeof *to->areas);
	if (!to->areas)
		return -ENOMEM;
	to->area_room = from->nareas + 1;
	to->off = from->off;
	for (u32 i = 0; i < from->nranges; i++)
		range_insert(to, i, &from->ranges[i]);
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
		range_put(mm, &p->ranges[i]);
	for (u32 i = 0; i < p->nareas; i++)
		patch_text_put(store_of(mm), p->areas[i].text);
	free(p->ranges);
	free(p->areas);
	free(p);
}

/* ---- where threads stand ---- */

/* kernel_ops.place_shown: no guest sees a trampoline. One that is stepped through has its code unpatched. */
static void place_shown(struct task *t, struct trap_event *event)
{
	struct mm_patch *p = t->mm ? t->mm->patch : NULL;
	u64 *ip = &task_regs(t)->rip, raw = *ip;
	const struct patch_area *area = p && p->nareas ? area_at(p, raw) : NULL;

	t->raw_rip = t->shown_rip = raw;
	if (!area)
		return;
	*ip = t->shown_rip = patch_text_original(area->text, raw - area->start) + area->bias;
	if (event && event->type == TRAP_FAULT && event->addr == raw)
		event->addr = *ip;
	if (event && event->type == TRAP_FAULT && event->signo == SIGTRAP)
		mm_patch_allow(t->mm, false);
}

/* kernel_ops.place_real: the way back from it. */
static void place_real(struct task *t)
{
	struct mm_patch *p = t->mm ? t->mm->patch : NULL;
	u64 *ip = &task_regs(t)->rip;
	const struct patch_range *r;
	s64 offset;

	if (!p || !p->nareas)
		return;
	if (*ip == t->shown_rip && t->raw_rip != t->shown_rip && area_at(p, t->raw_rip)) {
		*ip = t->raw_rip;
		return;
	}
	r = range_at(p, *ip);
	offset = r ? patch_text_moved(r->text, *ip - r->bias, r->version) : -1;
	if (offset >= 0)
		*ip = patch_text_area(r->text) + r->bias + (u64)offset;
}

/* kernel_ops.code_shown: the file's own bytes in place of patched ones. */
static void code_shown(struct mm *mm, void *bytes, u64 addr, size_t size)
{
	const struct mm_patch *p = mm ? mm->patch : NULL;

	if (!p || !p->nranges || addr >= p->ranges[p->nranges - 1].end || addr + size <= p->ranges[0].start)
		return;
	for (u32 i = range_from(p, addr); i < p->nranges && p->ranges[i].start < addr + size; i++) {
		const struct patch_range *r = &p->ranges[i];
		u64 start = max(r->start, addr), end = min(r->end, addr + size);
		struct mmap_backing backing = {.fd = HOSTFD_NONE};

		if (!r->file->ops->mmap(r->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing))
			(void)!pread(backing.fd.fd, (char *)bytes + (start - addr), end - start,
				     (off_t)(start - r->bias + backing.offset));
	}
}

/* kernel_ops.own_op_refused: asked once for each. */
static bool own_op_refused(struct task *t)
{
	bool refused = t->mm && t->mm->patch && t->mm->patch->refused;

	if (refused)
		t->mm->patch->refused = false;
	return refused;
}

void mm_patch_init(struct kernel *k, bool wanted)
{
	u64 entry = wanted ? k->trap_ops->patch_entry(k->trap) : 0;

	if (!entry)
		return;
	k->patches = malloc(sizeof *k->patches);
	if (!k->patches)
		return;
	patch_store_init(k->patches, entry);
	k->ops.call_seen = call_seen;
	k->ops.place_shown = place_shown;
	k->ops.place_real = place_real;
	k->ops.code_shown = code_shown;
	k->ops.own_op_refused = own_op_refused;
}

void mm_patch_exit(struct kernel *k)
{
	if (k->patches)
		patch_store_clear(k->patches);
	free(k->patches);
	k->patches = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What guests see of patched code: where a thread stands, and what memory holds, as if nothing had been patched. */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mm/patch.h"
#include "mm/patch_map.h"

/* kernel_ops.place_shown: no guest sees a trampoline. One that is stepped through has its code unpatched. */
void patch_place_shown(struct task *t, struct trap_event *event)
{
	struct mm_patch *p = t->mm ? t->mm->patch : NULL;
	u64 *ip = &task_regs(t)->rip, raw = *ip;
	const struct patch_area *area = p && p->nareas ? patch_area_at(p, raw) : NULL;

	t->raw_rip = t->shown_rip = raw;
	t->shown_rcx = false;
	if (!area)
		return;
	*ip = t->shown_rip = patch_text_original(area->text, raw - area->start) + area->bias;
	/* A call leaves in rcx where it returns to. */
	t->shown_rcx = task_regs(t)->rcx == raw;
	if (t->shown_rcx)
		task_regs(t)->rcx = *ip;
	if (event && event->type == TRAP_FAULT && event->addr == raw)
		event->addr = *ip;
	if (event && event->type == TRAP_FAULT && event->signo == SIGTRAP)
		mm_patch_allow(t->mm, false);
}

/* kernel_ops.place_real: the way back from it. */
void patch_place_real(struct task *t)
{
	struct mm_patch *p = t->mm ? t->mm->patch : NULL;
	u64 *ip = &task_regs(t)->rip;
	const struct patch_range *r;
	s64 offset;

	if (!p || !p->nareas)
		return;
	r = patch_range_at(p, *ip);
	/* Where the file's own page lies by now, the thread goes on in that: it may hold a breakpoint. */
	if (r && *ip == t->shown_rip && t->raw_rip != t->shown_rip && patch_area_at(p, t->raw_rip)) {
		if (t->shown_rcx && task_regs(t)->rcx == t->shown_rip)
			task_regs(t)->rcx = t->raw_rip;
		*ip = t->raw_rip;
		return;
	}
	offset = r ? patch_text_moved(r->text, *ip - r->bias, r->version) : -1;
	if (offset >= 0)
		*ip = patch_text_area(r->text) + r->bias + (u64)offset;
}

/* kernel_ops.code_shown: the file's own bytes in place of patched ones. */
void patch_code_shown(struct mm *mm, void *bytes, u64 addr, size_t size)
{
	const struct mm_patch *p = mm ? mm->patch : NULL;

	if (!p || !p->nranges || addr >= p->ranges[p->nranges - 1].end || addr + size <= p->ranges[0].start)
		return;
	for (u32 i = patch_range_from(p, addr); i < p->nranges && p->ranges[i].start < addr + size; i++) {
		const struct patch_range *r = &p->ranges[i];
		u64 start = max(r->start, addr), end = min(r->end, addr + size);
		struct mmap_backing backing = {.fd = HOSTFD_NONE};

		if (!r->file->ops->mmap(r->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &backing))
			(void)!pread(backing.fd.fd, (char *)bytes + (start - addr), end - start,
				     (off_t)(start - r->bias + backing.offset));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a range of the VMA store was, to be put back when a change of it fails. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "mm/vma.h"

int vma_snapshot_take(struct vma_store *s, u64 start, u64 end, struct vma_snapshot *out)
{
	struct vma *v, *first = vma_intersect(s, start, end);
	int n = 0;

	*out = (struct vma_snapshot){.start = start, .end = end};
	for (v = first; v && v->start < end; v = vma_next(v))
		n++;
	if (!n)
		return 0;
	out->copies = calloc(n, sizeof *out->copies);
	if (!out->copies)
		return -ENOMEM;
	for (v = first; v && v->start < end; v = vma_next(v)) {
		struct vma *c = &out->copies[out->count++];

		*c = *v;
		vma_object_get(c->object);
		if (c->start < start) {
			c->pgoff += (start - c->start) >> PAGE_SHIFT;
			c->start = start;
		}
		c->end = min(c->end, end);
	}
	return 0;
}

int vma_snapshot_restore(struct vma_store *s, const struct vma_snapshot *snap)
{
	int max = s->max_count, error, i;

	if (snap->start == snap->end)
		return 0;
	s->max_count = INT_MAX; /* what was there before may be there again */
	error = vma_remove(s, snap->start, snap->end);
	for (i = 0; i < snap->count && !error; i++) {
		const struct vma *c = &snap->copies[i];

		error = vma_insert(s, c->start, c->end, c->flags, c->pgoff, c->object, c->label);
	}
	s->max_count = max;
	return error;
}

void vma_snapshot_drop(struct vma_snapshot *snap)
{
	int i;

	for (i = 0; i < snap->count; i++)
		vma_object_put(snap->copies[i].object);
	free(snap->copies);
	snap->copies = NULL;
	snap->count = 0;
}

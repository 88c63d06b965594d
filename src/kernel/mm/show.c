/* SPDX-License-Identifier: Apache-2.0 */
/* Text of /proc/PID/maps and smaps, in Linux's columns (fs/proc/task_mmu.c). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/smaps.h"
#include "mm/internal.h"
#include "mm/leave.h"

#define NAME_COLUMN 73    /* where names begin */
#define SHM_DEV     0x1UL /* major 0, minor 1: the kernel's own tmpfs mount */

struct text {
	char *data;
	size_t used, size;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *x, const char *format, ...)
{
	for (;;) {
		va_list ap;
		int n;
		char *bigger;

		va_start(ap, format);
		n = x->data ? vsnprintf(x->data + x->used, x->size - x->used, format, ap) : 0;
		va_end(ap);
		if (x->data && x->used + (size_t)n < x->size) {
			x->used += (size_t)n;
			return;
		}
		bigger = x->failed ? NULL : realloc(x->data, x->size * 2 + 8192);
		if (!bigger) {
			x->failed = true;
			return;
		}
		x->data = bigger;
		x->size = x->size * 2 + 8192;
	}
}

/* A path as maps shows it: newlines as \012. */
static void add_name(struct text *x, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, "\n");

		add(x, "%.*s", (int)n, name);
		name += n;
		if (*name) {
			add(x, "\\012");
			name++;
		}
	}
}

/* What a VMA without a file is called; NULL: nothing. */
static const char *label(const struct mm *mm, const struct vma *v)
{
	struct mm_object *o = vma_mm_object(v);

	if (v->label)
		return v->label;
	if (o)
		return o->kind == MM_SHARED ? "/dev/zero (deleted)" : NULL;
	if (v->start < mm->brk && v->end > mm->start_brk)
		return "[heap]";
	if (v->start <= mm->start_stack && v->end >= mm->start_stack)
		return "[stack]";
	return NULL;
}

static void show_line(struct text *x, const struct mm *mm, const struct vma *v)
{
	struct mm_object *o = vma_mm_object(v);
	u64 flags = v->flags, dev = 0, ino = 0, pgoff = o ? v->pgoff << PAGE_SHIFT : 0;
	const char *name = label(mm, v);
	char path[4096] = "";
	size_t line = x->used;

	if (o && o->file) {
		mm_file_name(o->file, &dev, &ino, path, sizeof path);
		name = path;
	} else if (o) {
		dev = SHM_DEV;
		ino = o->ino;
	}
	add(x, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ", (unsigned long long)v->start,
	    (unsigned long long)v->end, flags & VM_READ ? 'r' : '-', flags & VM_WRITE ? 'w' : '-',
	    flags & VM_EXEC ? 'x' : '-', flags & VM_MAYSHARE ? 's' : 'p', (unsigned long long)pgoff,
	    (unsigned)(dev >> 20), (unsigned)(dev & 0xfffff), (unsigned long long)ino);
	if (name) {
		if (x->used - line < NAME_COLUMN)
			add(x, "%*s", (int)(NAME_COLUMN - (x->used - line)), "");
		add_name(x, name);
	}
	add(x, "\n");
}

/* VmFlags' words, in the order of the bits. */
static const struct {
	u64 flag;
	const char *word;
} flag_words[] = {
	{VM_READ, "rd"},       {VM_WRITE, "wr"},      {VM_EXEC, "ex"},        {VM_SHARED, "sh"},
	{VM_MAYREAD, "mr"},    {VM_MAYWRITE, "mw"},   {VM_MAYEXEC, "me"},     {VM_MAYSHARE, "ms"},
	{VM_GROWSDOWN, "gd"},  {VM_LOCKED, "lo"},     {VM_SEQ_READ, "sr"},    {VM_RAND_READ, "rr"},
	{VM_DONTCOPY, "dc"},   {VM_DONTEXPAND, "de"}, {VM_LOCKONFAULT, "lf"}, {VM_ACCOUNT, "ac"},
	{VM_NORESERVE, "nr"},  {VM_WIPEONFORK, "wf"}, {VM_DONTDUMP, "dd"},    {VM_HUGEPAGE, "hg"},
	{VM_NOHUGEPAGE, "nh"}, {VM_SEALED, "sl"},
};

/* smaps' fields between the sizes and VmFlags, in order: what the host knows of the pages. */
static const char *const host_fields[] = {
	"Rss",
	"Pss",
	"Pss_Dirty",
	"Shared_Clean",
	"Shared_Dirty",
	"Private_Clean",
	"Private_Dirty",
	"Referenced",
	"Anonymous",
	"KSM",
	"LazyFree",
	"AnonHugePages",
	"ShmemPmdMapped",
	"FilePmdMapped",
	"Shared_Hugetlb",
	"Private_Hugetlb",
	"Swap",
	"SwapPss",
};

#define PSS_FIELD       1 /* of host_fields */
#define ANONYMOUS_FIELD 8

struct host_sums {
	u64 kb[ARRAY_SIZE(host_fields)];
};

static void field(struct text *x, const char *name, u64 kb)
{
	char head[32];

	snprintf(head, sizeof head, "%s:", name);
	add(x, "%-16s%8llu kB\n", head, (unsigned long long)kb);
}

/* The figures of the host's VMAs that lie in [start, end), from the host's smaps text. */
static void sum_host(const char *host, u64 start, u64 end, struct host_sums *sums)
{
	bool inside = false;
	const char *line;

	memset(sums, 0, sizeof *sums);
	for (line = host; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		unsigned long long from, to, kb;
		char name[32];
		size_t i;

		if (sscanf(line, "%llx-%llx ", &from, &to) == 2) {
			inside = from < end && to > start;
			continue;
		}
		if (!inside || sscanf(line, "%31[A-Za-z_]: %llu kB", name, &kb) != 2)
			continue;
		for (i = 0; i < ARRAY_SIZE(host_fields); i++)
			if (!strcmp(host_fields[i], name))
				sums->kb[i] += kb;
	}
}

static void show_details(struct text *x, const struct vma *v, const char *host)
{
	struct host_sums sums;
	size_t i;
	u64 kb = (v->end - v->start) >> 10;

	sum_host(host, v->start, v->end, &sums);
	field(x, "Size", kb);
	field(x, "KernelPageSize", PAGE_SIZE >> 10);
	field(x, "MMUPageSize", PAGE_SIZE >> 10);
	/* A host's VMA may be wider than the guest's: never more than fits. */
	for (i = 0; i < ARRAY_SIZE(host_fields); i++)
		field(x, host_fields[i], min(sums.kb[i], kb));
	field(x, "Locked", v->flags & VM_LOCKED ? min(sums.kb[1], kb) : 0);
	add(x, "%-16s%8u\n", "THPeligible:", 0);
	add(x, "VmFlags: ");
	for (i = 0; i < ARRAY_SIZE(flag_words); i++)
		if (v->flags & flag_words[i].flag)
			add(x, "%s ", flag_words[i].word);
	add(x, "\n");
}

int mm_show_maps(struct mm *mm, bool smaps, char **out, size_t *size)
{
	struct text x = {0};
	char *host = smaps && mm->space ? host_smaps(mm->k->trap_ops->pid(mm->space)) : NULL;
	struct vma *v;

	mm_catch_up(mm);
	add(&x, "%s", "");
	for (v = vma_first(&mm->vmas); v; v = vma_next(v)) {
		show_line(&x, mm, v);
		if (smaps)
			show_details(&x, v, host);
	}
	free(host);
	if (x.failed) {
		free(x.data);
		return -ENOMEM;
	}
	*out = x.data;
	*size = x.used;
	return 0;
}

int mm_show_rollup(struct mm *mm, char **out, size_t *size)
{
	char *host = mm->space ? host_smaps(mm->k->trap_ops->pid(mm->space)) : NULL;
	struct host_sums all = {0}, sums;
	struct text x = {0};
	struct vma *v, *first, *last;
	u64 anon;

	mm_catch_up(mm);
	first = last = vma_first(&mm->vmas);
	for (v = first; v; v = vma_next(v)) {
		sum_host(host, v->start, v->end, &sums);
		for (size_t i = 0; i < ARRAY_SIZE(host_fields); i++)
			all.kb[i] += min(sums.kb[i], (v->end - v->start) >> 10);
		last = v;
	}
	free(host);
	add(&x, "%08llx-%08llx ---p 00000000 00:00 0 ", first ? (unsigned long long)first->start : 0ULL,
	    last ? (unsigned long long)last->end : 0ULL);
	add(&x, "%*s[rollup]\n", (int)(x.used < NAME_COLUMN ? NAME_COLUMN - x.used : 0), "");
	for (size_t i = 0; i < ARRAY_SIZE(host_fields); i++) {
		field(&x, host_fields[i], all.kb[i]);
		if (strcmp(host_fields[i], "Pss_Dirty"))
			continue;
		/* What is anonymous is private, or nearly so: it counts whole. */
		anon = min(all.kb[ANONYMOUS_FIELD], all.kb[PSS_FIELD]);
		field(&x, "Pss_Anon", anon);
		field(&x, "Pss_File", all.kb[PSS_FIELD] - anon);
		field(&x, "Pss_Shmem", 0);
	}
	field(&x, "Locked", min(mm->locked_pages * (PAGE_SIZE >> 10), all.kb[PSS_FIELD]));
	if (x.failed) {
		free(x.data);
		return -ENOMEM;
	}
	*out = x.data;
	*size = x.used;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a core file: an ELF header, program headers, notes, memory (fs/binfmt_elf.c: elf_core_dump(); elf(5)).
 *
 *	Elf64_Ehdr | Elf64_Phdr: PT_NOTE, a PT_LOAD for each mapping | notes | to the next page | memory | Elf64_Shdr
 *
 * The notes of the thread whose signal it is come first. Pages that were never touched are holes of the file. The section
 * header is there when there are more program headers than their count has room for.
 *
 * Linux: memory that nobody may read is in the file. Here: it is a hole, because the host reads on behalf of the process.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/time.h>

#undef PAGE_SIZE /* sys/procfs.h brings one of its own */

#include "host/pagemap.h"
#include "mm/dump.h"
#include "task/coredump.h"
#include "task/life.h"
#include "task/signal.h"
#include "task/trace.h"

#define PIECE_PAGES 32UL                        /* read and written at once */
#define LOOK_PAGES  256UL                       /* looked for at once */
#define STUB_PAGES  (TRAP_COPY_MAX / PAGE_SIZE) /* that the stub carries */

struct core_file {
	struct task *t;
	struct file *f;
	u64 pos, written, limit;
	bool hole, failed; /* hole: the last bytes up to pos are not written */
	struct mm_segment *segments;
	u32 count, at;
	u64 offset; /* in the segment */
	Elf64_Shdr section;
	bool has_section;
	/* A piece that the stub has been asked for, in bytes. */
	size_t asked;
	bool arrived;
	void (*then)(struct task *t);
	char piece[PIECE_PAGES * PAGE_SIZE];
};

/* ---- bytes out ---- */

static void emit(struct core_file *c, const void *data, size_t size)
{
	if (c->failed || !size)
		return;
	if (c->written + size > c->limit ||
	    file_write_kernel(c->t, c->f, data, size, &c->pos) != (long)size) {
		c->failed = true;
		return;
	}
	c->written += size;
	c->hole = false;
}

static void skip(struct core_file *c, u64 size)
{
	c->pos += size;
	c->hole |= size > 0;
}

/* ---- notes ---- */

struct notes {
	char *data;
	size_t used, size;
	bool failed;
};

static void put(struct notes *n, const void *data, size_t size)
{
	size_t padded = (size + 3) & ~3UL;

	if (n->size - n->used < padded) {
		size_t more = 2 * n->size + padded + 4096;
		char *bigger = n->failed ? NULL : realloc(n->data, more);

		if (!bigger) {
			n->failed = true;
			return;
		}
		n->data = bigger;
		n->size = more;
	}
	memset(n->data + n->used, 0, padded);
	memcpy(n->data + n->used, data, size);
	n->used += padded;
}

static void note(struct notes *n, const char *name, u32 type, const void *data, size_t size)
{
	Elf64_Nhdr head = {.n_namesz = (u32)strlen(name) + 1, .n_descsz = (u32)size, .n_type = type};

	put(n, &head, sizeof head);
	put(n, name, head.n_namesz);
	put(n, data, size);
}

static struct timeval timeval_of(u64 ns)
{
	return (struct timeval){(time_t)(ns / 1000000000), (suseconds_t)(ns % 1000000000 / 1000)};
}

static void note_status(struct notes *n, struct task *t, const siginfo_t *info)
{
	const struct thread_group *g = t->group;
	struct elf_prstatus s;
	u64 utime, stime;

	_Static_assert(sizeof s.pr_reg == sizeof(struct guest_regs), "elf_gregset_t");
	memset(&s, 0, sizeof s);
	s.pr_info.si_signo = s.pr_cursig = (short)info->si_signo;
	s.pr_sigpend = t->pending.set;
	s.pr_sighold = t->blocked;
	s.pr_pid = t->tid;
	s.pr_ppid = g->parent ? g->parent->tgid : HUSK_INIT_PID;
	s.pr_pgrp = g->pgid;
	s.pr_sid = g->sid;
	task_times(t, &utime, &stime);
	s.pr_utime = timeval_of(utime);
	s.pr_stime = timeval_of(stime);
	s.pr_cutime = timeval_of(g->cutime_ns);
	s.pr_cstime = timeval_of(g->cstime_ns);
	memcpy(&s.pr_reg, task_regs(t), sizeof s.pr_reg);
	s.pr_fpvalid = 1;
	note(n, "CORE", NT_PRSTATUS, &s, sizeof s);
}

static void note_program(struct notes *n, struct task *t)
{
	const struct mm *mm = t->mm;
	struct elf_prpsinfo p;
	size_t size = min((size_t)(mm->arg_end - mm->arg_start), sizeof p.pr_psargs - 1);

	memset(&p, 0, sizeof p);
	p.pr_sname = 'R';
	p.pr_nice = (char)t->nice;
	p.pr_uid = t->cred->uid;
	p.pr_gid = t->cred->gid;
	p.pr_pid = t->group->tgid;
	p.pr_ppid = t->group->parent ? t->group->parent->tgid : HUSK_INIT_PID;
	p.pr_pgrp = t->group->pgid;
	p.pr_sid = t->group->sid;
	memcpy(p.pr_fname, t->comm, sizeof p.pr_fname);
	if (mm->args)
		memcpy(p.pr_psargs, mm->args->bytes, min(size, mm->args->size));
	else
		(void)mm_peek(t->mm, p.pr_psargs, mm->arg_start, size);
	for (size_t i = 0; i < size; i++)
		if (!p.pr_psargs[i])
			p.pr_psargs[i] = ' ';
	note(n, "CORE", NT_PRPSINFO, &p, sizeof p);
}

static void note_files(struct notes *n, struct mm *mm)
{
	char *files;
	long size = mm_dump_files(mm, &files);

	if (size < 0) {
		n->failed = true;
		return;
	}
	note(n, "CORE", NT_FILE, files, (size_t)size);
	free(files);
}

static void note_vectors(struct notes *n, struct task *t)
{
	char *state;
	long size = task_fpstate(t, &state);

	if (size < 0) {
		n->failed = true;
		return;
	}
	note(n, "CORE", NT_PRFPREG, state, TASK_FPREGS_SIZE);
	if ((size_t)size > TASK_FPREGS_SIZE)
		note(n, "LINUX", NT_X86_XSTATE, state, (size_t)size);
	free(state);
}

static void note_all(struct notes *n, struct task *t, const siginfo_t *info)
{
	struct task *other;

	note_status(n, t, info);
	note_program(n, t);
	note(n, "CORE", NT_SIGINFO, info, sizeof *info);
	note(n, "CORE", NT_AUXV, t->mm->auxv, t->mm->auxv_size);
	note_files(n, t->mm);
	note_vectors(n, t);
	list_for_each (other, &t->group->threads, group_node) {
		if (other == t || other->ending)
			continue;
		note_status(n, other, info);
		note_vectors(n, other);
	}
}

/* ---- headers ---- */

static void emit_header(struct core_file *c, u64 memory_end)
{
	u32 count = c->count + 1;
	Elf64_Ehdr e = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof e,
		.e_ehsize = sizeof e,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (u16)min(count, (u32)PN_XNUM),
	};

	if (count >= PN_XNUM) {
		e.e_shoff = memory_end;
		e.e_shentsize = sizeof(Elf64_Shdr);
		e.e_shnum = 1;
		c->has_section = true;
		c->section = (Elf64_Shdr){.sh_type = SHT_NULL, .sh_size = 1, .sh_info = count};
	}
	emit(c, &e, sizeof e);
}

static void emit_headers(struct core_file *c, const struct notes *n)
{
	u64 heads = sizeof(Elf64_Ehdr) + (c->count + 1UL) * sizeof(Elf64_Phdr);
	u64 memory = align_up(heads + n->used, PAGE_SIZE), at = memory;
	Elf64_Phdr p = {.p_type = PT_NOTE, .p_offset = heads, .p_filesz = n->used, .p_align = 4};

	for (u32 i = 0; i < c->count; i++)
		at += c->segments[i].size;
	emit_header(c, at);
	emit(c, &p, sizeof p);
	at = memory;
	for (u32 i = 0; i < c->count; i++) {
		const struct mm_segment *s = &c->segments[i];

		p = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = s->flags,
			.p_offset = at,
			.p_vaddr = s->start,
			.p_filesz = s->size,
			.p_memsz = s->end - s->start,
			.p_align = PAGE_SIZE,
		};
		emit(c, &p, sizeof p);
		at += s->size;
	}
	emit(c, n->data, n->used);
	skip(c, memory - heads - n->used);
}

struct core_file *core_file_new(struct task *t, const siginfo_t *info, struct file *f)
{
	struct core_file *c = calloc(1, sizeof *c);
	struct notes notes = {0};
	long n;

	if (!c)
		return NULL;
	c->t = t;
	c->f = f;
	c->limit = t->group->limits[RLIMIT_CORE].rlim_cur;
	n = mm_dump_segments(t->mm, &c->segments);
	if (n >= 0)
		note_all(&notes, t, info);
	if (n < 0 || notes.failed) {
		free(notes.data);
		core_file_free(c);
		return NULL;
	}
	c->count = (u32)n;
	emit_headers(c, &notes);
	free(notes.data);
	return c;
}

void core_file_free(struct core_file *c)
{
	free(c->segments);
	free(c);
}

/* ---- memory ---- */

static bool is_zero(const char *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE_SIZE - 1);
}

/* The first @size bytes of the piece; zeroes need no room. */
static void emit_pages(struct core_file *c, size_t size)
{
	size_t at = 0, end;

	while (at < size) {
		bool zero = is_zero(c->piece + at);

		for (end = at + PAGE_SIZE; end < size && is_zero(c->piece + end) == zero; end += PAGE_SIZE)
			;
		if (zero)
			skip(c, end - at);
		else
			emit(c, c->piece + at, end - at);
		at = end;
	}
	c->offset += size;
}

static void pass(struct core_file *c, size_t size)
{
	skip(c, size);
	c->offset += size;
}

static void brought(void *arg, long result)
{
	struct core_file *c = arg;

	c->arrived = result >= 0;
	c->then(c->t);
}

/* Where the host reads nobody's memory the process's own stub does, a little at a time. */
static void ask_stub(struct core_file *c, u64 addr, size_t size)
{
	const struct trap_ops *ops = c->t->k->trap_ops;

	c->asked = min(size, STUB_PAGES * PAGE_SIZE);
	(void)ops->copy_in(c->t->thread, addr, c->asked);
	ops->run(c->t->thread, brought, c);
}

static void take_asked(struct core_file *c, u64 addr)
{
	size_t size = c->asked;

	c->asked = 0;
	if (c->arrived && c->t->k->trap_ops->precopied(c->t->thread, c->piece, addr, size) == size)
		emit_pages(c, size);
	else
		pass(c, PAGE_SIZE);
}

/* How many pages from @addr on, of @pages, are alike: there, or (*there false) not. */
static u32 run_of(const struct core_file *c, u64 addr, u32 pages, bool *there)
{
	bool each[LOOK_PAGES];
	u32 n = 1;

	*there = true;
	if (!c->segments[c->at].sparse ||
	    !host_pages(c->t->k->trap_ops->pid(c->t->mm->space), addr, pages, each))
		return pages;
	*there = each[0];
	while (n < pages && each[n] == each[0])
		n++;
	return n;
}

/* Memory that is there: false when the stub has been asked for it. */
static bool copy_run(struct core_file *c, u64 addr, size_t size)
{
	struct task *t = c->t;
	long n = t->k->trap_ops->read(t->mm->space, c->piece, addr, size);

	if (n == -ENOSYS) {
		ask_stub(c, addr, size);
		return false;
	}
	if (n < (long)PAGE_SIZE) {
		pass(c, PAGE_SIZE);
		return true;
	}
	if (t->k->ops.code_shown)
		t->k->ops.code_shown(t->mm, c->piece, addr, (size_t)n);
	emit_pages(c, align_down((size_t)n, PAGE_SIZE));
	return true;
}

static void end(struct core_file *c)
{
	if (c->has_section)
		emit(c, &c->section, sizeof c->section);
	/* A hole at the end needs a last byte. */
	if (c->hole) {
		c->pos--;
		emit(c, "", 1);
	}
}

bool core_file_write(struct core_file *c, void (*then)(struct task *t), bool *later)
{
	const struct mm_segment *s;
	u32 pages;
	bool there;
	u64 addr;

	while (c->at < c->count && c->offset >= c->segments[c->at].size) {
		c->at++;
		c->offset = 0;
	}
	if (c->at == c->count)
		end(c);
	if (c->failed || c->at == c->count)
		return false;
	s = &c->segments[c->at];
	addr = s->start + c->offset;
	if (c->asked) {
		take_asked(c, addr);
		return true;
	}
	pages = run_of(c, addr, (u32)min((s->size - c->offset) / PAGE_SIZE, LOOK_PAGES), &there);
	if (!there) {
		pass(c, pages * PAGE_SIZE);
		return true;
	}
	c->then = then;
	*later = !copy_run(c, addr, min((u64)pages, PIECE_PAGES) * PAGE_SIZE);
	return !*later;
}

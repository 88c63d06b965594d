/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first stack of a program (System V ABI for x86-64, 3.4.1; create_elf_tables() in fs/binfmt_elf.c):
 *
 *	top	8 bytes of 0
 *		the path that was executed (AT_EXECFN)
 *		environment strings
 *		argument strings
 *		random gap, "x86_64" (AT_PLATFORM), 16 random bytes (AT_RANDOM)
 *		auxiliary vector, envp, argv, argc
 *	rsp	16-byte aligned
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>

#include "mm/mm.h"
#include "task/exec.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define CLOCK_TICKS 100
#define STACK_EXTRA 131072UL   /* mapped below what is filled, as Linux does */
#define STACK_RND   0x3fffffUL /* pages */
#define PLATFORM    "x86_64"

/* The stack as it is built: kernel memory that will lie at [low, top). */
struct image {
	char *bytes;
	u64 low, top;
};

static u64 *slot(struct image *im, u64 addr)
{
	return (u64 *)(im->bytes + (addr - im->low));
}

static void put_bytes(struct image *im, u64 addr, const void *from, size_t size)
{
	memcpy(im->bytes + (addr - im->low), from, size);
}

static u64 args_bytes(const struct exec *e, size_t *skipped)
{
	u64 bytes = e->args.used;

	*skipped = e->skip && e->args.count ? strlen(e->args.bytes) + 1 : 0;
	bytes -= *skipped;
	for (int i = 0; i < e->nprefix; i++)
		bytes += strlen(e->prefix[i]) + 1;
	return bytes;
}

static int make_auxv(struct task *t, const struct exec *e, u64 platform, u64 random, u64 execfn, u64 (*av)[2])
{
	const struct elf_image *im = &e->image;
	const struct cred *c = t->cred;
	const u64 all[][2] = {
		{AT_SYSINFO_EHDR, t->mm->vdso},
		{AT_MINSIGSTKSZ, getauxval(AT_MINSIGSTKSZ)},
		{AT_HWCAP, getauxval(AT_HWCAP)},
		{AT_PAGESZ, PAGE_SIZE},
		{AT_CLKTCK, CLOCK_TICKS},
		{AT_PHDR, im->phdr},
		{AT_PHENT, sizeof(Elf64_Phdr)},
		{AT_PHNUM, (u64)im->count},
		{AT_BASE, e->interp_base},
		{AT_FLAGS, 0},
		{AT_ENTRY, im->entry},
		{AT_UID, c->uid},
		{AT_EUID, c->euid},
		{AT_GID, c->gid},
		{AT_EGID, c->egid},
		{AT_SECURE, e->secure},
		{AT_RANDOM, random},
		{AT_HWCAP2, getauxval(AT_HWCAP2)},
		{AT_EXECFN, execfn},
		{AT_PLATFORM, platform},
		{AT_NULL, 0},
	};
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		bool optional = all[i][0] == AT_SYSINFO_EHDR || all[i][0] == AT_MINSIGSTKSZ;

		if (optional && !all[i][1])
			continue;
		av[n][0] = all[i][0];
		av[n++][1] = all[i][1];
	}
	return n;
}

/* Writes the strings at @at, and their addresses at @vector. */
static void put_strings(struct image *im, const char *from, size_t size, u64 *at, u64 *vector)
{
	size_t done = 0;

	put_bytes(im, *at, from, size);
	while (done < size) {
		size_t len = strlen(from + done) + 1;

		*slot(im, *vector) = *at;
		*vector += sizeof(u64);
		*at += len;
		done += len;
	}
}

static void random_bytes(struct mm *mm, u64 out[2])
{
	out[0] = mm->random(mm->k);
	out[1] = mm->random(mm->k);
}

static bool randomize(const struct task *t)
{
	return !(t->personality & ADDR_NO_RANDOMIZE);
}

static u64 stack_top(struct task *t)
{
	return TRAP_GUEST_TOP - (randomize(t) ? (t->mm->random(t->k) & STACK_RND) * PAGE_SIZE : 0);
}

/* Where everything lies, from the top down. */
struct layout {
	u64 execfn, env, args, platform, random, sp;
	u64 argc, envc, vector; /* vector: address of argv[0] */
	size_t skipped;
	int nauxv;
};

static void lay_out(struct task *t, const struct exec *e, u64 top, int nauxv, struct layout *l)
{
	u64 rnd = randomize(t) ? t->mm->random(t->k) % 8192 : 0;

	l->execfn = top - 8 - (strlen(e->path) + 1);
	l->env = l->execfn - e->env.used;
	l->args = l->env - args_bytes(e, &l->skipped);
	l->platform = align_down(l->args - rnd, 16UL) - sizeof PLATFORM;
	l->random = l->platform - 16;
	l->argc = e->args.count - (l->skipped ? 1 : 0) + (u64)e->nprefix;
	l->envc = e->env.count;
	l->nauxv = nauxv;
	l->sp = align_down(l->random, 16UL);
	l->sp = align_down(l->sp - (1 + l->argc + 1 + l->envc + 1) * 8 - (u64)nauxv * 16, 16UL);
	l->vector = l->sp + 8;
}

static void fill(struct task *t, struct exec *e, struct image *im, const struct layout *l, u64 (*av)[2])
{
	struct mm *mm = t->mm;
	u64 at = l->args, vector = l->vector, seed[2];

	*slot(im, l->sp) = l->argc;
	for (int i = e->nprefix - 1; i >= 0; i--)
		put_strings(im, e->prefix[i], strlen(e->prefix[i]) + 1, &at, &vector);
	put_strings(im, e->args.bytes + l->skipped, e->args.used - l->skipped, &at, &vector);
	vector += 8;
	if (e->env.used)
		put_strings(im, e->env.bytes, e->env.used, &at, &vector);
	vector += 8;
	put_bytes(im, vector, av, (size_t)l->nauxv * 16);
	random_bytes(mm, seed);
	put_bytes(im, l->random, seed, sizeof seed);
	put_bytes(im, l->platform, PLATFORM, sizeof PLATFORM);
	put_bytes(im, l->execfn, e->path, strlen(e->path) + 1);
	mm->start_stack = l->sp;
	mm->arg_start = l->args;
	mm->arg_end = mm->env_start = l->env;
	mm->env_end = l->execfn;
	mm->auxv_size = min((size_t)l->nauxv * 16, sizeof mm->auxv);
	memcpy(mm->auxv, av, mm->auxv_size);
}

int exec_stack(struct task *t, struct exec *e, u64 *sp)
{
	u64 top = stack_top(t), av[EXEC_MAX_AUXV][2], size;
	u64 limit = t->group->limits[RLIMIT_STACK].rlim_cur;
	struct layout l;
	struct image im;
	int n, err;

	if (!e->args.count && !e->nprefix) {
		/* Linux: no program starts without argv[0]. */
		err = exec_add_string(&e->args, "", 0);
		if (err)
			return err;
	}
	n = make_auxv(t, e, 0, 0, 0, av);
	lay_out(t, e, top, n, &l);
	make_auxv(t, e, l.platform, l.random, l.execfn, av);
	size = align_up(top - l.sp, PAGE_SIZE);
	if (size + STACK_EXTRA <= limit)
		size += STACK_EXTRA;
	err = mm_map_stack(t->mm, top, size, e->image.exec_stack || (t->personality & READ_IMPLIES_EXEC));
	if (err < 0)
		return err;
	im.low = l.sp;
	im.top = top;
	im.bytes = calloc(1, top - l.sp);
	if (!im.bytes)
		return -ENOMEM;
	fill(t, e, &im, &l, av);
	mm_keep_args(t->mm, im.bytes + (l.args - l.sp), l.env - l.args);
	err = user_write(t, l.sp, im.bytes, top - l.sp);
	free(im.bytes);
	*sp = l.sp;
	return err;
}

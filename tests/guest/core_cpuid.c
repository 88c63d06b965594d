/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processor says of itself, asked by a program's linker, and what the instruction leaves alone. As a dynamic program
 * this compares what its linker has learnt with what it hears itself. As a static one it is a linker: of programs made here,
 * that are nothing but headers. static
 */
#include "check.h"

#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/platform/x86.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

/* The instruction behind a long one, and before short ones; functions, so that tables for unwinding tell of them. */
__asm__(".text\n"
	".globl ask_head, ask_tail\n"
	".type ask_head, @function\n"
	"ask_head:\n"
	".cfi_startproc\n"
	"	mov ask_leaf(%rip), %eax\n"
	"head_site: cpuid\n"
	"	jmp ask_back\n"
	".cfi_endproc\n"
	".size ask_head, . - ask_head\n"
	"	.skip 256, 0x90\n"
	".type ask_tail, @function\n"
	"ask_tail:\n"
	".cfi_startproc\n"
	"	mov ask_leaf(%rip), %eax\n"
	"	nop\n"
	"	nop\n"
	"tail_site: cpuid\n"
	"	nopl (%rax)\n"
	"	jmp ask_back\n"
	".cfi_endproc\n"
	".size ask_tail, . - ask_tail\n"
	"	.skip 256, 0x90\n");

void ask_head(void), ask_tail(void);
uint32_t ask_leaf;
void (*ask_at)(void);
extern char head_site[], tail_site[];

struct state {
	uint64_t reg[16]; /* rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8..r15 */
	uint64_t flags;
};

/* Loads every register but rax from @in, goes to ask_at with @stack in rsp, stores every register into seen. */
void ask_with(const struct state *in, const void *stack);
extern struct state seen;
__asm__(".text\n"
	".balign 64\n"
	"ask_with:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, ask_stack(%rip)\n"
	"	mov %rsi, %rcx\n"
	"	pushq 128(%rdi)\n"
	"	mov %rdi, %r15\n"
	"	mov 8(%r15), %rbx\n	mov 24(%r15), %rdx\n	mov 32(%r15), %rsi\n	mov 40(%r15), %rdi\n"
	"	mov 48(%r15), %rbp\n	mov 64(%r15), %r8\n	mov 72(%r15), %r9\n	mov 80(%r15), %r10\n"
	"	mov 88(%r15), %r11\n	mov 96(%r15), %r12\n	mov 104(%r15), %r13\n	mov 112(%r15), %r14\n"
	"	popfq\n"
	"	mov %rcx, %rsp\n"
	"	mov 16(%r15), %rcx\n"
	"	mov 120(%r15), %r15\n"
	"	jmp *ask_at(%rip)\n"
	"ask_back:\n"
	"	mov %rax, seen(%rip)\n"
	"	mov %rbx, seen+8(%rip)\n"
	"	mov %rcx, seen+16(%rip)\n"
	"	mov %rdx, seen+24(%rip)\n"
	"	mov %rsi, seen+32(%rip)\n"
	"	mov %rdi, seen+40(%rip)\n"
	"	mov %rbp, seen+48(%rip)\n"
	"	mov %rsp, seen+56(%rip)\n"
	"	mov %r8, seen+64(%rip)\n"
	"	mov %r9, seen+72(%rip)\n"
	"	mov %r10, seen+80(%rip)\n"
	"	mov %r11, seen+88(%rip)\n"
	"	mov %r12, seen+96(%rip)\n"
	"	mov %r13, seen+104(%rip)\n"
	"	mov %r14, seen+112(%rip)\n"
	"	mov %r15, seen+120(%rip)\n"
	"	mov ask_stack(%rip), %rsp\n"
	"	pushfq\n"
	"	pop %rax\n"
	"	mov %rax, seen+128(%rip)\n"
	"	pushq $2\n"
	"	popfq\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n"
	".bss\n"
	".balign 8\n"
	"ask_stack: .quad 0\n"
	".globl seen\n"
	"seen: .skip 136\n"
	".text\n");

struct answer {
	uint32_t eax, ebx, ecx, edx;
};

/* Code that was made at run time asks the processor itself. */
static void (*plain)(uint32_t leaf, uint32_t sub, struct answer *out);

static void make_plain(void)
{
	static const unsigned char code[] = {
		0x53,                   /* push %rbx */
		0x49, 0x89, 0xd0,       /* mov %rdx,%r8 */
		0x89, 0xf8,             /* mov %edi,%eax */
		0x89, 0xf1,             /* mov %esi,%ecx */
		0x0f, 0xa2,             /* cpuid */
		0x41, 0x89, 0x00,       /* mov %eax,(%r8) */
		0x41, 0x89, 0x58, 0x04, /* mov %ebx,4(%r8) */
		0x41, 0x89, 0x48, 0x08, /* mov %ecx,8(%r8) */
		0x41, 0x89, 0x50, 0x0c, /* mov %edx,12(%r8) */
		0x5b, 0xc3,             /* pop %rbx; ret */
	};
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	memcpy(at, code, sizeof code);
	CHECK_EQ(mprotect(at, 4096, PROT_READ | PROT_EXEC), 0);
	plain = (void (*)(uint32_t, uint32_t, struct answer *))(uintptr_t)at;
}

/* What tells one processor from another, or may change at any time, is left out. */
static void mask(uint32_t leaf, struct answer *a)
{
	if (leaf == 1)
		a->ebx &= 0xffffff;
	if (leaf == 0xb || leaf == 0x1f)
		a->edx = 0;
}

static const uint32_t leaves[][2] = {
	{0, 0},          {0, 0x12345},    {1, 0},          {2, 0},          {2, 0x7ff},      {4, 0},
	{4, 1},          {4, 2},          {4, 3},          {4, 4},          {4, 99},         {7, 0},
	{7, 1},          {0xb, 0},        {0xb, 1},        {0xd, 0},        {0xd, 1},        {0xd, 2},
	{0xd, 5},        {0xd, 9},        {0x14, 0},       {0x19, 3},       {0x80000000, 0}, {0x80000001, 7},
	{0x80000006, 0}, {0x80000007, 0}, {0x80000008, 0}, {0x12345678, 0},
};
#define NR_LEAVES (sizeof leaves / sizeof leaves[0])

static void check_answer(uint32_t leaf, uint32_t sub, uint64_t flags, const void *stack)
{
	struct answer want, got;
	struct state in;

	for (int i = 0; i < 16; i++)
		in.reg[i] = 0x1111111111111111UL * (uint64_t)i + flags;
	in.reg[2] = 0xabcdef0000000000UL | sub;
	in.flags = flags | 0x202;
	ask_leaf = leaf;
	plain(leaf, sub, &want);
	ask_with(&in, stack);
	got = (struct answer){(uint32_t)seen.reg[0], (uint32_t)seen.reg[1], (uint32_t)seen.reg[2],
			      (uint32_t)seen.reg[3]};
	mask(leaf, &want);
	mask(leaf, &got);
	CHECK_EQ(got.eax, want.eax);
	CHECK_EQ(got.ebx, want.ebx);
	CHECK_EQ(got.ecx, want.ecx);
	CHECK_EQ(got.edx, want.edx);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(seen.reg[i] >> 32, 0);
	for (int i = 4; i < 16; i++)
		if (i != 7)
			CHECK_EQ(seen.reg[i], in.reg[i]);
	CHECK_EQ(seen.reg[7], (uint64_t)stack);
	CHECK_EQ(seen.flags, in.flags);
}

static void check_all(void (*site)(void), const void *stack)
{
	static const uint64_t flags[] = {0, 0x1, 0x4, 0x10, 0x40, 0x80, 0x800, 0x8d5, 0x400, 0x40000};

	ask_at = site;
	for (size_t i = 0; i < NR_LEAVES; i++)
		check_answer(leaves[i][0], leaves[i][1], flags[i % (sizeof flags / sizeof flags[0])], stack);
}

static void test_registers(void)
{
	char stack[512];

	memset(stack, 0x5a, sizeof stack);
	for (int round = 0; round < 5; round++) {
		check_all(ask_head, stack + 256);
		check_all(ask_tail, stack + 256);
		/* No byte of the stack is needed, there may be none. */
		check_all(ask_head, (void *)16);
		check_all(ask_tail, (void *)16);
	}
	for (size_t i = 0; i < sizeof stack; i++)
		CHECK_EQ(stack[i], 0x5a);
}

extern char __executable_start[], etext[];
static volatile long ticks, strangers, odd;

/* Code that is not the program's own is never seen; at the instruction its inputs are there. */
static void tick(int signo, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t ip = (uintptr_t)r[REG_RIP];

	(void)signo;
	(void)info;
	ticks++;
	if (ip - (uintptr_t)__executable_start >= (uintptr_t)(etext - __executable_start) &&
	    ip - (uintptr_t)plain >= 4096)
		strangers++;
	if ((ip == (uintptr_t)head_site || ip == (uintptr_t)tail_site) && (uint32_t)r[REG_RAX] != ask_leaf)
		odd++;
}

static void test_signals(void)
{
	static char stack[65536];
	struct sigaction sa = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO};
	struct itimerval every = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (ticks < 300) {
		check_all(ask_head, stack + sizeof stack - 4096);
		check_all(ask_tail, stack + sizeof stack - 4096);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	CHECK_EQ(strangers, 0);
	CHECK_EQ(odd, 0);
}

static void test_other_gs(void)
{
	static uint64_t word;

	if (!(getauxval(AT_HWCAP2) & 2))
		return;
	__asm__ volatile("wrgsbase %0" : : "r"(&word));
	test_registers();
	__asm__ volatile("wrgsbase %0" : : "r"(0UL));
}

/* ---- as a linker ---- */

/* Calls from several places, again and again: so husk comes to know this file's code. */
static void make_known(void)
{
	for (int i = 0; i < 20; i++) {
		getppid();
		getuid();
		umask(022);
		getpgid(0);
		access("/", F_OK);
		alarm(0);
		getpriority(0, 0);
	}
}

static int as_linker(void)
{
	char *mapped = (char *)((uintptr_t)head_site & ~4095UL);

	make_known();
	make_plain();
	test_registers();
	test_signals();
	test_other_gs();
	/* Its own code, read by a call, is the file's; and so it is when it has become writable. */
	CHECK(!memcmp(head_site, "\x0f\xa2", 2));
	CHECK_EQ(mprotect(mapped, 8192, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK(!memcmp(tail_site, "\x0f\xa2\x0f\x1f\x00", 5));
	test_registers();
	return check_done();
}

/* A program without code, whose linker is this one: its headers tell this one's thread-local storage. */
static void write_program(const char *path, const char *linker)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr p[12];
		char linker[PATH_MAX];
	} f = {.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_ehsize = sizeof f.header,
			  .e_phentsize = sizeof f.p[0]}};
	const Elf64_Phdr *own = (const Elf64_Phdr *)getauxval(AT_PHDR);
	const uint64_t at = 0x70000000;
	int n = 0, fd;

	strcpy(f.linker, linker);
	f.header.e_phoff = offsetof(__typeof__(f), p);
	f.header.e_entry = at;
	f.p[n++] = (Elf64_Phdr){.p_type = PT_PHDR,
				.p_flags = PF_R,
				.p_offset = f.header.e_phoff,
				.p_vaddr = at + f.header.e_phoff,
				.p_filesz = sizeof f.p,
				.p_memsz = sizeof f.p,
				.p_align = 8};
	f.p[n++] = (Elf64_Phdr){.p_type = PT_INTERP,
				.p_flags = PF_R,
				.p_offset = offsetof(__typeof__(f), linker),
				.p_vaddr = at + offsetof(__typeof__(f), linker),
				.p_filesz = strlen(linker) + 1,
				.p_memsz = strlen(linker) + 1,
				.p_align = 1};
	f.p[n++] = (Elf64_Phdr){.p_type = PT_LOAD,
				.p_flags = PF_R,
				.p_vaddr = at,
				.p_filesz = sizeof f,
				.p_memsz = sizeof f,
				.p_align = 4096};
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		if (own[i].p_type == PT_TLS || own[i].p_type == PT_GNU_STACK)
			f.p[n++] = own[i];
	f.header.e_phnum = (Elf64_Half)n;
	fd = open(path, O_WRONLY | O_TRUNC);
	CHECK(fd >= 0 && write(fd, &f, sizeof f) == (ssize_t)sizeof f && fchmod(fd, 0755) == 0 &&
	      close(fd) == 0);
}

static void test_linker(void)
{
	char linker[PATH_MAX] = "", program[] = "/tmp/core_cpuid.XXXXXX";
	struct stat st;
	int status, fd;

	CHECK(readlink("/proc/self/exe", linker, sizeof linker - 1) > 0);
	CHECK_EQ(stat(linker, &st), 0);
	/* A file that was changed a moment ago is not patched. */
	while (time(NULL) - st.st_ctime < 3)
		usleep(100000);
	fd = mkstemp(program);
	CHECK(fd >= 0 && close(fd) == 0);
	write_program(program, linker);
	for (int i = 0; i < 6; i++) {
		pid_t pid = fork();

		if (!pid) {
			execl(program, program, "linker", NULL);
			_exit(126);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK_EQ(status, 0);
	}
	unlink(program);
}

/* ---- as a program ---- */

/* What the linker has kept of its questions is what the processor says to those of this program. */
static void test_learnt(void)
{
	static const struct {
		unsigned index;
		uint32_t leaf, sub;
	} kept[] = {
		{CPUID_INDEX_1, 1, 0},
		{CPUID_INDEX_7, 7, 0},
		{CPUID_INDEX_80000001, 0x80000001, 0},
		{CPUID_INDEX_D_ECX_1, 0xd, 1},
		{CPUID_INDEX_80000007, 0x80000007, 0},
		{CPUID_INDEX_80000008, 0x80000008, 0},
		{CPUID_INDEX_7_ECX_1, 7, 1},
		{CPUID_INDEX_19, 0x19, 0},
		{CPUID_INDEX_14_ECX_0, 0x14, 0},
	};
	uint32_t most = __get_cpuid_max(0, NULL), most_extended = __get_cpuid_max(0x80000000, NULL);

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		const struct cpuid_feature *f = __x86_get_cpuid_feature_leaf(kept[i].index);
		struct answer want, got;

		if (kept[i].leaf > (kept[i].leaf & 0x80000000 ? most_extended : most))
			continue;
		__cpuid_count(kept[i].leaf, kept[i].sub, want.eax, want.ebx, want.ecx, want.edx);
		got = (struct answer){f->cpuid_array[0], f->cpuid_array[1], f->cpuid_array[2],
				      f->cpuid_array[3]};
		mask(kept[i].leaf, &want);
		mask(kept[i].leaf, &got);
		CHECK_EQ(got.eax, want.eax);
		CHECK_EQ(got.ebx, want.ebx);
		CHECK_EQ(got.ecx, want.ecx);
		CHECK_EQ(got.edx, want.edx);
	}
	/* What libc has computed of the rest: cache sizes. */
	printf("%ld %ld %ld %ld\n", sysconf(_SC_LEVEL1_DCACHE_SIZE), sysconf(_SC_LEVEL1_DCACHE_LINESIZE),
	       sysconf(_SC_LEVEL2_CACHE_SIZE), sysconf(_SC_LEVEL3_CACHE_SIZE));
	fflush(stdout);
}

/* The first program of a sandbox, and those that follow. */
static void test_program(const char *self)
{
	int status;

	test_learnt();
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (!pid) {
			execl(self, self, "learnt", NULL);
			_exit(126);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK_EQ(status, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "linker"))
		return as_linker();
	if (argc > 1) {
		test_learnt();
		return check_done();
	}
	if (getauxval(AT_BASE))
		test_program("/proc/self/exe");
	else
		test_linker();
	return check_done();
}

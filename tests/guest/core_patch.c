/* SPDX-License-Identifier: Apache-2.0 */
/* Calls made again and again from the same place: what the instruction leaves alone, what programs do to their own
 * code, signals at every moment. static */
#include "check.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#define ROUNDS 200

/* One site of each kind that libraries have, each in a function of its own. */
__asm__(".text\n"
	".balign 4096\n"
	"code_start:\n"
	"	.skip 512, 0x90\n"
	"call_head:  mov $39, %eax\n" /* getpid */
	"head_site:  syscall\n"
	"head_back:  ret\n"
	"	.skip 256, 0x90\n"
	"call_tail:  xor %eax, %eax\n" /* read */
	"tail_site:  syscall\n"
	"tail_back:  cmp $-4096, %rax\n"
	"	ja 1f\n"
	"	ret\n"
	"1:	mov $-1, %rax\n"
	"	ret\n"
	"	.skip 256, 0x90\n"
	"call_any:   mov 8(%rsp), %r9\n" /* number in rax, sixth argument on the stack */
	"	syscall\n"
	"	ret\n"
	"	.skip 256, 0x90\n"
	"call_late:  mov $39, %eax\n" /* the head's syscall, by another way */
	"	jmp head_site\n"
	"	.skip 256, 0x90\n"
	/* The five bytes before the call are the end of a longer instruction, and the number all the same. */
	"call_long:  push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	sub $128, %rsp\n"
	"	mov $39, %rax\n"
	"	.byte 0xc7, 0x45, 0xb8, 39, 0, 0, 0\n" /* movl $39,-0x48(%rbp) */
	"	syscall\n"
	"	movslq -0x48(%rbp), %rdx\n"
	"	sub $39, %rdx\n"
	"	add %rdx, %rax\n"
	"	leave\n"
	"	ret\n"
	"	.skip 512, 0x90\n"
	"code_end:\n");

long call_head(void), call_late(void), call_long(void), call_tail(int fd, void *buf, size_t n);
extern char code_start[], code_end[], head_site[], head_back[], tail_site[], tail_back[];

/* ---- what the instruction leaves alone ---- */

struct state {
	uint64_t reg[16]; /* rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8..r15 */
	uint64_t flags, back;
	uint64_t zone[16];
	uint64_t vector[4];
};

/* Loads every register from @in, makes call @in->reg[0] from one place, stores every register into @out. */
void call_with(const struct state *in, struct state *out, const void *stack);
__asm__(".text\n"
	".balign 64\n"
	"call_with:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	push %rsi\n"
	"	mov %rsp, saved_stack(%rip)\n"
	"	vmovdqu 272(%rdi), %ymm5\n"
	"	mov 128(%rdi), %rax\n"
	"	mov %rdx, %rsp\n" /* the stack that the call is made on */
	"	mov %rdi, %r15\n"
	"	mov 8(%r15), %rbx\n	mov 24(%r15), %rdx\n	mov 32(%r15), %rsi\n	mov 40(%r15), %rdi\n"
	"	mov 48(%r15), %rbp\n	mov 64(%r15), %r8\n	mov 72(%r15), %r9\n	mov 80(%r15), %r10\n"
	"	mov 96(%r15), %r12\n	mov 104(%r15), %r13\n	mov 112(%r15), %r14\n"
	"	mov %rsp, %rcx\n"
	"	mov saved_stack(%rip), %rsp\n"
	"	pushq %rax\n"
	"	popfq\n"
	"	mov %rcx, %rsp\n"
	"	mov $110, %eax\n" /* getppid */
	"	syscall\n"
	"1:	mov %rax, seen(%rip)\n"
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
	"	mov saved_stack(%rip), %rsp\n"
	"	pushfq\n"
	"	pop %rax\n"
	"	mov %rax, seen+128(%rip)\n"
	"	pushq $2\n"
	"	popfq\n"
	"	lea 1b(%rip), %rax\n"
	"	mov %rax, seen+136(%rip)\n"
	"	mov (%rsp), %rdi\n"
	"	vmovdqu %ymm5, 272(%rdi)\n"
	"	lea seen(%rip), %rsi\n"
	"	mov $18, %ecx\n"
	"	rep movsq\n"
	"	pop %rsi\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n"
	".bss\n"
	"saved_stack: .quad 0\n"
	"seen: .skip 144\n"
	".text\n");

#define FLAGS_FIXED 0x202UL

static void check_state(uint64_t flags, const void *stack)
{
	struct state in, out;

	for (int i = 0; i < 16; i++)
		in.reg[i] = 0x1111111111111111UL * (uint64_t)i + flags;
	for (int i = 0; i < 4; i++)
		in.vector[i] = 0x0123456789abcdefUL * (uint64_t)(i + 1);
	in.flags = flags | FLAGS_FIXED;
	memset(&out, 0, sizeof out);
	call_with(&in, &out, stack);
	CHECK_EQ(out.reg[0], getppid());
	CHECK_EQ(out.reg[1], in.reg[1]);
	CHECK_EQ(out.reg[2], out.back); /* rcx: where it returned to */
	for (int i = 3; i < 15; i++)
		if (i != 7 && i != 11)
			CHECK_EQ(out.reg[i], in.reg[i]);
	CHECK_EQ(out.reg[7], (uint64_t)stack);
	CHECK_EQ(out.reg[11], in.flags); /* r11: the flags */
	CHECK_EQ(out.flags, in.flags);
	CHECK(!memcmp(out.vector, in.vector, sizeof in.vector));
}

static void test_registers(void)
{
	static const uint64_t flags[] = {0,     0x1,   0x4,   0x10,    0x40,    0x80,
					 0x800, 0x8d5, 0x400, 0x40000, 0x200000};
	char stack[512];

	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
			check_state(flags[i], stack + 256);
	/* No byte of the stack is needed, there may be none. */
	for (int round = 0; round < 20; round++)
		check_state(0x41, (void *)16);
	memset(stack, 0x5a, sizeof stack);
	for (int round = 0; round < 20; round++)
		check_state(0, stack + 256);
	for (size_t i = 0; i < sizeof stack; i++)
		CHECK_EQ(stack[i], 0x5a);
}

/* ---- results ---- */

static void test_results(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	char byte;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(call_head(), getpid());
		CHECK_EQ(call_late(), getpid());
		CHECK_EQ(call_long(), getpid());
		CHECK_EQ(call_tail(fd, &byte, 1), 1);
		CHECK_EQ(call_tail(-1, &byte, 1), -1);
		CHECK_EQ(syscall(SYS_getppid), getppid());
		CHECK_EQ(syscall(-1L), -1);
		CHECK_EQ(syscall(0x100000027L), getpid()); /* numbers have 32 bits */
		CHECK_EQ(syscall(100000L), -1);
	}
	close(fd);
}

static void test_processes(void)
{
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			for (int j = 0; j < ROUNDS; j++)
				CHECK_EQ(call_head(), getpid());
			CHECK(call_head() != getppid());
			_exit(check_failed());
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		pid = vfork();
		if (!pid)
			_exit(call_head() == syscall(SYS_getpid) ? 0 : 1);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
}

static void *caller(void *arg)
{
	long pid = getpid();

	for (int i = 0; i < 20 * ROUNDS; i++) {
		if (call_head() != pid || syscall(SYS_gettid) == 0)
			return arg;
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[4];
	void *failed;

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, caller, threads), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		CHECK(!failed);
	}
}

/* ---- a program and its own code ---- */

/* Calls find in it what the file has. */
static void test_reads(void)
{
	int pipes[2], fd = open("/proc/self/mem", O_RDONLY);
	char bytes[8];

	CHECK_EQ(call_head(), getpid());
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(write(pipes[1], (void *)call_head, 8), 8);
	CHECK_EQ(read(pipes[0], bytes, 8), 8);
	CHECK(!memcmp(bytes, "\xb8\x27\0\0\0\x0f\x05\xc3", 8));
	CHECK_EQ(pread(fd, bytes, 8, (off_t)(uintptr_t)call_head), 8);
	CHECK(!memcmp(bytes, "\xb8\x27\0\0\0\x0f\x05\xc3", 8));
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void test_own_code(void)
{
	size_t size = (size_t)(code_end - code_start + 4095) & ~4095UL;
	unsigned char *head = (unsigned char *)call_head;

	CHECK_EQ(mprotect(code_start, size, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK(!memcmp(call_head, "\xb8\x27\0\0\0\x0f\x05\xc3", 8));
	CHECK(!memcmp(call_tail, "\x31\xc0\x0f\x05\x48\x3d\0\xf0\xff\xff", 10));
	head[1] = 110;
	for (int i = 0; i < 20; i++)
		CHECK_EQ(call_head(), getppid());
	CHECK_EQ(mprotect(code_start, size, PROT_READ | PROT_EXEC), 0);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(call_head(), getppid());
	CHECK_EQ(mprotect(code_start, size, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK_EQ(head[1], 110);
	head[1] = 39;
	CHECK_EQ(mprotect(code_start, size, PROT_READ | PROT_EXEC), 0);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(call_head(), getpid());
}

/* Where this program's file has the code: its offset. */
static int find_segment(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && (uintptr_t)code_start - start < p->p_memsz) {
			*(off_t *)arg = (off_t)(p->p_offset + ((uintptr_t)code_start - start));
			return 1;
		}
	}
	return 0;
}

/* The code once more, as another mapping of the file, which goes and gives way to something else. */
static void test_other_mappings(void)
{
	size_t size = (size_t)(code_end - code_start + 4095) & ~4095UL;
	int fd = open("/proc/self/exe", O_RDONLY);
	off_t offset = -1;

	CHECK(dl_iterate_phdr(find_segment, &offset) == 1 && !(offset & 4095));
	for (int round = 0; round < 4; round++) {
		char *copy = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);
		long (*head)(void) = (long (*)(void))(copy + ((char *)call_head - code_start));
		char *moved;

		CHECK(copy != MAP_FAILED);
		for (int i = 0; i < 20; i++)
			CHECK_EQ(head(), getpid());
		moved = mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, copy + 16 * size);
		CHECK(moved == copy + 16 * size);
		head = (long (*)(void))(moved + ((char *)call_head - code_start));
		for (int i = 0; i < 20; i++)
			CHECK_EQ(head(), getpid());
		CHECK_EQ(madvise(moved, size, MADV_DONTNEED), 0);
		for (int i = 0; i < 20; i++)
			CHECK_EQ(head(), getpid());
		CHECK(mmap(moved, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == moved);
		memset(moved, 0xc3, size);
		CHECK_EQ(mprotect(moved, size, PROT_READ | PROT_EXEC), 0);
		for (int i = 0; i < 20; i++)
			head();
		CHECK_EQ(munmap(moved, size), 0);
	}
	close(fd);
}

static int find_lowest(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD) {
			*(uintptr_t *)arg = (info->dlpi_addr + info->dlpi_phdr[i].p_vaddr) & ~4095UL;
			return 1;
		}
	return 0;
}

/* What is free around the program is the program's to use. */
static void test_neighbours(void)
{
	uintptr_t low = 0;
	size_t size = 256 << 10;

	CHECK_EQ(dl_iterate_phdr(find_lowest, &low), 1);
	for (int i = 0; i < 2; i++) {
		char *at = (char *)low - size;

		CHECK(mmap(at, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at);
		memset(at, 0xcc, size);
		for (int j = 0; j < ROUNDS; j++) {
			CHECK_EQ(call_head(), getpid());
			CHECK_EQ(call_tail(-1, NULL, 0), -1);
		}
		CHECK_EQ((unsigned char)at[size - 1], 0xcc);
		CHECK_EQ(munmap(at, size), 0);
	}
}

static void test_gs(void)
{
	static uint64_t word = 0x1234567890abcdef;
	uint64_t got = 1, value;

	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &got), 0);
	CHECK_EQ(got, 0);
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, &word), 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(call_head(), getpid());
		CHECK_EQ(call_tail(-1, NULL, 0), -1);
		__asm__ volatile("mov %%gs:0, %0" : "=r"(value));
		CHECK_EQ(value, word);
	}
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &got), 0);
	CHECK_EQ(got, (uint64_t)&word);
	if (getauxval(AT_HWCAP2) & 2) {
		__asm__ volatile("wrgsbase %0" : : "r"(&value));
		for (int i = 0; i < 20; i++)
			CHECK_EQ(call_head(), getpid());
		CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &got), 0);
		CHECK_EQ(got, (uint64_t)&value);
	}
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, 0), 0);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(call_head(), getpid());
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &got), 0);
	CHECK_EQ(got, 0);
}

/* ---- signals ---- */

static volatile long ticks, strangers;

/* Code that has no name in the program must never be seen. */
static int holds(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD &&
		    *(uintptr_t *)arg - info->dlpi_addr - info->dlpi_phdr[i].p_vaddr <
			    info->dlpi_phdr[i].p_memsz)
			return 1;
	return 0;
}

static void tick(int signo, siginfo_t *info, void *context)
{
	uintptr_t ip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)signo;
	(void)info;
	ticks++;
	if (!dl_iterate_phdr(holds, &ip))
		strangers++;
}

static void flood(int on)
{
	struct itimerval every = {{0, on ? 300 : 0}, {0, on ? 300 : 0}};

	setitimer(ITIMER_REAL, &every, NULL);
}

static void test_signals(void)
{
	static char stack[65536];
	struct sigaction sa = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
	int fd = open("/dev/zero", O_RDONLY);
	char byte;

	sigaction(SIGALRM, &sa, NULL);
	ticks = 0;
	flood(1);
	while (ticks < 300) {
		CHECK_EQ(call_head(), getpid());
		CHECK_EQ(call_tail(fd, &byte, 1), 1);
		CHECK_EQ(call_tail(-1, &byte, 1), -1);
		check_state(0x8d5, stack + sizeof stack - 4096);
	}
	flood(0);
	CHECK_EQ(strangers, 0);
	close(fd);
}

static void interrupt(int signo)
{
	(void)signo;
	ticks++;
}

/* Blocked in a call whose site has been used before: EINTR, or the call again. */
static void test_blocked(void)
{
	struct sigaction sa = {.sa_handler = interrupt};
	struct itimerval once = {{0, 0}, {0, 30000}}, off = {{0, 0}, {0, 0}};
	int fd[2];
	char byte = 'x';

	CHECK_EQ(pipe(fd), 0);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(write(fd[1], &byte, 1), 1);
		CHECK_EQ(call_tail(fd[0], &byte, 1), 1);
	}
	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < 3; i++) {
		ticks = 0;
		setitimer(ITIMER_REAL, &once, NULL);
		CHECK_EQ(call_tail(fd[0], &byte, 1), -1);
		CHECK_EQ(ticks, 1);
	}
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		ticks = 0;
		if (!pid) {
			usleep(100000);
			_exit(write(fd[1], "y", 1) != 1);
		}
		setitimer(ITIMER_REAL, &once, NULL);
		CHECK_EQ(call_tail(fd[0], &byte, 1), 1);
		CHECK_EQ(byte, 'y');
		CHECK_EQ(ticks, 1);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	close(fd[0]);
	close(fd[1]);
}

static sigjmp_buf away;

static void leave(int signo)
{
	(void)signo;
	siglongjmp(away, 1);
}

static void test_jumps_out(void)
{
	struct sigaction sa = {.sa_handler = leave};
	struct itimerval once = {{0, 0}, {0, 5000}};
	int fd[2];
	char byte;

	CHECK_EQ(pipe(fd), 0);
	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < 10; i++) {
		if (!sigsetjmp(away, 1)) {
			setitimer(ITIMER_REAL, &once, NULL);
			call_tail(fd[0], &byte, 1);
			CHECK(!"not reached");
		}
		CHECK_EQ(call_head(), getpid());
	}
	close(fd[0]);
	close(fd[1]);
}

/* Signals to oneself come at the end of the call that sends them. */
static void test_to_self(void)
{
	struct sigaction sa = {.sa_handler = interrupt};

	sigaction(SIGUSR1, &sa, NULL);
	ticks = 0;
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(syscall(SYS_kill, getpid(), SIGUSR1), 0);
		CHECK_EQ(ticks, i + 1);
	}
}

/* ---- one step at a time ---- */

static uintptr_t steps[64];
static volatile int nsteps;

static void step(int signo, siginfo_t *info, void *context)
{
	uintptr_t ip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)signo;
	if (ip - (uintptr_t)code_start < (uintptr_t)(code_end - code_start) && nsteps < 64) {
		CHECK_EQ((uintptr_t)info->si_addr, ip);
		steps[nsteps++] = ip;
	}
}

static void test_steps(void)
{
	struct sigaction sa = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
	long result;

	sigaction(SIGTRAP, &sa, NULL);
	for (int round = 0; round < 3; round++) {
		nsteps = 0;
		__asm__ volatile("pushfq\n"
				 "orq $0x100, (%%rsp)\n"
				 "popfq\n"
				 "call call_head\n"
				 "pushfq\n"
				 "andq $~0x100, (%%rsp)\n"
				 "popfq\n"
				 : "=a"(result)
				 :
				 : "rcx", "r11", "memory", "cc");
		CHECK_EQ(result, getpid());
		/* Behind `syscall` the next instruction runs before the trap comes again. */
		CHECK_EQ(nsteps, 2);
		CHECK_EQ(steps[0], (uintptr_t)call_head);
		CHECK_EQ(steps[1], (uintptr_t)head_site);
	}
}

int main(void)
{
	test_registers();
	test_results();
	test_processes();
	test_threads();
	test_reads();
	test_own_code();
	test_other_mappings();
	test_neighbours();
	test_gs();
	test_signals();
	test_blocked();
	test_jumps_out();
	test_to_self();
	test_steps();
	test_results();
	return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows how tracers reach memory: words and ranges, of what protection ever, and that a poke into code touches the traced
 * process alone.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "ptrace.h"

#define PAGE 4096UL

static volatile unsigned long shared_before_fork = 0x1111222233334444;

__attribute__((noinline)) static int answer(void)
{
	__asm__ volatile("nop");
	return 1;
}

static int *volatile shared;
static char *volatile none, *volatile readonly_shared;
static char path[] = "/var/tmp/husk-ptrace-XXXXXX";

static int stop_and_answer(void *arg)
{
	raise(SIGUSR1);
	return answer();
}

static unsigned long peek(pid_t pid, const volatile void *at)
{
	unsigned long word = ~0UL;

	CHECK_OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)at, (uintptr_t)&word));
	return word;
}

static pid_t at_usr1(void)
{
	pid_t pid = traced_child(stop_and_answer, NULL);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	return pid;
}

static void test_words(void)
{
	pid_t pid = at_usr1();
	unsigned long word;

	CHECK_EQ(peek(pid, &shared_before_fork), 0x1111222233334444);
	CHECK_OK(pt(PTRACE_POKEDATA, pid, (uintptr_t)&shared_before_fork, 42));
	CHECK_EQ(peek(pid, &shared_before_fork), 42);
	CHECK_EQ(shared_before_fork, 0x1111222233334444);
	/* Across a page. */
	CHECK_OK(pt(PTRACE_POKETEXT, pid, (uintptr_t)shared + PAGE - 4, 0xaabbccdd11223344));
	CHECK_EQ(peek(pid, (char *)shared + PAGE - 4), 0xaabbccdd11223344);
	CHECK_EQ(shared[PAGE / 4 - 1], 0x11223344);
	/* Memory that the program may not touch. */
	CHECK_EQ(peek(pid, none), 0);
	CHECK_OK(pt(PTRACE_POKEDATA, pid, (uintptr_t)none, 7));
	CHECK_EQ(peek(pid, none), 7);
	CHECK_EQ(peek(pid, readonly_shared), 0x6f77206f6c6c6568);
	CHECK_ERRNO(pt(PTRACE_POKEDATA, pid, (uintptr_t)readonly_shared, 7), EIO);
	/* None at all. */
	CHECK_ERRNO(pt(PTRACE_PEEKDATA, pid, 0x1000, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEDATA, pid, 0x1000, 1), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKDATA, pid, -8UL, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKDATA, pid, -4UL, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKDATA, pid, (uintptr_t)none + 2 * PAGE - 4, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKDATA, pid, (uintptr_t)&shared_before_fork, 8), EFAULT);
	/* The protection is what it was. */
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 1 << 8);
}

static int touch_none(void *arg)
{
	raise(SIGUSR1);
	return none[0];
}

static void test_protection(void)
{
	pid_t pid = traced_child(touch_none, NULL);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_POKEDATA, pid, (uintptr_t)none, 7));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGSEGV);
	kill_and_reap(pid);
}

/* A breakpoint in code: of the traced process alone. */
static void test_text(void)
{
	pid_t pid = at_usr1(), other;
	unsigned long code = peek(pid, (void *)(uintptr_t)answer), at = (uintptr_t)answer;
	struct user_regs_struct regs;
	int status;

	CHECK_EQ(code, *(unsigned long *)(uintptr_t)answer);
	CHECK_OK(pt(PTRACE_POKETEXT, pid, at, (code & ~0xffUL) | 0xcc));
	CHECK_EQ(peek(pid, (void *)at), (code & ~0xffUL) | 0xcc);
	CHECK_EQ(answer(), 1);
	other = fork();
	if (!other)
		_exit(answer() == 1 ? 0 : 1);
	CHECK_EQ(waitpid(other, &status, 0), other);
	CHECK_EQ(status, 0);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ(regs.rip, at + 1);
	CHECK_OK(pt(PTRACE_POKETEXT, pid, at, code));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rip), at));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 1 << 8);
}

/* The same by /proc/PID/mem. */
static void test_mem_file(void)
{
	pid_t pid = at_usr1();
	unsigned char byte = 0, trap = 0xcc, first = *(unsigned char *)(uintptr_t)answer;
	unsigned long at = (uintptr_t)answer, word = 0;
	char name[40];
	int fd;

	snprintf(name, sizeof name, "/proc/%d/mem", pid);
	fd = open(name, O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, &trap, 1, at), 1);
	CHECK_EQ(pread(fd, &byte, 1, at), 1);
	CHECK_EQ(byte, 0xcc);
	CHECK_EQ(answer(), 1);
	CHECK_EQ(pread(fd, &word, sizeof word, (uintptr_t)none), sizeof word);
	CHECK_EQ(word, 0);
	CHECK_ERRNO(pread(fd, &word, sizeof word, 0x1000), EIO);
	CHECK_ERRNO(pwrite(fd, &word, sizeof word, 0x1000), EIO);
	CHECK_ERRNO(pwrite(fd, &word, sizeof word, (uintptr_t)readonly_shared), EIO);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_EQ(pwrite(fd, &first, 1, at), 1);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rip), at));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 1 << 8);
	close(fd);
}

static int changes_none(void *arg)
{
	raise(SIGUSR1);
	CHECK_OK(mprotect(none, PAGE, PROT_READ | PROT_WRITE));
	none[0] = 9;
	CHECK_OK(mprotect(none, PAGE, PROT_NONE));
	raise(SIGUSR1);
	return check_failed();
}

/* A read that ends within what it asked for leaves nothing behind for a later one. */
static void test_mem_changes(void)
{
	pid_t pid = traced_child(changes_none, NULL);
	unsigned char bytes[16];
	char name[40];
	int fd;

	snprintf(name, sizeof name, "/proc/%d/mem", pid);
	fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK(pread(fd, bytes, 16, (off_t)(uintptr_t)none - 8) >= 8);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_EQ(pread(fd, bytes, 8, (off_t)(uintptr_t)none), 8);
	CHECK_EQ(bytes[0], 9);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
	close(fd);
}

/* What a call wrote is there when the stop after it is told. */
static int read_pipe(void *arg)
{
	static char buf[64];
	int *fds = arg;

	return read(fds[0], buf, sizeof buf) == 5 ? 0 : 1;
}

static void test_results(void)
{
	struct user_regs_struct regs;
	char buf[8] = "";
	int fds[2];
	pid_t pid;

	CHECK_OK(pipe(fds));
	CHECK_EQ(write(fds[1], "bytes", 5), 5);
	pid = traced_child(read_pipe, fds);
	do {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	} while (regs.orig_rax != SYS_read);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	*(unsigned long *)buf = peek(pid, (void *)regs.rsi);
	CHECK_STR(buf, "bytes");
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
	close(fds[0]);
	close(fds[1]);
}

/* What a tracer makes of a call's memory counts. */
static int write_pipe(void *arg)
{
	static char buf[] = "before";
	int *fds = arg;

	return write(fds[1], buf, 6) == 6 ? 0 : 1;
}

static void test_arguments(void)
{
	struct user_regs_struct regs;
	char buf[8] = "";
	int fds[2];
	pid_t pid;

	CHECK_OK(pipe(fds));
	pid = traced_child(write_pipe, fds);
	do {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	} while (regs.orig_rax != SYS_write);
	CHECK_OK(pt(PTRACE_POKEDATA, pid, regs.rsi, *(const unsigned long *)"after!!"));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
	CHECK_EQ(read(fds[0], buf, 6), 6);
	CHECK_STR(buf, "after!");
	close(fds[0]);
	close(fds[1]);
}

/* ---- process_vm_readv, process_vm_writev ---- */

static long vm(int write, pid_t pid, void *local, size_t nlocal, void *remote, size_t nremote,
	       unsigned long flags)
{
	return syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, pid, local, nlocal, remote,
		       nremote, flags);
}

static void test_ranges(void)
{
	pid_t pid = pausing_child();
	char a[16] = "", b[16] = "";
	struct iovec local[2] = {{a, 5}, {b, sizeof b - 1}}, remote[2] = {{path, 3}, {path + 3, 9}};
	struct iovec bad = {(void *)0x1000, 8};

	CHECK_EQ(vm(0, pid, local, 2, remote, 2, 0), 12);
	CHECK_STR(a, "/var/");
	CHECK_STR(b, "tmp/hus");
	/* As far as it goes. */
	remote[0] = (struct iovec){none - 4, 8};
	CHECK_EQ(vm(0, pid, local, 2, remote, 1, 0), 4);
	remote[0] = (struct iovec){path, 4};
	remote[1] = bad;
	CHECK_EQ(vm(0, pid, local, 2, remote, 2, 0), 4);
	CHECK_ERRNO(vm(0, pid, local, 1, &bad, 1, 0), EFAULT);
	CHECK_ERRNO(vm(0, pid, &bad, 1, remote, 1, 0), EFAULT);
	CHECK_ERRNO(vm(0, pid, local, 2, (void *)8, 1, 0), EFAULT);
	CHECK_ERRNO(vm(0, pid, (void *)8, 1, remote, 1, 0), EFAULT);
	CHECK_ERRNO(vm(0, pid, local, 1, remote, 1, 1), EINVAL);
	CHECK_ERRNO(vm(0, pid, local, 1025, remote, 1, 0), EINVAL);
	CHECK_ERRNO(vm(0, pid, local, 1, remote, 1025, 0), EINVAL);
	CHECK_EQ(vm(0, pid, local, 0, remote, 1, 0), 0);
	CHECK_EQ(vm(0, pid, local, 1, remote, 0, 0), 0);
	CHECK_EQ(vm(0, 999999, local, 1, remote, 0, 0), 0);
	CHECK_ERRNO(vm(0, 999999, local, 1, remote, 1, 0), ESRCH);
	/* Code is not to be written so. */
	remote[0] = (struct iovec){(void *)(uintptr_t)answer, 4};
	CHECK_ERRNO(vm(1, pid, local, 1, remote, 1, 0), EFAULT);
	remote[0] = (struct iovec){path + 9, 4};
	local[0] = (struct iovec){"HUSK", 4};
	CHECK_EQ(vm(1, pid, local, 1, remote, 1, 0), 4);
	local[0] = (struct iovec){a, 8};
	remote[0] = (struct iovec){path + 8, 8};
	CHECK_EQ(vm(0, pid, local, 1, remote, 1, 0), 8);
	CHECK(!memcmp(a, "/HUSK-pt", 8));
	CHECK_EQ(vm(0, getpid(), local, 1, remote, 1, 0), 8);
	CHECK(!memcmp(a, "/husk-pt", 8));
	kill_and_reap(pid);
}

/* Its own memory, which its own stub may have to bring. */
static void test_own(void)
{
	char to[8], *from = "nothing";
	struct iovec local = {to, sizeof to}, remote = {from, sizeof to};

	for (int i = 0; i < 100; i++) {
		memset(to, 0, sizeof to);
		CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), sizeof to);
		CHECK_STR(to, from);
	}
}

static int names_nothing(void *arg)
{
	struct stat st;

	for (;;)
		stat("/nowhere", &st);
	return 0;
}

/* Each byte in the pipe is a read by somebody else than the tracer. */
static void keep_reading(pid_t pid, int to)
{
	char bytes[16];
	struct iovec local = {bytes, sizeof bytes}, remote = {path, sizeof bytes};

	while (process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof bytes && write(to, "r", 1) == 1)
		;
	_exit(1);
}

/* Whoever asks while a process is about to stop has his answer while it has stopped. */
static void test_meanwhile(void)
{
	pid_t pid = traced_child(names_nothing, NULL), reader;
	char bytes[8];
	int fds[2];

	CHECK_OK(pipe(fds));
	CHECK_OK(fcntl(fds[0], F_SETPIPE_SZ, PAGE));
	reader = fork();
	if (!reader) {
		close(fds[0]);
		keep_reading(pid, fds[1]);
	}
	close(fds[1]);
	for (int i = 0; i < 300; i++) {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK(read(fds[0], bytes, sizeof bytes) > 0);
	}
	kill_and_reap(reader);
	kill_and_reap(pid);
	close(fds[0]);
}

/* More than goes at a time, of a process that waits, one that has stopped, one that runs, and one that is traced. */
#define BIG (300 * 1024)

static unsigned char *big;

static int runs_forever(void *arg)
{
	for (;;)
		;
	return 0;
}

static void check_big(pid_t pid, unsigned char *to)
{
	struct iovec local[3] = {{to, 70000}, {to + 70000, 1}, {to + 70001, BIG - 70001}};
	struct iovec remote[2] = {{big, 100}, {big + 100, BIG - 100}};
	char name[40];
	ssize_t n, done = 0;
	int fd;

	memset(to, 0, BIG);
	CHECK_EQ(vm(0, pid, local, 3, remote, 2, 0), BIG);
	CHECK(!memcmp(to, big, BIG));
	for (int i = 0; i < BIG; i++)
		to[i] = (unsigned char)(i * 5);
	CHECK_EQ(vm(1, pid, local, 3, remote, 2, 0), BIG);
	memset(to, 0, BIG);
	snprintf(name, sizeof name, "/proc/%d/mem", pid);
	fd = open(name, O_RDWR);
	while (done < BIG &&
	       (n = pread(fd, to + done, (size_t)(BIG - done), (off_t)(uintptr_t)big + done)) > 0)
		done += n;
	CHECK_EQ(done, BIG);
	for (int i = 0; i < BIG; i++)
		if (to[i] != (unsigned char)(i * 5)) {
			CHECK_EQ(to[i], (unsigned char)(i * 5));
			break;
		}
	CHECK_EQ(pwrite(fd, big, 5000, (off_t)(uintptr_t)big), 5000);
	CHECK_EQ(pread(fd, to, 5000, (off_t)(uintptr_t)big), 5000);
	CHECK(!memcmp(to, big, 5000));
	close(fd);
	kill_and_reap(pid);
}

static void test_big(void)
{
	unsigned char *to = malloc(BIG);
	pid_t pid;

	big = malloc(BIG);
	for (int i = 0; i < BIG; i++)
		big[i] = (unsigned char)(i * 7 + i / 251);
	check_big(pausing_child(), to);
	pid = pausing_child();
	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
	check_big(pid, to);
	pid = traced_child(runs_forever, NULL);
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
	check_big(pid, to);
	check_big(traced_child(runs_forever, NULL), to);
	free(big);
	free(to);
}

int main(void)
{
	char *two;
	int fd;

	ptrace_begin(1);
	shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "hello world", 11), 11);
	close(fd);
	fd = open(path, O_RDONLY);
	readonly_shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(readonly_shared != MAP_FAILED);
	close(fd);
	two = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(two + 3 * PAGE, PAGE);
	none = two + PAGE;
	mprotect(none, 2 * PAGE, PROT_NONE);
	test_words();
	test_protection();
	test_text();
	test_mem_file();
	test_mem_changes();
	test_results();
	test_arguments();
	test_ranges();
	test_own();
	test_meanwhile();
	test_big();
	unlink(path);
	return check_done();
}

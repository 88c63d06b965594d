/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program finds that an earlier one has left behind in the same process: nothing of its memory and registers, all
 * of its descriptors and times. The earlier one is a forked child: alone, with another thread, with a child of its own,
 * with sealed memory, with files that it has read often; and the fifth in a row.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define PLACE      ((volatile char *)0x200000000)
#define FILE_FD    100
#define LOCAL_FD   101
#define READS      40
#define NR_MSEAL   462
#define MXCSR_INIT 0x1f80
#define ROUND_UP   0x4000
#define FPU_INIT   0x037f

static sigjmp_buf back;
static int code;

static void faulted(int signo, siginfo_t *info, void *context)
{
	code = info->si_code;
	siglongjmp(back, 1);
}

static long cpu_us(void)
{
	struct rusage r;

	CHECK_OK(getrusage(RUSAGE_SELF, &r));
	return r.ru_utime.tv_sec * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_sec * 1000000 +
	       r.ru_stime.tv_usec;
}

static unsigned vector_state(void)
{
	unsigned mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return mxcsr;
}

static unsigned short fpu_control(void)
{
	unsigned short control;

	__asm__ volatile("fnstcw %0" : "=m"(control));
	return control;
}

/* The low half of xmm9, which nothing has used yet at the program's start. */
static unsigned long start_xmm9;

__attribute__((constructor(101))) static void look(void)
{
	__asm__ volatile("movq %%xmm9, %0" : "=r"(start_xmm9));
}

static void burn(long us)
{
	long end = cpu_us() + us;

	while (cpu_us() < end)
		for (volatile int i = 0; i < 10000; i++)
			;
}

static void find_nothing(void)
{
	struct sigaction a = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO}, old;
	stack_t ss;
	volatile char seen = 0;

	sigemptyset(&a.sa_mask);
	CHECK_OK(sigaction(SIGSEGV, &a, &old));
	if (!sigsetjmp(back, 1)) {
		seen = *PLACE;
		CHECK(!"memory of the program before is there");
	}
	(void)seen;
	CHECK_EQ(code, SEGV_MAPERR);
	CHECK_OK(sigaction(SIGSEGV, &old, NULL));
	CHECK_OK(sigaltstack(NULL, &ss));
	CHECK_EQ(ss.ss_flags, SS_DISABLE);
	CHECK_EQ(vector_state(), MXCSR_INIT);
	CHECK_EQ(fpu_control(), FPU_INIT);
	CHECK(start_xmm9 != 0x1122334455667788);
}

static void find_files(void)
{
	char byte = 0;

	CHECK_EQ(lseek(FILE_FD, 0, SEEK_CUR), READS);
	CHECK_EQ(read(FILE_FD, &byte, 1), 1);
	CHECK_EQ((unsigned char)byte, READS);
	CHECK_ERRNO(read(LOCAL_FD, &byte, 1), EBADF);
}

static void leave_files(void)
{
	char path[] = "/tmp/exec_again.XXXXXX", bytes[256], byte;
	int fd = mkstemp(path);

	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, bytes, sizeof bytes), sizeof bytes);
	close(fd);
	fd = open(path, O_RDONLY);
	CHECK_EQ(dup2(fd, FILE_FD), FILE_FD);
	close(fd);
	fd = open(path, O_RDONLY);
	CHECK_EQ(dup3(fd, LOCAL_FD, O_CLOEXEC), LOCAL_FD);
	close(fd);
	CHECK_OK(unlink(path));
	for (int i = 0; i < READS; i++) {
		CHECK_EQ(read(FILE_FD, &byte, 1), 1);
		CHECK_EQ(read(LOCAL_FD, &byte, 1), 1);
	}
}

static void leave_memory(void)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
	unsigned mxcsr = MXCSR_INIT | ROUND_UP;
	unsigned short control = 0x0b7f;
	void *p = mmap((void *)PLACE, 1 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK_EQ(p, PLACE);
	*PLACE = 'x';
	CHECK_OK(sigaltstack(&ss, NULL));
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	__asm__ volatile("fldcw %0" : : "m"(control));
}

static char self[4096];

/* Does not return. @left: programs that are to follow. */
static void go_on(int left)
{
	char us[32], number[32];
	char *argv[] = {self, number, us, NULL};
	unsigned long mark = 0x1122334455667788;

	burn(3000);
	snprintf(number, sizeof number, "%d", left);
	snprintf(us, sizeof us, "%ld", cpu_us());
	if (check_failed())
		_exit(100);
	__asm__ volatile("movq %0, %%xmm9" : : "r"(mark) : "xmm9");
	execv(self, argv);
	_exit(101);
}

static int later_program(char **argv)
{
	CHECK(cpu_us() >= atol(argv[2]));
	find_nothing();
	find_files();
	if (check_failed())
		return 1;
	if (atoi(argv[1]) <= 0)
		return check_failed();
	close(FILE_FD);
	leave_files();
	leave_memory();
	go_on(atoi(argv[1]) - 1);
	return 1;
}

static void *other_thread(void *arg)
{
	pause();
	return arg;
}

static void leave_thread(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
}

/* It ends with its end of the pipe, which is not inherited. */
static void leave_child(void)
{
	int fd[2];
	char byte;

	CHECK_OK(pipe2(fd, O_CLOEXEC));
	if (!fork()) {
		close(fd[1]);
		_exit(read(fd[0], &byte, 1) == 0 && *PLACE == 'x' ? 0 : 1);
	}
}

static void leave_sealed(void)
{
	char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	if (syscall(NR_MSEAL, p, 8192UL, 0UL))
		CHECK_EQ(errno, ENOSYS);
	CHECK(syscall(NR_MSEAL, PLACE, 8192UL, 0UL) == 0 || errno == ENOSYS);
}

static void leave_nothing(void)
{
}

static void follow(void (*leave)(void), int left)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		leave_files();
		leave_memory();
		leave();
		go_on(left);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	CHECK(n > 0);
	if (argc > 2)
		return later_program(argv);
	follow(leave_nothing, 0);
	follow(leave_nothing, 4);
	follow(leave_thread, 1);
	follow(leave_child, 1);
	follow(leave_sealed, 1);
	return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows how tracers see and change the registers of who has stopped: by sets, by words of the user area, by arch_prctl's
 * options; and what is refused there.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#include "ptrace.h"

#define ARCH_PRCTL 30

#define NONE ((uintptr_t)8) /* an address where nothing is mapped */

#define USER_AREA 928 /* the kernel's struct user is longer than libc's */
#define AREA      offsetof(struct user, u_debugreg)

static char good[16384];

static int raises_usr1(void *arg)
{
	raise(SIGUSR1);
	return 0;
}

static pid_t at_usr1(void)
{
	pid_t pid = traced_child(raises_usr1, NULL);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	return pid;
}

/* ---- sets ---- */

static void test_registers(void)
{
	pid_t pid = pausing_child();
	struct user_regs_struct r, s;
	struct user_fpregs_struct fp;
	static char x[16384];
	struct iovec iov = {&r, sizeof r};
	unsigned long word, xcr0;
	size_t xsize;

	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&s));
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov));
	CHECK_EQ(iov.iov_len, sizeof r);
	CHECK(!memcmp(&r, &s, sizeof r));
	CHECK_EQ(r.cs, 0x33);
	CHECK_EQ(r.ss, 0x2b);
	iov.iov_len = 16;
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov));
	CHECK_EQ(iov.iov_len, 16);
	iov.iov_len = 4096;
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov));
	CHECK_EQ(iov.iov_len, sizeof r);
	iov.iov_len = 12;
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov), EINVAL);
	iov.iov_len = sizeof r;
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, 12345, (uintptr_t)&iov), EINVAL);
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, 8), EFAULT);
	iov.iov_base = (void *)8;
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov), EFAULT);
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov), EFAULT);
	CHECK_ERRNO(pt(PTRACE_GETREGS, pid, 0, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_SETREGS, pid, 0, 8), EFAULT);
	r.rbx = 0x1122;
	r.eflags |= 0x200000 | 1; /* ID is not a tracer's to set */
	CHECK_OK(pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&r));
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&s));
	CHECK_EQ(s.rbx, 0x1122);
	CHECK_EQ(s.eflags & 0x200001, 1);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, 4, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, USER_AREA, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, -8UL, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, 4, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, USER_AREA, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.cs), 0), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.ss), 0x28), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.fs_base), -1UL), EIO);
	CHECK_OK(pt(PTRACE_PEEKUSR, pid, offsetof(struct user, regs.rbx), (uintptr_t)&word));
	CHECK_EQ(word, 0x1122);
	CHECK_OK(pt(PTRACE_PEEKUSR, pid, offsetof(struct user, u_debugreg[7]), (uintptr_t)&word));
	CHECK_EQ(word, 0);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, u_debugreg[4]), 1), EIO);

	CHECK_OK(pt(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&fp));
	fp.xmm_space[0] = 0xabcd1234;
	fp.mxcsr |= 0x8000;
	CHECK_OK(pt(PTRACE_SETFPREGS, pid, 0, (uintptr_t)&fp));
	memset(&fp, 0, sizeof fp);
	iov = (struct iovec){&fp, sizeof fp};
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRFPREG, (uintptr_t)&iov));
	CHECK_EQ(fp.xmm_space[0], 0xabcd1234);
	CHECK_EQ(fp.mxcsr & 0x8000, 0x8000);
	fp.mxcsr = 0xffffffff;
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_PRFPREG, (uintptr_t)&iov), EINVAL);
	iov.iov_len = 16;
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_PRFPREG, (uintptr_t)&iov), EINVAL);
	iov = (struct iovec){x, sizeof x};
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov));
	xsize = iov.iov_len;
	CHECK(xsize >= 576 && xsize < sizeof x);
	memcpy(&xcr0, x + 464, sizeof xcr0);
	CHECK_EQ(xcr0 & 3, 3);
	CHECK_EQ(*(unsigned *)(x + 160), 0xabcd1234);
	*(unsigned *)(x + 176) = 0x5555aaaa;
	CHECK_OK(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov));
	CHECK_OK(pt(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&fp));
	CHECK_EQ(fp.xmm_space[4], 0x5555aaaa);
	iov.iov_len = xsize - 8;
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov), EFAULT);
	iov.iov_len = xsize;
	x[512 + 8 + 16] = 1; /* a reserved word of the header */
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov), EINVAL);
	kill_and_reap(pid);
}

/* ---- the user area ---- */

static unsigned long user_word(pid_t pid, size_t offset)
{
	unsigned long word = ~0UL;

	CHECK_OK(pt(PTRACE_PEEKUSR, pid, offset, (uintptr_t)&word));
	return word;
}

static void test_user_area(void)
{
	pid_t pid = at_usr1();
	struct user_regs_struct regs, wrong;

	CHECK_EQ(user_word(pid, sizeof regs), 0);
	CHECK_EQ(user_word(pid, AREA - 8), 0);
	CHECK_EQ(user_word(pid, AREA + 4 * 8), 0);
	CHECK_EQ(user_word(pid, USER_AREA - 8), 0);
	/* As far as a set of registers can be set, it is. */
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	wrong = regs;
	wrong.r15 = 4711;
	wrong.fs_base = -1UL;
	wrong.gs_base = 0x1000;
	CHECK_ERRNO(pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&wrong), EIO);
	CHECK_EQ(user_word(pid, offsetof(struct user, regs.r15)), 4711);
	CHECK_EQ(user_word(pid, offsetof(struct user, regs.fs_base)), regs.fs_base);
	CHECK_EQ(user_word(pid, offsetof(struct user, regs.gs_base)), regs.gs_base);
	CHECK_OK(pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&regs));
	/* Selectors that are there, and none. */
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.cs), regs.cs));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.ss), regs.ss));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.ds), 0));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.es), 0));
	goes_on(pid);
}

static void test_arch_prctl(void)
{
	pid_t pid = at_usr1();
	unsigned long fs = 0, gs = 7, word = 0;

	CHECK_OK(pt(ARCH_PRCTL, pid, (uintptr_t)&fs, ARCH_GET_FS));
	CHECK_OK(pt(ARCH_PRCTL, pid, (uintptr_t)&gs, ARCH_GET_GS));
	CHECK_EQ(fs, user_word(pid, offsetof(struct user, regs.fs_base)));
	CHECK_EQ(gs, 0);
	CHECK_OK(pt(ARCH_PRCTL, pid, 0x123456, ARCH_SET_GS));
	CHECK_OK(pt(ARCH_PRCTL, pid, (uintptr_t)&word, ARCH_GET_GS));
	CHECK_EQ(word, 0x123456);
	CHECK_EQ(user_word(pid, offsetof(struct user, regs.gs_base)), 0x123456);
	/* An option is an int. */
	CHECK_OK(pt(ARCH_PRCTL, pid, 0, 1UL << 32 | ARCH_SET_GS));
	CHECK_EQ(user_word(pid, offsetof(struct user, regs.gs_base)), 0);
	CHECK_OK(pt(ARCH_PRCTL, pid, 0x1000, ARCH_SET_FS));
	CHECK_EQ(user_word(pid, offsetof(struct user, regs.fs_base)), 0x1000);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.fs_base), fs));
	goes_on(pid);
}

/* Segments of 32-bit programs, where the kernel has such programs: three of them may be told and set. */
static void test_thread_area(void)
{
	pid_t pid = at_usr1();
	struct user_desc desc = {0};
	uintptr_t at = (uintptr_t)&desc;

	CHECK_ERRNO(pt(PTRACE_GET_THREAD_AREA, pid, -1UL, at), EIO);
	CHECK_ERRNO(pt(PTRACE_SET_THREAD_AREA, pid, -1UL, at), EIO);
	if (pt(PTRACE_GET_THREAD_AREA, pid, 12, at) && errno == EIO) {
		CHECK_ERRNO(pt(PTRACE_GET_THREAD_AREA, pid, 5, at), EIO);
		CHECK_ERRNO(pt(PTRACE_GET_THREAD_AREA, pid, 12, NONE), EIO);
		CHECK_ERRNO(pt(PTRACE_SET_THREAD_AREA, pid, 12, at), EIO);
	} else {
		CHECK_EQ(desc.entry_number, 12);
		CHECK_ERRNO(pt(PTRACE_GET_THREAD_AREA, pid, 5, at), EINVAL);
		CHECK_ERRNO(pt(PTRACE_GET_THREAD_AREA, pid, 12, NONE), EFAULT);
		CHECK_ERRNO(pt(PTRACE_SET_THREAD_AREA, pid, 5, at), EINVAL);
		CHECK_ERRNO(pt(PTRACE_SET_THREAD_AREA, pid, 12, NONE), EFAULT);
	}
	goes_on(pid);
}

/* ---- register sets ---- */

static long regset(long request, pid_t pid, unsigned long type, void *base, size_t *len)
{
	struct iovec iov = {base, *len};
	long r = pt(request, pid, type, (uintptr_t)&iov);

	*len = iov.iov_len;
	return r;
}

static void test_regsets(void)
{
	static const unsigned types[] = {NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE};
	static const unsigned strange[] = {0, 3, NT_386_TLS, NT_PRXFPREG, 12345};
	pid_t pid = at_usr1();
	struct user_regs_struct regs;
	size_t len;

	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	for (int i = 0; i < 3; i++) {
		for (int set = 0; set < 2; set++) {
			long request = set ? PTRACE_SETREGSET : PTRACE_GETREGSET;

			/* Whole words, whatever they are for. */
			for (size_t odd = 1; odd < 8; odd++) {
				len = odd;
				CHECK_ERRNO(regset(request, pid, types[i], good, &len), EINVAL);
				CHECK_EQ(len, odd);
			}
			len = 512;
			CHECK_ERRNO(regset(request, pid, types[i], (void *)NONE, &len), EFAULT);
		}
		/* No more than there is; nothing at all; a type is an int. */
		len = sizeof good;
		CHECK_OK(regset(PTRACE_GETREGSET, pid, types[i], good, &len));
		CHECK(len < sizeof good);
		CHECK_OK(regset(PTRACE_SETREGSET, pid, 1UL << 32 | types[i], good, &len));
		len = 0;
		CHECK_OK(regset(PTRACE_GETREGSET, pid, types[i], (void *)NONE, &len));
		CHECK_EQ(len, 0);
	}
	/* A part may be set of the general ones alone. */
	len = 8;
	CHECK_OK(regset(PTRACE_SETREGSET, pid, NT_PRSTATUS, good, &len));
	CHECK_ERRNO(regset(PTRACE_SETREGSET, pid, NT_PRFPREG, good, &len), EINVAL);
	CHECK_ERRNO(regset(PTRACE_SETREGSET, pid, NT_X86_XSTATE, good, &len), EFAULT);
	len = 0;
	CHECK_OK(regset(PTRACE_SETREGSET, pid, NT_PRSTATUS, good, &len));
	CHECK_ERRNO(regset(PTRACE_SETREGSET, pid, NT_PRFPREG, good, &len), EINVAL);
	CHECK_OK(pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&regs));
	for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
		len = 8;
		CHECK_ERRNO(regset(PTRACE_GETREGSET, pid, strange[i], good, &len), EINVAL);
		CHECK_ERRNO(regset(PTRACE_SETREGSET, pid, strange[i], good, &len), EINVAL);
	}
	goes_on(pid);
}

/* The length is told where it can be written: the registers have been read by then. */
static void test_readonly_iovec(void)
{
	pid_t pid = at_usr1();
	struct iovec *iov = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(good, 0xee, sizeof good);
	iov[0] = (struct iovec){good, 16};
	CHECK_OK(mprotect(iov, 4096, PROT_READ));
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)iov), EFAULT);
	CHECK((unsigned char)good[15] != 0xee || (unsigned char)good[14] != 0xee);
	munmap(iov, 4096);
	goes_on(pid);
}

int main(void)
{
	ptrace_begin(1);
	test_registers();
	test_user_area();
	test_arch_prctl();
	test_thread_area();
	test_regsets();
	test_readonly_iovec();
	return check_done();
}

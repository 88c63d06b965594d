/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub's assembly: the signal entry, the checked way out, the host calls, guest memory access, the clones.
 *
 * Every `syscall` here has a label NAME_ip right behind it: that address is what the host's filter compares, together
 * with the number and the arguments (trap/seccomp/filter.c). A syscall instruction without a rule there is refused.
 */
#include <asm/unistd.h>

#include "stub/x86_64/leave.h"

	.text

.macro FUNCTION name
	.globl \name
	.type \name, @function
\name:
.endm

.macro LABEL name
	.globl \name
\name:
.endm

/* A host call with the C calling convention. */
.macro HOST_CALL name, number
FUNCTION stub_host_\name
	mov %rcx, %r10
	mov $\number, %eax
	syscall
LABEL stub_host_\name\()_ip
	ret
.endm

/*
 * All host signals come here, on the slot's signal stack: rdi signal, rsi siginfo, rdx ucontext, (%rsp) restorer. The
 * guest's AC and NT flags survive into handlers and would make our unaligned accesses and `iretq` trap; DF and TF are
 * cleared by the host, and once more here.
 */
FUNCTION stub_signal_entry
	pushfq
	andq $~0x44500, (%rsp)
	popfq
	mov %rdx, %rbx
	mov %rsp, %rbp
	and $-HUSK_SLOT_SIZE, %rbp
	mov %rbp, %rcx
	and $-16, %rsp
	call stub_signal
	cmp $2, %eax
	je 1f
	mov %rbx, %rsp
	test %eax, %eax
	jz stub_exit_check
	/* A nested signal goes back to where the stub was. */
	mov $__NR_rt_sigreturn, %eax
	syscall
LABEL stub_return_ip
	ud2
	/* The host's frame is given up: nothing of it is wanted any more. */
1:	mov %rbp, %rbx
	jmp stub_patched_exit

/*
 * Back to the guest: rbp slot, rsp ucontext. An interrupt between the check and the call finds the instruction pointer
 * in [stub_exit_check, stub_exit_ip) and moves it to stub_exit_abort, so that none is lost.
 */
FUNCTION stub_exit
	mov %rdi, %rbp
	mov %rsi, %rsp
LABEL stub_exit_check
	cmpl $0, SLOT_INTERRUPTED(%rbp)
	jne stub_exit_abort
	mov $__NR_rt_sigreturn, %eax
	syscall
LABEL stub_exit_ip
	ud2
LABEL stub_exit_abort
	mov %rsp, %rbx
	mov %rbp, %rdi
	mov %rsp, %rsi
	and $-16, %rsp
	call stub_exit_interrupted
	mov %rbx, %rsp
	jmp stub_exit_check

/*
 * The same without the host, for what usual_exit() has found usual: rdi slot, rsi ucontext, rdx components of the vector
 * state. The frame stays as it is, and so does what lies above it: an interrupt in [stub_direct_exit, stub_direct_end)
 * goes to stub_exit_abort (signal.c), and a vector state that cannot be loaded is left to rt_sigreturn.
 */
FUNCTION stub_direct_exit
	mov %rdi, %rbp
	mov %rsi, %rsp
	cmpl $0, SLOT_INTERRUPTED(%rbp)
	jne stub_exit_abort
	mov UC_FPSTATE(%rsp), %rcx
	mov %edx, %eax
	shr $32, %rdx
LABEL stub_direct_xrstor_at
	xrstor64 (%rcx)
	mov %rsp, %rbx
	LEAVE_BY_IRETQ(UC)
LABEL stub_direct_end

/* The signal restorer: never reached, since stub_signal_entry leaves by itself. */
FUNCTION stub_restorer
	ud2

HOST_CALL futex, __NR_futex
HOST_CALL write, __NR_write
HOST_CALL mmap, __NR_mmap
HOST_CALL munmap, __NR_munmap
HOST_CALL mprotect, __NR_mprotect
HOST_CALL mremap, __NR_mremap
HOST_CALL madvise, __NR_madvise
HOST_CALL mincore, __NR_mincore
HOST_CALL mseal, 462
HOST_CALL close, __NR_close
HOST_CALL recvmsg, __NR_recvmsg
HOST_CALL sigaltstack, __NR_sigaltstack
HOST_CALL arch_prctl, __NR_arch_prctl
HOST_CALL clock_gettime, __NR_clock_gettime
HOST_CALL getppid, __NR_getppid
HOST_CALL sched_yield, __NR_sched_yield
HOST_CALL prctl, __NR_prctl
HOST_CALL set_tsc, __NR_prctl
HOST_CALL exit_group, __NR_exit_group
/* Of donated files alone (donated.c). */
HOST_CALL read, __NR_read
HOST_CALL pread64, __NR_pread64
HOST_CALL readv, __NR_readv
HOST_CALL lseek, __NR_lseek
HOST_CALL dup2, __NR_dup2
HOST_CALL close_range, 436

/* The guest's private futex; see stub.h. An interrupt in [stub_futex_check, stub_guest_futex_ip) goes to the abort. */
FUNCTION stub_guest_futex
	mov 8(%rsp), %r11
	mov %rcx, %r10
LABEL stub_futex_check
	cmpl $0, SLOT_INTERRUPTED(%r11)
	jne stub_futex_abort
	mov $__NR_futex, %eax
	syscall
LABEL stub_guest_futex_ip
	ret
LABEL stub_futex_abort
	mov $-512, %rax
	ret

FUNCTION stub_copy
	mov %rdx, %rcx
LABEL stub_copy_at
	rep movsb
LABEL stub_copy_fail
	mov %rcx, %rax
	ret

FUNCTION stub_zero
	mov %rsi, %rcx
	xor %eax, %eax
LABEL stub_zero_at
	rep stosb
	mov %rcx, %rax
	ret

FUNCTION stub_string
	xor %eax, %eax
1:	cmp %rdx, %rax
	jae stub_string_fail
LABEL stub_string_at
	movb (%rsi,%rax), %cl
	movb %cl, (%rdi,%rax)
	inc %rax
	test %cl, %cl
	jne 1b
LABEL stub_string_fail
	ret

FUNCTION stub_byte
	xor %eax, %eax
LABEL stub_byte_at
	movb (%rsi), %cl
	movb %cl, (%rdi)
	ret
LABEL stub_byte_fail
	mov $1, %eax
	ret

FUNCTION stub_eight
	xor %eax, %eax
LABEL stub_eight_at
	mov (%rsi), %rcx
	mov %rcx, (%rdi)
	ret

FUNCTION stub_xsave
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
LABEL stub_xsave_at
	xsave64 (%rdi)
	xor %eax, %eax
	ret

FUNCTION stub_xrstor
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
LABEL stub_xrstor_at
	xrstor64 (%rdi)
	xor %eax, %eax
	ret
LABEL stub_xstate_fail
	mov $1, %eax
	ret

FUNCTION stub_cmpxchg
	mov %esi, %eax
LABEL stub_cmpxchg_at
	lock cmpxchg %edx, (%rdi)
	mov %eax, %eax
	ret
LABEL stub_cmpxchg_fail
	mov $-14, %rax
	ret

/*
 * A new process: rdi socket, rsi doorbell, rdx region, rcx slot. Until the child has mapped its own region it shares
 * the parent's, in which the parent's threads go on working: so it uses registers only, no load and no store. It asks
 * for the parent-death signal first, before anything that a forged register could lead astray.
 */
FUNCTION stub_fork
	push %rbx
	push %r12
	push %r13
	push %r14
	mov %rdi, %rbx
	mov %rsi, %r12
	mov %rdx, %r13
	mov %rcx, %r14
	mov $0x8011, %edi		/* CLONE_PARENT | SIGCHLD */
	xor %esi, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	xor %r8d, %r8d
	mov $__NR_clone, %eax
	syscall
LABEL stub_fork_clone_ip
	test %rax, %rax
	jz 1f
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	ret
1:	mov $1, %edi			/* PR_SET_PDEATHSIG */
	mov $9, %esi
	xor %edx, %edx
	mov $__NR_prctl, %eax
	syscall
LABEL stub_fork_prctl_ip
	mov %ebx, %edi
	mov $HUSK_SOCKET_FD, %esi
	mov $__NR_dup2, %eax
	syscall
LABEL stub_fork_dup2_socket_ip
	mov %r12d, %edi
	mov $HUSK_DOORBELL_FD, %esi
	mov $__NR_dup2, %eax
	syscall
LABEL stub_fork_dup2_doorbell_ip
	movabs $HUSK_CHAN_BASE, %rdi
	mov $HUSK_CHAN_SIZE, %esi
	mov $3, %edx
	mov $0x11, %r10d		/* MAP_SHARED | MAP_FIXED */
	mov %r13d, %r8d
	xor %r9d, %r9d
	mov $__NR_mmap, %eax
	syscall
LABEL stub_fork_mmap_ip
	/* A fault that reads brings the pages around, too, which one that writes does not. */
	testl $0, (%r14)
	lea HUSK_STACK_TOP(%r14), %rsp
	mov %r14, %rdi
	mov %ebx, %esi
	mov %r12d, %edx
	mov %r13d, %ecx
	call stub_child_process
	ud2

/* A new thread: edi flags, rsi its slot. */
FUNCTION stub_thread
	push %rbx
	mov %rsi, %rbx
	lea HUSK_STACK_TOP(%rsi), %rsi
	xor %edx, %edx
	lea SLOT_HOST_TID(%rbx), %r10
	xor %r8d, %r8d
	mov $__NR_clone, %eax
	syscall
LABEL stub_thread_clone_ip
	test %rax, %rax
	jz 1f
	pop %rbx
	ret
1:	lea -HUSK_STACK_TOP(%rsp), %rdi
	xor %ebp, %ebp
	call stub_child_thread
	ud2

/*
 * Under the ptrace trap: the kernel process sets a stopped thread's registers, lets it run one of these, and finds it
 * again at the int3. The filter has no rule for this syscall, and no other trap a use.
 */
FUNCTION stub_traced_call
LABEL stub_traced_call_at
	syscall
	int3

FUNCTION stub_traced_cmpxchg
LABEL stub_traced_cmpxchg_at
	lock cmpxchg %edx, (%rdi)
	int3

FUNCTION stub_traced_robust
LABEL stub_traced_robust_at
	call stub_robust_list
	int3

/* Refused by the filter, so that the host's signal brings a frame: stub_signal() goes on from there. */
FUNCTION stub_frame
	mov $-1, %rax
	syscall
LABEL stub_frame_ip
	ud2
LABEL stub_frame_back
	mov $1, %eax
	ret

/* The zygote's last step: its start-up code goes, and a refused call makes the first turn. */
FUNCTION stub_boot_finish
	movabs $HUSK_BOOT_BASE, %rdi
	mov $HUSK_BOOT_SIZE, %esi
	mov $__NR_munmap, %eax
	syscall
LABEL stub_boot_munmap_ip
	mov $-1, %rax
	syscall
LABEL stub_ready_ip
	ud2

	.section .boot, "ax"
/* The zygote starts here: the initial stack is the host's. */
FUNCTION _start
	mov %rsp, %rdi
	xor %ebp, %ebp
	and $-16, %rsp
	call boot_map
	mov %rax, %rdi
	movabs $(HUSK_CHAN_BASE + HUSK_SLOT_SIZE + HUSK_STACK_TOP), %rsp
	call boot_prepare
	ud2

FUNCTION stub_boot_sendmsg
	mov $__NR_sendmsg, %eax
	syscall
LABEL stub_boot_sendmsg_ip
	ret

	.section .note.GNU-stack, "", @progbits

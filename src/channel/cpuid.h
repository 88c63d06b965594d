/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processor says of itself, in the kernel page: answers to `cpuid`, for patched sites.
 *
 * In a virtual machine each `cpuid` leaves it, which takes 1 to 15 us, and glibc's dynamic linker asks some seventy times at
 * each program's start. The answers that are the same on every processor of the machine, and stay so, are written down once.
 */
#ifndef HUSK_CHANNEL_CPUID_H
#define HUSK_CHANNEL_CPUID_H

#define HUSK_CPUID_ANSWERS 60

/* Offsets that assembly uses; checked in channel.h. */
#define KPAGE_NCPUID 0x38
#define KPAGE_CPUID  0x40
#define CPUID_ANSWER 32 /* bytes of one */
#define CPUID_ANY    4
#define CPUID_SUB    8
#define CPUID_EAX    16
#define CPUID_EBX    20
#define CPUID_ECX    24
#define CPUID_EDX    28

#ifndef __ASSEMBLER__

#include "base/types.h"

struct cpuid_answer {
	u32 leaf; /* eax */
	u32 any;  /* whatever ecx is */
	u32 sub;  /* ecx */
	u32 unused;
	u32 eax, ebx, ecx, edx;
};

#endif
#endif

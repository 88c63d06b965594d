/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tracer's way to registers: the user area, the register sets (arch/x86/kernel/ptrace.c, kernel/regset.c,
 * arch/x86/kernel/fpu/regset.c).
 */
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/call.h"
#include "core/usermem.h"
#include "ptrace/request.h"

#define FLAGS_TF 0x100UL
/* CF PF AF ZF SF TF DF OF NT RF AC: what a tracer may set. */
#define FLAGS_SETTABLE 0x54dd5UL

#define TASK_SIZE 0x7ffffffff000UL

/* struct user as the kernel has it (asm/user_64.h), and its eight debug registers. */
#define USER_AREA_SIZE 928UL
#define USER_DEBUGREG  848UL
#define USER_DEBUGREG7 904UL

#define FP_SIZE TASK_FPREGS_SIZE
#define FP_SW \
	464UL /* of what describes the rest: in a signal frame struct _fpx_sw_bytes, in a register set XCR0 */
#define FP_SW_SIZE 48UL
#define FP_HEADER  512UL /* of the XSAVE header: the components in use, then reserved words */
#define MXCSR      24UL
#define MXCSR_MASK 28UL

_Static_assert(sizeof(struct guest_regs) == 27 * 8, "struct user_regs_struct");

/* ---- general registers ---- */

static u64 get_reg(const struct task *child, u64 offset)
{
	return ((const u64 *)task_regs((struct task *)child))[offset / 8];
}

/* A selector has ring 3, or is the null selector where that may be. */
static int set_selector(struct guest_regs *r, u64 offset, u64 value)
{
	u16 selector = (u16)value;

	if (selector && (selector & 3) != 3)
		return -EIO;
	switch (offset) {
	case offsetof(struct guest_regs, cs):
	case offsetof(struct guest_regs, ss):
		if (!selector)
			return -EIO;
		/* Linux: any segment there is, 32-bit code included. Here: the one that guests run in. */
		return selector == (offset == offsetof(struct guest_regs, cs) ? USER_CS : USER_DS) ? 0 : -EIO;
	}
	/* Linux: keeps the selector of a data segment. Here: the null one, because only 32-bit code would use another. */
	((u64 *)r)[offset / 8] = 0;
	return 0;
}

static int set_reg(struct task *child, u64 offset, u64 value)
{
	struct guest_regs *r = task_regs(child);

	switch (offset) {
	case offsetof(struct guest_regs, cs):
	case offsetof(struct guest_regs, ss):
	case offsetof(struct guest_regs, ds):
	case offsetof(struct guest_regs, es):
	case offsetof(struct guest_regs, fs):
	case offsetof(struct guest_regs, gs):
		return set_selector(r, offset, value);
	case offsetof(struct guest_regs, eflags):
		r->eflags = (r->eflags & ~FLAGS_SETTABLE) | (value & FLAGS_SETTABLE);
		return 0;
	case offsetof(struct guest_regs, fs_base):
	case offsetof(struct guest_regs, gs_base):
		if (value >= TASK_SIZE)
			return -EIO;
		break;
	}
	((u64 *)r)[offset / 8] = value;
	/* A host call that was interrupted goes on with its own registers: not any more. */
	child->in_host_call = false;
	return 0;
}

static int set_regs(struct task *child, const u64 *values, size_t size)
{
	int err = 0;

	for (size_t at = 0; !err && at < size; at += 8)
		err = set_reg(child, at, values[at / 8]);
	return err;
}

long request_get_regs(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	return user_write(t, data, task_regs(child), sizeof(struct guest_regs));
}

long request_set_regs(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct guest_regs r;
	int err = user_get(t, &r, data);

	return err ? err : set_regs(child, (const u64 *)&r, sizeof r);
}

/* ---- the user area ---- */

static bool in_user_area(u64 addr)
{
	return addr % 8 == 0 && addr < USER_AREA_SIZE;
}

static bool is_debug_register(u64 addr)
{
	return addr >= USER_DEBUGREG && addr <= USER_DEBUGREG7;
}

long request_peek_user(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	u64 value = 0;

	if (!in_user_area(addr))
		return -EIO;
	if (addr < sizeof(struct guest_regs))
		value = get_reg(child, addr);
	else if (is_debug_register(addr))
		value = trace_get_debug(child, (int)(addr - USER_DEBUGREG) / 8);
	return user_put(t, data, &value);
}

long request_poke_user(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	if (!in_user_area(addr))
		return -EIO;
	if (addr < sizeof(struct guest_regs))
		return set_reg(child, addr, data);
	return is_debug_register(addr) ? trace_set_debug(t, child, (int)(addr - USER_DEBUGREG) / 8, data)
				       : -EIO;
}

long request_arch_prctl(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct guest_regs *r = task_regs(child);

	switch ((int)data) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= TRAP_GUEST_TOP)
			return -EPERM;
		*((int)data == ARCH_SET_FS ? &r->fs_base : &r->gs_base) = addr;
		return 0;
	case ARCH_GET_FS:
		return user_put(t, addr, &r->fs_base);
	case ARCH_GET_GS:
		return user_put(t, addr, &r->gs_base);
	}
	return -EINVAL;
}

/* ---- vector state ---- */

/* @state as task_fpstate() gave it, changed: 0 or -EINVAL. */
static int fp_set(struct task *child, char *state, size_t size)
{
	const struct trap_ops *ops = child->k->trap_ops;
	char *own = malloc(size);
	u32 mxcsr, mask;
	int err;

	if (!own)
		return -ENOMEM;
	ops->xstate_get(child->thread, own);
	memcpy(&mxcsr, state + MXCSR, sizeof mxcsr);
	memcpy(&mask, own + MXCSR_MASK, sizeof mask);
	if (mxcsr & ~(mask ? mask : 0xffbfu)) {
		free(own);
		return -EINVAL;
	}
	memcpy(state + FP_SW, own + FP_SW, FP_SW_SIZE);
	memcpy(state + MXCSR_MASK, own + MXCSR_MASK, sizeof mask);
	free(own);
	err = ops->xstate_set(child->thread, state, size);
	return err ? -EINVAL : 0;
}

static int fp_set_legacy(struct task *t, struct task *child, u64 from)
{
	u64 in_use;
	char *state;
	long size = task_fpstate(child, &state);
	int err;

	if (size < 0)
		return (int)size;
	err = user_read(t, state, from, FP_SIZE);
	if (!err && (size_t)size > FP_SIZE) {
		memcpy(&in_use, state + FP_HEADER, sizeof in_use);
		in_use |= 3;
		memcpy(state + FP_HEADER, &in_use, sizeof in_use);
	}
	if (!err)
		err = fp_set(child, state, (size_t)size);
	free(state);
	return err;
}

static int fp_set_whole(struct task *t, struct task *child, u64 from)
{
	u64 features, header[8];
	char *state;
	long size = task_fpstate(child, &state);
	int err;

	if (size < 0)
		return (int)size;
	memcpy(&features, state + FP_SW, sizeof features);
	err = user_read(t, state, from, (size_t)size);
	memcpy(header, state + FP_HEADER, sizeof header);
	for (size_t i = 1; i < ARRAY_SIZE(header); i++)
		if (!err && header[i])
			err = -EINVAL;
	if (!err && (header[0] & ~features))
		err = -EINVAL;
	if (!err)
		err = fp_set(child, state, (size_t)size);
	free(state);
	return err;
}

static int fp_put(struct task *t, struct task *child, u64 to, size_t size)
{
	char *state;
	long r = task_fpstate(child, &state);

	if (r < 0)
		return (int)r;
	r = user_write(t, to, state, min(size, (size_t)r));
	free(state);
	return (int)r;
}

long request_get_fpregs(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	long wait = trace_whole(t, child);

	return wait ? wait : fp_put(t, child, data, FP_SIZE);
}

long request_set_fpregs(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	long wait = trace_whole(t, child);

	return wait ? wait : fp_set_legacy(t, child, data);
}

/* ---- register sets ---- */

struct iov {
	u64 base, len;
};

/* How big the set is: 0 for one that there is not. */
static u64 set_size(const struct task *child, u64 type)
{
	switch (type) {
	case NT_PRSTATUS:
		return sizeof(struct guest_regs);
	case NT_PRFPREG:
		return FP_SIZE;
	case NT_X86_XSTATE:
		return align_down(child->k->trap_ops->xstate_size(child->k->trap), 8UL);
	}
	return 0;
}

/* The iovec of the call, cut to what the set has. */
static int read_iov(struct task *t, const struct task *child, u64 type, u64 data, struct iov *iov)
{
	u64 size = set_size(child, type);
	int err = user_get(t, iov, data);

	if (err)
		return err;
	if (!size || iov->len % 8)
		return -EINVAL;
	iov->len = min(iov->len, size);
	return 0;
}

static long write_len(struct task *t, u64 data, const struct iov *iov)
{
	return user_put(t, data + offsetof(struct iov, len), &iov->len);
}

long request_get_regset(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct iov iov;
	long err = read_iov(t, child, (u32)addr, data, &iov);

	if (!err && (u32)addr != NT_PRSTATUS)
		err = trace_whole(t, child);
	if (err)
		return err;
	err = (u32)addr == NT_PRSTATUS ? user_write(t, iov.base, task_regs(child), iov.len)
				       : fp_put(t, child, iov.base, iov.len);
	return err ? err : write_len(t, data, &iov);
}

static int set_general(struct task *t, struct task *child, const struct iov *iov)
{
	struct guest_regs r;
	int err = user_read(t, &r, iov->base, iov->len);

	return err ? err : set_regs(child, (const u64 *)&r, iov->len);
}

long request_set_regset(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	u32 type = (u32)addr;
	struct iov iov;
	long err = read_iov(t, child, type, data, &iov);

	if (!err && type != NT_PRSTATUS)
		err = trace_whole(t, child);
	if (err)
		return err;
	if (type == NT_PRSTATUS)
		err = set_general(t, child, &iov);
	else if (iov.len != set_size(child, type))
		err = type == NT_PRFPREG ? -EINVAL : -EFAULT;
	else if (type == NT_PRFPREG)
		err = fp_set_legacy(t, child, iov.base);
	else
		err = fp_set_whole(t, child, iov.base);
	return err ? err : write_len(t, data, &iov);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that plays the stub through its own execve: husk keeps the host process of a program that a forked child
 * executes, and has its stub empty it, so that the old program, which does nothing of that, goes on under the new one's
 * name. That is its own affair as long as the new program is no more than the old one was. Where it would have other ids, or
 * where its file may be executed and not read, the old program must not come back.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define ME   65534
#define KEPT 44

static struct region_header *const region = (struct region_header *)HUSK_CHAN_BASE;
static struct slot *const slot = (struct slot *)(HUSK_CHAN_BASE + HUSK_SLOT_SIZE);

/* Hands the slot over without the stub. The parent's calls wake the kernel process. */
static int turn(uint32_t event)
{
	long end = now_ms() + 2000;

	slot->event = (uint8_t)event;
	__atomic_store_n(&slot->state, TURN_KERNEL, __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&region->ready[0], 2, __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&region->summary, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != TURN_GUEST)
		if (now_ms() > end)
			return 0;
	return 1;
}

/* Copies what the kernel wants to read, and says that all of the rest is done, too. */
static void pretend(void)
{
	const struct stub_op *ops = (const struct stub_op *)((char *)slot + HUSK_OPS_OFFSET);

	for (uint32_t i = 0; i < slot->nops && i < HUSK_MAX_OPS; i++)
		if (ops[i].kind == OP_COPY_IN)
			memcpy((char *)slot + ops[i].a[2], (const void *)ops[i].a[0], ops[i].a[1]);
	slot->result = 0;
	slot->op_index = slot->nops;
	__atomic_store_n(&slot->acked, slot->batch, __ATOMIC_SEQ_CST);
}

/* 1: the call has come back. */
static int call(uint64_t nr, const void *a, const void *b, const void *c)
{
	uint32_t event = EVENT_CALL;

	slot->nin = 0;
	slot->regs[SREG_ORIG_RAX] = nr;
	slot->regs[SREG_RDI] = (uint64_t)a;
	slot->regs[SREG_RSI] = (uint64_t)b;
	slot->regs[SREG_RDX] = (uint64_t)c;
	for (; turn(event); event = EVENT_DONE) {
		pretend();
		if (slot->answer == ANSWER_RESUME)
			return 1;
	}
	return 0;
}

static int execute(void *arg)
{
	static char *const argv[] = {"kept_process", "program", NULL}, *const envp[] = {NULL};

	if (setresgid(ME, ME, ME) || setresuid(ME, ME, ME))
		return UNSURE;
	now_ms();
	syscall(SYS_getppid); /* leaves a frame that is valid */
	if (!call(SYS_execve, arg, argv, envp) || !call(SYS_geteuid, NULL, NULL, NULL))
		return UNSURE;
	return slot->regs[SREG_RAX] == ME && !strcmp(arg, "/tmp/plain") ? KEPT : ESCAPED;
}

static int program(const char *name, mode_t mode)
{
	int in = open("/proc/self/exe", O_RDONLY), out = open(name, O_CREAT | O_WRONLY, 0700);
	struct stat st;
	int ok = !fstat(in, &st) && sendfile(out, in, NULL, (size_t)st.st_size) == st.st_size &&
		 !fchmod(out, mode);

	close(in);
	close(out);
	return ok;
}

int main(int argc, char **argv)
{
	int status;

	if (argc > 1)
		return NOTHING;
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	if (!program("/tmp/plain", 0755) || !program("/tmp/root", 04755) || !program("/tmp/hidden", 0711)) {
		printf("not ok - no programs to execute: %s\n", strerror(errno));
		return 1;
	}
	status = attempt("a program of the caller's own", execute, "/tmp/plain", 8000);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != KEPT) {
		printf("1..0 # SKIP no process is kept here: status %x\n", status);
		return 77;
	}
	attempt("a program of root's", execute, "/tmp/root", 8000);
	attempt("a program that may not be read", execute, "/tmp/hidden", 8000);
	return verdict("a program in its predecessor's process");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jumps to every syscall instruction of the stub with every call number and arguments that would leave
 * traces: only the one number that belongs to an instruction may come back from it.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>

struct
try {
	uint64_t site;
	long nr;
	uint64_t a[6];
};

/* Calls that nobody may make from the stub at all, with arguments that make them do something. */
static int jump(void *arg)
{
	struct try *t = arg;
	long r = stub_jump(t->site, t->nr, t->a);

	return r < 0 ? UNSURE : ESCAPED;
}

/* The numbers that some instruction may make (trap/seccomp/filter.c). */
static int belongs(long nr)
{
	static const int numbers[] = {SYS_rt_sigreturn, SYS_futex,       SYS_write,
				      SYS_mmap,         SYS_munmap,      SYS_mprotect,
				      SYS_mremap,       SYS_madvise,     SYS_mincore,
				      SYS_recvmsg,      SYS_close,       SYS_clock_gettime,
				      SYS_arch_prctl,   SYS_clone,       SYS_prctl,
				      SYS_dup2,         SYS_sigaltstack, SYS_getppid,
				      462 /* mseal */,  SYS_exit_group,  SYS_sendmsg,
				      SYS_sched_yield,  SYS_read,        SYS_pread64,
				      SYS_readv,        SYS_lseek,       436 /* close_range */};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == nr)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static char buffer[4096];
	int step = argc > 1 ? atoi(argv[1]) : 1;
	int wrong = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	printf("# %d syscall instructions\n", nsites);
	for (int i = 0; i < nsites; i++) {
		int came_back = 0;

		for (long nr = 0; nr < 471; nr += step) {
			struct try t = {sites[i],
					nr,
					{(uint64_t)marker, O_CREAT | O_RDWR, 0666, (uint64_t)buffer, 0, 0}};
			char name[64];
			int status;

			/* These end the process or wait for ever by right; stub_arguments.c has them. */
			if (nr == SYS_exit_group || nr == SYS_futex)
				continue;
			snprintf(name, sizeof(name), "call %ld at %llx came back with success", nr,
				 (unsigned long long)sites[i]);
			/* uretprobe and uprobe: Linux (6.12 and up) shows them to no filter. Away from its own
			 * trampolines it must refuse them itself: by SIGILL or ENXIO. */
			if (nr == 335 || nr == 336) {
				attempt(name, jump, &t, 2000);
				continue;
			}
			if (belongs(nr)) {
				int before = escaped;

				status = attempt(name, jump, &t, 2000);
				if (escaped > before) {
					escaped = before;
					came_back++;
				}
			} else {
				status = attempt(name, jump, &t, 2000);
			}
			if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == UNSURE) {
				came_back++;
				if (!belongs(nr)) {
					printf("not ok - call %ld at %llx came back with an error of the "
					       "host's\n",
					       nr, (unsigned long long)sites[i]);
					wrong++;
				}
			}
		}
		if (came_back > 1) {
			printf("not ok - %d numbers come back from %llx\n", came_back,
			       (unsigned long long)sites[i]);
			wrong++;
		}
	}
	escaped += wrong;
	return verdict("every number at every instruction");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which processors a program may use is what it was started with, or has set; and those who compute at the same time get one
 * each, also after a time in which they made a call every other moment. */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "check.h"

#define CALLS 3000

static void many_calls(void)
{
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_personality, 0xffffffff);
}

static int first_of(const cpu_set_t *set)
{
	int cpu = 0;

	while (!CPU_ISSET(cpu, set))
		cpu++;
	return cpu;
}

/* The calls and /proc say that these are the ones. */
static void check_mask(const cpu_set_t *want)
{
	char line[256];
	int first = -1;
	cpu_set_t set;
	FILE *f;

	CPU_ZERO(&set);
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_EQUAL(&set, want));
	f = fopen("/proc/self/status", "r");
	CHECK(f);
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Cpus_allowed_list: %d", &first) == 1)
			break;
	if (f)
		fclose(f);
	CHECK_EQ(first, first_of(want));
}

/* Two who compute, and say on which processor they are. */
struct pair {
	_Atomic int cpu[2]; /* plus 1; 0: not begun */
	_Atomic int met;    /* they were seen on different ones */
};

/* Without a call: Linux lets every processor know its number. */
static int current_cpu(void)
{
	unsigned int aux;

	__rdtscp(&aux);
	return (int)(aux & 0xfff);
}

static void compute(struct pair *p, int mine)
{
	while (!p->met) {
		int other = p->cpu[!mine];

		p->cpu[mine] = current_cpu() + 1;
		if (other && other != p->cpu[mine])
			p->met = 1;
	}
}

static void *thread(void *arg)
{
	many_calls();
	compute(arg, 1);
	return NULL;
}

static void two_threads(struct pair *p)
{
	pthread_t other;

	CHECK_EQ(pthread_create(&other, NULL, thread, p), 0);
	many_calls();
	compute(p, 0);
	pthread_join(other, NULL);
	CHECK(p->met);
}

static void two_processes(struct pair *p)
{
	int status;
	pid_t child = fork();

	many_calls();
	compute(p, !child);
	if (!child)
		_exit(0);
	CHECK_OK(waitpid(child, &status, 0));
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(void)
{
	struct pair *pairs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cpu_set_t set, one;

	CPU_ZERO(&set);
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	many_calls();
	check_mask(&set);
	if (CPU_COUNT(&set) > 1) {
		two_threads(&pairs[0]);
		two_processes(&pairs[1]);
		check_mask(&set);
	}
	CPU_ZERO(&one);
	CPU_SET(first_of(&set), &one);
	CHECK_OK(sched_setaffinity(0, sizeof one, &one));
	many_calls();
	check_mask(&one);
	CHECK_OK(sched_setaffinity(0, sizeof set, &set));
	check_mask(&set);
	return check_done();
}

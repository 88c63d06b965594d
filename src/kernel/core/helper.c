/* SPDX-License-Identifier: Apache-2.0 */
/* Helper threads: a queue of jobs to them, a queue of done ones back, an eventfd that wakes the service
 * thread. A thread is made when a job finds none idle: most programs never need one. */
#include "core/helper.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/kernel.h"
#include "host/poller.h"

#define MAX_HELPERS 8

struct helper_pool {
	pthread_mutex_t lock; /* guards queued, finished, nqueued, idle, stopping */
	pthread_cond_t work;
	struct list queued, finished;
	int nqueued, idle; /* jobs that wait for a thread, threads that wait for a job */
	bool stopping;
	int event;
	struct watch watch;
	pthread_t threads[MAX_HELPERS];
	int nthreads, most;
	cpu_set_t
		cpus; /* that they may use: a driver may have bound the service thread to one of them by then */
	bool cpus_known;
};

static void *helper(void *arg)
{
	struct helper_pool *p = arg;

	if (p->cpus_known)
		sched_setaffinity(0, sizeof p->cpus, &p->cpus);
	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job *job;
		u64 one = 1;

		p->idle++;
		while (list_empty(&p->queued) && !p->stopping)
			pthread_cond_wait(&p->work, &p->lock);
		p->idle--;
		if (list_empty(&p->queued))
			break;
		job = list_first(&p->queued, struct job, node);
		list_del(&job->node);
		p->nqueued--;
		pthread_mutex_unlock(&p->lock);
		job->work(job);
		pthread_mutex_lock(&p->lock);
		list_add_tail(&p->finished, &job->node);
		(void)!write(p->event, &one, sizeof one);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void finish_jobs(struct watch *w, u32 events)
{
	struct helper_pool *p = container_of(w, struct helper_pool, watch);
	struct list done;
	u64 count;

	(void)!read(p->event, &count, sizeof count);
	list_init(&done);
	pthread_mutex_lock(&p->lock);
	list_splice_tail(&done, &p->finished);
	pthread_mutex_unlock(&p->lock);
	while (!list_empty(&done)) {
		struct job *job = list_first(&done, struct job, node);

		list_del(&job->node);
		job->done(job);
	}
}

int helpers_start(struct kernel *k, int n)
{
	struct helper_pool *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	list_init(&p->queued);
	list_init(&p->finished);
	p->most = min(n, MAX_HELPERS);
	p->cpus_known = !sched_getaffinity(0, sizeof p->cpus, &p->cpus);
	p->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->helpers = p;
	if (p->event < 0)
		return -errno;
	return watch_add(k->poller, &p->watch, (struct hostfd){p->event}, EPOLLIN, finish_jobs);
}

/* One thread more, where it can be had. */
static void helper_new(struct helper_pool *p)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	p->nthreads += !pthread_create(&p->threads[p->nthreads], NULL, helper, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void helpers_stop(struct kernel *k)
{
	struct helper_pool *p = k->helpers;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	if (p->event >= 0) {
		finish_jobs(&p->watch, 0);
		watch_del(&p->watch);
		close(p->event);
	}
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
	k->helpers = NULL;
}

void job_submit(struct kernel *k, struct job *job)
{
	struct helper_pool *p = k->helpers;
	u64 one = 1;
	bool more;

	pthread_mutex_lock(&p->lock);
	list_add_tail(&p->queued, &job->node);
	more = ++p->nqueued > p->idle && p->nthreads < p->most;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	if (more)
		helper_new(p);
	if (p->nthreads)
		return;
	/* No thread is to be had, so it is done here, and all wait for it. */
	list_del(&job->node);
	p->nqueued--;
	job->work(job);
	list_add_tail(&p->finished, &job->node);
	(void)!write(p->event, &one, sizeof one);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows a process with a thousand threads at once: all of them run and end; where there are too many, pthread_create()
 * says EAGAIN, and there is room again when they have gone.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "check.h"

#define MANY  1000
#define TRIED 1100

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t open_ = PTHREAD_COND_INITIALIZER;
static bool is_open;
static atomic_int ran;

static void *wait_for_all(void *arg)
{
	atomic_fetch_add(&ran, 1);
	pthread_mutex_lock(&lock);
	while (!is_open)
		pthread_cond_wait(&open_, &lock);
	pthread_mutex_unlock(&lock);
	return arg;
}

int main(void)
{
	static pthread_t t[TRIED];
	pthread_attr_t attr;
	int n = 0, err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int round = 0; round < 2; round++) {
		is_open = false;
		ran = 0;
		for (n = 0; n < TRIED; n++) {
			err = pthread_create(&t[n], &attr, wait_for_all, (void *)(long)n);
			if (err)
				break;
		}
		CHECK(!err || err == EAGAIN);
		pthread_mutex_lock(&lock);
		is_open = true;
		pthread_cond_broadcast(&open_);
		pthread_mutex_unlock(&lock);
		for (int i = 0; i < n; i++) {
			void *result;

			CHECK_EQ(pthread_join(t[i], &result), 0);
			CHECK_EQ((long)result, i);
		}
		CHECK_EQ(ran, n);
		CHECK(n >= MANY);
	}
	return check_done();
}

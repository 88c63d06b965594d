/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's log: a ring of lines. */
#include "core/klog.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"

void klog_init(struct kernel *k)
{
	wait_queue_init(&k->log.wait);
}

void klog_free(struct kernel *k)
{
	free(k->log.data);
	k->log.data = NULL;
}

static char byte_at(const struct klog *l, u64 at)
{
	return l->data[at % KLOG_SIZE];
}

/* The oldest lines make room for @size bytes. */
static void drop_lines(struct klog *l, size_t size)
{
	while (l->next + size - l->first > KLOG_SIZE) {
		while (byte_at(l, l->first) != '\n')
			l->first++;
		l->first++;
	}
	l->cleared = max(l->cleared, l->first);
	l->read = max(l->read, l->first);
}

void klog_add(struct kernel *k, int level, const char *format, ...)
{
	struct klog *l = &k->log;
	u64 ns = kernel_now(k) - k->boot_ns;
	char line[KLOG_LINE];
	va_list args;
	size_t size;

	if (!l->data)
		l->data = malloc(KLOG_SIZE);
	if (!l->data)
		return;
	size = (size_t)snprintf(line, sizeof line, "<%d>[%5lu.%06lu] ", level, ns / 1000000000,
				ns / 1000 % 1000000);
	va_start(args, format);
	vsnprintf(line + size, sizeof line - 1 - size, format, args);
	va_end(args);
	size = strlen(line);
	line[size++] = '\n';
	drop_lines(l, size);
	for (size_t i = 0; i < size; i++)
		l->data[l->next++ % KLOG_SIZE] = line[i];
	wake_all(&l->wait);
}

size_t klog_copy(const struct klog *l, char *to, u64 from, size_t size)
{
	size = min(size, (size_t)(l->next - from));
	for (size_t i = 0; i < size; i++)
		to[i] = byte_at(l, from + i);
	return size;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for the made-up system of calls.h: says each line that it hears backwards, and at the end how many lines
 * and how many different letters there were. It is one flat piece of code that begins with start(), without a library,
 * without relocations, and with no idea of Linux.
 */
#include "calls.h"

/* start() must be the only function. */
#define PART static inline __attribute__((always_inline))

PART long call(long nr, long a, long b, long c)
{
	register long r10 __asm__("r10") = a;
	register long r8 __asm__("r8") = c;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "r"(r10), "d"(b), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

PART void say(const char *text, long length)
{
	call(FOREIGN_SAY, (long)text, length, 0);
}

PART void say_backwards(const char *line, long length, char *room)
{
	for (long i = 0; i < length; i++)
		room[i] = line[length - 1 - i];
	room[length] = '\n';
	say(room, length + 1);
}

/* The next byte of what is heard; -1: no more. */
struct ear {
	unsigned char *buffer;
	long used, filled;
};

PART int hear(struct ear *ear)
{
	if (ear->used == ear->filled) {
		ear->filled = call(FOREIGN_LISTEN, (long)ear->buffer, 512, 0);
		ear->used = 0;
	}
	return ear->filled > 0 ? ear->buffer[ear->used++] : -1;
}

PART long count_bits(unsigned long word)
{
	long n = 0;

	for (; word; word &= word - 1)
		n++;
	return n;
}

void start(void) __attribute__((section(".text.start"), noreturn));
void start(void)
{
	char *line = (char *)call(FOREIGN_ALLOCATE, 4096, 0, 0), *room = line + 2048;
	struct ear ear = {(unsigned char *)call(FOREIGN_ALLOCATE, 512, 0, 0), 0, 0};
	long lines = 0, length = 0;
	unsigned long letters = 0;
	int c;

	while ((c = hear(&ear)) >= 0) {
		if (c != '\n' && length < 2000) {
			line[length++] = (char)c;
			if (c >= 'a' && c <= 'z')
				letters |= 1UL << (c - 'a');
			continue;
		}
		say_backwards(line, length, room);
		lines++;
		length = 0;
	}
	call(FOREIGN_NUMBER, lines, 0, 0);
	call(FOREIGN_NUMBER, count_bits(letters), 0, 0);
	call(FOREIGN_LEAVE, lines & 0x7f, 0, 0);
	for (;;)
		;
}

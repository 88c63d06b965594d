/* SPDX-License-Identifier: Apache-2.0 */
/* Short integer names and the few macros that every room uses. */
#ifndef HUSK_BASE_TYPES_H
#define HUSK_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define align_up(x, a)                  (((x) + ((a)-1)) & ~((__typeof__(x))(a)-1))
#define align_down(x, a)                ((x) & ~((__typeof__(x))(a)-1))

/* Each argument is evaluated once; the names are unique, so that calls may be nested. */
#define LESSER_(a, b, x, y)            \
	({                             \
		__typeof__(a) x = (a); \
		__typeof__(b) y = (b); \
		x < y ? x : y;         \
	})
#define GREATER_(a, b, x, y)           \
	({                             \
		__typeof__(a) x = (a); \
		__typeof__(b) y = (b); \
		x > y ? x : y;         \
	})
#define PASTE_(a, b)           a##b
#define PICK_(what, a, b, n)   what(a, b, PASTE_(x_, n), PASTE_(y_, n))
#define UNIQUE_(what, a, b, n) PICK_(what, a, b, n)
#define min(a, b)              UNIQUE_(LESSER_, a, b, __COUNTER__)
#define max(a, b)              UNIQUE_(GREATER_, a, b, __COUNTER__)

#define PAGE_SIZE  4096UL
#define PAGE_SHIFT 12

#endif

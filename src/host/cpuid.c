/* SPDX-License-Identifier: Apache-2.0 */
/* What libc has learnt of the processor at its start, where it tells: to ask once more would take long itself. */
#include "host/cpuid.h"

#include <cpuid.h>

#include "base/types.h"

#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#endif

#define HYPERVISOR (1u << 31) /* leaf 1, ecx */
#define HYBRID     (1u << 15) /* leaf 7, edx */

bool host_cpuid_is_slow(void)
{
#if __has_include(<sys/platform/x86.h>)
	return __x86_get_cpuid_feature_leaf(CPUID_INDEX_1)->cpuid_array[2] & HYPERVISOR &&
	       !(__x86_get_cpuid_feature_leaf(CPUID_INDEX_7)->cpuid_array[3] & HYBRID);
#else
	u32 a, b, c1, d, c, d7;

	return __get_cpuid(1, &a, &b, &c1, &d) && c1 & HYPERVISOR &&
	       __get_cpuid_count(7, 0, &a, &b, &c, &d7) && !(d7 & HYBRID);
#endif
}

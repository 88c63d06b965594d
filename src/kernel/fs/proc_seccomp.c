/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/sys/kernel/seccomp: which actions there are, and which of them the log hears of (kernel/seccomp.c). */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "core/cred.h"
#include "core/seccomp_actions.h"
#include "fs/proc_text.h"

static const char *const names[SECCOMP_BITS] = {
#define X(action, name) [SECCOMP_BIT_##action] = #name,
	SECCOMP_NAMED_ACTIONS
#undef X
};

/* A text that is longer than all names with a space between them is cut, as Linux does. */
#define X(action, name) #name " "
#define ALL_NAMES       (sizeof(SECCOMP_NAMED_ACTIONS) - 2)

static void add_names(struct text *out, u32 actions)
{
	const char *between = "";

	for (int i = 0; i < SECCOMP_BITS; i++) {
		if (!(actions & 1u << i))
			continue;
		text_add(out, "%s%s", between, names[i]);
		between = " ";
	}
	text_add(out, "\n");
}

static int show_available(struct task *t, struct text *out)
{
	add_names(out, ~0u);
	return 0;
}

static int show_logged(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	struct text text = {0};

	add_names(&text, ~(n->k->seccomp_unlogged | SECCOMP_LOG_ALLOW));
	return proc_text_done(&text, 0, out, size);
}

/* The bit of a name of @len bytes, 0 for none. */
static u32 action_named(const char *name, size_t len)
{
	for (int i = 0; i < SECCOMP_BITS; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return 1u << i;
	return 0;
}

/* One line of names with one space between them; Linux stops reading at two. */
static int store_logged(struct synth_node *n, struct task *t, const char *text, size_t size)
{
	const char *end = memchr(text, '\n', size);
	u32 actions = 0, one;

	if (!capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	if (!end)
		end = text + size;
	end = min(end, text + ALL_NAMES);
	while (text < end && *text != ' ') {
		const char *space = memchr(text, ' ', (size_t)(end - text));
		size_t len = (size_t)((space ? space : end) - text);

		one = action_named(text, len);
		if (!one || one == SECCOMP_LOG_ALLOW)
			return -EINVAL;
		actions |= one;
		text += len + (space != NULL);
	}
	n->k->seccomp_unlogged = ~actions & ~(u32)SECCOMP_LOG_ALLOW & ((1u << SECCOMP_BITS) - 1);
	return 0;
}

#undef X

static const struct synth_ops logged_ops = {.show = show_logged, .store = store_logged};

const struct synth_entry proc_seccomp_entries[] = {
	PROC_SHOW("actions_avail", show_available),
	{"actions_logged", S_IFREG | 0644, &logged_ops},
	{},
};

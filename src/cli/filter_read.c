// SPDX-License-Identifier: Apache-2.0
/*
 * Reads classic BPF programs in the forms that tools write: the bytes of struct sock_filter (libseccomp's
 * export, PTRACE_SECCOMP_GET_FILTER), decimal text (`tcpdump -ddd`, `bpf_asm`: the number of instructions, then
 * four numbers for each), and C arrays (`tcpdump -dd`, `bpf_asm -c`: four numbers in braces for each).
 */
#include "cli/filter.h"
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MOST (1u << 20)

struct file_text {
	char *data; /* owned, NUL behind the last byte */
	size_t size;
};

static int read_all(const char *path, struct file_text *text)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(0);
	ssize_t n = 0;

	if (fd < 0)
		return cli_error(path, "%s", strerror(errno));
	text->data = malloc(TEXT_MOST + 1);
	text->size = 0;
	while (text->data && text->size < TEXT_MOST &&
	       (n = read(fd, text->data + text->size, TEXT_MOST - text->size)) > 0)
		text->size += (size_t)n;
	if (n < 0)
		cli_error(path, "%s", strerror(errno));
	close(fd);
	if (!text->data || n < 0) {
		free(text->data);
		return text->data ? -1 : cli_error(path, "out of memory");
	}
	text->data[text->size] = 0;
	return 0;
}

static bool is_text(const struct file_text *text)
{
	for (size_t i = 0; i < text->size; i++)
		if (!isprint((unsigned char)text->data[i]) && !isspace((unsigned char)text->data[i]))
			return false;
	return text->size;
}

static int take(const char *path, struct filter_file *out, const unsigned long *n)
{
	if (out->size == ARRAY_SIZE(out->f))
		return cli_error(path, "more than 4096 instructions");
	if (n[0] > 0xffff || n[1] > 0xff || n[2] > 0xff || n[3] > 0xffffffff)
		return cli_error(path, "instruction %u has a number that is too large", out->size);
	out->f[out->size++] = (struct sock_filter){(u16)n[0], (u8)n[1], (u8)n[2], (u32)n[3]};
	return 0;
}

static int read_raw(const char *path, const struct file_text *text, struct filter_file *out)
{
	if (text->size % sizeof *out->f)
		return cli_error(path, "neither text nor whole instructions of eight bytes");
	if (text->size / sizeof *out->f > ARRAY_SIZE(out->f))
		return cli_error(path, "more than 4096 instructions");
	out->size = (unsigned)(text->size / sizeof *out->f);
	memcpy(out->f, text->data, text->size);
	return 0;
}

/* "{ 0x28, 0, 0, 0x0000000c }," each; whatever stands between is passed over. */
static int read_array(const char *path, const char *at, struct filter_file *out)
{
	unsigned long n[4];
	char *end;

	while ((at = strchr(at, '{'))) {
		unsigned i;

		at++;
		for (i = 0; i < 4; i++) {
			n[i] = strtoul(at, &end, 0);
			end += strspn(end, " \t\n");
			if (end == at || *end != (i < 3 ? ',' : '}'))
				break;
			at = end + 1;
		}
		if (i == 4 && take(path, out, n))
			return -1;
		if (i && i < 4)
			return cli_error(path, "instruction %u is not four numbers in braces", out->size);
	}
	return out->size ? 0 : cli_error(path, "no instruction of four numbers in braces");
}

static int read_decimal(const char *path, char *at, struct filter_file *out)
{
	unsigned long count, n[4];
	char *end;

	for (char *p = at; *p; p++)
		if (*p == ',')
			*p = ' ';
	count = strtoul(at, &end, 10);
	if (end == at || !count)
		return cli_error(path, "does not begin with the number of instructions");
	for (unsigned long i = 0; i < count; i++) {
		for (unsigned j = 0; j < 4; j++) {
			at = end;
			n[j] = strtoul(at, &end, 0);
			if (end == at)
				return cli_error(path, "instruction %lu is not four numbers", i);
		}
		if (take(path, out, n))
			return -1;
	}
	end += strspn(end, " \t\r\n");
	return *end ? cli_error(path, "more behind the %lu instructions", count) : 0;
}

int filter_read(const char *path, struct filter_file *out)
{
	struct file_text text;
	int error;

	out->size = 0;
	if (read_all(path, &text))
		return -1;
	if (!is_text(&text))
		error = read_raw(path, &text, out);
	else if (strchr(text.data, '{'))
		error = read_array(path, text.data, out);
	else
		error = read_decimal(path, text.data, out);
	free(text.data);
	return error;
}

#include "streams.h"

#include <string.h>

/* One at a time is read; nothing of it outlives the start. */
static struct exec_request request;

static bool names_same(const char *one, const char *other)
{
	size_t length = strcspn(one, "=");
	return strncmp(one, other, length) == 0 && other[length] == '=';
}

static bool has_env(const char *entry)
{
	for (size_t at = 0; at < request.envc; at++)
		if (names_same(entry, request.env[at]))
			return true;
	return false;
}

static void set_env(const char *entry)
{
	for (size_t at = 0; at < request.envc; at++) {
		if (names_same(entry, request.env[at])) {
			request.env[at] = entry;
			return;
		}
	}
	request.env[request.envc++] = entry;
}

static bool take(char tag, const char *value)
{
	switch (tag) {
	case 'a':
		if (request.argc >= MAX_WORDS)
			return false;
		request.argv[request.argc++] = value;
		return true;
	case 'e':
		if (request.envc >= 2 * MAX_WORDS || strchr(value, '=') == NULL)
			return false;
		set_env(value);
		return true;
	case 'w': request.workdir = value; return true;
	case 'c': request.terminal = true; return parse_number(value, 65535, &request.columns);
	case 'r': return parse_number(value, 65535, &request.rows);
	default: return false;
	}
}

const struct exec_request *exec_request(const uint8_t *payload, uint32_t length)
{
	const char *at = (const char *)payload, *end = at + length, *value = NULL;
	const struct boot *boot = program_boot();
	char tag = 0;
	memset(&request, 0, sizeof request);
	request.workdir = boot->workdir;
	for (size_t each = 0; each < boot->envc; each++)
		request.env[request.envc++] = boot->env[each];
	while (next_record(&at, end, &tag, &value))
		if (!take(tag, value))
			return NULL;
	if (request.terminal && !has_env("TERM="))
		set_env("TERM=xterm");
	request.argv[request.argc] = NULL;
	request.env[request.envc] = NULL;
	return at == end && request.argc > 0 ? &request : NULL;
}

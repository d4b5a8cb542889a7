#include "init.h"

#include <string.h>

static bool add_word(const char **words, size_t *count, const char *word)
{
	if (*count >= MAX_WORDS)
		return false;
	words[(*count)++] = word;
	words[*count] = NULL;
	return true;
}

static bool add_to(const char **list, size_t *count, const char *value)
{
	if (*count >= MAX_STORES)
		return false;
	list[(*count)++] = value;
	return true;
}

/* Each begins with its serial. */
static bool take_volume(struct boot *boot, char tag, const char *value)
{
	if (tag == 'd' && boot->volume_count >= MAX_VOLUMES)
		return false;
	if (tag == 'd')
		boot->volumes[boot->volume_count++].serial = value;
	if (boot->volume_count == 0)
		return false;
	struct volume *volume = &boot->volumes[boot->volume_count - 1];
	switch (tag) {
	case 'n': volume->name = value; return true;
	case 't': volume->path = value; return value[0] == '/';
	case 'r': volume->readonly = value[0] == '1'; return true;
	case 'l': volume->layer = value; return true;
	default: return true;
	}
}

static bool take(struct boot *boot, char tag, const char *value)
{
	uint64_t number = 0;
	switch (tag) {
	case 'i': boot->id = value; return true;
	case 'h': boot->hostname = value; return true;
	case 'w': boot->workdir = value; return true;
	case 'u': boot->user = value; return true;
	case 'a': return add_word(boot->argv, &boot->argc, value);
	case 'e': return strchr(value, '=') != NULL && add_word(boot->env, &boot->envc, value);
	case 'p': boot->ip = value; return true;
	case 'g': boot->gateway = value; return true;
	case 'm': boot->mac = value; return true;
	case 'b': return value[0] == '/' && add_to(boot->bundles, &boot->bundle_count, value);
	case 'j': return value[0] == '/' && add_to(boot->java_stores, &boot->java_count, value);
	case 'v': return add_to(boot->service_env, &boot->service_count, value);
	case 'x': boot->agent = value[0] == '1'; return true;
	case 's':
		if (!parse_number(value, 64, &number) || number == 0)
			return false;
		boot->stop_signal = (int)number;
		return true;
	case 'd': case 'n': case 't': case 'r': case 'l': return take_volume(boot, tag, value);
	default: return take_authority(&boot->authority, tag, value);
	}
}

static bool are_whole(const struct volume *volumes, size_t count)
{
	for (size_t at = 0; at < count; at++)
		if (volumes[at].name == NULL || volumes[at].path == NULL)
			return false;
	return true;
}

static bool is_whole(const struct boot *boot)
{
	bool programmed = boot->id && boot->hostname && boot->workdir && boot->user && boot->argc > 0 && boot->stop_signal > 0;
	bool connected = boot->ip == NULL || (boot->gateway && boot->mac);
	return programmed && connected && are_whole(boot->volumes, boot->volume_count) && (boot->authority.certificate == NULL || is_authority(&boot->authority));
}

bool boot_parse(struct boot *boot, const char *bytes, size_t length)
{
	const char *at = bytes, *end = bytes + length, *value = NULL;
	char tag = 0;
	memset(boot, 0, sizeof *boot);
	while (next_record(&at, end, &tag, &value)) {
		/* The full stop that ends every whole config: a cut one is not run. */
		if (tag == '.')
			return is_whole(boot);
		if (!take(boot, tag, value))
			return false;
	}
	return false;
}

#include "init.h"

#include <string.h>

static bool is_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

bool take_authority(struct authority *authority, char tag, const char *value)
{
	switch (tag) {
	case 'c': authority->certificate = value; return true;
	case 'f': authority->fingerprint = value; return is_hex(value, FINGERPRINT);
	case 'k': authority->subject_hash = value; return is_hex(value, 8);
	default: return false;
	}
}

bool is_authority(const struct authority *authority)
{
	return authority->certificate != NULL && authority->fingerprint != NULL && authority->subject_hash != NULL;
}

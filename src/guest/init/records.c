#include "init.h"

#include <string.h>

bool next_record(const char **at, const char *end, char *tag, const char **value)
{
	if (*at >= end)
		return false;
	const char *stop = memchr(*at, 0, (size_t)(end - *at));
	if (stop == NULL || stop == *at)
		return false;
	*tag = **at;
	*value = *at + 1;
	*at = stop + 1;
	return true;
}

bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	if (*text == 0)
		return false;
	for (; *text != 0; text++) {
		if (*text < '0' || *text > '9')
			return false;
		uint64_t digit = (uint64_t)(*text - '0');
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

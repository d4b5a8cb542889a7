#include "identify.h"

#include <string.h>

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static const char *new_word(const uint8_t *word, size_t length, const struct renaming *renamings, size_t count)
{
	for (size_t at = 0; at < count; at++)
		if (strlen(renamings[at].from) == length && memcmp(renamings[at].from, word, length) == 0)
			return renamings[at].to;
	return NULL;
}

bool words_replaced(struct span old, const struct renaming *renamings, size_t count, struct buffer *out)
{
	bool replaced = false;
	out->length = 0;
	out->full = false;
	for (size_t at = 0, end = 0; at < old.length; at = end) {
		while (end < old.length && is_space(old.bytes[end]) == is_space(old.bytes[at]))
			end++;
		const char *word = new_word(old.bytes + at, end - at, renamings, count);
		if (word == NULL)
			put_bytes(out, old.bytes + at, end - at);
		else
			put_bytes(out, word, strlen(word));
		replaced = replaced || word != NULL;
	}
	return replaced && !out->full;
}

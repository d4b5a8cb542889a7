#include "bytes.h"

#include <string.h>

/* RFC 7468. OpenSSL's own "TRUSTED CERTIFICATE" blocks hold more than a certificate and are left out. */
static const char FIRST[] = "-----BEGIN CERTIFICATE-----";
static const char LAST[] = "-----END CERTIFICATE-----";

void put_bytes(struct buffer *out, const void *bytes, size_t length)
{
	if (length > out->room - out->length) {
		out->full = true;
		return;
	}
	if (length > 0)
		memcpy(out->bytes + out->length, bytes, length);
	out->length += length;
}

struct span span_of(const struct buffer *buffer)
{
	return (struct span){ buffer->bytes, buffer->length };
}

static const uint8_t *find(struct span in, size_t from, const char *text)
{
	return memmem(in.bytes + from, in.length - from, text, strlen(text));
}

static int sextet(uint8_t letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

static bool put_base64(struct span text, struct buffer *out)
{
	uint32_t held = 0;
	int bits = 0;
	for (size_t at = 0; at < text.length; at++) {
		if (strchr(" \t\r\n=", text.bytes[at]) != NULL && text.bytes[at] != 0)
			continue;
		int value = sextet(text.bytes[at]);
		if (value < 0)
			return false;
		held = (held << 6 | (uint32_t)value) & 0xffffff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		uint8_t byte = (uint8_t)(held >> bits);
		put_bytes(out, &byte, 1);
	}
	return !out->full;
}

bool is_sequence(struct span der)
{
	if (der.length < 4 || der.bytes[0] != 0x30)
		return false;
	size_t size_bytes = der.bytes[1] & 0x7f;
	if (der.bytes[1] < 0x80)
		return der.length == 2 + (size_t)der.bytes[1];
	if (size_bytes == 0 || size_bytes > 3 || der.length < 2 + size_bytes)
		return false;
	size_t size = 0;
	for (size_t at = 0; at < size_bytes; at++)
		size = size << 8 | der.bytes[2 + at];
	return der.length == 2 + size_bytes + size;
}

bool next_certificate(struct span pem, size_t *at, struct buffer *der)
{
	while (*at < pem.length) {
		const uint8_t *first = find(pem, *at, FIRST);
		if (first == NULL)
			break;
		size_t begin = (size_t)(first - pem.bytes) + sizeof FIRST - 1;
		const uint8_t *last = find(pem, begin, LAST);
		if (last == NULL)
			break;
		const struct span text = { pem.bytes + begin, (size_t)(last - pem.bytes) - begin };
		size_t before = der->length;
		*at = begin + text.length + sizeof LAST - 1;
		if (put_base64(text, der) && is_sequence((struct span){ der->bytes + before, der->length - before }))
			return true;
		der->length = before;
	}
	*at = pem.length;
	return false;
}

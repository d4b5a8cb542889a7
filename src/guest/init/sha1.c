#include "bytes.h"

#include <string.h>

static uint32_t rotate(uint32_t value, int bits)
{
	return value << bits | value >> (32 - bits);
}

static void turn(struct sha1 *sha1)
{
	uint32_t words[80];
	uint32_t a = sha1->state[0], b = sha1->state[1], c = sha1->state[2], d = sha1->state[3], e = sha1->state[4];
	for (int at = 0; at < 16; at++) {
		const uint8_t *from = sha1->block + 4 * at;
		words[at] = (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
	}
	for (int at = 16; at < 80; at++)
		words[at] = rotate(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1);
	for (int at = 0; at < 80; at++) {
		uint32_t mixed = at < 20 ? ((b & c) | (~b & d)) + 0x5a827999
			       : at < 40 ? (b ^ c ^ d) + 0x6ed9eba1
			       : at < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
					 : (b ^ c ^ d) + 0xca62c1d6;
		uint32_t next = rotate(a, 5) + mixed + e + words[at];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	sha1->state[0] += a;
	sha1->state[1] += b;
	sha1->state[2] += c;
	sha1->state[3] += d;
	sha1->state[4] += e;
}

void sha1_start(struct sha1 *sha1)
{
	static const uint32_t first[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	memset(sha1, 0, sizeof *sha1);
	memcpy(sha1->state, first, sizeof first);
}

void sha1_feed(struct sha1 *sha1, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	for (size_t at = 0; at < length; at++) {
		sha1->block[sha1->length++ % 64] = from[at];
		if (sha1->length % 64 == 0)
			turn(sha1);
	}
}

void sha1_end(struct sha1 *sha1, uint8_t *digest)
{
	static const uint8_t first = 0x80, zero = 0;
	uint64_t bits = sha1->length * 8;
	sha1_feed(sha1, &first, 1);
	while (sha1->length % 64 != 56)
		sha1_feed(sha1, &zero, 1);
	for (int at = 7; at >= 0; at--) {
		uint8_t byte = (uint8_t)(bits >> (8 * at));
		sha1_feed(sha1, &byte, 1);
	}
	for (int at = 0; at < SHA1_BYTES; at++)
		digest[at] = (uint8_t)(sha1->state[at / 4] >> (24 - 8 * (at % 4)));
}

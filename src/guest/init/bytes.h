/* Bytes as stores of certificates are made of: nothing here touches a file. */
#ifndef HYPEMAN_BYTES_H
#define HYPEMAN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const uint8_t *bytes;
	size_t length;
};

/* Never more than `room`: what does not fit is not there, and `full` tells. */
struct buffer {
	uint8_t *bytes;
	size_t length, room;
	bool full;
};

void put_bytes(struct buffer *out, const void *bytes, size_t length);
struct span span_of(const struct buffer *buffer);

/* sha1.c: FIPS 180-4 */
enum { SHA1_BYTES = 20 };
struct sha1 {
	uint32_t state[5];
	uint64_t length;
	uint8_t block[64];
};
void sha1_start(struct sha1 *sha1);
void sha1_feed(struct sha1 *sha1, const void *bytes, size_t length);
void sha1_end(struct sha1 *sha1, uint8_t *digest);

/* pem.c */
/* Appends the next certificate at or after `*at` as DER; false when there is none. */
bool next_certificate(struct span pem, size_t *at, struct buffer *der);
/* True for bytes that are one DER sequence and nothing after it. */
bool is_sequence(struct span der);

/* bundle.c */
/* Writes `old` without any CA of ours, and then `certificate` (PEM; NULL for none) marked as ours. */
bool bundle_with(struct span old, const char *certificate, struct buffer *out);

/* java-store.c */
bool is_java_store(struct span bytes);
/*
 * Writes a trust store with the certificates of `old`, or of the PEM `bundle` where `old` cannot be read, without
 * any CA of ours, and then `certificate` (NULL for none).
 */
bool java_store_with(struct span old, struct span bundle, const char *certificate, struct buffer *out);

#endif

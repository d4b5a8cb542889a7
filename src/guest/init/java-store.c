#include "bytes.h"

#include <stdio.h>
#include <string.h>

/*
 * "JKS", as every Java reads it whatever its default type (keystore.type.compat), described by OpenJDK's
 * sun.security.provider.JavaKeyStore: magic, version 2, count, entries, then SHA-1 over the password in UTF-16BE, a
 * salt of words, and all of the above. Numbers are big-endian, texts have their length in two bytes.
 */
enum { MAGIC = 0xfeedfeed, VERSION = 2, KEY_ENTRY = 1, CERTIFICATE_ENTRY = 2, COUNT_AT = 8, HEADER_BYTES = 12 };
static const char OURS[] = "hypeman-egress";
static const char PASSWORD[] = "changeit";

struct reader {
	struct span in;
	size_t at;
	bool past_end;
};

static void put_number(struct buffer *out, uint64_t value, int bytes)
{
	for (int at = bytes - 1; at >= 0; at--) {
		uint8_t byte = (uint8_t)(value >> (8 * at));
		put_bytes(out, &byte, 1);
	}
}

static void put_text(struct buffer *out, const char *text)
{
	put_number(out, strlen(text), 2);
	put_bytes(out, text, strlen(text));
}

static const uint8_t *skip(struct reader *reader, size_t bytes)
{
	static const uint8_t nothing[8];
	if (reader->past_end || bytes > reader->in.length - reader->at) {
		reader->past_end = true;
		return nothing;
	}
	reader->at += bytes;
	return reader->in.bytes + reader->at - bytes;
}

static uint32_t number(struct reader *reader, size_t bytes)
{
	const uint8_t *from = skip(reader, bytes);
	uint32_t value = 0;
	for (size_t at = 0; at < bytes; at++)
		value = value << 8 | from[at];
	return value;
}

static void skip_certificate(struct reader *reader)
{
	(void)skip(reader, number(reader, 2));
	(void)skip(reader, number(reader, 4));
}

/* Returns false where there is no entry; `ours` tells whether it was one that we wrote. */
static bool skip_entry(struct reader *reader, bool *ours)
{
	uint32_t kind = number(reader, 4);
	size_t length = number(reader, 2);
	const char *alias = (const char *)skip(reader, length);
	/* Also as Debian's ca-certificates-java names it after the anchor: `debian:hypeman-egress-ca.pem`. */
	*ours = !reader->past_end && memmem(alias, length, OURS, sizeof OURS - 1) != NULL;
	(void)skip(reader, 8);
	uint32_t certificates = 1;
	if (kind == KEY_ENTRY) {
		(void)skip(reader, number(reader, 4));
		certificates = number(reader, 4);
	}
	for (uint32_t at = 0; at < certificates && !reader->past_end; at++)
		skip_certificate(reader);
	return !reader->past_end && (kind == KEY_ENTRY || kind == CERTIFICATE_ENTRY);
}

bool is_java_store(struct span bytes)
{
	struct reader reader = { bytes, 0, false };
	return number(&reader, 4) == MAGIC && number(&reader, 4) == VERSION && !reader.past_end;
}

/* Copies the entries of a whole store; false leaves `out` as it was. */
static bool keep_entries(struct span old, struct buffer *out, uint32_t *count)
{
	struct reader reader = { old, COUNT_AT, false };
	size_t before = out->length;
	bool ours = false;
	if (!is_java_store(old))
		return false;
	uint32_t entries = number(&reader, 4), kept = 0;
	for (uint32_t entry = 0; entry < entries; entry++) {
		size_t start = reader.at;
		if (!skip_entry(&reader, &ours)) {
			out->length = before;
			return false;
		}
		if (ours)
			continue;
		put_bytes(out, old.bytes + start, reader.at - start);
		kept++;
	}
	*count += kept;
	return true;
}

/* Begins an entry and leaves room for the certificate's length, which close_entry fills in. */
static size_t open_entry(struct buffer *out, const char *alias)
{
	put_number(out, CERTIFICATE_ENTRY, 4);
	put_text(out, alias);
	put_number(out, 0, 8);
	put_text(out, "X.509");
	put_number(out, 0, 4);
	return out->length;
}

static void close_entry(struct buffer *out, size_t certificate)
{
	struct buffer size = { out->bytes + certificate - 4, 0, 4, false };
	if (!out->full)
		put_number(&size, out->length - certificate, 4);
}

/*
 * The certificates of a PKCS #12 store without a password, which is what OpenJDK ships since version 18 (JDK-8275252):
 * each CertBag (RFC 7292 section 4.2.3) is the object identifier x509Certificate, then a tagged octet string.
 */
static bool next_bag(struct span old, size_t *at, struct span *certificate)
{
	static const uint8_t x509[] = { 0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01 };
	while (*at < old.length) {
		const uint8_t *mark = memmem(old.bytes + *at, old.length - *at, x509, sizeof x509);
		if (mark == NULL)
			return false;
		struct reader reader = { old, (size_t)(mark - old.bytes) + sizeof x509, false };
		*at = reader.at;
		/* Certificates of 256 to 65535 bytes, as all are: three bytes of length each time. */
		bool tagged = number(&reader, 2) == 0xa082 && skip(&reader, 2) != NULL && number(&reader, 2) == 0x0482;
		size_t length = number(&reader, 2);
		*certificate = (struct span){ skip(&reader, length), length };
		if (tagged && !reader.past_end && is_sequence(*certificate))
			return true;
	}
	return false;
}

static uint32_t put_bags(struct span old, struct buffer *out)
{
	char alias[32];
	struct span certificate;
	uint32_t count = 0;
	for (size_t at = 0; !out->full && next_bag(old, &at, &certificate); count++) {
		(void)snprintf(alias, sizeof alias, "image-%u", count + 1);
		size_t start = open_entry(out, alias);
		put_bytes(out, certificate.bytes, certificate.length);
		close_entry(out, start);
	}
	return count;
}

static uint32_t put_pem(struct span pem, const char *name, struct buffer *out)
{
	char alias[32];
	uint32_t count = 0;
	for (size_t at = 0; !out->full;) {
		size_t before = out->length;
		(void)snprintf(alias, sizeof alias, "%s-%u", name, count + 1);
		size_t start = open_entry(out, count == 0 ? name : alias);
		if (!next_certificate(pem, &at, out)) {
			out->length = before;
			break;
		}
		close_entry(out, start);
		count++;
	}
	return count;
}

static void put_digest(struct buffer *out)
{
	static const char salt[] = "Mighty Aphrodite";
	struct sha1 sha1;
	uint8_t digest[SHA1_BYTES];
	sha1_start(&sha1);
	for (size_t at = 0; at < sizeof PASSWORD - 1; at++) {
		const uint8_t letter[2] = { 0, (uint8_t)PASSWORD[at] };
		sha1_feed(&sha1, letter, sizeof letter);
	}
	sha1_feed(&sha1, salt, sizeof salt - 1);
	sha1_feed(&sha1, out->bytes, out->length);
	sha1_end(&sha1, digest);
	put_bytes(out, digest, sizeof digest);
}

bool java_store_with(struct span old, struct span bundle, const char *certificate, struct buffer *out)
{
	uint32_t count = 0;
	out->length = 0;
	out->full = false;
	put_number(out, MAGIC, 4);
	put_number(out, VERSION, 4);
	put_number(out, 0, 4);
	if (!keep_entries(old, out, &count)) {
		count = put_bags(old, out);
		if (count == 0)
			count = put_pem(bundle, "image", out);
	}
	if (certificate != NULL)
		count += put_pem((struct span){ (const uint8_t *)certificate, strlen(certificate) }, OURS, out);
	if (out->full)
		return false;
	struct buffer header = { out->bytes, COUNT_AT, HEADER_BYTES, false };
	put_number(&header, count, 4);
	put_digest(out);
	return !out->full;
}

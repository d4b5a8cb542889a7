#include "init.h"

#include <string.h>

uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) | (uint64_t)get32(at + 4) << 32;
}

void put32(uint8_t *at, uint32_t value)
{
	for (int byte = 0; byte < 4; byte++)
		at[byte] = (uint8_t)(value >> (8 * byte));
}

void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)value);
	put32(at + 4, (uint32_t)(value >> 32));
}

void decoder_reset(struct decoder *decoder)
{
	decoder->held = 0;
	decoder->zeros = 0;
	decoder->in_sync = false;
}

/* Out of sync everything is skipped but a preamble: zeros, then a hello, whose first byte is none. */
static void seek(struct decoder *decoder, uint8_t byte)
{
	if (byte == 0) {
		decoder->zeros++;
		return;
	}
	if (decoder->zeros >= PREAMBLE_ZEROS && byte == HELLO_BYTES)
		decoder->bytes[decoder->held++] = byte;
	decoder->zeros = 0;
}

/* After the header: may this frame come? */
static bool acceptable(const struct decoder *decoder)
{
	uint32_t length = get32(decoder->bytes);
	uint8_t type = decoder->bytes[8];
	if (!decoder->in_sync)
		return type == HOST_HELLO && length == HELLO_BYTES && get32(decoder->bytes + 4) == 0;
	return length <= FRAME_MAX;
}

static bool is_sync(const struct decoder *decoder)
{
	static const uint8_t zeros[FRAME_HEADER];
	return memcmp(decoder->bytes, zeros, FRAME_HEADER) == 0;
}

/* Takes some bytes of a frame whose beginning is known; returns how many, or 0 when lost. */
static size_t take(struct decoder *decoder, const uint8_t *bytes, size_t length)
{
	size_t want = FRAME_HEADER;
	if (decoder->held >= FRAME_HEADER)
		want += get32(decoder->bytes);
	size_t some = want - decoder->held;
	if (some > length)
		some = length;
	memcpy(decoder->bytes + decoder->held, bytes, some);
	decoder->held += some;
	return some;
}

static bool is_whole(const struct decoder *decoder)
{
	return decoder->held >= FRAME_HEADER && decoder->held == FRAME_HEADER + get32(decoder->bytes);
}

/* A frame that a host left half-written when it died would swallow the next host's words. */
enum { FRAME_PATIENCE_MS = 5000 };

bool decoder_feed(struct decoder *decoder, const uint8_t *bytes, size_t length, uint64_t now, frame_handler handle)
{
	bool kept = true;
	if (decoder->held > 0 && now - decoder->since > FRAME_PATIENCE_MS) {
		decoder_reset(decoder);
		kept = false;
	}
	for (size_t at = 0; at < length;) {
		if (decoder->held == 0)
			decoder->since = now;
		if (!decoder->in_sync && decoder->held == 0) {
			seek(decoder, bytes[at++]);
			continue;
		}
		bool had_header = decoder->held >= FRAME_HEADER;
		if (!is_whole(decoder))
			at += take(decoder, bytes + at, length - at);
		if (!had_header && decoder->held == FRAME_HEADER) {
			if (decoder->in_sync && is_sync(decoder)) {
				decoder_reset(decoder);
				decoder->zeros = FRAME_HEADER;
				continue;
			}
			if (!acceptable(decoder)) {
				kept = kept && !decoder->in_sync;
				decoder_reset(decoder);
				continue;
			}
		}
		if (!is_whole(decoder))
			continue;
		/* A hello mends whatever was lost before it. */
		kept = kept || decoder->bytes[8] == HOST_HELLO;
		decoder->in_sync = true;
		decoder->held = 0;
		if (!handle(decoder->bytes[8], get32(decoder->bytes + 4), decoder->bytes + FRAME_HEADER, get32(decoder->bytes))) {
			decoder_reset(decoder);
			kept = false;
		}
	}
	return kept;
}

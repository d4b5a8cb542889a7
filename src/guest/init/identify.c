#include "identify.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_hex(const char *text)
{
	return text[strspn(text, "0123456789abcdef")] == 0;
}

static bool is_ipv4(const char *text)
{
	struct in_addr address;
	return inet_pton(AF_INET, text, &address) == 1;
}

/* As the host writes them: six pairs in lower case. */
static bool is_mac(const char *text)
{
	if (strlen(text) != ADDRESS_BYTES - 1)
		return false;
	for (size_t at = 0; at < ADDRESS_BYTES - 1; at++)
		if (at % 3 == 2 ? text[at] != ':' : strchr("0123456789abcdef", text[at]) == NULL)
			return false;
	return true;
}

static bool is_name(const char *text, size_t max)
{
	size_t length = strlen(text);
	return length > 0 && length < max &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == length;
}

static uint8_t digit_of(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static bool take_seed(struct identity *identity, const char *hex)
{
	size_t digits = strlen(hex);
	if (digits == 0 || digits % 2 != 0 || digits > 2 * SEED_BYTES || !is_hex(hex))
		return false;
	identity->seed_length = digits / 2;
	for (size_t at = 0; at < identity->seed_length; at++)
		identity->seed[at] = (uint8_t)(digit_of(hex[2 * at]) << 4 | digit_of(hex[2 * at + 1]));
	return true;
}

static bool take(struct identity *identity, char tag, const char *value)
{
	switch (tag) {
	case 'i': identity->id = value; return is_name(value, sizeof state.identity);
	case 'h': identity->hostname = value; return is_name(value, HOSTNAME_BYTES + 1);
	case 'p': identity->address.ip = value; return is_ipv4(value);
	case 'g': identity->address.gateway = value; return is_ipv4(value);
	case 'm': identity->address.mac = value; return is_mac(value);
	case 'n': identity->machine_id = value; return strlen(value) == MACHINE_ID && is_hex(value);
	/* Till the year 9999, which fits every time_t of 64 bits. */
	case 't': return parse_number(value, 253402300799999, &identity->clock_ms);
	case 'r': return take_seed(identity, value);
	default: return take_authority(&identity->authority, tag, value);
	}
}

static bool is_whole(const struct identity *identity)
{
	const struct address *address = &identity->address;
	const struct authority *authority = &identity->authority;
	bool placed = (address->ip && address->gateway && address->mac) || (!address->ip && !address->gateway && !address->mac);
	bool mediated = is_authority(authority) || (!authority->certificate && !authority->fingerprint && !authority->subject_hash);
	return identity->id && identity->hostname && identity->clock_ms > 0 && identity->seed_length > 0 && placed && mediated;
}

bool identity_parse(struct identity *identity, const char *bytes, size_t length)
{
	const char *at = bytes, *end = bytes + length, *value = NULL;
	char tag = 0;
	memset(identity, 0, sizeof *identity);
	while (next_record(&at, end, &tag, &value))
		if (!take(identity, tag, value))
			return false;
	return at == end && is_whole(identity);
}

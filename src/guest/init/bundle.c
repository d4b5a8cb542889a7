#include "bytes.h"

#include <string.h>

/* PEM readers skip what stands between certificates (RFC 7468 section 2). */
static const char FIRST[] = "# hypeman: the CA of this instance's egress proxy, written anew at each start";
static const char LAST[] = "# hypeman: the end of that CA";
/* More than a certificate of ours ever takes: an end further off belongs to something else. */
enum { MAX_BLOCK = 32768 };

static const uint8_t *find(struct span in, size_t from, size_t to, const char *text)
{
	return memmem(in.bytes + from, to - from, text, strlen(text));
}

/* The length of the block of ours that starts here, or 0 when it is a first line and nothing more. */
static size_t block_length(struct span in, size_t start)
{
	size_t inside = start + sizeof FIRST - 1;
	size_t limit = in.length - inside < MAX_BLOCK ? in.length : inside + MAX_BLOCK;
	const uint8_t *another = find(in, inside, limit, FIRST);
	if (another != NULL)
		limit = (size_t)(another - in.bytes);
	const uint8_t *last = find(in, inside, limit, LAST);
	if (last == NULL)
		return 0;
	size_t end = (size_t)(last - in.bytes) + sizeof LAST - 1;
	if (end < in.length && in.bytes[end] == '\r')
		end++;
	if (end < in.length && in.bytes[end] == '\n')
		end++;
	return end - start;
}

static void put_line(struct buffer *out, const char *text)
{
	put_bytes(out, text, strlen(text));
	if (out->length > 0 && out->bytes[out->length - 1] != '\n')
		put_bytes(out, "\n", 1);
}

bool bundle_with(struct span old, const char *certificate, struct buffer *out)
{
	out->length = 0;
	out->full = false;
	for (size_t at = 0; at < old.length;) {
		const uint8_t *mark = find(old, at, old.length, FIRST);
		if (mark == NULL) {
			put_bytes(out, old.bytes + at, old.length - at);
			break;
		}
		size_t start = (size_t)(mark - old.bytes), block = block_length(old, start);
		put_bytes(out, old.bytes + at, start - at);
		/* A first line that begins nothing goes too: with an end further on it would look like a block. */
		at = start + (block > 0 ? block : sizeof FIRST - 1);
	}
	if (certificate != NULL) {
		put_line(out, "");
		put_line(out, FIRST);
		put_line(out, certificate);
		put_line(out, LAST);
	}
	return !out->full;
}

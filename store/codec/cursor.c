#include <errno.h>

#include "store/base/le.h"
#include "store/codec/table.h"

#define INPUT_BYTES    (64u << 10)
#define INPUT_SLACK    16 /* bytes a decoder may look ahead */
#define WINDOW_LOG_MAX 27

struct cps_cursor {
	const struct cps_seek *seek; /* borrowed */
	const struct cps_blob *blob; /* borrowed */
	struct cps_span span;
	uint32_t left;  /* bytes of output to come */
	uint64_t in_at; /* next byte of the file to read */
	uint64_t in_end;
	const uint8_t *next; /* input read but not taken yet, inside `input` */
	size_t next_len;
	XXH3_state_t *hash;        /* of the output since the last checksum */
	uint32_t hashed;           /* bytes of that */
	uint64_t check;            /* number of the next one */
	struct cps_gunzip *gunzip; /* one of the two */
	ZSTD_DCtx *dctx;
	uint8_t input[INPUT_BYTES];
};

/* Read more input when all was taken. At the end there is none. */
static int refill(struct cps_cursor *c)
{
	uint64_t want = c->in_end - c->in_at;
	ssize_t n;

	if (c->next_len > 0 || want == 0)
		return 0;
	if (want > INPUT_BYTES)
		want = INPUT_BYTES;
	if (c->span.kind == CPS_SPAN_TRANSCODED)
		n = cps_pread_full(c->seek->span_fd, c->input, want, c->in_at);
	else
		n = cps_blob_pread(c->blob, c->input, want, c->in_at);
	if (n < 0)
		return (int)n;
	c->in_at += (uint64_t)n;
	if (n == 0) /* the file is shorter than the table says */
		c->in_end = c->in_at;
	c->next = c->input;
	c->next_len = (size_t)n;
	return 0;
}

/* Unpack the window and give it to the decoder. */
static int start_block(struct cps_cursor *c)
{
	const uint8_t *packed = c->seek->windows + c->span.win_off;
	uint8_t window[CPS_WINDOW_BYTES];
	unsigned int bit = c->span.in_bit % 8, bits = 0;
	size_t len = 0;
	int rc = refill(c);

	if (rc < 0)
		return rc;
	if (bit > 0) {
		if (c->next_len == 0)
			return -EBADMSG;
		bits = *c->next++ >> bit;
		c->next_len--;
	}
	if (c->span.win_len > 0) {
		size_t first = cps_le16(packed);

		if (first >= CPS_WINDOW_BYTES)
			return -EBADMSG;
		len = ZSTD_decompress(window, sizeof(window), packed + 2,
				      c->span.win_len - 2);
		if (ZSTD_isError(len) || len != CPS_WINDOW_BYTES - first)
			return -EBADMSG;
	}
	return cps_gunzip_restart(c->gunzip, bit ? 8 - bit : 0, bits, window, len);
}

static int start_decoder(struct cps_cursor *c)
{
	bool gzip = c->span.kind == CPS_SPAN_GZIP_MEMBER ||
		    c->span.kind == CPS_SPAN_GZIP_BLOCK;
	int rc;

	if (!gzip) {
		c->dctx = ZSTD_createDCtx();
		if (!c->dctx)
			return -ENOMEM;
		ZSTD_DCtx_setParameter(c->dctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
		return 0;
	}
	rc = cps_gunzip_new(false, &c->gunzip);
	if (rc == 0 && c->span.kind == CPS_SPAN_GZIP_BLOCK)
		rc = start_block(c);
	return rc;
}

int cps_cursor_open(const struct cps_seek *seek, const struct cps_blob *blob,
		    uint32_t span, struct cps_cursor **out)
{
	cps_auto(cps_cursor_close) struct cps_cursor *c = NULL;
	uint64_t file;
	int rc;

	if (span >= seek->count)
		return -EINVAL;
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct cps_cursor){.seek = seek, .blob = blob};
	cps_seek_load(seek, span, &c->span);
	file = c->span.kind == CPS_SPAN_TRANSCODED ? seek->span_size : seek->blob_size;
	c->left = c->span.out_len;
	c->check = c->span.first_check;
	c->in_at = c->span.in_bit / 8;
	c->in_end = c->in_at + c->span.in_len;
	c->in_end += file - c->in_end < INPUT_SLACK ? file - c->in_end : INPUT_SLACK;
	c->hash = XXH3_createState();
	if (!c->hash)
		return -ENOMEM;
	XXH3_64bits_reset(c->hash);
	rc = start_decoder(c);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(c);
	return 0;
}

static int decode_zstd(struct cps_cursor *c, struct cps_io *io)
{
	ZSTD_inBuffer in = {.src = io->in, .size = io->in_len};
	ZSTD_outBuffer out = {.dst = io->out, .size = io->out_len};
	size_t rc = ZSTD_decompressStream(c->dctx, &out, &in);

	if (ZSTD_isError(rc))
		return -EBADMSG;
	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	return 0;
}

/* One decoder call. */
static int decode(struct cps_cursor *c, struct cps_io *io)
{
	const char *why;
	int rc = refill(c);

	if (rc < 0)
		return rc;
	io->in = c->next;
	io->in_len = c->next_len;
	rc = c->gunzip ? cps_gunzip_run(c->gunzip, io, &why) : decode_zstd(c, io);
	c->next = io->in;
	c->next_len = io->in_len;
	return rc;
}

/* Take output that was decoded; compare each checksum that it completes. */
static int check_output(struct cps_cursor *c, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n = CPS_CHECK_BYTES - c->hashed;
		uint32_t want;

		if (n > len)
			n = len;
		XXH3_64bits_update(c->hash, p, n);
		c->hashed += (uint32_t)n;
		c->left -= (uint32_t)n;
		p += n;
		len -= n;
		if (c->hashed < CPS_CHECK_BYTES && c->left > 0)
			break;
		want = cps_le32(c->seek->checks + c->check++ * CPS_CHECK_SIZE);
		if (cps_span_check(c->hash) != want)
			return -EBADMSG;
		XXH3_64bits_reset(c->hash);
		c->hashed = 0;
	}
	return 0;
}

int cps_cursor_read(struct cps_cursor *cursor, void *buf, size_t len)
{
	struct cps_io io = {.out = buf, .out_len = len};

	if (len > cursor->left)
		return -EINVAL;
	while (io.out_len > 0) {
		size_t room = io.out_len, had = cursor->next_len;
		bool more = cursor->in_at < cursor->in_end;
		int rc = decode(cursor, &io);

		if (rc < 0)
			return rc;
		/* Nothing out, nothing in, and a second call without input no better.
		 */
		if (io.out_len == room && had == 0 && cursor->next_len == 0 && !more)
			return -EBADMSG;
	}
	return check_output(cursor, buf, len);
}

void cps_cursor_close(struct cps_cursor *cursor)
{
	if (!cursor)
		return;
	XXH3_freeState(cursor->hash);
	cps_gunzip_free(cursor->gunzip);
	ZSTD_freeDCtx(cursor->dctx);
	free(cursor);
}

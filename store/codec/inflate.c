#include "store/codec/inflate.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#ifdef CAPAS_HAVE_ISAL
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif
#endif

struct cps_inflate {
	bool use_isal;
	bool boundary;
	unsigned int back; /* bits, when at a boundary */
	z_stream zlib;
#ifdef CAPAS_HAVE_ISAL
	struct inflate_state isal;
#endif
};

#ifdef CAPAS_HAVE_ISAL

static void isal_start(struct cps_inflate *f)
{
	isal_inflate_reset(&f->isal);
	f->isal.crc_flag = ISAL_DEFLATE;
	f->isal.avail_in = 0;
	f->isal.avail_out = 0;
}

static int isal_restart(struct cps_inflate *f, unsigned int nbits, unsigned int bits,
			const uint8_t *win, size_t win_len)
{
	isal_start(f);
	if (win_len > 0 &&
	    isal_inflate_set_dict(&f->isal, (uint8_t *)win, (uint32_t)win_len) != 0)
		return -EINVAL;
	f->isal.read_in = bits;
	f->isal.read_in_length = (int32_t)nbits;
	return 0;
}

/* libisal knows no block boundaries. But when the input ends just behind a stored
 * block, or inside a dynamic header, it has decoded all before and put the bits of the
 * header aside, unread. */
static bool isal_boundary(const struct inflate_state *s)
{
	return (s->block_state == ISAL_BLOCK_HDR ||
		s->block_state == ISAL_BLOCK_NEW_HDR) &&
	       s->avail_in == 0 && s->avail_out > 0 && s->read_in_length >= 0;
}

static int isal_run(struct cps_inflate *f, struct cps_io *io)
{
	struct inflate_state *s = &f->isal;
	uint32_t in_len = io->in_len > INT_MAX ? INT_MAX : (uint32_t)io->in_len;
	uint32_t out_len = io->out_len > INT_MAX ? INT_MAX : (uint32_t)io->out_len;

	s->next_in = (uint8_t *)io->in;
	s->avail_in = in_len;
	s->next_out = io->out;
	s->avail_out = out_len;
	if (isal_inflate(s) < 0)
		return -EBADMSG;
	io->in += in_len - s->avail_in;
	io->in_len -= in_len - s->avail_in;
	io->out += out_len - s->avail_out;
	io->out_len -= out_len - s->avail_out;
	if (s->block_state == ISAL_BLOCK_FINISH)
		return 1;
	f->boundary = isal_boundary(s);
	f->back = 8u * (unsigned int)s->tmp_in_size + (unsigned int)s->read_in_length;
	return 0;
}

/* A stored block tells its length: give exactly that, and it ends at a boundary. */
static size_t isal_step(const struct cps_inflate *f, size_t step, size_t wanted)
{
	const struct inflate_state *s = &f->isal;
	int32_t left;

	if (s->block_state != ISAL_BLOCK_TYPE0)
		return step;
	left = s->type0_block_len - s->read_in_length / 8;
	if (left <= 0)
		return 1;
	return (size_t)left < wanted ? (size_t)left : wanted;
}

static size_t isal_leftover(const struct cps_inflate *f, uint8_t out[8])
{
	int32_t len = f->isal.read_in_length;
	uint64_t bits = f->isal.read_in;

	if (len < 8)
		return 0;
	bits >>= len % 8;
	for (int32_t i = 0; i < len / 8 && i < 8; i++, bits >>= 8)
		out[i] = (uint8_t)bits;
	return (size_t)(len / 8);
}

#ifdef __x86_64__
/* libisal's checksum leaves the upper halves of the vector registers in use, and every
 * SSE instruction that comes after (those of xxh3 and sha256) waits for them. */
__attribute__((target("avx"))) static void clear_upper_halves(void)
{
	_mm256_zeroupper();
}
#endif

uint32_t cps_crc32(uint32_t crc, const void *data, size_t len)
{
	crc = crc32_gzip_refl(crc, data, len);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx"))
		clear_upper_halves();
#endif
	return crc;
}

#else

uint32_t cps_crc32(uint32_t crc, const void *data, size_t len)
{
	return (uint32_t)crc32_z(crc, data, len);
}

#endif

static int zlib_run(struct cps_inflate *f, struct cps_io *io)
{
	z_stream *z = &f->zlib;
	uInt in_len = io->in_len > INT_MAX ? INT_MAX : (uInt)io->in_len;
	uInt out_len = io->out_len > INT_MAX ? INT_MAX : (uInt)io->out_len;
	int rc;

	z->next_in = (Bytef *)io->in;
	z->avail_in = in_len;
	z->next_out = io->out;
	z->avail_out = out_len;
	rc = inflate(z, Z_BLOCK);
	io->in += in_len - z->avail_in;
	io->in_len -= in_len - z->avail_in;
	io->out += out_len - z->avail_out;
	io->out_len -= out_len - z->avail_out;
	if (rc == Z_STREAM_END)
		return 1;
	if (rc == Z_MEM_ERROR)
		return -ENOMEM;
	if (rc != Z_OK && rc != Z_BUF_ERROR)
		return -EBADMSG;
	f->boundary = (z->data_type & (128 | 64)) == 128;
	f->back = (unsigned int)z->data_type & 7;
	return 0;
}

int cps_inflate_new(bool force_zlib, struct cps_inflate **out)
{
	cps_auto(cps_inflate_free) struct cps_inflate *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
#ifdef CAPAS_HAVE_ISAL
	f->use_isal = !force_zlib;
	if (f->use_isal)
		isal_inflate_init(&f->isal);
#endif
	if (!f->use_isal && inflateInit2(&f->zlib, -15) != Z_OK)
		return -ENOMEM;
	cps_inflate_reset(f);
	*out = CPS_TAKE(f);
	return 0;
}

void cps_inflate_reset(struct cps_inflate *f)
{
	f->boundary = false;
#ifdef CAPAS_HAVE_ISAL
	if (f->use_isal) {
		isal_start(f);
		return;
	}
#endif
	inflateReset(&f->zlib);
}

int cps_inflate_restart(struct cps_inflate *f, unsigned int nbits, unsigned int bits,
			const uint8_t *win, size_t win_len)
{
	f->boundary = false;
#ifdef CAPAS_HAVE_ISAL
	if (f->use_isal)
		return isal_restart(f, nbits, bits, win, win_len);
#endif
	inflateReset(&f->zlib);
	if (nbits > 0 && inflatePrime(&f->zlib, (int)nbits, (int)bits) != Z_OK)
		return -EINVAL;
	if (win_len > 0 && inflateSetDictionary(&f->zlib, win, (uInt)win_len) != Z_OK)
		return -EINVAL;
	return 0;
}

int cps_inflate_run(struct cps_inflate *f, struct cps_io *io)
{
	f->boundary = false;
#ifdef CAPAS_HAVE_ISAL
	if (f->use_isal)
		return isal_run(f, io);
#endif
	return zlib_run(f, io);
}

bool cps_inflate_boundary(const struct cps_inflate *f, unsigned int *back)
{
	*back = f->back;
	return f->boundary;
}

size_t cps_inflate_step(const struct cps_inflate *f, size_t step, size_t wanted)
{
#ifdef CAPAS_HAVE_ISAL
	if (f->use_isal)
		return isal_step(f, step, wanted);
#endif
	return wanted;
}

size_t cps_inflate_leftover(const struct cps_inflate *f, uint8_t out[8])
{
#ifdef CAPAS_HAVE_ISAL
	if (f->use_isal)
		return isal_leftover(f, out);
#endif
	return 0;
}

void cps_inflate_free(struct cps_inflate *f)
{
	if (!f)
		return;
	if (!f->use_isal)
		inflateEnd(&f->zlib);
	free(f);
}

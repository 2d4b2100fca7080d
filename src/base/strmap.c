/*
 * strmap: see strmap.h.
 *
 * Linear probing over slots of a hash and a pointer; the pointer leads to key
 * and value in one allocation. A removal moves the entries behind it back
 * instead of leaving a tombstone, so a map that churns stays as quick as a new
 * one. At most 3/4 of the slots are used; under 1/8 their number is halved.
 */
#include <config.h>

#include "base/strmap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_GETRANDOM
#include <sys/random.h>
#endif

#define SLOTS_MIN 8

struct entry {
	void *value;
	size_t len;
	char key[];
};

struct slot {
	uint64_t hash;
	struct entry *entry; /* NULL: the slot is free */
};

struct strmap {
	struct slot *slots;
	size_t size; /* 0 or a power of two */
	size_t count;
};


/* ---- the hash: SipHash-2-4, https://www.aumasson.jp/siphash/siphash.pdf ---- */

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
	v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

/* N bytes, little-endian. */
static inline uint64_t sip_word(const unsigned char *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

static inline void sip_absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t strmap_siphash(const uint64_t seed[2], const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t v[4] = {
		seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573),
	};
	size_t left;

	for (left = len; left >= 8; left -= 8, p += 8)
		sip_absorb(v, sip_word(p, 8));
	sip_absorb(v, sip_word(p, left) | (uint64_t)len << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}


/* ---- its seed ---- */

static uint64_t process_seed[2];
static pthread_once_t process_seed_once = PTHREAD_ONCE_INIT;

static bool read_urandom(void *buf, size_t len)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	close(fd);
	return n == (ssize_t)len;
}

/* A process without a source of randomness would be open to everyone's collisions: it does not go on. */
static void draw_process_seed(void)
{
#ifdef HAVE_GETRANDOM
	ssize_t n;

	do
		n = getrandom(process_seed, sizeof(process_seed), 0);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(process_seed))
		return;
#endif
	if (!read_urandom(process_seed, sizeof(process_seed)))
		abort();
}

uint64_t strmap_hash(const char *key, size_t len)
{
	pthread_once(&process_seed_once, draw_process_seed);
	return strmap_siphash(process_seed, key, len);
}


/* ---- the map ---- */

struct strmap *strmap_new(void)
{
	return calloc(1, sizeof(struct strmap));
}

void strmap_free(struct strmap *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->size; i++)
		free(m->slots[i].entry);
	free(m->slots);
	free(m);
}

size_t strmap_count(const struct strmap *m)
{
	return m->count;
}

/* The key's slot, or the free one where it belongs. There are slots. */
static struct slot *find(const struct strmap *m, const char *key, size_t len, uint64_t hash)
{
	size_t i = (size_t)hash & (m->size - 1);

	for (struct slot *s; (s = &m->slots[i])->entry; i = (i + 1) & (m->size - 1))
		if (s->hash == hash && s->entry->len == len && (len == 0 || !memcmp(s->entry->key, key, len)))
			return s;
	return &m->slots[i];
}

/* 0, or -1: no memory, unchanged. */
static int resize(struct strmap *m, size_t size)
{
	struct slot *old = m->slots, *slots = calloc(size, sizeof(*slots));
	size_t at;

	if (!slots)
		return -1;
	for (size_t i = 0; i < m->size; i++) {
		if (!old[i].entry)
			continue;
		for (at = (size_t)old[i].hash & (size - 1); slots[at].entry; at = (at + 1) & (size - 1))
			;
		slots[at] = old[i];
	}
	free(old);
	m->slots = slots;
	m->size = size;
	return 0;
}

void *strmap_get(const struct strmap *m, const char *key, size_t len)
{
	return m->count ? strmap_get_hashed(m, key, len, strmap_hash(key, len)) : NULL;
}

void *strmap_get_hashed(const struct strmap *m, const char *key, size_t len, uint64_t hash)
{
	struct slot *s = m->count ? find(m, key, len, hash) : NULL;

	return s && s->entry ? s->entry->value : NULL;
}

static struct entry *entry_new(const char *key, size_t len, void *value)
{
	struct entry *e = len < SIZE_MAX - sizeof(*e) ? malloc(sizeof(*e) + len) : NULL;

	if (!e)
		return NULL;
	e->value = value;
	e->len = len;
	if (len > 0)
		memcpy(e->key, key, len);
	return e;
}

int strmap_put(struct strmap *m, const char *key, size_t len, void *value)
{
	uint64_t hash = strmap_hash(key, len);
	struct slot *s = m->size ? find(m, key, len, hash) : NULL;
	struct entry *e;

	if (s && s->entry) {
		s->entry->value = value;
		return 0;
	}
	e = entry_new(key, len, value);
	if (!e)
		return -1;
	if (m->count >= m->size / 4 * 3 && resize(m, m->size ? m->size * 2 : SLOTS_MIN) < 0) {
		free(e);
		return -1;
	}
	s = find(m, key, len, hash);
	s->hash = hash;
	s->entry = e;
	m->count++;
	return 0;
}

/* Frees slot HOLE by moving back what was pushed behind it by collisions. */
static void close_gap(struct strmap *m, size_t hole)
{
	size_t mask = m->size - 1, i = hole;

	while (m->slots[i = (i + 1) & mask].entry) {
		size_t home = (size_t)m->slots[i].hash & mask;

		/* it may move when its home is not behind the hole, going round from it to here */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].entry = NULL;
}

void *strmap_del(struct strmap *m, const char *key, size_t len)
{
	struct slot *s = m->count ? find(m, key, len, strmap_hash(key, len)) : NULL;
	void *value;

	if (!s || !s->entry)
		return NULL;
	value = s->entry->value;
	free(s->entry);
	close_gap(m, (size_t)(s - m->slots));
	m->count--;
	if (m->size > SLOTS_MIN && m->count < m->size / 8)
		resize(m, m->size / 2); /* where there is no memory for it, it stays large */
	return value;
}

void *strmap_next(const struct strmap *m, size_t *pos, const char **key, size_t *len)
{
	while (*pos < m->size) {
		const struct entry *e = m->slots[(*pos)++].entry;

		if (!e)
			continue;
		if (key)
			*key = e->key;
		if (len)
			*len = e->len;
		return e->value;
	}
	return NULL;
}

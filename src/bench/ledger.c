/* ledger: see ledger.h. */
#include <config.h>

#include "bench/ledger.h"

#include "bench/must.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void ledger_init(struct ledger *l, uint32_t senders)
{
	*l = (struct ledger){.senders = senders};
	l->next = must_calloc(senders, sizeof(*l->next));
}

void ledger_clear(struct ledger *l)
{
	free(l->next);
	free(l->seen);
	*l = (struct ledger){0};
}

static void count_in(struct ledger *l, uint32_t sender, uint32_t seq)
{
	uint64_t h = (l->order ^ ((uint64_t)sender << 32 | seq)) * UINT64_C(0x9E3779B97F4A7C15);

	l->order = h ^ h >> 32;
	l->got++;
}

static enum ledger_verdict note_gap(struct ledger *l, uint32_t sender, uint32_t seq)
{
	uint32_t step = seq - l->next[sender] + 1;

	if (l->seen == NULL) {
		l->seen = must_calloc(l->senders, sizeof(*l->seen));
		memset(l->seen, 0xff, l->senders * sizeof(*l->seen));
	}
	l->seen[sender] = step < 64 ? l->seen[sender] << step | 1 : 1;
	l->missing += step - 1;
	l->next[sender] = seq + 1;
	count_in(l, sender, seq);
	return LEDGER_GAP;
}

static enum ledger_verdict note_old(struct ledger *l, uint32_t sender, uint32_t seq)
{
	uint32_t age = l->next[sender] - 1 - seq;
	bool late = l->seen && l->missing && (age >= 64 || !(l->seen[sender] >> age & 1));

	if (!late) {
		l->twice++;
		return LEDGER_TWICE;
	}
	if (age < 64)
		l->seen[sender] |= UINT64_C(1) << age;
	l->missing--;
	l->late++;
	count_in(l, sender, seq);
	return LEDGER_LATE;
}

enum ledger_verdict ledger_note(struct ledger *l, uint32_t sender, uint32_t seq)
{
	if (seq > l->next[sender])
		return note_gap(l, sender, seq);
	if (seq < l->next[sender])
		return note_old(l, sender, seq);
	l->next[sender]++;
	if (l->seen)
		l->seen[sender] = l->seen[sender] << 1 | 1;
	count_in(l, sender, seq);
	return LEDGER_NEXT;
}

uint32_t ledger_tail(const struct ledger *l, uint32_t sender, uint32_t sent)
{
	return sent > l->next[sender] ? sent - l->next[sender] : 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

uint64_t ledger_disagree(uint64_t *hashes, uint64_t n)
{
	uint64_t most = 0, same = 0;

	qsort(hashes, n, sizeof(*hashes), compare);
	for (uint64_t i = 0; i < n; i++) {
		same = i && hashes[i] == hashes[i - 1] ? same + 1 : 1;
		if (same > most)
			most = same;
	}
	return n - most;
}

/*
 * mailbox: see mailbox.h.
 *
 * All that threads share is one word, the top of a stack of letters, whose
 * bottom says how the reader was left:
 *
 *     NULL      no letter, and the reader may sleep: who posts must wake it
 *     TOLD      no letter, and the reader will look again by itself
 *     a letter  ... -> NULL or TOLD: the reader will look, or is being woken
 *
 * A writer pushes with one compare-and-swap; only the one that replaced NULL
 * wakes. The reader takes the whole stack with one exchange against TOLD and
 * turns it round. It leaves by swapping TOLD for NULL, which fails exactly when
 * a letter came in between, so a letter either finds TOLD and is looked for, or
 * finds NULL and wakes: there is no third case to lose a wake-up in. The order
 * of the pushes is the order of opening. Nobody but the reader dereferences a
 * letter that is in the stack, so a reused address (ABA) does no harm.
 */
#include <config.h>

#include "base/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CACHE_LINE 64

struct mailbox {
	_Alignas(CACHE_LINE) _Atomic(struct letter *) top;
	atomic_size_t posted;
	_Alignas(CACHE_LINE) struct letter *taken; /* the reader's: out of the stack, in posting order */
	atomic_size_t opened;                      /* written by the reader alone */
	void (*wake)(void *wake_arg);
	void *wake_arg, *reader;
};

static struct letter told;
#define TOLD (&told)

struct mailbox *mailbox_new(void (*wake)(void *wake_arg), void *wake_arg, void *reader)
{
	void *memory;
	struct mailbox *m;

	if (posix_memalign(&memory, CACHE_LINE, sizeof(*m)))
		return NULL;
	m = memory;
	atomic_init(&m->top, NULL);
	atomic_init(&m->posted, 0);
	atomic_init(&m->opened, 0);
	m->taken = NULL;
	m->wake = wake;
	m->wake_arg = wake_arg;
	m->reader = reader;
	return m;
}

/* N letters: NEWEST is linked to the ones before it, down to OLDEST. */
static void push(struct mailbox *m, struct letter *newest, struct letter *oldest, size_t n)
{
	struct letter *top = atomic_load_explicit(&m->top, memory_order_relaxed);

	atomic_fetch_add_explicit(&m->posted, n, memory_order_relaxed);
	do
		oldest->next = top;
	while (!atomic_compare_exchange_weak_explicit(&m->top, &top, newest, memory_order_acq_rel,
						      memory_order_relaxed));
	/* the letters are the reader's now; TOP is what they replaced */
	if (!top)
		m->wake(m->wake_arg);
}

void mailbox_post(struct mailbox *m, struct letter *letter)
{
	push(m, letter, letter, 1);
}

bool letter_batch_add(struct letter_batch *b, struct letter *letter)
{
	bool first = b->newest == NULL;

	letter->next = b->newest;
	b->newest = letter;
	b->n++;
	if (first)
		b->oldest = letter;
	return first;
}

void mailbox_post_batch(struct mailbox *m, struct letter_batch *b)
{
	struct letter_batch all = *b;

	*b = (struct letter_batch){ NULL, NULL, 0 };
	if (all.newest)
		push(m, all.newest, all.oldest, all.n);
}

size_t mailbox_waiting(const struct mailbox *m)
{
	size_t opened = atomic_load_explicit(&m->opened, memory_order_relaxed);
	size_t posted = atomic_load_explicit(&m->posted, memory_order_relaxed);

	return posted > opened ? posted - opened : 0;
}

/* Takes the stack when none is taken yet. Whether there is a letter to open. */
static bool take(struct mailbox *m)
{
	struct letter *l, *next;

	if (m->taken)
		return true;
	for (l = atomic_exchange_explicit(&m->top, TOLD, memory_order_acq_rel); l && l != TOLD; l = next) {
		next = l->next;
		l->next = m->taken;
		m->taken = l;
	}
	return m->taken;
}

static void open_one(struct mailbox *m)
{
	struct letter *l = m->taken;

	m->taken = l->next;
	l->open(l, m->reader);
}

/* Whether the reader may sleep: there is no letter, and the next one will wake it. */
static bool may_sleep(struct mailbox *m)
{
	struct letter *top = TOLD;

	return !m->taken && (atomic_compare_exchange_strong_explicit(&m->top, &top, NULL, memory_order_acq_rel,
								     memory_order_relaxed) || !top);
}

size_t mailbox_open(struct mailbox *m, size_t max)
{
	size_t opened = 0;

	for (; opened < max && take(m); opened++)
		open_one(m);
	atomic_store_explicit(&m->opened, atomic_load_explicit(&m->opened, memory_order_relaxed) + opened,
			      memory_order_relaxed);
	if (!may_sleep(m))
		m->wake(m->wake_arg);
	return opened;
}

void mailbox_free(struct mailbox *m)
{
	if (!m)
		return;
	while (take(m))
		open_one(m);
	free(m);
}

void mailbox_set_reader(struct mailbox *m, void *reader)
{
	m->reader = reader;
}

/*
 * list: an intrusive, doubly linked, circular list with a count.
 *
 * The node is a member of the listed struct, so linking never allocates and
 * unlinking is O(1). A list does not own its members. Not thread-safe: a list
 * belongs to whoever owns the object that holds its head.
 */
#ifndef NATTER_BASE_LIST_H
#define NATTER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
	struct list_node *prev, *next;
};

struct list {
	struct list_node head;
	size_t count;
};

/* The struct of TYPE that holds NODE as its member MEMBER. */
#define list_entry(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

/* Walk in order; the current node must not be removed. */
#define list_each(node, list) for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)

/* Walk in order; the current node, and only that one, may be removed. */
#define list_each_safe(node, list)                                                              \
	for (struct list_node *node = (list)->head.next, *node##_next = node->next;             \
	     node != &(list)->head; node = node##_next, node##_next = node->next)

static inline void list_init(struct list *l)
{
	l->head.prev = l->head.next = &l->head;
	l->count = 0;
}

static inline bool list_empty(const struct list *l) { return l->count == 0; }

/* The first node, or NULL. */
static inline struct list_node *list_first(struct list *l)
{
	return l->count ? l->head.next : NULL;
}

static inline void list_append(struct list *l, struct list_node *n)
{
	n->prev = l->head.prev;
	n->next = &l->head;
	l->head.prev->next = n;
	l->head.prev = n;
	l->count++;
}

/* N must be in L. Leaves N unlinked (its pointers NULL). */
static inline void list_remove(struct list *l, struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
	l->count--;
}

#endif

/*
 * clock: the monotonic and the wall time.
 *
 * Deadlines, rates and ages use the monotonic clock; only what is shown to
 * people or stored uses wall time. Tests move both with clock_set_offset();
 * the daemon never does. Callable from any thread.
 */
#ifndef NATTER_BASE_CLOCK_H
#define NATTER_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some point before the process started; never falls. */
uint64_t clock_ms(void);

/* The same in microseconds. */
uint64_t clock_us(void);

/* Milliseconds since 1970-01-01 UTC. May jump in both directions. */
int64_t clock_wall_ms(void);

/* For tests: from now on the clocks read this much more, in milliseconds. */
void clock_set_offset(int64_t mono_ms, int64_t wall_ms);

#endif

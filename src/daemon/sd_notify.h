/*
 * sd_notify: tells systemd how the daemon is, by the datagram socket of sd_notify(3).
 */
#ifndef NATTER_DAEMON_SD_NOTIFY_H
#define NATTER_DAEMON_SD_NOTIFY_H

#include <stdint.h>

/* Sends STATE ("READY=1", "STOPPING=1", …) to $NOTIFY_SOCKET; nothing where there is none. */
void sd_notify_send(const char *state);

/* How often systemd wants to hear "WATCHDOG=1" at least, in milliseconds; 0: it does not watch us. */
uint32_t sd_notify_watchdog(void);

#endif

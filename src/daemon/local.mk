# natterd: wires everything. All but main is a library too, so that its tests can link it.

noinst_LIBRARIES += src/daemon/libdaemon.a
src_daemon_libdaemon_a_SOURCES = \
	src/daemon/config.c \
	src/daemon/config.def \
	src/daemon/limit.def \
	src/daemon/config.h \
	src/daemon/config_change.c \
	src/daemon/config_change.h \
	src/daemon/config_check.c \
	src/daemon/config_check.h \
	src/daemon/crew.c \
	src/daemon/crew.h \
	src/daemon/endpoint.c \
	src/daemon/endpoint.h \
	src/daemon/faults.c \
	src/daemon/faults.h \
	src/daemon/front.c \
	src/daemon/front.h \
	src/daemon/given_sockets.c \
	src/daemon/given_sockets.h \
	src/daemon/key_file.c \
	src/daemon/key_file.h \
	src/daemon/listeners.c \
	src/daemon/listeners.h \
	src/daemon/origins.c \
	src/daemon/origins.h \
	src/daemon/pages.c \
	src/daemon/pages.h \
	src/daemon/privs.c \
	src/daemon/privs.h \
	src/daemon/readable.c \
	src/daemon/readable.h \
	src/daemon/reload.c \
	src/daemon/reload.h \
	src/daemon/sandbox.c \
	src/daemon/sandbox.h \
	src/daemon/sd_notify.c \
	src/daemon/sd_notify.h \
	src/daemon/secret_file.c \
	src/daemon/secret_file.h \
	src/daemon/settings.c \
	src/daemon/settings.h \
	src/daemon/storage.c \
	src/daemon/storage.h \
	src/daemon/token_table.c \
	src/daemon/token_table.h \
	src/daemon/web_assets.h
nodist_src_daemon_libdaemon_a_SOURCES = \
	src/daemon/web_assets.c

DAEMON = src/daemon/libdaemon.a
DAEMON_LIBS = $(STORE) $(NET_ALL) $(CHAT_ALL) $(SQLITE_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)
DAEMON_ALL = $(DAEMON) $(DAEMON_LIBS)

sbin_PROGRAMS += natterd
natterd_SOURCES = \
	src/daemon/main.c
natterd_LDADD = $(DAEMON_ALL)

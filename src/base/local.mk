# libbase: the ground everybody may stand on. Includes nothing of ours.

noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
	src/base/book.c \
	src/base/book.h \
	src/base/bucket.c \
	src/base/bucket.h \
	src/base/clock.c \
	src/base/clock.h \
	src/base/close.c \
	src/base/close.def \
	src/base/close.h \
	src/base/list.h \
	src/base/log.c \
	src/base/log.h \
	src/base/mailbox.c \
	src/base/mailbox.h \
	src/base/payload.c \
	src/base/payload.h \
	src/base/table.c \
	src/base/table.h \
	src/base/shared.c \
	src/base/shared.h \
	src/base/stats.c \
	src/base/stats.def \
	src/base/stats.h \
	src/base/strmap.c \
	src/base/strmap.h

BASE = src/base/libbase.a
BASE_LIBS = $(PTHREAD_LIBS)
BASE_ALL = $(BASE) $(BASE_LIBS)

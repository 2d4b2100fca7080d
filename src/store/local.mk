# libstore: journals that keep. Stands on base and on chat's journal.h.

if HAVE_SQLITE
noinst_LIBRARIES += src/store/libstore.a
src_store_libstore_a_SOURCES = \
	src/store/desk.c \
	src/store/desk.h \
	src/store/journal_sqlite.c \
	src/store/journal_sqlite.h \
	src/store/proof.c \
	src/store/proof.h \
	src/store/sqlite_db.c \
	src/store/sqlite_db.def \
	src/store/sqlite_db.h \
	src/store/sqlite_letter.c \
	src/store/sqlite_letter.h \
	src/store/sqlite_reader.c \
	src/store/sqlite_reader.h \
	src/store/sqlite_writer.c \
	src/store/sqlite_writer.h

STORE = src/store/libstore.a
STORE_LIBS = $(BASE_ALL) $(SQLITE_LIBS)
STORE_ALL = $(STORE) $(STORE_LIBS)
endif

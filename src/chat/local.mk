# libchat: rooms, names, sessions, journals. Stands on base; knows neither net nor wire.

noinst_LIBRARIES += src/chat/libchat.a
src_chat_libchat_a_SOURCES = \
	src/chat/audience.h \
	src/chat/cid_map.c \
	src/chat/cid_map.h \
	src/chat/command.c \
	src/chat/command.def \
	src/chat/command.h \
	src/chat/commander.c \
	src/chat/commander.h \
	src/chat/directory.c \
	src/chat/directory.h \
	src/chat/expiry.c \
	src/chat/expiry.h \
	src/chat/grant.c \
	src/chat/grant.h \
	src/chat/hub.c \
	src/chat/hub.h \
	src/chat/identity.c \
	src/chat/identity.def \
	src/chat/identity.h \
	src/chat/journal.h \
	src/chat/journal_memory.c \
	src/chat/journal_memory.h \
	src/chat/json_text.c \
	src/chat/json_text.h \
	src/chat/jwt_identity.c \
	src/chat/jwt_identity.h \
	src/chat/jwt_key.c \
	src/chat/jwt_key.h \
	src/chat/keeper.c \
	src/chat/keeper.h \
	src/chat/members.c \
	src/chat/members.h \
	src/chat/message.c \
	src/chat/message.h \
	src/chat/name.c \
	src/chat/name.h \
	src/chat/name_cache.c \
	src/chat/name_cache.h \
	src/chat/person.c \
	src/chat/person.h \
	src/chat/reply.c \
	src/chat/reply.def \
	src/chat/reply.h \
	src/chat/request.c \
	src/chat/request.h \
	src/chat/room.c \
	src/chat/room.h \
	src/chat/room_inner.h \
	src/chat/room_join.c \
	src/chat/room_moderation.c \
	src/chat/room_requests.c \
	src/chat/sanctions.c \
	src/chat/sanctions.h \
	src/chat/secret.c \
	src/chat/secret.h \
	src/chat/session.c \
	src/chat/session.h \
	src/chat/sink.h \
	src/chat/state_map.c \
	src/chat/state_map.h \
	src/chat/v1.c \
	src/chat/v1.h

CHAT = src/chat/libchat.a
CHAT_LIBS = $(BASE_ALL) $(JANSSON_LIBS) $(UNISTRING_LIBS) $(ICU_LIBS) $(JWT_LIBS) $(CRYPTO_LIBS)
CHAT_ALL = $(CHAT) $(CHAT_LIBS)

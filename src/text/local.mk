# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/text/added.c src/text/added.h \
	src/text/bpe.c src/text/bpe.h \
	src/text/chat.c \
	src/text/detokenizer.c src/text/detokenizer.h \
	src/text/merges.c src/text/merges.h \
	src/text/pattern.c src/text/pattern.h \
	src/text/pretokenizer.c src/text/pretokenizer.h \
	src/text/supported.c src/text/supported.h \
	src/text/tokenizer.c src/text/tokenizer.h \
	src/text/tokens.c \
	src/text/unicode.c src/text/unicode.h src/text/unicode_table.h \
	src/text/utf8.c src/text/utf8.h \
	src/text/vocabulary.c src/text/vocabulary.h

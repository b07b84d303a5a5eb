# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

text_tests = \
	tests/text/test_bpe \
	tests/text/test_chat \
	tests/text/test_detokenizer \
	tests/text/test_pretokenizer \
	tests/text/test_tokenizer \
	tests/text/test_tokenizer_files \
	tests/text/test_utf8
check_PROGRAMS += $(text_tests)
TESTS += $(text_tests)
tests_text_test_bpe_SOURCES = tests/text/test_bpe.c tests/text/cases.h tests/check.h
tests_text_test_bpe_LDADD = $(test_ldadd)
tests_text_test_chat_SOURCES = tests/text/test_chat.c tests/text/cases.h $(tests_weights_writer)
tests_text_test_chat_LDADD = $(test_ldadd)
tests_text_test_detokenizer_SOURCES = tests/text/test_detokenizer.c tests/text/cases.h tests/check.h
tests_text_test_detokenizer_LDADD = $(test_ldadd)
tests_text_test_pretokenizer_SOURCES = tests/text/test_pretokenizer.c tests/text/cases.h tests/check.h
tests_text_test_pretokenizer_LDADD = $(test_ldadd)
tests_text_test_tokenizer_SOURCES = tests/text/test_tokenizer.c tests/text/cases.h tests/check.h
tests_text_test_tokenizer_LDADD = $(test_ldadd)
tests_text_test_tokenizer_files_SOURCES = tests/text/test_tokenizer_files.c tests/text/cases.h $(tests_weights_writer)
tests_text_test_tokenizer_files_LDADD = $(test_ldadd)
tests_text_test_utf8_SOURCES = tests/text/test_utf8.c tests/text/cases.h tests/check.h
tests_text_test_utf8_LDADD = $(test_ldadd)
EXTRA_DIST += \
	tests/text/data/cases.json.gz \
	tests/text/data/tokenizer.json \
	tests/text/data/tokenizer_config.json \
	tests/text/data/unicode.json.gz

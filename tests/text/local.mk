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
tests_text_test_chat_SOURCES = tests/text/test_chat.c $(tests_weights_writer)
tests_text_test_tokenizer_files_SOURCES = tests/text/test_tokenizer_files.c $(tests_weights_writer)
EXTRA_DIST += \
	tests/text/cases.h \
	tests/text/data/cases.json.gz \
	tests/text/data/tokenizer.json \
	tests/text/data/tokenizer_config.json \
	tests/text/data/unicode.json.gz

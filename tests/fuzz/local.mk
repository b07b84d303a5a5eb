# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Each target twice: with libFuzzer, by clang after `configure --enable-fuzzing`, and with a main that feeds it files, by
# every compiler, so that the seeds and what was found once are tried in every run of the tests.
fuzz_shared = tests/fuzz/fuzz.c tests/fuzz/fuzz.h
fuzz_report = tests/fuzz/report.c tests/fuzz/report.h src/cli/sampling.c src/cli/completions.c src/cli/options.c
fuzz_numbers = $(fuzz_report) src/cli/engine.c src/cli/output.c src/cli/signals.c src/cli/terminal.c
fuzz_replay = $(fuzz_shared) tests/fuzz/replay.c
fuzz_libraries = libinternal.la $(libraries)
replays = \
	tests/fuzz/replay_cache \
	tests/fuzz/replay_chat \
	tests/fuzz/replay_config \
	tests/fuzz/replay_generation \
	tests/fuzz/replay_index \
	tests/fuzz/replay_numbers \
	tests/fuzz/replay_safetensors \
	tests/fuzz/replay_text \
	tests/fuzz/replay_tokenizer \
	tests/fuzz/replay_tuning
check_PROGRAMS += $(replays)
dist_check_SCRIPTS += tests/fuzz/replay.sh
TESTS += tests/fuzz/replay.sh
tests_fuzz_replay_cache_SOURCES = tests/fuzz/fuzz_cache.c $(fuzz_replay)
tests_fuzz_replay_cache_LDADD = $(fuzz_libraries)
tests_fuzz_replay_chat_SOURCES = tests/fuzz/fuzz_chat.c $(fuzz_replay)
tests_fuzz_replay_chat_LDADD = $(fuzz_libraries)
tests_fuzz_replay_config_SOURCES = tests/fuzz/fuzz_config.c $(fuzz_replay)
tests_fuzz_replay_config_LDADD = $(fuzz_libraries)
tests_fuzz_replay_generation_SOURCES = tests/fuzz/fuzz_generation.c $(fuzz_report) $(fuzz_replay)
tests_fuzz_replay_generation_LDADD = $(fuzz_libraries)
tests_fuzz_replay_index_SOURCES = tests/fuzz/fuzz_index.c $(fuzz_replay)
tests_fuzz_replay_index_LDADD = $(fuzz_libraries)
tests_fuzz_replay_numbers_SOURCES = tests/fuzz/fuzz_numbers.c $(fuzz_numbers) $(fuzz_replay)
tests_fuzz_replay_numbers_LDADD = $(fuzz_libraries)
tests_fuzz_replay_safetensors_SOURCES = tests/fuzz/fuzz_safetensors.c $(fuzz_replay)
tests_fuzz_replay_safetensors_LDADD = $(fuzz_libraries)
tests_fuzz_replay_text_SOURCES = tests/fuzz/fuzz_text.c $(fuzz_replay)
tests_fuzz_replay_text_LDADD = $(fuzz_libraries)
tests_fuzz_replay_tokenizer_SOURCES = tests/fuzz/fuzz_tokenizer.c $(fuzz_replay)
tests_fuzz_replay_tokenizer_LDADD = $(fuzz_libraries)
tests_fuzz_replay_tuning_SOURCES = tests/fuzz/fuzz_tuning.c $(fuzz_replay)
tests_fuzz_replay_tuning_LDADD = $(fuzz_libraries)

if FUZZING
fuzzers = \
	tests/fuzz/fuzz_cache \
	tests/fuzz/fuzz_chat \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_generation \
	tests/fuzz/fuzz_index \
	tests/fuzz/fuzz_numbers \
	tests/fuzz/fuzz_safetensors \
	tests/fuzz/fuzz_text \
	tests/fuzz/fuzz_tokenizer \
	tests/fuzz/fuzz_tuning
noinst_PROGRAMS = $(fuzzers)
fuzzers: $(fuzzers)
tests_fuzz_fuzz_cache_SOURCES = tests/fuzz/fuzz_cache.c $(fuzz_shared)
tests_fuzz_fuzz_cache_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_cache_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_chat_SOURCES = tests/fuzz/fuzz_chat.c $(fuzz_shared)
tests_fuzz_fuzz_chat_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_chat_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(fuzz_shared)
tests_fuzz_fuzz_config_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_config_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_generation_SOURCES = tests/fuzz/fuzz_generation.c $(fuzz_report) $(fuzz_shared)
tests_fuzz_fuzz_generation_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_generation_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_index_SOURCES = tests/fuzz/fuzz_index.c $(fuzz_shared)
tests_fuzz_fuzz_index_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_index_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_numbers_SOURCES = tests/fuzz/fuzz_numbers.c $(fuzz_numbers) $(fuzz_shared)
tests_fuzz_fuzz_numbers_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_numbers_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_safetensors_SOURCES = tests/fuzz/fuzz_safetensors.c $(fuzz_shared)
tests_fuzz_fuzz_safetensors_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_safetensors_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_text_SOURCES = tests/fuzz/fuzz_text.c $(fuzz_shared)
tests_fuzz_fuzz_text_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_text_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_tokenizer_SOURCES = tests/fuzz/fuzz_tokenizer.c $(fuzz_shared)
tests_fuzz_fuzz_tokenizer_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_tokenizer_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_tuning_SOURCES = tests/fuzz/fuzz_tuning.c $(fuzz_shared)
tests_fuzz_fuzz_tuning_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_tuning_LDFLAGS = -fsanitize=fuzzer
endif

# Each target for FUZZ_SECONDS, in a build of its own by clang (FUZZ_CC) below this one; FUZZ_TARGETS chooses some.
FUZZ_SECONDS = 60
fuzz:
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(SHELL) $(srcdir)/tests/fuzz/run.sh \
		$(FUZZ_SECONDS) $(FUZZ_TARGETS)
.PHONY: fuzz fuzzers

EXTRA_DIST += \
	tests/fuzz/README.md \
	tests/fuzz/corpus \
	tests/fuzz/dictionaries \
	tests/fuzz/run.sh

# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Completions are kept as files, so that a cross build needs not run what it built; tests/cli/completions.sh compares them
# with the options. Where the shells look is not the same everywhere: make install zshcompletiondir=...
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_bashcompletion_DATA = completions/hadal
dist_zshcompletion_DATA = completions/_hadal
dist_fishcompletion_DATA = completions/hadal.fish

update-completions: hadal
	./hadal completions bash >$(srcdir)/completions/hadal
	./hadal completions zsh >$(srcdir)/completions/_hadal
	./hadal completions fish >$(srcdir)/completions/hadal.fish
.PHONY: update-completions

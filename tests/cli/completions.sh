# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# The completions of bash, zsh and fish that are installed are those of the options, and the shells take them.
# (tests/cli/usage.sh compares the options with the man pages.)

. "$top_srcdir/tests/cli/common.sh"

files=$top_srcdir/completions
commands='generate score tokenize inspect devices bench'

for pair in bash:hadal zsh:_hadal fish:hadal.fish; do
    shell=${pair%:*}
    file=$files/${pair#*:}
    succeeds "hadal completions $shell" "$hadal" completions "$shell"
    check "completions/${pair#*:} is what it prints (else: make update-completions)" cmp "$work/stdout" "$file"
    if command -v "$shell" >/dev/null; then
        run "$shell" -n "$file"
        check "$shell reads it" is_success
    else
        skip "$shell reads it" "$shell is not here"
    fi
done
refused 'an unknown shell is refused' 64 "unknown shell 'csh'; name one of bash, zsh, fish" "$hadal" completions csh
refused 'so is none' 64 'takes one shell' "$hadal" completions
refused 'so are two' 64 'takes one shell' "$hadal" completions bash zsh

# part SHELL COMMAND: the lines of the completions that belong to a command.
part() {
    case $1 in
        bash) sed -n "/^            $2)\$/,/^                ;;\$/p" "$files/hadal" ;;
        zsh) sed -n "/^        $2)\$/,/^            ;;\$/p" "$files/_hadal" ;;
        fish) grep "'__hadal_command $2'" "$files/hadal.fish" ;;
    esac
}

# options COMMAND: "--name" and "-n" of --help, one a line.
options() {
    "$hadal" "$1" --help | sed -n -e 's/^  \(-.,\)* *\(--[a-z-]*\).*/\1 \2/p' | tr -d ',' | tr ' ' '\n' | grep .
}

# missing SHELL COMMAND: options of --help that the text on stdin lacks, as this shell writes them.
missing() {
    cat >"$work/part"
    options "$2" | while read -r option; do
        case $1:$option in
            fish:--*) pattern="-l ${option#--}( |\$)" ;;
            fish:*) pattern="-s ${option#-} " ;;
            zsh:*) pattern="[{, (']$option(\\+|=|\\)|,|}|'|\\[)" ;;
            *) pattern="[ ']$option( |'|\$)" ;;
        esac
        grep -qE -e "$pattern" "$work/part" || echo "$option"
    done
}

for shell in bash zsh fish; do
    for command in $commands; do
        check "hadal $command has options" [ "$(options "$command" | wc -l)" -gt 4 ]
        check_equal "$shell completes all options of hadal $command" \
            "$(part $shell "$command" | missing $shell "$command")" ''
    done
    check_equal "an option that $shell lacks is seen" \
        "$(part $shell generate | sed 's/min-p/min-q/g' | missing $shell generate)" --min-p
done

# complete_in_bash WORD...: what bash offers for the last of these words after "hadal".
complete_in_bash() {
    bash -c '. "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hadal
             printf "%s\n" "${COMPREPLY[@]}"' - "$files/hadal" hadal "$@" | xargs
}

if command -v bash >/dev/null; then
    check_equal 'bash completes a command' "$(complete_in_bash ge)" generate
    check_equal 'bash completes an option' "$(complete_in_bash generate --att)" --attention
    check_equal 'bash completes a choice' "$(complete_in_bash score --attention d)" dense
    check_equal 'bash completes --name=choice' "$(complete_in_bash score --attention = d)" dense
    check_equal 'bash completes every choice of --name=' "$(complete_in_bash score --attention =)" 'auto dense sparse'
    check_equal 'bash completes what help takes' "$(complete_in_bash help be)" bench
else
    skip 'bash completes' 'bash is not here'
fi

complete_in_fish() {
    fish --no-config -c "source '$files/hadal.fish'; complete -C '$1'" | cut -f 1 | xargs
}

if command -v fish >/dev/null; then
    check_equal 'fish completes a command' "$(complete_in_fish 'hadal ge')" generate
    check_equal 'fish completes an option' "$(complete_in_fish 'hadal generate --att')" --attention
    check_equal 'fish completes a choice' "$(complete_in_fish 'hadal score --attention d')" dense
else
    skip 'fish completes' 'fish is not here'
fi

finish

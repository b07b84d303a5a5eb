# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Counts the cases of a test run. Arguments: automake's NAME.trs files, each with NAME.log beside it. A log lists its
# cases as cmocka prints them or as lines "ok - NAME", "not ok - NAME", "ok - NAME # SKIP why" (tests/shell.sh). A test
# that lists none is one case; one that failed without a failed case (a crash, say) is one failed case more.

function count_log(log_name,    line)
{
    cases_passed = cases_failed = cases_skipped = 0
    while ((getline line < log_name) > 0) {
        if (line ~ /^\[       OK \] /)
            cases_passed++
        else if (line ~ /^\[  FAILED  \] [0-9]+ test\(s\)/)
            cases_failed += substr(line, 14)
        else if (line ~ /^\[  SKIPPED \] [0-9]+ test\(s\)/)
            cases_skipped += substr(line, 14)
        else if (line ~ /^ok - .* # SKIP/)
            cases_skipped++
        else if (line ~ /^ok - /)
            cases_passed++
        else if (line ~ /^not ok - /)
            cases_failed++
    }
    close(log_name)
}

/^:global-test-result:/ {
    log_name = FILENAME
    sub(/trs$/, "log", log_name)
    count_log(log_name)
    if ($2 == "SKIP") {
        if (!cases_skipped)
            cases_skipped = 1
    } else if ($2 != "PASS") {
        if (!cases_failed)
            cases_failed = 1
    } else if (!cases_passed && !cases_skipped) {
        cases_passed = 1
    }
    passed += cases_passed
    failed += cases_failed
    skipped += cases_skipped
}

END {
    printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
}

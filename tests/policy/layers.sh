# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# A folder of src/ includes only from the folders below it (ARCHITECTURE.md); OpenCL stays in src/device.

. "$top_srcdir/tests/policy/rules.sh"

layers() {
    { files_named '*.c' src; files_named '*.h' src; } | on_files awk '
        BEGIN {
            below["base"] = "base"
            below["device"] = "base device"
            below["weights"] = "base weights"
            below["text"] = "base text"
            below["ops"] = "base device weights ops"
            below["model"] = "base device weights ops model"
            below["session"] = "base text model session"
            below["bench"] = "base device weights ops model session bench"
            below["cli"] = "cli"
        }
        function refuse(why) { print FILENAME ":" FNR ": " why }
        /^[ \t]*#[ \t]*include/ {
            split(FILENAME, path, "/")
            folder = path[2]
            included = $0
            sub(/^[^<"]*[<"]/, "", included)
            sub(/[>"].*/, "", included)
            if (included ~ /^(CL\/|clblast)/) {
                if (folder != "device")
                    refuse("only src/device includes " included)
            } else if (/"/ && included ~ /\//) {
                split(included, part, "/")
                if (!(folder in below))
                    refuse("no layer is known for src/" folder)
                else if (index(" " below[folder] " ", " " part[1] " ") == 0)
                    refuse("src/" folder " includes " included)
            } else if (/"/ && included != "hadal.h" && included != "config.h") {
                refuse(included " without its folder")
            }
        }'
}

kept 'folders include only from the folders below them' layers

seen 'an include from above is seen' layers src/ops/rope.c \
    'src/ops/rope.c:2: src/ops includes model/config.h' <<'EOT'
#include "ops/rope.h"
#include "model/config.h"
EOT
seen 'a command that reaches into the library is seen' layers src/cli/main.c \
    'src/cli/main.c:1: src/cli includes base/status.h' <<'EOT'
#include "base/status.h"
EOT
seen 'OpenCL outside of src/device is seen' layers src/ops/rope.h \
    'src/ops/rope.h:1: only src/device includes CL/cl.h' <<'EOT'
#include <CL/cl.h>
EOT
seen 'a new folder needs a layer' layers src/net/socket.c \
    'src/net/socket.c:1: no layer is known for src/net' <<'EOT'
#include "base/status.h"
EOT
seen 'an include without its folder is seen' layers src/ops/rope.c \
    'src/ops/rope.c:1: rope.h without its folder' <<'EOT'
#include "rope.h"
EOT

finish

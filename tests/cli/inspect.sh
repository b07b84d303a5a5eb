# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal inspect: dimensions and bytes, with and without weights, with and without a device.

. "$top_srcdir/tests/cli/common.sh"

# Nothing that looks like a driver: OpenCL's loader reads its list of drivers here.
no_device() {
    env OCL_ICD_VENDORS="$work/no-drivers" OPENCL_VENDOR_PATH="$work/no-drivers" "$@"
}
mkdir "$work/no-drivers"

succeeds 'the small model' "$hadal" inspect
for word in deepseek_v32 '13.0 M' fp8 '8 heads' 'selects 256 tokens' '16 routed' 'up to 163840'; do
    check "tells: $word" grep -qF -e "$word" "$work/stdout"
done
succeeds '--json' "$hadal" inspect --json -c 4096
check_equal 'has the parameters' "$(json model model.parameters)" 12992080
check_equal 'has the context' "$(json model context)" 4096
check_equal 'has sums' "$(json model total_bytes)" "$(($(json model weight_bytes) + $(json model session_bytes)))"
small=$(json model session_bytes)
token=$(json model cache_bytes_per_token)
run "$hadal" inspect --json -c 8192
check 'twice the context takes more' [ "$(json model session_bytes)" -ge "$((small + 4096 * token))" ]
run "$hadal" inspect --json -c 4096 --kv-cache f32 --index-cache f32
check 'f32 caches take more' [ "$(json model cache_bytes_per_token)" -gt "$token" ]

succeeds 'an operand' "$hadal" inspect --json "$top_srcdir/weights/config.json"
check_equal 'a config.json counts the same parameters' "$(json model model.parameters)" 12992080
mkdir "$work/model"
cp "$top_srcdir/weights/config.json" "$work/model"
succeeds 'a configuration alone' "$hadal" inspect --json -m "$work/model"
check_equal 'is known as one' "$(json model from_config_only)" true
succeeds 'no device' no_device "$hadal" inspect --json
check_equal 'is nothing to compare with' "$(json model device)" null
run no_device "$hadal" inspect
check 'and that is told' grep -q 'no OpenCL device' "$work/stdout"

refused 'a device that is asked for but not there' 69 nothing-like-it "$hadal" inspect -d nothing-like-it
refused 'a model that is not there' 66 "$work/nowhere" "$hadal" inspect "$work/nowhere"
echo '{' >"$work/model/config.json"
refused 'a damaged configuration' 65 config.json "$hadal" inspect "$work/model"

finish

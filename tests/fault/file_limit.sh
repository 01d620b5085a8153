# No file may grow beyond a limit, so the writes of each stage fail, at one file or another. The stage says so and exits 1; what it leaves
# is whole and has no manifest; and resumed without the limit it gives the bytes of an undisturbed run.
. tests/lib.sh
config=tests/tiny.json

# limited STAGE COMMAND...: $work/STAGE is the undisturbed run
limited() {
    local stage=$1 out=$work/limited-$1 again=() kilobytes code file; shift
    run 0 "$@" --out "$work/$stage"
    for kilobytes in 1 16 128; do
        (ulimit -f $kilobytes; exec "$@" --out "$out" "${again[@]}") 2>&1 >/dev/null | cat >"$work/stderr" # cat has no limit
        code=${PIPESTATUS[0]}
        again=(--resume)
        [ $code -eq 0 ] && [ $kilobytes -gt 1 ] && break
        [ $code -eq 1 ] || fail "$stage, $kilobytes kB: exit $code instead of 1"
        grep -q "error: .*cannot write '.*': File too large" "$work/stderr" ||
            { fail "$stage, $kilobytes kB: the failed write is not named"; cat "$work/stderr"; }
        [ ! -e "$out/manifest.json" ] || fail "$stage, $kilobytes kB: a failed run has a manifest"
        find "$out" -name '.*.tmp.*' | grep . && fail "$stage, $kilobytes kB: a temporary file is left"
        for file in $(cd "$out" && find . -type f ! -path './parts/*' ! -name 'metrics.jsonl' ! -name '*.tfevents.*'); do
            cmp -s "$out/$file" "$work/$stage/$file" || fail "$stage, $kilobytes kB: $file is not whole"
        done
    done
    run 0 "$@" --out "$out" --resume
    same "$work/$stage" "$out"
}
limited collect "$bin/pasta-collect" --config $config
data=(--sessions "$work/collect/sessions.jsonl" --preferences "$work/collect/preferences.jsonl" --ratings "$work/collect/ratings.jsonl")
limited features "$bin/pasta-embed" --config $config "${data[@]}" --image-root "$work/collect"
limited user "$bin/pasta-train-user-model" --config $config "${data[@]}" --features "$work/features"
limited simulated "$bin/pasta-simulate" --config $config --user-model "$work/user"
limited pasta "$bin/pasta-train-pasta" --config $config --sessions "$work/collect/sessions.jsonl"
limited evaluate "$bin/pasta-evaluate" --config $config --user-model K2="$work/user" --features "$work/features" "${data[@]}"
finish

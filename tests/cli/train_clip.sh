# pasta-train-clip on a complete run: what its evaluation was, and not for other settings. The run is made up: a real one takes minutes.
. tests/lib.sh
mkdir "$work/clip"
cp data/models/clip-sketch/evaluation.json "$work/clip"
echo '{}' >"$work/clip/manifest.json"
set -- --config configs/clip-sketch.json --out "$work/clip" --resume
run 0 "$bin/pasta-train-clip" "$@" # writes settings.json
grep -q "is complete: nothing to do" "$work/stderr" || { fail "resuming a complete run"; cat "$work/stderr"; }
grep -qE '^image-to-prompt retrieval, top 1 of 100 +[0-9.]+ %  \[[0-9.]+, [0-9.]+\]  \(6000 held-out pairs\)$' "$work/stdout" &&
    grep -qE '^linear probe, style +\([ 0-9]+\) +[0-9.]+ %  \[[0-9.]+, [0-9.]+\]$' "$work/stdout" || { fail "summary"; cat "$work/stdout"; }
run 0 "$bin/pasta-train-clip" "$@" --json
cmp -s "$work/stdout" "$work/clip/evaluation.json" || { fail "--json"; cat "$work/stdout"; }
run 2 "$bin/pasta-train-clip" "$@" --seed 9
grep -q "settings.json': expected the settings that this run was started with, .*seed" "$work/stderr" || { fail "another seed"; cat "$work/stderr"; }
finish

# --json: stdout is one JSON object of the results, or the flag is refused and --help does not list it; likewise --dry-run.
. tests/lib.sh
listed() { "$bin/$1" --help | grep -q -- "^  --$2 "; }

for stage in info sketch; do
    listed "pasta-$stage" json && fail "pasta-$stage --help lists --json"
    listed "pasta-$stage" dry-run && fail "pasta-$stage --help lists --dry-run"
done
echo "a red fox" >"$work/prompts.txt"
run 2 "$bin/pasta-sketch" --prompts "$work/prompts.txt" --json --out "$work/sheet.png"
grep -qx 'pasta-sketch: error: --json has no meaning for pasta-sketch' "$work/stderr" || { fail "refusal"; cat "$work/stderr"; }
[ ! -e "$work/sheet.png" ] || fail "a refused run drew"
run 2 "$bin/pasta-info" --json "$work/prompts.txt"
grep -qx 'pasta-info: error: --json has no meaning for pasta-info' "$work/stderr" || { fail "refusal"; cat "$work/stderr"; }

# The summaries of the other stages are tested by the scripts named after them; that of pasta-evaluate here.
set -- --config tests/tiny.json --prompts "$work/prompts.txt" --out "$work/evaluate" --json
for again in "" --resume; do
    listed pasta-evaluate json || fail "pasta-evaluate --help does not list --json"
    run 0 "$bin/pasta-evaluate" "$@" $again
    cmp -s "$work/stdout" "$work/evaluate/tables/all.json" || fail "pasta-evaluate --json $again"
    [ "$(head -c 1 "$work/stdout")$(tail -n 1 "$work/stdout" | tail -c 2)" = "{}" ] || { fail "not one object"; head -c 200 "$work/stdout"; }
done
finish

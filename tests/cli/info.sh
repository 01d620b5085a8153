# pasta-info --diff says why two runs differ; --tables holds tables against expected ones and names the cells that do not agree.
. tests/lib.sh
config=tests/tiny.json
collect() { "$bin/pasta-collect" --config $config "$@"; }
run 0 collect --seed 1 --out "$work/one"
run 0 collect --seed 1 --out "$work/same"
printf 'a red kite\n' >"$work/prompts.txt"
run 0 collect --seed 2 --prompts "$work/prompts.txt" --set agent.slate=3 --out "$work/other"
run 0 "$bin/pasta-info" --diff "$work/one" "$work/same"
grep -qx 'no difference: the same program, code, seed, configuration, libraries, inputs and outputs' "$work/stdout" || { fail "equal runs"; cat "$work/stdout"; }
run 0 "$bin/pasta-info" --diff "$work/one" "$work/other"
for line in 'seed +1  ->  2' 'agent.slate +4  ->  3' 'prompts.txt +\(nothing\)  ->  [0-9a-f]+' 'sessions.jsonl +[0-9a-f]{12}  ->  [0-9a-f]{12}'; do
    grep -qE "^ +(.*/)?$line" "$work/stdout" || { fail "no line $line"; cat "$work/stdout"; }
done
grep -q 'agent.horizon' "$work/stdout" && fail "what is equal is shown"
run 3 "$bin/pasta-info" --diff "$work/one" "$work"
run 2 "$bin/pasta-info" --diff "$work/one"
run 2 "$bin/pasta-info" --diff --tables "$work/one" "$work/same"

mkdir "$work/a" "$work/b"
table() { echo "{\"schema\":\"pasta.table/1\",\"key\":\"t\",\"rows\":[{\"agent\":\"x\",\"rating\":{\"value\":$1,\"lo\":5,\"hi\":7,\"n\":$2,\"people\":3},\"p\":\"$3\",\"turn\":$4}${5:-}]}"; }
table 6 10 0.01 2 >"$work/a/t.json"
agree() { table "$@" >"$work/b/t.json"; run 0 "$bin/pasta-info" --tables "$work/a" "$work/b"; grep -q '^2 cells of 1 tables are as expected' "$work/stdout" || fail "agreement: $*"; }
differ() { local what=$1; shift; table "$@" >"$work/b/t.json"; run 4 "$bin/pasta-info" --tables "$work/a" "$work/b"; grep -qE "^t.json: $what" "$work/stdout" || { fail "$what"; cat "$work/stdout"; }; }
agree 6 10 0.01 2
agree 7.49 10 0.9 2
differ 'x: rating: expected 6 \+- 1.5 \(n = 10\), found 7.51 ' 7.51 10 0.01 2
differ 'x: rating: expected 6 .*, found 6 \(n = 11\)' 6 11 0.01 2
differ 'x: turn: expected 2, found 3' 6 10 0.01 3
differ 'y: row: expected no such row, found y' 6 10 0.01 2 ',{"agent":"y"}'
run 0 "$bin/pasta-info" --tables --tolerance 3 "$work/a" "$work/a"
run 2 "$bin/pasta-info" --tables --tolerance wide "$work/a" "$work/b"
run 3 "$bin/pasta-info" --tables "$work/one" "$work/b"
rm "$work/b/t.json"
run 3 "$bin/pasta-info" --tables "$work/a" "$work/b"
finish

# pasta-train-pasta: plan and summary as text and as JSON; a complete run tells the same again, and is not taken for one of other sessions,
# seed or start model.
. tests/lib.sh
config=tests/tiny.json
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
[ $failures -eq 0 ] || finish
s=(--sessions "$work/collect/sessions.jsonl")
cp -R data/models/gemma-sketch "$work/model"
set -- --config $config --set value.model="$work/model" --out "$work/pasta"
train() { "$bin/pasta-train-pasta" "$@"; }

run 0 train "$@" "${s[@]}" --dry-run --json
grep -qE '^\{"sessions":12,"parameters":[0-9]+,"steps":9,"transitions_a_step":8,"weights_memory":[0-9.e+]+\}$' "$work/stdout" ||
    { fail "--dry-run --json"; cat "$work/stdout"; }
[ ! -e "$work/pasta" ] || fail "--dry-run wrote"

run 0 train "$@" "${s[@]}" --json
grep -qE '^\{"sessions":[0-9]+,"sessions_held_out":[0-9]+,"transitions":[0-9]+,"parameters":[0-9]+\}$' "$work/stdout" ||
    { fail "--json"; cat "$work/stdout"; }
cp "$work/stdout" "$work/summary"
for file in config.json tokenizer.model model.safetensors; do
    grep -q "\"path\": \"$work/model/$file\"" "$work/pasta/manifest.json" || fail "$file of the start model is not in the manifest"
done
grep -q '"13": {"content": "prompt:", "lstrip": false, "normalized": true, .*"special": false}' "$work/pasta/f/tokenizer_config.json" ||
    fail "tokenizer_config.json does not name the user-defined pieces"
cmp -s <(grep -v model_max_length "$work/pasta/f/tokenizer_config.json") <(grep -v model_max_length data/models/gemma-sketch/tokenizer_config.json) ||
    fail "the embedded Gemma's tokenizer_config.json is not what we would write"
cp -R "$work/pasta" "$work/before"
run 0 train "$@" "${s[@]}" --json --resume
cmp -s "$work/summary" "$work/stdout" || { fail "--json of a complete run"; cat "$work/stdout"; }
grep -q "is complete: nothing to do" "$work/stderr" || { fail "resuming a complete run"; cat "$work/stderr"; }
run 0 train "$@" "${s[@]}" --resume
grep -qE '^sessions_held_out +[0-9]+$' "$work/stdout" || { fail "summary of a complete run"; cat "$work/stdout"; }

# refused PATTERN ARGUMENT...
refused() {
    local pattern=$1; shift
    run 2 train "$@" --resume
    grep -q "settings.json': expected the settings that this run was started with, .*$pattern" "$work/stderr" || { fail "$pattern"; cat "$work/stderr"; }
}
sed '$d' "$work/collect/sessions.jsonl" >"$work/fewer.jsonl"
refused sessions/0 "$@" --sessions "$work/fewer.jsonl"
sed 's/"session_id":"/&another-/' "$work/fewer.jsonl" >"$work/others.jsonl"
refused sessions/1 "$@" "${s[@]}" --sessions "$work/others.jsonl"
refused seed "$@" "${s[@]}" --seed 6
refused polyak "$@" "${s[@]}" --set value.polyak=0.5
rm "$work/model/model.safetensors"
refused model/model.safetensors "$@" "${s[@]}"
same "$work/before" "$work/pasta"
finish

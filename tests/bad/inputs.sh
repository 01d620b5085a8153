# Bad input: the right exit code, one line on stderr that names the file, line or key, and no output left behind.
. tests/lib.sh
config=tests/tiny.json

# bad CODE PATTERN COMMAND...: one error line that matches PATTERN; $out does not exist afterwards or is empty
bad() {
    local code=$1 pattern=$2; shift 2
    out=$work/out; rm -rf "$out"
    run "$code" "$@" --out "$out"
    [ "$(grep -c 'error:' "$work/stderr")" -eq 1 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] || { fail "not one line: $*"; cat "$work/stderr"; }
    grep -qE -- "$pattern" "$work/stderr" || { fail "message of: $*"; sed 's/^/    /' "$work/stderr"; }
    [ -z "$(find "$out" -type f 2>/dev/null | head -1)" ] || { fail "left behind by: $*"; find "$out" -type f | head -3; }
}

run 0 "$bin/pasta-collect" --config $config --seed 1 --out "$work/good"
good=$work/good
run 0 "$bin/pasta-embed" --sessions $good/sessions.jsonl --preferences $good/preferences.jsonl --ratings $good/ratings.jsonl --image-root $good --out "$work/features"
features=$work/features

collect=("$bin/pasta-collect" --config $config)
bad 2 "no.such.key"                  "${collect[@]}" --set no.such.key=1
bad 2 "user_model.types.*found 0"    "${collect[@]}" --set user_model.types=0
bad 2 "agent.slate.*found 'four'"    "${collect[@]}" --set agent.slate=four
bad 2 "no-such-flag"                 "${collect[@]}" --no-such-flag
bad 3 "none.txt"                     "${collect[@]}" --prompts "$work/none.txt"
: >"$work/empty.txt"
bad 3 "empty.txt"                    "${collect[@]}" --prompts "$work/empty.txt"
echo '{"collect": {"raterz": 3}}' >"$work/unknown.json"
bad 2 "unknown.json.*collect.raterz" "$bin/pasta-collect" --config "$work/unknown.json"
echo '{"collect": ' >"$work/broken.json"
bad 3 "broken.json"                  "$bin/pasta-collect" --config "$work/broken.json"
bad 2 "collect.sessions"             "${collect[@]}" --set collect.sessions=0 --set collect.pairs=0 --set collect.ratings=0

train=("$bin/pasta-train-pasta" --config $config)
head -6 $good/sessions.jsonl >"$work/line7.jsonl"; echo '{"schema": "pasta.session/1", ' >>"$work/line7.jsonl"
bad 3 "line7.jsonl:7: "              "${train[@]}" --sessions "$work/line7.jsonl"
run 0 "${train[@]}" --sessions "$work/line7.jsonl" --skip-bad 1 --dry-run
grep -q 'line7.jsonl: passed over 1 bad lines' "$work/stderr" || fail "bad lines passed over in silence"
bad 2 "skip-bad"                     "${train[@]}" --sessions "$work/line7.jsonl" --skip-bad some
gzip -c $good/sessions.jsonl | head -c 900 >"$work/cut.jsonl.gz"
bad 3 "cut.jsonl.gz"                 "${train[@]}" --sessions "$work/cut.jsonl.gz"
: >"$work/empty.jsonl"
bad 3 "empty.jsonl"                  "${train[@]}" --sessions "$work/empty.jsonl"
sed '2s/"choice":[0-9-]*/"choice":99/' $good/sessions.jsonl >"$work/choice.jsonl"
bad 3 "choice.jsonl:2: .*choice"     "${train[@]}" --sessions "$work/choice.jsonl"
sed '3s/"initial_prompt":"[^"]*"/"initial_prompt":5/' $good/sessions.jsonl >"$work/type.jsonl"
bad 3 "type.jsonl:3: .*initial_prompt.*expected a string, found a number" "${train[@]}" --sessions "$work/type.jsonl"
sed '2s/}$/,"checks":[{"after_turn":9,"kind":"attention"}]}/' $good/sessions.jsonl >"$work/checks.jsonl"
bad 3 "checks.jsonl:2: checks.0..after_turn: expected a whole number from 0 to [0-9]*, found 9" "${train[@]}" --sessions "$work/checks.jsonl"
bad 3 "preferences.jsonl:1: .*schema" "${train[@]}" --sessions $good/preferences.jsonl
bad 2 "--sessions"                   "${train[@]}"

embed=("$bin/pasta-embed" --sessions $good/sessions.jsonl)
mkdir "$work/images" && cp -R $good/images "$work/images/"
picture=$(find "$work/images/images" -name '*.png' | LC_ALL=C sort | head -1)
id=$(basename "$picture" .png)
echo "not a picture" >"$picture"
bad 3 "$id"                          "$bin/pasta-embed" --sessions $good/sessions.jsonl --preferences $good/preferences.jsonl --ratings $good/ratings.jsonl --image-root "$work/images"
rm "$picture"
bad 3 "$id"                          "$bin/pasta-embed" --sessions $good/sessions.jsonl --preferences $good/preferences.jsonl --ratings $good/ratings.jsonl --image-root "$work/images"
bad 3 "none"                         "${embed[@]}" --image-root $good --model "$work/none"

user=("$bin/pasta-train-user-model" --config $config --sessions $good/sessions.jsonl)
cp -R $features "$work/lies"
printf '\377\377\377\377\377\377\377\177{}' >"$work/lies/image.safetensors"
bad 3 "lies/image.safetensors"       "${user[@]}" --features "$work/lies"
cp $features/image.safetensors "$work/lies/image.safetensors"
truncate -s -8 "$work/lies/image.safetensors"
bad 3 "lies/image.safetensors"       "${user[@]}" --features "$work/lies"
bad 3 "none"                         "${user[@]}" --features "$work/none"
bad 3 "empty"                        "$bin/pasta-simulate" --config $config --user-model "$work/empty.txt"
bad 3 "none"                         "$bin/pasta-evaluate" --config $config --agent PASTA="$work/none"

# A device that is not there, in every stage that computes on one: refused before any input is looked at, also where nothing would be written.
other=$work/no-device
for stage in "pasta-embed --sessions $other" "pasta-train-user-model --sessions $other --features $other" "pasta-simulate --user-model $other" \
    "pasta-train-pasta --sessions $other" "pasta-evaluate --agent PASTA=$other"; do
    for device in foo cpu:7 cuda:99; do
        bad 2 "device: .*'$device'"      "$bin"/$stage --device $device
    done
    bad 2 "device: .*'cuda:99'"          "$bin"/$stage --set device=cuda:99 --dry-run
done
bad 2 "device: .*'cuda:99'"              "$bin/pasta-train-clip" --device cuda:99

# A full disk: a file system of one megabyte where we may mount one, else a limit on the size of a file.
full=$work/full; mkdir "$full"
if mount -t tmpfs -o size=300k tmpfs "$full" 2>/dev/null; then
    run 1 "${collect[@]}" --out "$full/run"
    grep -q 'No space left on device' "$work/stderr" || { fail "a full disk is not named"; cat "$work/stderr"; }
    [ ! -e "$full/run/manifest.json" ] || fail "a manifest on a full disk"
    find "$full" -name '*.tmp*' | grep -q . && fail "temporary files left on a full disk"
    umount "$full"
else
    (ulimit -f 8; run 1 "${collect[@]}" --out "$work/limited"; exit $failures) || fail "the limit on file size was not reported"
fi
finish

# pasta-simulate: the same bytes with 1 and 2 threads and after any number of kills; stop and exit codes; the user's type is recorded.
. tests/lib.sh
config=tests/tiny.json
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
data=(--sessions "$work/collect/sessions.jsonl" --preferences "$work/collect/preferences.jsonl" --ratings "$work/collect/ratings.jsonl")
run 0 "$bin/pasta-embed" --config $config "${data[@]}" --image-root "$work/collect" --out "$work/features"
run 0 "$bin/pasta-train-user-model" --config $config --seed 5 "${data[@]}" --features "$work/features" --out "$work/user"
[ $failures -eq 0 ] || finish

set -- --config $config --seed 5 --set simulate.sessions=44 --user-model "$work/user"
simulate() { "$bin/pasta-simulate" "$@"; }
run 0 simulate "$@" --threads 1 --out "$work/one"
grep -qx 'sessions      44 with 132 turns' "$work/stdout" || { fail "summary"; cat "$work/stdout"; }
run 0 simulate "$@" --threads 2 --out "$work/two" --json
grep -q '^{"sessions":44,"turns":132,"pairs":0,"ratings":0,"images":1056,.*}$' "$work/stdout" || { fail "--json"; cat "$work/stdout"; }
same "$work/one" "$work/two"
one=$work/one/sessions.jsonl
[ "$(wc -l <"$one")" = 44 ] || fail "number of sessions"
[ "$(grep -c '"source":"simulated"' "$one")" = 44 ] || fail "source"
[ "$(grep -c '"user_type":[01][,}]' "$one")" = 44 ] || fail "user_type is not recorded"
[ "$(grep -oE '"rater_id":"simulated-[0-9]{6}"' "$one" | sort -u | wc -l)" = 44 ] || fail "rater_id"
[ ! -e "$work/one/images" ] || fail "images although save_images is false"

RANDOM=5
killed=0 again=()
for _ in $(seq 6); do
    "$bin/pasta-simulate" "$@" --threads 2 --set simulate.save_images=true --out "$work/killed" "${again[@]}" >/dev/null 2>&1 &
    pid=$!
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    kill -KILL $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
    again=(--resume)
done
run 0 simulate "$@" --threads 1 --set simulate.save_images=true --out "$work/killed" --resume
cmp -s "$one" "$work/killed/sessions.jsonl" || fail "a resumed run has other sessions"
[ "$(find "$work/killed/images" -name '*.png' | wc -l)" = 1056 ] || fail "number of images"
[ $killed -gt 0 ] || fail "no run was killed: the test tested nothing"

"$bin/pasta-simulate" "$@" --threads 2 --out "$work/stopped" >"$work/stdout" 2>"$work/stderr" &
pid=$!
for _ in $(seq 1000); do ls "$work"/stopped/parts/* >/dev/null 2>&1 && break; sleep 0.01; done
kill -TERM $pid; wait $pid; code=$?
[ $code = 75 ] || fail "exit $code instead of 75 after SIGTERM"
run 2 simulate "$@" --out "$work/stopped" --resume --set simulate.agent=random
grep -q '"agent": "baseline", found "agent": "random"' "$work/stderr" || { fail "other settings are not named"; cat "$work/stderr"; }
run 0 simulate "$@" --out "$work/stopped" --resume
same "$work/one" "$work/stopped"

# The posteriors of real people, of all or of one; and files that are none.
echo '{"user_id":"sure","gamma":[0,1]}' >"$work/sure.jsonl"
{ cat "$work/user/responsibilities.jsonl"; cat "$work/sure.jsonl"; } >"$work/users.jsonl"
run 0 simulate "$@" --users "$work/user/responsibilities.jsonl" --threads 2 --out "$work/posteriors"
cmp -s "$one" "$work/posteriors/sessions.jsonl" && fail "posteriors change nothing"
run 0 simulate "$@" --users "$work/users.jsonl" --user sure --out "$work/sure"
[ "$(grep -c '"user_type":1[,}]' "$work/sure/sessions.jsonl")" = 44 ] || fail "the type of one user"
run 2 simulate "$@" --users "$work/users.jsonl" --out "$work/sure" --resume
run 2 simulate "$@" --users "$work/users.jsonl" --user nobody --out "$work/bad"
run 2 simulate "$@" --user sure --out "$work/bad"
args=("$@")
refused() { # LINE MESSAGE
    { cat "$work/sure.jsonl"; echo "$1"; } >"$work/bad.jsonl"
    run 3 simulate "${args[@]}" --users "$work/bad.jsonl" --out "$work/bad"
    grep -qF "$work/bad.jsonl:2: $2" "$work/stderr" || { fail "message for $1"; cat "$work/stderr"; }
}
refused '{"user_id":"a","gamma":[1]}' "gamma: expected one number for each of the model's 2 types, found 1"
refused '{"user_id":"a","gamma":[0.5,0.4]}' 'gamma: expected numbers that sum to 1, found a sum of 0.9'
refused '{"user_id":"a","gamma":[2,-1]}' 'gamma: expected numbers from 0 to 1'
: >"$work/empty.jsonl"
run 3 simulate "$@" --users "$work/empty.jsonl" --out "$work/bad"

# Replay: the slates of sessions that were drawn, from a feature pack of their images, answered under the same addresses, get the same answers.
drawn=$work/killed/sessions.jsonl
run 0 "$bin/pasta-embed" --config $config --sessions "$drawn" --image-root "$work/killed" --out "$work/drawn"
replay=(--features "$work/drawn" --replay "$drawn")
run 0 simulate "$@" "${replay[@]}" --threads 1 --out "$work/replayed"
run 0 simulate "$@" "${replay[@]}" --threads 2 --out "$work/replayed-2"
same "$work/replayed" "$work/replayed-2"
answers() { sed -E 's/"(session_id|rater_id)":"[^"]*",//g' "$1"; }
[ "$(answers "$drawn")" = "$(answers "$work/replayed/sessions.jsonl")" ] || fail "replayed sessions have other answers than drawn ones"
run 0 simulate --config $config --seed 6 --user-model "$work/user" "${replay[@]}" --set simulate.sessions=50 --out "$work/again"
slates() { answers "$1" | sed -E 's/"(choice|rating|user_type|seed)":[0-9]+,?//g; s/"vs_previous":"[a-z]*",?//g'; }
[ "$(slates "$work/again/sessions.jsonl" | head -44)" = "$(slates "$drawn")" ] || fail "replay changes the slates"
[ "$(slates "$work/again/sessions.jsonl" | tail -6)" = "$(slates "$drawn" | head -6)" ] || fail "replay does not begin again at the first session"
choices() { head -44 "$1" | grep -o '"choice":[0-9]*'; }
[ "$(choices "$work/again/sessions.jsonl")" != "$(choices "$drawn")" ] || fail "another seed, the same choices"
head -40 "$drawn" >"$work/fewer.jsonl"
run 2 simulate "$@" --features "$work/drawn" --replay "$work/fewer.jsonl" --out "$work/replayed" --resume
run 3 simulate "$@" --features "$work/features" --replay "$drawn" --out "$work/bad"
grep -q 'expected an image of the feature pack, found' "$work/stderr" || { fail "a pack of other images"; cat "$work/stderr"; }
run 2 simulate "$@" --replay "$drawn" --out "$work/bad"
run 2 simulate "$@" "${replay[@]}" --set simulate.save_images=true --out "$work/bad"
run 2 simulate "$@" "${replay[@]}" --prompts data/prompts/sketch.txt --out "$work/bad"
run 2 simulate "$@" "${replay[@]}" --fidelity "$drawn" --out "$work/bad"
run 2 simulate --config $config --seed 9007199254740992 --user-model "$work/user" "${replay[@]}" --out "$work/bad"
run 0 simulate "$@" "${replay[@]}" --dry-run
grep -qE '^recorded_sessions +44$' "$work/stdout" || { fail "plan of a replay"; cat "$work/stdout"; }

# Fidelity. A model without preferences, all its parameters 0 but these: one type, prior 1; heads scale 2^-1000, temperature, tie and gain 1,
# offset 1/2, noise 1/4. It chooses evenly, rates 5.5 on average, says better with probability 1 / (1 + e).
run 0 grep -q '^fidelity      not measured$' <("$bin/pasta-simulate" "$@" --out "$work/one" --resume 2>/dev/null)
grep -q '"notes": {"fidelity": null}' "$work/one/manifest.json" || fail "the manifest says nothing of the fidelity"
run 0 "$bin/pasta-train-user-model" --config $config --set user_model.types=1 --set user_model.main.steps=1 \
    --set user_model.fine.steps=1 "${data[@]}" --features "$work/features" --out "$work/trained"
mkdir "$work/blank"
cp "$work/trained/config.json" "$work/blank"
weights=$work/trained/user_model.safetensors
length=$(od -An -t u8 -N 8 "$weights")
header=$(tail -c +9 "$weights" | head -c "$length")
data_at=$((8 + length))
put() { # TENSOR BYTES (as of printf)
    local offset
    offset=$(grep -oE "\"$1\":\{[^}]*\"data_offsets\":\[[0-9]+" <<<"$header" | grep -oE '[0-9]+$')
    printf "$2" | dd of="$work/blank/user_model.safetensors" bs=1 seek=$((data_at + offset)) conv=notrunc status=none
}
{ head -c $data_at "$weights"; head -c $(($(stat -c %s "$weights") - data_at)) /dev/zero; } >"$work/blank/user_model.safetensors"
half='\0\0\0\0\0\0\340\077' quarter='\0\0\0\0\0\0\320\077' unit='\0\0\0\0\0\0\360\077'
put heads "\\0\\0\\0\\0\\0\\0\\160\\001$unit$unit$unit$half$quarter"
put prior "$unit"
fidelity=(--config $config --features "$work/features" --set evaluate.split=none)
real=$work/collect/sessions.jsonl
run 0 simulate "${fidelity[@]}" --user-model "$work/blank" --fidelity "$real" --threads 1 --out "$work/blank/fidelity"
run 0 simulate "${fidelity[@]}" --user-model "$work/blank" --fidelity "$real" --threads 2 --json --out "$work/fidelity-2"
cmp -s "$work/stdout" "$work/fidelity-2/fidelity.json" || fail "--json is not fidelity.json"
same "$work/blank/fidelity" "$work/fidelity-2"
headline() { sed -n 1p "$work/blank/fidelity/fidelity.json" | grep -oE "\"$1\":\{\"[a-z_]*\":[^,}]*" | sed 's/.*://'; }
close() { # WHAT FOUND EXPECTED (of awk)
    awk -v a="$2" "BEGIN { d = a - ($3); exit !(a != \"\" && d < 1e-9 && d > -1e-9) }" || fail "fidelity: $1 $2 instead of $3"
}
count() { grep -oE "$1" "$real" | wc -l; }
turns=$(count '"choice":[0-3]') compared=$(count '"vs_previous":"[a-z]+"')
close "calibration error" "$(headline choice_calibration_error)" 0
close rating "$(headline rating)" "5.5 - $(grep -oE '"rating":[0-9]+' "$real" | cut -d: -f2 | awk '{ s += $1 } END { print s / NR }' OFMT=%.12g)"
close better "$(headline better)" "1 / (1 + exp(1)) - $(count '"vs_previous":"better"') / $compared"
chi="0"
for l in 0 1 2 3; do chi="$chi + ($(count "\"choice\":$l") - $turns / 4) ^ 2 / ($turns / 4)"; done
close chi-square "$(headline position)" "$chi"
simulate "${fidelity[@]}" --user-model "$work/blank" --fidelity "$real" --out "$work/fidelity-2" --resume 2>/dev/null |
    grep -qE '^  all +same .* 46\.2 \[46\.2, 46\.2\] ' || fail "the share of same"

# One answer ahead: a turn's expectation comes from the answers before it, and from no other. One session a person.
rows() { # TURNS-OF-ROWS: expectations of the ratings table
    grep -oE "\"turn\":\"[$1]\",\"real\":\{[^}]*\},\"simulated\":\{\"value\":[^,]*" "$work/ahead/fidelity.json" | sed 's/"real".*"simulated"//'
}
ahead() { run 0 simulate "${fidelity[@]}" --user-model "$work/user" --fidelity "$1" --force --out "$work/ahead"; }
head -6 "$real" >"$work/six.jsonl"
ahead "$work/six.jsonl"; first=$(rows 1) second=$(rows 2) third=$(rows 3)
[ -n "$first" ] && [ -n "$third" ] || fail "no rows by turn"
sed -E 's/(.*)"choice":[0-3]/\1"choice":0/' "$work/six.jsonl" >"$work/late.jsonl"
ahead "$work/late.jsonl"
[ "$first$second$third" = "$(rows 1)$(rows 2)$(rows 3)" ] || fail "the last answer is used for what comes before it"
sed -E 's/"choice":[0-3]/"choice":0/' "$work/six.jsonl" >"$work/early.jsonl"
ahead "$work/early.jsonl"
[ "$first" = "$(rows 1)" ] || fail "an answer is used for itself"
[ "$second" != "$(rows 2)" ] && [ "$third" != "$(rows 3)" ] || fail "an answer is forgotten"

# Later results quote the report; one of other weights is none.
quoted() { simulate --config $config --user-model "$work/blank" --set simulate.sessions=1 --force --out "$work/quoted" 2>/dev/null | grep '^fidelity '; }
quoted | grep -qE '^fidelity      choice calibration error 0\.000 \[.*; simulated less real, 36 turns of 6 people, whether trained on or not$' ||
    { fail "the report is not quoted"; quoted; }
grep -q '"notes": {"fidelity": {"sessions":12,' "$work/quoted/manifest.json" || fail "the manifest does not quote the report"
put heads "\\0\\0\\0\\0\\0\\0\\160\\002"
quoted | grep -q '^fidelity      not measured: ' || { fail "the report of another model is quoted"; quoted; }
echo '{"user_model":"x"}' >"$work/blank/fidelity/fidelity.json"
run 3 simulate --config $config --user-model "$work/blank" --set simulate.sessions=1 --force --out "$work/quoted"

run 0 simulate "${fidelity[@]}" --user-model "$work/user" --fidelity "$real" --dry-run
grep -qE '^people +6$' "$work/stdout" || { fail "plan of a fidelity report"; cat "$work/stdout"; }
run 2 simulate "${fidelity[@]}" --user-model "$work/blank" --fidelity "$work/six.jsonl" --out "$work/fidelity-2" --resume
run 2 simulate --config $config --user-model "$work/user" --fidelity "$real" --out "$work/bad"
run 2 simulate --config $config --user-model "$work/user" --features "$work/features" --out "$work/bad"
run 2 simulate "${fidelity[@]}" --user-model "$work/user" --fidelity "$real" --users "$work/users.jsonl" --out "$work/bad"
run 3 simulate "${fidelity[@]}" --user-model "$work/user" --fidelity "$work/none.jsonl" --out "$work/bad"
sed 's/"id":"[0-9a-f]*"/"id":"0000"/' "$real" >"$work/unknown.jsonl"
run 3 simulate "${fidelity[@]}" --user-model "$work/user" --fidelity "$work/unknown.jsonl" --out "$work/bad"

other_world "$bin/pasta-simulate" --config $config --user-model "$work/user" --set simulate.sessions=2

run 0 simulate "$@" --dry-run
grep -qE '^images_encoded +1056$' "$work/stdout" || { fail "plan"; cat "$work/stdout"; }
run 3 simulate --config $config --user-model "$work/none" --out "$work/bad"
run 2 simulate --config $config --out "$work/bad"
run 2 simulate "$@" --set simulate.sessions=0 --out "$work/bad"
[ ! -e "$work/bad" ] || fail "a refused run left something behind"
finish

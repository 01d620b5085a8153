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

other_world "$bin/pasta-simulate" --config $config --user-model "$work/user" --set simulate.sessions=2

run 0 simulate "$@" --dry-run
grep -qE '^images_encoded +1056$' "$work/stdout" || { fail "plan"; cat "$work/stdout"; }
run 3 simulate --config $config --user-model "$work/none" --out "$work/bad"
run 2 simulate --config $config --out "$work/bad"
run 2 simulate "$@" --set simulate.sessions=0 --out "$work/bad"
[ ! -e "$work/bad" ] || fail "a refused run left something behind"
finish

# pasta-collect: the same bytes with 1 and 2 threads and after any number of kills; stop and exit codes; what is hidden stays hidden.
. tests/lib.sh
set -- --config tests/tiny.json --seed 5 --set collect.sessions=44 --set collect.pairs=300 --set collect.ratings=200
collect() { "$bin/pasta-collect" "$@"; }

run 0 collect "$@" --threads 1 --out "$work/one"
grep -qx 'sessions      44 with 132 turns' "$work/stdout" || { fail "summary"; cat "$work/stdout"; }
run 0 collect "$@" --threads 2 --out "$work/two" --json
python=$(grep -c '^{"sessions":44,"turns":132,"pairs":300,"ratings":200,"images":1856,.*"mean_rating_by_turn":\[[0-9.,]*\],"mean_single_rating":[0-9.]*}$' "$work/stdout")
[ "$python" = 1 ] || { fail "--json"; cat "$work/stdout"; }
same "$work/one" "$work/two"
one=$work/one

# What is there.
[ "$(wc -l <$one/sessions.jsonl)" = 44 ] && [ "$(wc -l <$one/preferences.jsonl)" = 300 ] && [ "$(wc -l <$one/ratings.jsonl)" = 200 ] ||
    fail "number of records"
[ "$(find $one/images -name '*.png' | wc -l)" = 1856 ] || fail "number of images"
grep -ohE '"id":"[0-9a-f]{64}"' $one/sessions.jsonl | cut -d'"' -f4 | while read -r id; do
    [ -s "$one/images/${id:0:2}/$id.png" ] || echo "$id"
done | head -1 | grep -q . && fail "a session names an image that is not there"
[ ! -e $one/parts ] || [ -z "$(ls -A $one/parts)" ] || fail "parts are left"
grep -qE 'user_type":[0-9]|utility' $one/sessions.jsonl && fail "a hidden truth is in the records"
for file in sessions:rater_id preferences:user_id ratings:user_id; do # 6 raters, dealt evenly, the same in every file
    grep -oE "\"${file#*:}\":\"sketch-[0-9]{6}\"" $one/${file%:*}.jsonl | cut -d'"' -f4 | sort | uniq -c | awk '{print $2}' >"$work/ids"
    printf 'sketch-00000%d\n' 0 1 2 3 4 5 | cmp -s - "$work/ids" || fail "raters of ${file%:*}"
    grep -oE "\"${file#*:}\":\"sketch-[0-9]{6}\"" $one/${file%:*}.jsonl | sort | uniq -c |
        awk '{if (!n++ || $1 < lo) lo = $1; if ($1 > hi) hi = $1} END {exit hi - lo > 1}' || fail "${file%:*} are not dealt evenly"
done

# Killed at random moments, again and again.
RANDOM=11
killed=0 again=()
for _ in $(seq 8); do
    "$bin/pasta-collect" "$@" --threads 2 --out "$work/killed" "${again[@]}" >/dev/null 2>&1 &
    pid=$!
    sleep "0.0$((RANDOM % 10))"; sleep "0.$((RANDOM % 4))"
    kill -KILL $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
    again=(--resume)
done
run 0 collect "$@" --threads 1 --out "$work/killed" --resume
same "$one" "$work/killed"
[ $killed -gt 0 ] || fail "no run was killed: the test tested nothing"

# Images that a power cut left short, or took, are made again with the records that name them.
rm "$work/killed/manifest.json" "$work/killed/ratings.jsonl"
id=$(grep -oE '[0-9a-f]{64}' $one/ratings.jsonl | head -1)
truncate -s 40 "$work/killed/images/${id:0:2}/$id.png"
id=$(grep -oE '[0-9a-f]{64}' $one/ratings.jsonl | tail -1)
rm "$work/killed/images/${id:0:2}/$id.png"
run 0 collect "$@" --threads 2 --out "$work/killed" --resume
same "$one" "$work/killed"

# Stopped politely after a part: 75, and resumed.
"$bin/pasta-collect" "$@" --threads 2 --out "$work/stopped" >"$work/stdout" 2>"$work/stderr" &
pid=$!
for _ in $(seq 500); do ls "$work"/stopped/parts/* >/dev/null 2>&1 && break; sleep 0.01; done
kill -TERM $pid; wait $pid; code=$?
[ $code = 75 ] || fail "exit $code instead of 75 after SIGTERM"
grep -q 'resume' "$work/stderr" || { fail "no word of --resume"; cat "$work/stderr"; }
[ ! -e "$work/stopped/manifest.json" ] || fail "a stopped run has a manifest"
run 2 collect "$@" --threads 2 --out "$work/stopped"                              # not empty
run 2 collect "$@" --threads 2 --out "$work/stopped" --resume --set collect.raters=7   # another run
grep -q '"raters": 6, found "raters": 7' "$work/stderr" || { fail "other settings are not named"; cat "$work/stderr"; }
run 0 collect "$@" --threads 2 --out "$work/stopped" --resume
same "$one" "$work/stopped"
run 0 collect "$@" --threads 2 --out "$work/stopped" --resume                     # complete: nothing to do
same "$one" "$work/stopped"

# --force replaces what the stage wrote and nothing else.
echo mine >"$work/stopped/notes.txt"
run 0 collect "$@" --threads 2 --out "$work/stopped" --force --set collect.sessions=3 --set collect.pairs=0
[ "$(cat "$work/stopped/notes.txt")" = mine ] || fail "--force removed a file of mine"
[ ! -e "$work/stopped/preferences.jsonl" ] || fail "--force left the old pairs"
[ "$(find "$work/stopped/images" -name '*.png' | wc -l)" = 272 ] || fail "--force left old images"

# Other prompts, other people, no images.
printf 'Prompt\tCategory\na red kite\tx\n\nan old map\ty\n' >"$work/my.tsv"
run 0 collect "$@" --prompts "$work/my.tsv" --set collect.first_rater=100 --set collect.save_images=false --out "$work/mine"
printf 'a red kite\nan old map\n' >"$work/expected"
grep -ohE '"initial_prompt":"[^"]*"' "$work/mine/sessions.jsonl" | cut -d'"' -f4 | sort -u | cmp -s - "$work/expected" || fail "prompts"
grep -qxF 'a red kite' "$work/mine/prompts.txt" || fail "prompts.txt"
[ ! -e "$work/mine/images" ] || fail "images although save_images is false"
grep -q 'sketch-000099\|sketch-000106' "$work/mine/sessions.jsonl" && fail "people out of range"
grep -q 'sketch-000105' "$work/mine/sessions.jsonl" || fail "people of the range are missing"

other_world "$bin/pasta-collect" --config tests/tiny.json --set collect.save_images=false

# A plan writes nothing.
run 0 collect "$@" --dry-run --out "$work/plan"
[ ! -e "$work/plan" ] || fail "--dry-run wrote something"
grep -qE '^images +1856 drawn$' "$work/stdout" || { fail "plan"; cat "$work/stdout"; }

# Refused.
run 2 collect "$@" --set collect.sessions=0 --set collect.pairs=0 --set collect.ratings=0 --out "$work/bad"
run 2 collect "$@" --set agent.candidates=7 --out "$work/bad"
run 3 collect "$@" --prompts "$work/none.txt" --out "$work/bad"
[ ! -e "$work/bad" ] || fail "a refused run left something behind"
finish

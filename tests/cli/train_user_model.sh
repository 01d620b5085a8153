# pasta-train-user-model: kinds of data may be absent, but not all; the same bytes with 1 and 2 threads and after any number of kills; stop, messages and exit codes.
. tests/lib.sh
config=tests/tiny.json
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
s=(--sessions "$work/collect/sessions.jsonl") p=(--preferences "$work/collect/preferences.jsonl") r=(--ratings "$work/collect/ratings.jsonl")
run 0 "$bin/pasta-embed" --config $config "${s[@]}" "${p[@]}" "${r[@]}" --image-root "$work/collect" --out "$work/features"
[ $failures -eq 0 ] || finish

set -- --config $config --seed 5 --features "$work/features"
train() { "$bin/pasta-train-user-model" "$@"; }
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --threads 1 --out "$work/one"
grep -qx 'data         6 users (1 held out), 30 pairs, 30 ratings, 36 turns, 24 comparisons' "$work/stdout" || { fail "summary"; cat "$work/stdout"; }
cp "$work/stdout" "$work/summary"
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --threads 2 --out "$work/two" --json
grep -q '^{"types":2,.*"turns":36,.*"prior":\[0[.0-9]*,0[.0-9]*\],"fit":{.*}}$' "$work/stdout" || { fail "--json"; cat "$work/stdout"; }
same "$work/one" "$work/two"
[ "$(wc -l <"$work/one/responsibilities.jsonl")" = 6 ] || fail "responsibilities"
[ "$(grep -c '"held_out":true' "$work/one/responsibilities.jsonl")" = 1 ] || fail "held-out users in responsibilities.jsonl"
for name in loss/pair loss/rating loss/choice loss/cross_turn loglik/train loglik/held_out responsibilities/entropy types/effective prior/1 heads/temperature; do
    grep -q "\"$name\":" "$work/one/metrics.jsonl" || fail "$name is not in metrics.jsonl"
done

# Each kind alone.
run 0 train "$@" "${s[@]}" --out "$work/sessions"
run 0 train "$@" "${p[@]}" --out "$work/preferences"
run 0 train "$@" "${r[@]}" --set user_model.types=1 --set user_model.responsibilities=sample --out "$work/ratings"
run 2 train "$@" --out "$work/none"
grep -q 'at least one of --sessions, --preferences and --ratings' "$work/stderr" || { fail "no data is not named"; cat "$work/stderr"; }

# Killed at random moments of the time that it takes: resumed is uninterrupted.
long=(--set user_model.main.steps=300 --set user_model.fine.steps=200)
began=$(date +%s%N)
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --out "$work/long"
took=$((($(date +%s%N) - began) / 1000000))
RANDOM=3
killed=0 again=()
for _ in $(seq 5); do
    "$bin/pasta-train-user-model" "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --out "$work/killed" "${again[@]}" >/dev/null 2>&1 &
    pid=$!
    sleep "$(awk -v took=$took -v part=$((20 + RANDOM % 60)) 'BEGIN { printf "%.3f", took * part / 100000 }')"
    kill -KILL $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
    again=(--resume)
done
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --out "$work/killed" --resume
same "$work/long" "$work/killed"
[ $killed -gt 0 ] || fail "no run was killed: the test tested nothing"

"$bin/pasta-train-user-model" "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --out "$work/stopped" >"$work/stdout" 2>"$work/stderr" &
pid=$!
for _ in $(seq 1000); do [ -e "$work/stopped/checkpoint.safetensors" ] && break; sleep 0.01; done
kill -TERM $pid; wait $pid; code=$?
[ $code = 75 ] || fail "exit $code instead of 75 after SIGTERM"
[ ! -e "$work/stopped/manifest.json" ] || fail "a manifest of an unfinished run"
run 2 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --out "$work/stopped" --resume --set user_model.prior_momentum=0.5
grep -q 'prior_momentum' "$work/stderr" || { fail "other settings are not named"; cat "$work/stderr"; }
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --out "$work/stopped" --resume
same "$work/long" "$work/stopped"

# Of several fits the one with the best held-out likelihood is kept; fit 0 is the run without restarts; a stopped run goes on in the fit where it was.
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --set user_model.restarts=3 --out "$work/best"
cp "$work/stdout" "$work/best-summary"
for file in checkpoint.safetensors metrics.jsonl; do
    cmp -s "$work/best/restarts/0/$file" "$work/long/$file" || fail "fit 0 is another than that of a run without restarts: $file"
    cmp -s "$work/best/restarts/0/$file" "$work/best/restarts/1/$file" && fail "fits 0 and 1 are the same: $file"
done
kept=$(sed -n 's/^  fit \([0-9]\) .*held out \(-\{0,1\}[.0-9]*\).*/\2 \1/p' "$work/stdout" | sort -g | tail -n 1 | cut -d' ' -f2)
grep -q "^  fit $kept .*; kept$" "$work/stdout" || { fail "not the best fit is kept"; cat "$work/stdout"; }
grep -q "\"kept\":$kept,.*\"reseeded\":0" "$work/best/fit.json" || { fail "fit.json"; cat "$work/best/fit.json"; }
cmp -s "$work/best/restarts/$kept/metrics.jsonl" "$work/best/metrics.jsonl" || fail "the curves are not those of the fit that is kept"
"$bin/pasta-train-user-model" "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --set user_model.restarts=3 --out "$work/again" >"$work/stdout" 2>"$work/stderr" &
pid=$!
for _ in $(seq 1000); do [ -e "$work/again/restarts/1/checkpoint.safetensors" ] && break; sleep 0.01; done
kill -TERM $pid; wait $pid; code=$?
[ $code = 75 ] || fail "exit $code instead of 75 after SIGTERM in a restart"
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" "${long[@]}" --set user_model.restarts=3 --out "$work/again" --resume
cmp -s "$work/stdout" "$work/best-summary" || fail "a resumed run with restarts tells something else"
same "$work/best" "$work/again"
run 0 train "$@" "${s[@]}" --out "$work/again" --force
[ ! -e "$work/again/restarts" ] || fail "--force leaves restarts behind"

# What is wrong with the types is said in words, in fit.json, in the curves and in the manifest; answers of six people are too few for eight.
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --set user_model.types=8 --out "$work/eight"
grep -q 'warning: duplicate types, .*0\.05 on average: [0-7] of [0-7] (0.0' "$work/stderr" || { fail "duplicates are not named"; cat "$work/stderr"; }
grep -q 'warning: types of fewer than 5 users in training: 0, 1, 2, 3, 4, 5, 6, 7$' "$work/stderr" || fail "types of few users are not named"
grep -q 'warning: K = 8 may be too large' "$work/stderr" || fail "K is not named"
grep -q '"duplicate_types": [1-7]' "$work/eight/manifest.json" || fail "duplicates are not in the manifest"
grep -q '"types/duplicate":[1-7]' "$work/eight/metrics.jsonl" || fail "duplicates are not in metrics.jsonl"
grep -q '"duplicate_of":[0-7]' "$work/eight/fit.json" || fail "duplicates are not in fit.json"
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --set user_model.types=1 --set user_model.least_users=0 --out "$work/single"
[ ! -s "$work/stderr" ] || ! grep -q warning "$work/stderr" || { fail "a warning of nothing"; cat "$work/stderr"; }

run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --out "$work/one" --resume
cmp -s "$work/stdout" "$work/summary" || fail "a complete run tells something else"
run 2 train "$@" "${s[@]}" --out "$work/one"
run 0 train "$@" "${s[@]}" "${p[@]}" --dry-run
grep -qE '^steps_fine +8$' "$work/stdout" || { fail "plan"; cat "$work/stdout"; }

# What the features lack is named with file and record; nothing is left behind.
sed '4s/"image":"[0-9a-f]*"/"image":"feedbeef"/' "$work/collect/ratings.jsonl" >"$work/r.jsonl"
run 3 train "$@" --ratings "$work/r.jsonl" --out "$work/bad"
grep -q "r.jsonl: record 4: image: .*'feedbeef'" "$work/stderr" || { fail "the missing image is not named"; cat "$work/stderr"; }
sed '2s/"prompt":"[^"]*"/"prompt":"never embedded"/' "$work/collect/preferences.jsonl" >"$work/p.jsonl"
run 3 train "$@" --preferences "$work/p.jsonl" --out "$work/bad"
grep -q "p.jsonl: record 2: prompt: .*'never embedded'" "$work/stderr" || { fail "the missing prompt is not named"; cat "$work/stderr"; }
# What would count twice, or make one person of two, is refused.
run 3 train "$@" "${s[@]}" "${s[@]}" --out "$work/bad"
grep -q "sessions.jsonl': expected each record file once" "$work/stderr" || { fail "a file given twice"; cat "$work/stderr"; }
head -3 "$work/collect/sessions.jsonl" >"$work/again.jsonl"
run 3 train "$@" "${s[@]}" --sessions "$work/again.jsonl" --out "$work/bad"
grep -q "again.jsonl': expected each session once, found 'sketch-baseline-5-000000' of 'sketch-000000' again" "$work/stderr" ||
    { fail "a session given twice"; cat "$work/stderr"; }
sed 's/"seed":5,/"seed":6,/; s/baseline-5-/baseline-6-/' "$work/again.jsonl" >"$work/other.jsonl"
run 3 train "$@" "${s[@]}" --sessions "$work/other.jsonl" --out "$work/bad"
grep -q "'sketch-000000' in collections of seeds 5 and 6" "$work/stderr" || { fail "raters of two collections"; cat "$work/stderr"; }

# What the model was trained on: its prompts, less those held out, and the hashes of the split.
ids() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" | LC_ALL=C sort -u | sha256sum | cut -d' ' -f1; }
hash=$(grep '"held_out":false' "$work/one/responsibilities.jsonl" | ids user_id)
grep -q "\"people_trained_on\": {\"ids\": 5, \"sha256\": \"$hash\"}" "$work/one/manifest.json" || fail "people of the split"
grep -q '"people_held_out": {"ids": 1,' "$work/one/manifest.json" || fail "people held out"
hash=$(ids prompt <"$work/one/trained_prompts.jsonl")
grep -q "\"prompts_trained_on\": {\"ids\": $(wc -l <"$work/one/trained_prompts.jsonl"), \"sha256\": \"$hash\"}" "$work/one/manifest.json" ||
    fail "prompts of the split"
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --set user_model.held_out_prompts=0.5 --out "$work/half"
[ "$(wc -l <"$work/half/trained_prompts.jsonl")" -lt "$(wc -l <"$work/one/trained_prompts.jsonl")" ] || fail "no prompt is held out"
grep -c . "$work/half/trained_prompts.jsonl" | grep -qv '^0' || fail "all prompts are held out"

# A sweep: the bytes of single runs, one line a size, gone on with where it stopped; sizes that make no sense are refused.
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --types 1,2,3 --out "$work/sweep"
for name in user_model.safetensors responsibilities.jsonl metrics.jsonl; do
    cmp -s "$work/sweep/K2/$name" "$work/one/$name" || fail "a sweep's $name is not that of a single run"
done
[ "$(grep -cE '^ +[123] +-[0-9.]+ +-[0-9.]+$' "$work/stdout")" = 3 ] || { fail "lines of a sweep"; cat "$work/stdout"; }
rm -r "$work/sweep/K3"
run 0 train "$@" "${s[@]}" "${p[@]}" "${r[@]}" --types 1,2,3 --resume --out "$work/sweep"
[ "$(grep -c 'is complete: nothing to do' "$work/stderr")" = 2 ] || fail "a sweep trains again what is complete"
for list in 0,1 2,1 1,,2 1,2, one 2000; do
    run 2 train "$@" "${s[@]}" --types "$list" --out "$work/bad"
    grep -q "types: expected rising numbers from 1 to 1024, as in 1,2,4,8, found '$list'" "$work/stderr" || fail "message for --types $list"
done

run 2 train "$@" "${s[@]}" --set user_model.types=0 --out "$work/bad"
run 2 train "$@" "${s[@]}" --set user_model.start=hope --out "$work/bad"
run 3 train --config $config "${s[@]}" --features "$work/none" --out "$work/bad"
run 2 train --config $config "${s[@]}" --out "$work/bad"
[ ! -e "$work/bad" ] || fail "a refused run left something behind"
finish

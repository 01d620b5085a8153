# pasta-evaluate: splits cannot leak; rankings; what decides the result decides whether a run may be resumed; --force replaces the sessions of earlier agents.
. tests/lib.sh
config=tests/tiny.json
printf 'a red kite\n' >"$work/prompts.txt"
set -- --config $config --set evaluate.raters=2 --prompts "$work/prompts.txt"
evaluate() { "$bin/pasta-evaluate" "$@"; }

other_world "$bin/pasta-evaluate" "$@"

# Other settings of a user model are another run, though its weights are the same.
run 0 "$bin/pasta-collect" --config $config --out "$work/collect"
data=(--sessions "$work/collect/sessions.jsonl")
pairs=$work/collect/preferences.jsonl
run 0 "$bin/pasta-embed" --config $config "${data[@]}" --preferences "$pairs" --image-root "$work/collect" --out "$work/features"
run 0 "$bin/pasta-train-user-model" --config $config "${data[@]}" --features "$work/features" --out "$work/user"

# Whom the model was trained on is left out, and said; with everybody trained on, nothing is left.
users=(--config $config --features "$work/features" --user-model K2="$work/user")
trained=$(grep -c '"held_out":false' "$work/user/responsibilities.jsonl")
run 0 evaluate "${users[@]}" "${data[@]}" --out "$work/split"
grep -q "^pasta-evaluate: warning: left out [0-9]* of 12 answers (evaluate.split: people): user models were trained on $trained of their people" \
    "$work/stderr" || { fail "what is left out is not said"; cat "$work/stderr"; }
hash=$(grep '"held_out":false' "$work/user/responsibilities.jsonl" | sed -E 's/.*"user_id":"([^"]*)".*/\1/' | LC_ALL=C sort -u | sha256sum | cut -d' ' -f1)
grep -q "\"people_trained_on\": {\"ids\": $trained, \"sha256\": \"$hash\"}" "$work/split/manifest.json" || fail "the hash of the people trained on"
grep -q '"people_evaluated": {"ids": 1,' "$work/split/manifest.json" || fail "the people evaluated"
grep -qE "^ +people +yes +1 +[0-9a-f]{12} +$trained +${hash:0:12} +$trained\$" "$work/stdout" || { fail "the table of the split"; cat "$work/stdout"; }
grep -v "$(grep '"held_out":true' "$work/user/responsibilities.jsonl" | sed -E 's/.*"user_id":"([^"]*)".*/\1/')" "$work/collect/sessions.jsonl" >"$work/known.jsonl"
run 3 evaluate "${users[@]}" --sessions "$work/known.jsonl" --out "$work/leak"
grep -q 'evaluate.split: expected answers of people that no user model was trained on, found none' "$work/stderr" || { fail "a leak"; cat "$work/stderr"; }
run 0 evaluate "${users[@]}" --sessions "$work/known.jsonl" --set evaluate.split=none --out "$work/leak"
grep -q 'evaluate.split: none: user models were trained on' "$work/stderr" || { fail "a leak that is asked for"; cat "$work/stderr"; }
grep -q '^User models on all answers given, whether trained on or not$' "$work/stdout" || fail "the title of a leak"
rm "$work/user/trained_prompts.jsonl"
run 0 evaluate "${users[@]}" "${data[@]}" --out "$work/unknown"
grep -q "user' does not say what it was trained on" "$work/stderr" || { fail "an unknown split"; cat "$work/stderr"; }

# By prompt: the prompts held out of training are what is evaluated, and the intervals can resample them.
run 0 "$bin/pasta-train-user-model" --config $config "${data[@]}" --features "$work/features" --set user_model.held_out_prompts=0.5 --out "$work/by-prompt"
run 0 evaluate --config $config "${data[@]}" --features "$work/features" --user-model "$work/by-prompt" --set evaluate.split=prompts \
    --set evaluate.clusters=prompts --out "$work/prompts"
grep -qE '^ +prompts +yes +[1-9]' "$work/stdout" && grep -q '^User models on held-out prompts$' "$work/stdout" ||
    { fail "held-out prompts"; cat "$work/stdout"; }
grep -q 'interval, prompts resampled' "$work/stdout" || fail "clusters of prompts"

# Rankings, and a threshold for ties from other pairs. A ranking by the model's own scores backwards is all inversions.
prompt=$(grep -o '"initial_prompt":"[^"]*"' "$work/collect/sessions.jsonl" | head -1 | cut -d'"' -f4)
images=$(grep -o '"id":"[0-9a-f]*"' "$work/collect/sessions.jsonl" | head -3 | sed 's/"id"://' | paste -sd,)
rank() { printf '{"schema":"pasta.ranking/1","prompt":"%s","images":[%s],"ranks":[%s]}\n' "$prompt" "$images" "$1" >"$work/$2.jsonl"; }
one=(--config $config --features "$work/features" --user-model K2="$work/by-prompt" --set evaluate.split=none)
value() { # OUT METRIC: of K2
    awk -F, -v metric="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "k2") at = i } $1 == metric { print $at }' "$work/$1/tables/user_models.csv"
}
rank 1,2,3 up; rank 3,2,1 down; rank 1,1,1 flat
run 0 evaluate "${one[@]}" --rankings "$work/up.jsonl" --out "$work/up"
up=$(value up 'ranking accuracy'); rho=$(value up 'ranking rank correlation')
run 0 evaluate "${one[@]}" --rankings "$work/down.jsonl" --out "$work/down"
down=$(value down 'ranking accuracy'); rho="$rho $(value down 'ranking rank correlation')"
awk -v a="$up" -v b="$down" 'BEGIN { exit !(a + b > 0.999 && a + b < 1.001) }' || fail "a ranking and its reverse: $up and $down"
awk -v a="${rho% *}" -v b="${rho#* }" 'BEGIN { exit !(a + b == 0 && a != 0) }' || fail "rank correlations of a ranking and its reverse: $rho"
run 0 evaluate "${one[@]}" --rankings "$work/flat.jsonl" --out "$work/flat"
[ "$(value flat 'ranking accuracy')" = 1 ] || { fail "equal ranks are never wrong"; cat "$work/stdout"; }
tr '\n' ' ' <"$work/stdout" | tr -s ' ' | grep -q 'a side is constant: cosine 1 of 1, K2 1 of 1' || { fail "constant rankings"; cat "$work/stdout"; }

head -15 "$pairs" >"$work/test.jsonl"; tail -15 "$pairs" >"$work/validation.jsonl"
run 0 evaluate "${one[@]}" --preferences "$work/test.jsonl" --validation "$work/validation.jsonl" --out "$work/validated"
tr '\n' ' ' <"$work/stdout" | tr -s ' ' | grep -qE 'the best on the validation pairs: cosine [01]\.[0-9], K2 [01]\.[0-9]\.' ||
    { fail "thresholds from validation pairs"; cat "$work/stdout"; }
run 0 evaluate "${one[@]}" --preferences "$work/test.jsonl" --out "$work/crossed"
tr '\n' ' ' <"$work/stdout" | tr -s ' ' | grep -qE 'best on the other half: cosine [01]\.[0-9] and [01]\.[0-9],' || fail "thresholds by halves"
run 3 evaluate "${one[@]}" --preferences "$work/test.jsonl" --validation "$work/test.jsonl" --out "$work/same"
grep -q 'expected each record file once' "$work/stderr" || { fail "validation on the test pairs"; cat "$work/stderr"; }
run 2 evaluate "${one[@]}" --rankings "$work/up.jsonl" --validation "$work/test.jsonl" --out "$work/same"

# A model is aligned with itself type by type; the report shows what the types like, drawn again or from files.
run 0 evaluate "${one[@]}" "${data[@]}" --user-model again="$work/by-prompt" --out "$work/aligned"
for type in 1 2; do
    grep -qE "^ +K2 +$type +0\.[0-9]+ +again +$type +0\.[0-9]+ +1\.00 +([0-9]+) +([0-9]+) +\2\$" "$work/stdout" || { fail "type $type is not itself"; cat "$work/stdout"; }
done
for likes in most least; do
    [ "$(grep -o "<h4>Likes $likes</h4>" "$work/aligned/report.html" | wc -l)" = 2 ] || fail "what the types like $likes is not in the report"
done
shown() { sed -n '/<div class=galleries>/,$p' "$work/$1/report.html" | grep -o 'data:image/png' | wc -l; }
run 0 evaluate "${one[@]}" --preferences "$work/test.jsonl" --image-root "$work/collect" --out "$work/files"
[ "$(shown aligned)" -gt 3 ] && [ "$(shown files)" -gt 3 ] && [ "$(shown crossed)" = 0 ] ||
    fail "images of types: $(shown aligned) drawn, $(shown files) from files, $(shown crossed) of neither"

users=(--config $config "${data[@]}" --features "$work/features" --user-model K2="$work/user" --out "$work/users")
run 0 evaluate "${users[@]}"
run 0 evaluate "${users[@]}" --resume
echo >>"$work/user/config.json"
run 2 evaluate "${users[@]}" --resume
grep -q 'user model K2, settings' "$work/stderr" || { fail "the user model's settings are not named"; cat "$work/stderr"; }

# --force, in a folder whose name is a pattern.
out="$work/what? [a] *"
run 0 evaluate "$@" --out "$out"
cp "$out/sessions-oracle.jsonl" "$out/sessions-old.jsonl"
echo mine >"$out/sessions.txt"
run 0 evaluate "$@" --out "$out" --force
[ -s "$out/sessions-oracle.jsonl" ] || fail "no sessions"
[ ! -e "$out/sessions-old.jsonl" ] || fail "--force left the sessions of an earlier agent"
[ -e "$out/sessions.txt" ] || fail "--force removed a file of mine"

# Agents that follow a user model and learn nothing: the same bytes on any number of threads, with prompts' embeddings and with images.
play=(--config $config --set evaluate.raters=6)
run 0 "$bin/pasta-train-user-model" --config $config --seed 2 "${data[@]}" --features "$work/features" --out "$work/plain"
run 0 evaluate "${play[@]}" --myopic M="$work/plain" --sampling S="$work/plain" --threads 1 --out "$work/play"
run 0 evaluate "${play[@]}" --myopic M="$work/plain" --sampling S="$work/plain" --threads 2 --out "$work/play2"
for agent in M S; do
    cmp -s "$work/play/sessions-$agent.jsonl" "$work/play2/sessions-$agent.jsonl" || fail "sessions of $agent depend on the number of threads"
    cmp -s "$work/play/sessions-$agent.jsonl" "$work/play/sessions-baseline.jsonl" && fail "$agent is the baseline"
done
cmp -s "$work/play/sessions-M.jsonl" "$work/play/sessions-S.jsonl" && fail "a sampled type is the posterior"
grep -qE '^  M +better ' "$work/stdout" || { fail "no tests against the baseline"; cat "$work/stdout"; }
grep -q 'begin{tabular}' "$work/play/tables/agents.tex" || fail "no LaTeX"
run 0 evaluate "${play[@]}" --myopic M="$work/plain" --set agent.previews=2 --out "$work/previews"
cmp -s "$work/play/sessions-M.jsonl" "$work/previews/sessions-M.jsonl" && fail "previews change nothing"
run 3 evaluate "${play[@]}" --myopic M="$work/nothing" --out "$work/bad"
run 2 evaluate "${play[@]}" --agent A=x --myopic a=y --out "$work/bad"
run 2 evaluate "${play[@]}" --sampling oracle="$work/plain" --out "$work/bad"

# Sessions of earlier evaluations, pooled: one is itself; raters add up; agents must be the same; nobody plays.
run 0 evaluate --config $config --played "$work/play" --out "$work/again"
cmp -s "$work/play/tables/agents.csv" "$work/again/tables/agents.csv" || fail "an evaluation read again gives other numbers"
run 0 evaluate "${play[@]}" --seed 4 --myopic M="$work/plain" --sampling S="$work/plain" --out "$work/other"
run 0 evaluate --config $config --seed 3 --played "$work/play" --played "$work/other" --out "$work/pooled"
grep -q '^M,.*,36,' "$work/pooled/tables/agents.csv" || { fail "raters do not add up"; cat "$work/pooled/tables/agents.csv"; }
grep -q '^M,' "$work/pooled/tables/agents_runs.csv" || fail "no table of runs"
run 3 evaluate --config $config --seed 3 --played "$work/play" --played "$work/previews" --out "$work/bad"
run 2 evaluate --config $config --seed 3 --played "$work/play" --played "$work/play" --out "$work/bad"
run 2 evaluate --config $config --seed 3 --played "$work/play" --myopic M="$work/plain" --out "$work/bad"
cp -r "$work/other" "$work/short" && head -3 "$work/other/sessions-M.jsonl" >"$work/short/sessions-M.jsonl"
run 3 evaluate --config $config --seed 3 --played "$work/short" --out "$work/bad"
grep -q "expected as many sessions with M as with the baseline, 6, found 3" "$work/stderr" || { fail "sessions missing"; cat "$work/stderr"; }
finish

# pasta-evaluate --logged: what agents would get from sessions that another one played; which sessions can tell, and which cannot.
. tests/lib.sh
config=(--config tests/tiny.json)
printf 'a red kite\na fox asleep\n' >"$work/prompts.txt"
collect() { "$bin/pasta-collect" "${config[@]}" --prompts "$work/prompts.txt" --set collect.pairs=0 --set collect.ratings=0 --set collect.save_images=false \
    --set collect.sessions=40 --set collect.raters=20 "$@"; }
offline() { "$bin/pasta-evaluate" "${config[@]}" "$@"; }
cell() { # OUT AGENT COLUMN of the table
    awk -F, -v agent="$2" -v column="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) at = i } $1 == agent { print $at }' "$work/$1/tables/offline.csv"
}

run 0 collect --set agent.epsilon=0 --epsilon 1 --out "$work/random"
grep -q '"exploration":{"epsilon":1,"temperature":0},"turns"' "$work/random/sessions.jsonl" || fail "how slates were drawn is not in the record"
run 0 collect --out "$work/fixed"
run 0 "$bin/pasta-train-pasta" "${config[@]}" --sessions "$work/fixed/sessions.jsonl" --out "$work/pasta"
grep -q '"mean_reward": 0\.' "$work/pasta/value.json" || fail "value.json"

# The agent that was logged has the mean of its sessions, whatever the method; results depend neither on threads nor on an interruption.
run 0 offline --logged "$work/random/sessions.jsonl" --agent PASTA="$work/pasta" --threads 1 --out "$work/offline"
grep -q 'warning: --logged: 40 sessions are few for a fit of 129 features' "$work/stderr" || { fail "too few sessions for a fit"; cat "$work/stderr"; }
mean=$(grep -o '"rating":[0-9]*' "$work/random/sessions.jsonl" | cut -d: -f2 | awk '{ s += $1 } END { printf "%.9f", s / NR }')
[ "$(grep -o '"rating":[0-9]*' "$work/random/sessions.jsonl" | wc -l)" = 120 ] || fail "a turn without a rating"
for column in fitted slates items; do # the fit has more features than sessions here, and a ridge
    awk -v a="$(cell offline random $column)" -v m="$mean" -v e="$([ $column = fitted ] && echo 0.1 || echo 1e-6)" 'BEGIN { exit !(a - m < e && m - a < e) }' ||
        fail "random, $column: expected $mean, found $(cell offline random $column)"
done
awk -v left="$(cell offline random slates_left)" 'BEGIN { exit !(left > 39.99 && left < 40.01) }' || fail "sessions left of the agent itself"
awk -v left="$(cell offline PASTA items_left)" 'BEGIN { exit !(left < 39) }' || fail "sessions left of another agent"
grep -q '^Do agents know what slates brought' "$work/stdout" || fail "the table of Q"
grep -q '<h2[^>]*>Agents, offline' "$work/offline/report.html" || fail "the report"
"$bin/pasta-info" --check "$work/offline" >/dev/null || fail "the outputs are not as the manifest says"
run 0 offline --logged "$work/random/sessions.jsonl" --agent PASTA="$work/pasta" --threads 2 --out "$work/two"
same "$work/offline/tables" "$work/two/tables"
run 0 offline --logged "$work/random/sessions.jsonl" --agent PASTA="$work/pasta" --out "$work/offline" --resume

# An agent that never explored says nothing of others but by the fit.
run 0 offline --logged "$work/fixed/sessions.jsonl" --agent PASTA="$work/pasta" --out "$work/greedy"
[ -n "$(cell greedy PASTA fitted)" ] && [ -z "$(cell greedy PASTA items)" ] && [ -z "$(cell greedy PASTA doubly)" ] || fail "weights without exploration"
[ -n "$(cell greedy baseline slates)" ] || fail "the logged agent itself"
grep -q "fixed/sessions.jsonl' is what agent 'PASTA' was trained on" "$work/stderr" || { fail "trained on what it is judged by"; cat "$work/stderr"; }
# Nor does one that does not say how it explored.
sed 's/"exploration":{[^}]*},//' "$work/random/sessions.jsonl" >"$work/silent.jsonl"
run 0 offline --logged "$work/silent.jsonl" --agent PASTA="$work/pasta" --out "$work/silent"
grep -q '40 of 40 sessions do not say how their agent explored' "$work/stderr" || { fail "silence is not named"; cat "$work/stderr"; }
[ -n "$(cell silent random fitted)" ] && [ -z "$(cell silent random slates)" ] || fail "weights of unknown exploration"
# What it says has to be possible: a slate at random is not the best by scores.
sed 's/"exploration":{"epsilon":1,/"exploration":{"epsilon":0,/' "$work/random/sessions.jsonl" >"$work/wrong.jsonl"
run 3 offline --logged "$work/wrong.jsonl" --agent PASTA="$work/pasta" --out "$work/wrong"
grep -q 'session sketch-baseline-[0-9]*-[0-9]*, turn [0-9]: expected a slate that its scores and its exploration (epsilon 0, temperature 0) can give' \
    "$work/stderr" || { fail "an impossible slate"; cat "$work/stderr"; }
[ ! -e "$work/wrong/manifest.json" ] || fail "a manifest of a failure"

# Sessions that do not list their candidates are left out, and it is said; with none left there is an error.
sed -E '1s/"candidates":\[[^]]*\],"scores":\[[^]]*\],//' "$work/random/sessions.jsonl" | sed -E '1s/"candidate":[0-9]+,//g' >"$work/some.jsonl"
run 0 offline --logged "$work/some.jsonl" --agent PASTA="$work/pasta" --out "$work/some"
grep -q '1 of 40 sessions are left out' "$work/stderr" || { fail "what is left out"; cat "$work/stderr"; }
head -1 "$work/some.jsonl" >"$work/none.jsonl"
run 3 offline --logged "$work/none.jsonl" --agent PASTA="$work/pasta" --out "$work/none"
grep -q -- '--logged: expected sessions whose turns list all candidates' "$work/stderr" || { fail "nothing left"; cat "$work/stderr"; }
[ ! -e "$work/none" ] || fail "a folder of nothing"

sed '2s/"exploration":{"epsilon":1/"exploration":{"epsilon":7/' "$work/random/sessions.jsonl" >"$work/bad.jsonl"
run 3 offline --logged "$work/bad.jsonl" --agent PASTA="$work/pasta" --out "$work/bad"
grep -q 'bad.jsonl:2: exploration.epsilon: expected a number from 0 to 1, found 7' "$work/stderr" || { fail "a bad epsilon"; cat "$work/stderr"; }
run 2 collect --epsilon 1.5 --out "$work/x"
grep -q -- '--epsilon: agent.epsilon: expected a number from 0 to 1, found 1.5' "$work/stderr" || { fail "a flag that is a key"; cat "$work/stderr"; }
run 2 offline --logged "$work/random/sessions.jsonl" --out "$work/x"
run 2 offline --logged "$work/random/sessions.jsonl" --agent PASTA="$work/pasta" --prompts "$work/prompts.txt" --out "$work/x"
run 3 offline --logged "$work/random/sessions.jsonl" --logged "$work/random/sessions.jsonl" --agent PASTA="$work/pasta" --out "$work/x"
[ ! -e "$work/x" ] || fail "a folder of a refusal"
finish

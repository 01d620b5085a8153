# pasta-score: the scores that pasta-evaluate writes, to the last digit, over recorded sessions and one request at a time.
. tests/lib.sh
config=tests/tiny.json
score() { "$bin/pasta-score" --threads 1 "$@"; }
only_scores() { grep -oE '"scores":\[[^]]*\]' "$1"; }
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
run 0 "$bin/pasta-train-pasta" --config $config --set value.choice_steps=1 --set value.train.steps=1 --sessions "$work/collect/sessions.jsonl" --out "$work/pasta"
run 0 "$bin/pasta-evaluate" --config $config --agent P="$work/pasta" --out "$work/play"
[ $failures -eq 0 ] || finish
played=$work/play/sessions-P.jsonl
only_scores "$played" >"$work/expected"
[ "$(wc -l <"$work/expected")" = 24 ] || fail "8 sessions with 3 turns were expected"

# Every turn of recorded sessions.
run 0 score --agent "$work/pasta" --sessions "$played"
cp "$work/stdout" "$work/scores.jsonl"
only_scores "$work/scores.jsonl" | cmp -s - "$work/expected" || fail "--sessions: other scores than pasta-evaluate's"
[ "$(sort -u "$work/expected" | wc -l)" = 24 ] || fail "the agent scores alike whatever it is asked"
[ "$(grep -cE '^\{"schema":"pasta.scores/1","session_id":"sketch-P-1-[0-9]{7}","turn":[123],"scores":\[' "$work/scores.jsonl")" = 24 ] || fail "lines of --sessions"
sed -E 's/"candidates":\[[^]]*\],"scores":\[[^]]*\],//g; s/,"candidate":[0-9]+//g' "$played" >"$work/without.jsonl"
run 3 score --agent "$work/pasta" --sessions "$work/without.jsonl"
grep -q 'expected turns with their candidates, found none' "$work/stderr" || fail "sessions without candidates"

# The first and last turns as requests; a bad line is answered and the next one too.
ask() { sed -E "s/^(.*\"turns\":\[)($1)(\{\"turn\":$2,(\"candidates\":\[[^]]*\]).*)\$/{\"schema\":\"pasta.score_request\/1\",\"session\":\1\2]},\"person\":0,\"index\":0,\4}/"; }
{
    head -2 "$played" | ask '' 1
    echo '{"schema":"pasta.score_request/1"}'
    echo 'nonsense'
    sed -n 2p "$played" | ask '.*' 3 | sed 's/,\]},"person"/]},"person"/'
} >"$work/requests"
run 0 score --agent "$work/pasta" <"$work/requests"
printf '{"schema":"pasta.scorer/1","name":"pasta-score %s"}\n' "$work/pasta" | cmp -s - <(head -1 "$work/stdout") || fail "the first line: $(head -1 "$work/stdout")"
[ "$(wc -l <"$work/stdout")" = 6 ] || fail "a line for each request: $(wc -l <"$work/stdout")"
only_scores "$work/stdout" | cmp -s - <(sed -n '1p;4p;6p' "$work/expected") || { fail "requests: other scores"; cut -c1-200 "$work/stdout"; }
sed -n 4p "$work/stdout" | grep -qF '{"error":"request 3: session: expected an object, found nothing"}' || { fail "a request without a session"; sed -n 4p "$work/stdout"; }
sed -n 5p "$work/stdout" | grep -qF '{"error":"request 4: broken JSON at column 1' || { fail "nonsense"; sed -n 5p "$work/stdout"; }

# SIGTERM ends it at once, while it waits.
mkfifo "$work/fifo"
"$bin/pasta-score" --agent "$work/pasta" <"$work/fifo" >"$work/waiting" & pid=$!
exec 9>"$work/fifo"
for _ in $(seq 3000); do [ -s "$work/waiting" ] && break; sleep 0.01; done
kill -TERM $pid; wait $pid; code=$?
exec 9>&-
[ $code = 0 ] || fail "exit $code after SIGTERM"
run 2 score --agent "$work/pasta" --skip-bad 1 </dev/null
run 3 score --agent "$work/none" </dev/null
finish

# pasta-collect --arm: sketch raters under a trained agent and under one's own; agents that die, hang or talk nonsense.
. tests/lib.sh
config=tests/tiny.json
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
run 0 "$bin/pasta-train-pasta" --config $config --set value.choice_steps=1 --set value.train.steps=1 --sessions "$work/collect/sessions.jsonl" --out "$work/pasta"
[ $failures -eq 0 ] || finish
only_scores() { grep -oE '"scores":\[[^]]*\]' "$1"; }

# Sketch raters under an agent: the scores are its own, and the bytes do not depend on how many processes play it.
set -- --config $config --seed 6 --set collect.pairs=0 --set collect.ratings=0 --set collect.save_images=false
collect() { "$bin/pasta-collect" "$@"; }
run 0 collect "$@" --arm mine="$work/pasta" --threads 1 --out "$work/one"
run 0 collect "$@" --arm mine="$work/pasta" --threads 3 --out "$work/three"
same "$work/one" "$work/three"
run 0 "$bin/pasta-score" --threads 1 --agent "$work/pasta" --sessions "$work/one/sessions.jsonl"
only_scores "$work/stdout" | cmp -s - <(only_scores "$work/one/sessions.jsonl") || fail "--arm: other scores than the agent's"
[ "$(grep -c '"session_id":"sketch-mine-6-.*"agent":"mine"' "$work/one/sessions.jsonl")" = 12 ] || fail "the arm's name is not in the records"
grep -q "\"path\": \"$work/pasta/f/model.safetensors\"" "$work/one/manifest.json" || fail "the agent is not in the manifest"
cp -R "$work/pasta" "$work/other" && printf ' ' >>"$work/other/f/config.json"
run 2 collect "$@" --arm mine="$work/other" --out "$work/one" --resume
grep -q 'arm/mine/f/config.json' "$work/stderr" || { fail "another agent is not told from the first"; cat "$work/stderr"; }
run 0 collect "$@" --arm b=baseline --out "$work/b"
run 0 collect "$@" --out "$work/baseline"
sed 's/sketch-b-/sketch-baseline-/; s/"agent":"b"/"agent":"baseline"/' "$work/b/sessions.jsonl" | cmp -s - "$work/baseline/sessions.jsonl" ||
    fail "the baseline under a name is another agent"

# An agent of one's own that dies in the middle: nothing half-written, and the run goes on from there.
export D=$work
mine='s=$(seq -s , 25); echo "{\"schema\":\"pasta.scorer/1\",\"name\":\"mine\"}"; echo $$ >>$D/pids
    while read -r line; do
        case $line in *\"index\":10,*) [ -e $D/mended ] || { echo "no memory" >&2; exit 3; };; esac
        echo "{\"scores\":[$s]}"
    done'
run 1 collect "$@" --arm own="command:$mine" --threads 2 --out "$work/own"
grep -q "^pasta-collect: error: session sketch-own-6-000010, turn 1: agent 'own': the process ended with exit code 3: no memory\$" "$work/stderr" ||
    { fail "an agent that died"; cat "$work/stderr"; }
[ ! -e "$work/own/manifest.json" ] && [ ! -e "$work/own/sessions.jsonl" ] || fail "half a run looks whole"
: >"$work/mended"
run 2 collect "$@" --arm own="command:$mine " --out "$work/own" --resume
run 0 collect "$@" --arm own="command:$mine" --threads 1 --out "$work/own" --resume
run 0 collect "$@" --arm own="command:$mine" --threads 3 --out "$work/whole"
same "$work/own" "$work/whole"
[ "$(grep -oE '"scores":\[1,2,3,[^]]*,25\]' "$work/own/sessions.jsonl" | wc -l)" = 36 ] || fail "the scores of one's own agent"

# No agent outlives whoever asks it.
hang='echo $$ >$D/hanging; echo "{\"schema\":\"pasta.scorer/1\",\"name\":\"h\"}"; while read -r line; do :; done'
"$bin/pasta-collect" "$@" --arm h="command:$hang" --threads 1 --out "$work/hang" 2>/dev/null & pid=$!; disown
for _ in $(seq 3000); do [ -s "$work/hanging" ] && break; sleep 0.01; done
kill -KILL $pid
echo "$(cat "$work/hanging")" >>"$work/pids"
for child in $(cat "$work/pids"); do
    for _ in $(seq 1000); do kill -0 "$child" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$child/status" 2>/dev/null || break; sleep 0.01; done
    kill -0 "$child" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$child/status" 2>/dev/null && fail "an agent was left behind"
done
# Asked to stop, a run does not wait for an agent that thinks.
rm "$work/hanging"
"$bin/pasta-collect" "$@" --arm h="command:$hang" --threads 1 --out "$work/hang" --force 2>"$work/stderr" & pid=$!
for _ in $(seq 3000); do [ -s "$work/hanging" ] && break; sleep 0.01; done
kill -TERM $pid; wait $pid; code=$?
[ $code = 75 ] || { fail "exit $code after SIGTERM while an agent was asked"; cat "$work/stderr"; }

# refused CODE PATTERN ARM...
refused() {
    local code=$1 pattern=$2; shift 2
    run "$code" collect --config $config "$@" --out "$work/bad"
    grep -qF -- "$pattern" "$work/stderr" || { fail "$pattern"; cat "$work/stderr"; }
}
refused 1 "agent 'x': first line: broken JSON at column 1; it said 'hello'" --arm 'x=command:echo hello; cat'
refused 1 "agent 'x': the process ended with exit code 127: " --arm 'x=command:no-such-program'
refused 2 "--arm: expected one, under which all sessions are collected, found 2" --arm x=baseline --arm y=random
refused 3 "--arm: 'x': expected baseline, random, command:COMMAND LINE or the folder of a trained agent, found no '$work/collect/f/config.json'" --arm x="$work/collect"
[ ! -e "$work/bad" ] || fail "a refused run left something behind"
finish

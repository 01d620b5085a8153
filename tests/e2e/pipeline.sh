# The five stages end to end at a tiny size: every stage finishes; 1 and 2 threads give the same bytes; a run killed with
# SIGKILL at random moments and resumed gives the bytes of an uninterrupted one.
. tests/lib.sh
config=tests/tiny.json

# pipeline OUT THREADS WRAPPER...: WRAPPER runs one stage
pipeline() {
    local out=$1 threads=$2; shift 2
    local common=(--config $config --seed 3 --threads "$threads")
    "$@" "$bin/pasta-collect" "${common[@]}" --out "$out/collect" &&
    "$@" "$bin/pasta-embed" "${common[@]}" --sessions "$out/collect/sessions.jsonl" --preferences "$out/collect/preferences.jsonl" \
        --ratings "$out/collect/ratings.jsonl" --image-root "$out/collect" --out "$out/features" &&
    "$@" "$bin/pasta-train-user-model" "${common[@]}" --sessions "$out/collect/sessions.jsonl" --preferences "$out/collect/preferences.jsonl" \
        --ratings "$out/collect/ratings.jsonl" --features "$out/features" --out "$out/user-model" &&
    "$@" "$bin/pasta-simulate" "${common[@]}" --user-model "$out/user-model" --out "$out/simulated" &&
    "$@" "$bin/pasta-train-pasta" "${common[@]}" --sessions "$out/collect/sessions.jsonl" --sessions "$out/simulated/sessions.jsonl" \
        --out "$out/pasta" &&
    "$@" "$bin/pasta-evaluate" "${common[@]}" --user-model K2="$out/user-model" --features "$out/features" \
        --sessions "$out/collect/sessions.jsonl" --preferences "$out/collect/preferences.jsonl" --ratings "$out/collect/ratings.jsonl" \
        --agent PASTA="$out/pasta" --out "$out/evaluate"
}

plain() { "$@" >"$work/stdout" 2>"$work/stderr" || { fail "exit $?: $*"; tail -3 "$work/stderr"; return 1; }; }

# Kills the stage at a random moment up to four times, then lets it finish; every start but the first resumes.
killed=0
tortured() {
    local again=() try
    for try in 1 2 3 4; do
        "$@" "${again[@]}" >"$work/stdout" 2>"$work/stderr" &
        local pid=$!
        sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
        kill -KILL $pid 2>/dev/null && killed=$((killed + 1))
        wait $pid 2>/dev/null
        again=(--resume)
    done
    plain "$@" --resume
}

pipeline "$work/one" 1 plain || finish
pipeline "$work/two" 2 plain || finish
for stage in collect features simulated; do same "$work/one/$stage" "$work/two/$stage"; done
[ -s "$work/one/evaluate/report.html" ] || fail "no report"
grep -oE 'https?://[^"<> ]+' "$work/one/evaluate/report.html" | grep -v '^http://www\.w3\.org/' && fail "the report points to the network"

# What pasta-evaluate loads is in its manifest by name and in its stamp by content.
for file in features/{image.safetensors,text.safetensors,index.jsonl} user-model/{user_model.safetensors,config.json} \
    pasta/{f,v}/{model.safetensors,config.json,tokenizer_config.json} pasta/f/tokenizer.model; do
    grep -qF "\"$work/one/$file\"" "$work/one/evaluate/manifest.json" || fail "evaluate's manifest does not know $file"
    grep -q "$(sha256sum <"$work/one/$file" | cut -d' ' -f1)" "$work/one/evaluate/settings.json" || fail "evaluate's stamp does not know $file"
done
RANDOM=7
pipeline "$work/killed" 2 tortured || finish
for stage in collect features user-model simulated pasta evaluate; do same "$work/two/$stage" "$work/killed/$stage"; done
[ $killed -gt 0 ] || fail "no run was killed: the test tested nothing"
echo "killed $killed runs"

# Nothing is overwritten without --force, and a complete run resumes to nothing.
run 2 "$bin/pasta-collect" --config $config --out "$work/one/collect"
run 0 "$bin/pasta-collect" --config $config --seed 3 --out "$work/one/collect" --resume
same "$work/one/collect" "$work/two/collect"
finish

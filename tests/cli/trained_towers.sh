# pasta-train-user-model with user_model.towers=trained: the encoder that comes out is used by every later stage; killed is uninterrupted; messages and exit codes.
. tests/lib.sh
config=tests/tiny.json
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
s=(--sessions "$work/collect/sessions.jsonl") p=(--preferences "$work/collect/preferences.jsonl") r=(--ratings "$work/collect/ratings.jsonl")
embed() { "$bin/pasta-embed" --config $config "${s[@]}" "${p[@]}" "${r[@]}" --image-root "$work/collect" "$@"; }
run 0 embed --out "$work/features"
[ $failures -eq 0 ] || finish

set -- --config $config --seed 5 --threads 2 --set user_model.fine.steps=20 "${s[@]}" "${p[@]}" "${r[@]}" --features "$work/features"
trained=(--set user_model.towers=trained --image-root "$work/collect")
train() { "$bin/pasta-train-user-model" "$@"; }
run 0 train "$@" "${trained[@]}" --set user_model.towers_rate=0.1 --out "$work/model"
cp "$work/stdout" "$work/summary"
grep -q '^types        2' "$work/summary" || { fail "summary"; cat "$work/summary"; }
cmp -s "$work/model/encoder/model.safetensors" data/models/clip-sketch/model.safetensors && fail "the encoder was not saved as trained"
for name in model.safetensors config.json preprocessor_config.json vocab.json merges.txt; do
    grep -q "\"encoder/$name\"" "$work/model/manifest.json" || fail "encoder/$name is not in the manifest"
done
run 0 train "$@" "${trained[@]}" --set user_model.towers_rate=0.1 --out "$work/model" --resume
cmp -s "$work/stdout" "$work/summary" || { fail "a complete run tells something else"; cat "$work/stderr"; }

# Its features are another encoder's than those it started from; simulated users see with it.
run 0 embed --model "$work/model/encoder" --out "$work/own-features"
evaluate() { "$bin/pasta-evaluate" --config $config --seed 6 --set evaluate.split=none "${s[@]}" "${p[@]}" "${r[@]}" --user-model "T=$work/model" "$@"; }
run 0 evaluate --features "$work/own-features" --out "$work/evaluate"
run 3 evaluate --features "$work/features" --out "$work/bad"
grep -q 'expected features of encoder' "$work/stderr" || { fail "features of another encoder"; cat "$work/stderr"; }
run 0 "$bin/pasta-simulate" --config $config --seed 5 --user-model "$work/model" --set simulate.sessions=2 --out "$work/simulated"
run 3 "$bin/pasta-simulate" --config $config --seed 5 --user-model "$work/model" --model data/models/clip-sketch --set simulate.sessions=2 --out "$work/bad"

# Killed and resumed, from a checkpoint of each phase: the first one, and the first with curves of the second phase.
for curve in loss/pair loss/choice; do
    "$bin/pasta-train-user-model" "$@" "${trained[@]}" --set user_model.towers_rate=0.1 --out "$work/killed" --resume >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 2000); do
        [ -e "$work/killed/checkpoint.safetensors" ] && grep -qs "\"$curve\"" "$work/killed/metrics.jsonl" && break
        sleep 0.02
    done
    kill -KILL $pid 2>/dev/null || fail "not killed at $curve: the test tested nothing"
    wait $pid 2>/dev/null
    [ -e "$work/killed/checkpoint.safetensors" ] || fail "no checkpoint at $curve"
done
run 0 train "$@" "${trained[@]}" --set user_model.towers_rate=0.1 --out "$work/killed" --resume
same "$work/model" "$work/killed"
run 0 train "$@" --out "$work/killed" --force
[ ! -e "$work/killed/encoder" ] || fail "--force leaves an encoder behind"

# What would be a mistake to train with; one image missing of all; another picture under its name.
run 2 train "$@" "${trained[@]}" --set user_model.reseed=1 --out "$work/bad"
run 2 train "$@" "${trained[@]}" --types 1,2 --out "$work/bad"
grep -q -- '--types: expected frozen towers' "$work/stderr" || { fail "a sweep with trained towers"; cat "$work/stderr"; }
run 0 train "$@" "${trained[@]}" --dry-run
grep -qE '^parameters_towers +[1-9]' "$work/stdout" || { fail "plan"; cat "$work/stdout"; }
run 3 train "$@" --set user_model.towers=trained --image-root "$work" --dry-run
run 0 train "$@" "${trained[@]}" --set user_model.restarts=2 --set user_model.main.steps=2 --set user_model.fine.steps=1 --out "$work/restarts"
[ -s "$work/restarts/encoder/model.safetensors" ] || fail "no encoder of the best fit"
image=$(cd "$work/collect" && find images -name '*.png' | sort | head -1)
mv "$work/collect/$image" "$work/kept"
run 3 train "$@" "${trained[@]}" --out "$work/bad"
grep -q "$image': expected an image" "$work/stderr" || { fail "the missing image is not named"; cat "$work/stderr"; }
run 0 train "$@" "${trained[@]}" --set user_model.towers_rate=0.1 --out "$work/model" --resume
mv "$work/kept" "$work/collect/$image"

# What it needs, and what frozen towers have no use for.
run 3 train "$@" --set user_model.towers=trained --image-root "$work" --out "$work/bad"
grep -q "images/.*png': expected an image, which trained towers look at" "$work/stderr" || { fail "no images"; cat "$work/stderr"; }
run 3 train "$@" "${trained[@]}" --model "$work/model/encoder" --out "$work/bad"
grep -q 'expected the encoder of the features' "$work/stderr" || { fail "another encoder"; cat "$work/stderr"; }
for flag in image-root model; do
    run 2 train "$@" "--$flag" "$work/collect" --out "$work/bad"
    grep -q -- "--$flag: expected --set user_model.towers=trained" "$work/stderr" || { fail "--$flag with frozen towers"; cat "$work/stderr"; }
done
[ ! -e "$work/bad" ] || fail "an invalid run leaves something behind"
head -c 100 "$work/collect/$image" >"$work/short" && mv "$work/short" "$work/collect/$image"
run 3 train "$@" "${trained[@]}" --out "$work/broken"
grep -q "$image" "$work/stderr" || { fail "a broken image is not named"; cat "$work/stderr"; }
[ ! -e "$work/broken/manifest.json" ] || fail "a manifest of an unfinished run"
finish

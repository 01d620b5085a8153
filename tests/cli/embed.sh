# pasta-embed. Of records: the same bytes with 1 and 2 threads; --dry-run reads and writes nothing; a complete pack is not taken for one of
# other records. Of lists: memory, kills, batches and threads leave no trace in the result; prompts are taken as they are; scores; refusals.
. tests/lib.sh
config=tests/tiny.json
run 0 "$bin/pasta-collect" --config $config --seed 6 --out "$work/collect"
[ $failures -eq 0 ] || finish
set -- --config $config --sessions "$work/collect/sessions.jsonl" --image-root "$work/collect"
embed() { "$bin/pasta-embed" "$@"; }

run 0 embed "$@" --dry-run --json
grep -q '^{"images":288,"texts":[0-9]*,"dim":[0-9]*,"features_disk":[0-9]*}$' "$work/stdout" || { fail "--dry-run"; cat "$work/stdout"; }
run 3 embed --config $config --sessions "$work/collect/sessions.jsonl" --image-root "$work" --dry-run
grep -q "expected an image, found no file" "$work/stderr" || { fail "an image that is not there"; cat "$work/stderr"; }

run 0 embed "$@" --threads 1 --out "$work/one"
run 0 embed "$@" --threads 2 --out "$work/two" --json
grep -qE '^\{"images":288,"texts":[0-9]+,"dim":[0-9]+,"encoder":"[0-9a-f]{64}"\}$' "$work/stdout" || { fail "--json"; cat "$work/stdout"; }
cp "$work/stdout" "$work/summary"
run 0 embed "$@" --threads 2 --out "$work/two" --json --resume
cmp -s "$work/summary" "$work/stdout" || { fail "--json of a complete pack"; cat "$work/stdout"; }
same "$work/one" "$work/two"
run 0 embed "$@" --out "$work/one" --resume
grep -q "is complete: nothing to do" "$work/stderr" || { fail "resuming a complete pack"; cat "$work/stderr"; }
run 2 embed "$@" --preferences "$work/collect/preferences.jsonl" --out "$work/one" --resume
grep -q "settings.json': expected the settings that this run was started with" "$work/stderr" || { fail "other records"; cat "$work/stderr"; }
run 0 embed "$@" --preferences "$work/collect/preferences.jsonl" --out "$work/one" --force
cmp -s "$work/one/image.safetensors" "$work/two/image.safetensors" && fail "--force did not replace the pack"

# Images of any format, by path and by id.
pictures=tests/golden/data/images
mkdir -p "$work/public/images/rg" "$work/public/images/lo"
cp $pictures/rgb-420.jpg "$work/public/images/rg" && cp $pictures/lossy.webp "$work/public/images/lo"
echo '{"schema":"pasta.preference/1","prompt":"a fox","images":["rgb-420","lossy"],"label":1,"user_id":"u"}' >"$work/public/preferences.jsonl"
run 0 embed --preferences "$work/public/preferences.jsonl" --image-root "$work/public" --out "$work/public-features"
run 0 "$bin/pasta-info" $pictures/rgb-420.jpg $pictures/lossy.webp $pictures/grey-1.png
printf '%s\n' "$pictures/rgb-420.jpg: JPEG, 19 x 13" "$pictures/lossy.webp: WebP, 19 x 13" "$pictures/grey-1.png: PNG, 19 x 13" |
    cmp -s - "$work/stdout" || { fail "pasta-info of images"; cat "$work/stdout"; }
truncate -s 300 "$work/public/images/rg/rgb-420.jpg"
run 3 embed --preferences "$work/public/preferences.jsonl" --image-root "$work/public" --out "$work/cut-features"
grep -q "rg/rgb-420.jpg': broken JPEG image: the file is truncated$" "$work/stderr" || { fail "a truncated JPEG"; cat "$work/stderr"; }

# --- lists ---
(cd "$work/collect" && find images -name '*.png' | LC_ALL=C sort | head -20) >"$work/images.txt"
sed -n '3p;3p;1p' "$work/images.txt" >>"$work/images.txt"
cat >"$work/prompts.jsonl" <<'END'
{"text":"a cat"}
{"text":""}
{"text":"first line\nsecond line, of more words than the others have, so that lengths differ"}

{"text":"a cat"}
{"prompt":"  a dog in the rain  "}
END
for i in $(seq 1 20); do echo "{\"text\":\"a picture of $i cats$(printf ' and a dog%.0s' $(seq 1 $((i % 5))))\"}"; done >>"$work/prompts.jsonl"
lists=(--images "$work/images.txt" --image-root "$work/collect")
prompts=(--prompts "$work/prompts.jsonl")
gemma=(--model data/models/gemma-sketch "${prompts[@]}")
small=(--set embed.window=4 --set embed.batch=3)

# close A B BOUND: the same tensors within BOUND, relative for log-probabilities
cat >"$work/close.awk" <<'END'
{ n++; d = $1 - $2; if (d < 0) d = -d; m = $2 < 0 ? -$2 : $2; if (m < 1) m = 1; if (d > bound * m) bad++ }
END { if (!n || bad) { print bad " of " n " values differ"; exit 1 } }
END
# floats FILE: the values of all its tensors, one a line, without the header
floats() { local header; header=$(od -An -t u8 -N 8 "$1" | tr -d ' '); od -An -v -t f4 -w4 -j $((8 + header)) "$1"; }
close() { paste <(floats "$1") <(floats "$2") | awk -v bound="$3" -f "$work/close.awk" || fail "$1 and $2 differ"; }
# shape FILE: its tensors' names and shapes
shape() { head -c 4096 "$1" | grep -aoE '"[a-z_]+":\{"dtype":"F32","shape":\[[0-9,]+\]' | sed 's/{"dtype":"F32","shape"://' | tr '\n' ' '; }

for kind in clip gemma scores; do
    case $kind in
    clip) form=("${lists[@]}" "${prompts[@]}"); expected='"image_embeds":[23,64] "text_embeds":[25,64] ' ;;
    gemma) form=("${gemma[@]}"); expected='"last_token_hidden":[25,64] "sequence_log_prob":[25] ' ;;
    scores) form=(--score clip --images "$work/images.txt" --image-root "$work/collect" --prompts "$work/pairs.txt"); expected='"scores":[23] '
        { sed -n '1,20p' README.md; printf 'a cat\n\na cat'; } >"$work/pairs.txt" ;;
    esac
    whole=$work/$kind.safetensors
    run 0 embed "${form[@]}" --out "$whole"
    [ "$(shape "$whole")" = "$expected" ] || fail "$kind: tensors $(shape "$whole")"
    run 2 embed "${form[@]}" --out "$whole"
    run 0 embed "${form[@]}" --out "$whole" --resume
    grep -q "is complete: nothing to do" "$work/stderr" || { fail "$kind: a complete file"; cat "$work/stderr"; }
    # other batches, windows and threads
    run 0 embed "${form[@]}" "${small[@]}" --threads 1 --out "$work/$kind-small.safetensors"
    run 0 embed "${form[@]}" "${small[@]}" --threads 2 --out "$work/$kind-two.safetensors"
    cmp -s "$work/$kind-small.safetensors" "$work/$kind-two.safetensors" || fail "$kind: 1 and 2 threads differ"
    run 0 embed "${form[@]}" --set embed.batch=1 --set embed.window=5 --out "$work/$kind-one.safetensors"
    close "$whole" "$work/$kind-small.safetensors" 1e-5
    close "$whole" "$work/$kind-one.safetensors" 1e-5
done
[ "$(floats "$work/scores.safetensors" | sed -n '21p')" = "$(floats "$work/scores.safetensors" | sed -n '23p')" ] && fail "a text's score is the same for two images"

# killed in the middle, and resumed: an image that is a pipe holds the run up, so that it is surely there
marked() { [ -f "$1.partial" ] && tail -c 8 "$1.partial" | od -An -t u8 | tr -d ' \n'; }
# stop_at N FILE COMMAND...: kills the command once N rows of FILE are marked; where `held` is a pipe, after a second one tried to join in
stop_at() {
    local rows=$1 file=$2 pid i; shift 2
    "$@" --out "$file" >/dev/null 2>&1 &
    pid=$!
    for i in $(seq 1 600); do
        [ "$(marked "$file")" -ge "$rows" ] 2>/dev/null && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    if [ -p "$held" ]; then
        run 2 "$@" --out "$file" --resume
        grep -q "another run is writing it" "$work/stderr" || { fail "$file: two runs at once"; cat "$work/stderr"; }
    fi
    kill -9 $pid 2>/dev/null || fail "$file: the run was over before it could be killed"
    wait $pid 2>/dev/null
    [ -e "$file" ] && fail "$file: a killed run left it"
}
held=$work/collect/$(sed -n '9p' "$work/images.txt")
for kind in clip scores; do
    form=("${lists[@]}" "${prompts[@]}")
    [ $kind = scores ] && form=(--score clip "${lists[@]}" --prompts "$work/pairs.txt")
    killed=$work/$kind-killed.safetensors
    mv "$held" "$held.away"; mkfifo "$held"
    stop_at 8 "$killed" "$bin/pasta-embed" "${form[@]}" "${small[@]}" --threads 1
    [ "$(marked "$killed")" = 8 ] || fail "$kind: $(marked "$killed") rows are marked instead of 8"
    rm "$held"; mv "$held.away" "$held"
    run 2 embed "${form[@]}" "${small[@]}" --out "$killed"
    grep -q "partial' is of a run that did not end: --resume goes on with it" "$work/stderr" || { fail "$kind: an unfinished run"; cat "$work/stderr"; }
    run 2 embed "${form[@]}" --out "$killed" --resume
    grep -q 'partial.: expected the run that it is of, batch "3", found "32"' "$work/stderr" || { fail "$kind: other settings"; cat "$work/stderr"; }
    run 0 embed "${form[@]}" "${small[@]}" --out "$killed" --resume
    cmp -s "$killed" "$work/$kind-small.safetensors" || fail "$kind: killed and resumed is not what it would have been"
done
for i in $(seq 1 600); do echo "a picture of $i cats"; done >"$work/many.txt"
many=(--model data/models/gemma-sketch --prompts "$work/many.txt" --set embed.window=1)
run 0 embed "${many[@]}" --out "$work/many.safetensors"
stop_at 3 "$work/many-killed.safetensors" "$bin/pasta-embed" "${many[@]}"
run 0 embed "${many[@]}" --out "$work/many-killed.safetensors" --resume
cmp -s "$work/many.safetensors" "$work/many-killed.safetensors" || fail "gemma: killed and resumed is not what it would have been"
# stopped by a signal
"$bin/pasta-embed" "${many[@]}" --out "$work/many-stopped.safetensors" 2>"$work/stderr" &
pid=$!
until [ "$(marked "$work/many-stopped.safetensors")" -ge 3 ] 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -TERM $pid; wait $pid
[ $? -eq 75 ] || fail "stopped: wrong exit code"
grep -q "stopped; --resume goes on from here" "$work/stderr" || { fail "stopped: no word of --resume"; cat "$work/stderr"; }
run 0 embed "${many[@]}" --out "$work/many-stopped.safetensors" --resume
cmp -s "$work/many.safetensors" "$work/many-stopped.safetensors" || fail "gemma: stopped and resumed is not what it would have been"
# a full disk
(ulimit -f 8; exec "$bin/pasta-embed" "${many[@]}" --out "$work/full.safetensors") >/dev/null 2>"$work/stderr"
[ $? -eq 1 ] || fail "a full disk: wrong exit code"
grep -q "cannot write '.*full.safetensors.partial': File too large" "$work/stderr" || { fail "a full disk is not named"; cat "$work/stderr"; }
ls "$work"/full.* >/dev/null 2>&1 && fail "a full disk: something is left"

# prompts as they are: what a line says, and what JSON says, are the same texts
printf 'a cat\n\n  a dog in the rain  \n' >"$work/plain.txt"
printf '{"text":"a cat"}\n{"text":""}\n{"text":"  a dog in the rain  "}\n' >"$work/plain.jsonl"
printf '{"text":"a cat"}\n{"text":"x\\ny"}\n{"text":"a dog"}\n' >"$work/newline.jsonl"
for name in plain.txt plain.jsonl newline.jsonl; do
    run 0 embed --model data/models/gemma-sketch --prompts "$work/$name" --out "$work/$name.safetensors"
    floats "$work/$name.safetensors" >"$work/$name.floats"
done
cmp -s "$work/plain.txt.floats" "$work/plain.jsonl.floats" || fail "the same texts from .txt and .jsonl differ"
cmp -s "$work/plain.txt.floats" "$work/newline.jsonl.floats" && fail "other texts are the same"
[ "$(tail -2 "$work/plain.txt.floats" | head -1 | tr -d ' ')" = 0 ] || fail "the log-probability of an empty text is not 0"

# scores as lines
pairs=(--score clip "${lists[@]}" --prompts "$work/pairs.txt")
run 0 embed "${pairs[@]}" --out "$work/scores.jsonl"
[ "$(wc -l <"$work/scores.jsonl")" -eq 23 ] || fail "scores.jsonl has $(wc -l <"$work/scores.jsonl") lines"
sed 's/.*"score":\(.*\)}$/\1/' "$work/scores.jsonl" | paste - <(floats "$work/scores.safetensors") | awk -v bound=1e-6 -f "$work/close.awk" ||
    fail "scores as lines and as a tensor differ"
grep -qE '^\{"text":"","image":"images/../[0-9a-f]{64}.png","score":-?[0-9.e-]+\}$' "$work/scores.jsonl" || { fail "a score's line"; tail -2 "$work/scores.jsonl"; }
[ "$(echo "$work"/scores.jsonl.*)" = "$work/scores.jsonl.safetensors" ] || fail "beside scores.jsonl: $(ls "$work"/scores.jsonl.*)"
cp "$work/scores.jsonl" "$work/lines"
run 0 embed "${pairs[@]}" --out "$work/scores.jsonl" --resume
grep -q "is complete: nothing to do" "$work/stderr" || { fail "complete scores"; cat "$work/stderr"; }
run 2 embed "${pairs[@]}" --out "$work/scores.jsonl"
# of another model, by another score, in another dtype
cp -R data/models/clip-sketch "$work/other-clip"; echo >>"$work/other-clip/config.json"
for other in "clip --model $work/other-clip" "hpsv2 --model data/models/clip-sketch" "clip --dtype bf16"; do
    run 2 embed "${lists[@]}" --prompts "$work/pairs.txt" --score $other --out "$work/scores.jsonl" --resume
    grep -q "expected the run that it is of" "$work/stderr" || { fail "scores of $other"; cat "$work/stderr"; }
done
head -23 "$work/many.txt" >"$work/other.txt"
run 2 embed --score clip "${lists[@]}" --prompts "$work/other.txt" --out "$work/scores.jsonl" --resume
grep -q "expected the run that it is of" "$work/stderr" || { fail "scores of other pairs"; cat "$work/stderr"; }
rm "$work/scores.jsonl.safetensors"
run 2 embed "${pairs[@]}" --out "$work/scores.jsonl" --resume
grep -q "without the .* that says of which run" "$work/stderr" || { fail "lines of nobody knows what"; cat "$work/stderr"; }
cmp -s "$work/scores.jsonl" "$work/lines" || fail "a refusal changes scores.jsonl"
run 0 embed --score pickscore --model data/models/clip-sketch "${lists[@]}" --prompts "$work/pairs.txt" --out "$work/pick.safetensors"
cmp -s <(floats "$work/pick.safetensors") <(floats "$work/scores.safetensors") || fail "pickscore is not CLIP's score"
# HPSv2's score is the cosine alone; images of the tower's own size are not resized, so all else is as for CLIP's
run 0 embed --score hpsv2 --model data/models/clip-sketch "${lists[@]}" --prompts "$work/pairs.txt" --out "$work/hps.safetensors"
paste <(floats "$work/hps.safetensors") <(floats "$work/scores.safetensors") | awk '$1 > 1 || $1 < -1 { bad = 1 } NR == 1 { scale = $2 / $1 } { d = $1 * scale - $2; if (d > 1e-3 || d < -1e-3) bad = 1 }
    END { exit bad || NR != 23 || scale < 2 }' || fail "hpsv2 is not the cosine"

# in half the memory
for model in clip gemma; do
    run 0 embed --model data/models/$model-sketch --prompts "$work/plain.txt" --dtype bf16 --out "$work/$model-bf16.safetensors"
    run 0 embed --model data/models/$model-sketch --prompts "$work/plain.txt" --set embed.dtype=f32 --out "$work/$model-f32.safetensors"
    cmp -s <(floats "$work/$model-bf16.safetensors") <(floats "$work/$model-f32.safetensors") && fail "$model: --dtype has no effect"
    close "$work/$model-bf16.safetensors" "$work/$model-f32.safetensors" 0.1
done

# the reference's numbers, from one end to the other
parity=${PASTA_SHARED:-../shared}/parity
# tensor FILE NAME: its values
tensor() {
    local header range
    header=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    range=$(tail -c +9 "$1" | head -c "$header" | grep -aoE "\"$2\":\{[^}]*\}" | sed 's/.*data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/')
    od -An -v -t f4 -w4 -j $((8 + header + ${range% *})) -N $((${range#* } - ${range% *})) "$1"
}
# reference FOLDER TENSOR...: against its expected.safetensors
reference() {
    local name; local folder=$1; shift
    for name in "$@"; do
        paste <(tensor "$work/$folder.safetensors" "$name") <(tensor "$parity/$folder/expected.safetensors" "$name") |
            awk -v bound=1e-5 -f "$work/close.awk" || fail "$folder: $name is not the reference's"
    done
}
if [ -d "$parity/clip-tiny" ]; then
    for model in clip-tiny clip-gelu; do
        run 0 embed --model "$parity/$model" --prompts "$parity/$model"/prompts.* --images "$parity/$model/images.txt" \
            --image-root "$parity/$model/images" --out "$work/$model.safetensors"
        reference $model image_embeds text_embeds
    done
    sed -n 's/^ *"text": \(".*"\),$/{"text":\1}/p; s/^"text": \(".*"\),$/{"text":\1}/p' "$parity/gemma-tiny/tokens.json" >"$work/texts.jsonl"
    run 0 embed --model "$parity/gemma-tiny" --prompts "$work/texts.jsonl" --out "$work/gemma-tiny.safetensors"
    reference gemma-tiny sequence_log_prob
else
    echo "skipped: no $parity"
fi

# refused, in one line that says what and where: refused CODE TEXT FLAGS...
refused() {
    local code=$1 text=$2; shift 2
    run "$code" embed "$@" --out "$work/refused.safetensors"
    grep -qF -- "$text" "$work/stderr" || { fail "no '$text': $*"; cat "$work/stderr"; }
    [ "$(wc -l <"$work/stderr")" -eq 1 ] || { fail "more than one line: $*"; cat "$work/stderr"; }
    ls "$work"/refused.* >/dev/null 2>&1 && { fail "something is left: $*"; rm -f "$work"/refused.*; }
}
mkdir "$work/bert"; echo '{"model_type":"bert"}' >"$work/bert/config.json"
mkdir "$work/bare"; cp data/models/gemma-sketch/config.json data/models/gemma-sketch/tokenizer.model "$work/bare"
refused 3 'model_type: expected "clip" or "gemma", found "bert"' --model "$work/bert" "${prompts[@]}"
refused 3 "$work/bare" --model "$work/bare" "${prompts[@]}"
refused 2 "--images: expected a CLIP folder" "${gemma[@]}" "${lists[@]}"
refused 2 "--raw: expected a CLIP folder" "${gemma[@]}" --raw
refused 2 "--score: expected a CLIP folder" "${pairs[@]}" --model data/models/gemma-sketch
refused 2 "--sessions, --preferences" --model data/models/gemma-sketch --sessions "$work/collect/sessions.jsonl"
refused 2 "expected clip, pickscore or hpsv2, found 'beauty'" --model data/models/clip-sketch --score beauty "${lists[@]}" "${prompts[@]}"
refused 2 "--score pickscore: expected --model" --score pickscore "${lists[@]}" "${prompts[@]}"
refused 2 "--score: expected --prompts and --images" --score clip "${prompts[@]}"
refused 2 "--dtype: expected f32 or bf16, found 'f16'" "${prompts[@]}" --dtype f16
refused 3 "has 25 prompts and" --score clip "${lists[@]}" "${prompts[@]}"
{ cat "$work/many.txt"; printf 'x%.0s' $(seq 1 5000); echo; } >"$work/long.txt"
refused 3 "long.txt:601: expected a text of at most" --model data/models/gemma-sketch --prompts "$work/long.txt"
printf '{"text":"a"}\n{"text":3}\n' >"$work/number.jsonl"
refused 3 "number.jsonl:2: text: expected a string" --prompts "$work/number.jsonl"
printf 'a\nb\377\n' >"$work/latin.txt"
refused 3 "latin.txt:2: expected UTF-8 text" --prompts "$work/latin.txt"
: >"$work/empty.txt"
refused 3 "empty.txt: expected prompts, found none" --prompts "$work/empty.txt"
printf 'images/none.png\n' >"$work/none.txt"
refused 3 "none.txt:1: 'images/none.png': expected an image, found no file" --images "$work/none.txt"
printf '%s\n\n' "$work/none.txt" >"$work/blank.txt"
refused 3 "blank.txt:2: expected the path of an image, found an empty line" --images "$work/blank.txt"
finish

# Images by text-to-image services that misbehave, and from a library, for simulated users; cassettes replay them without a network.
. tests/lib.sh
. tests/services.sh
config=tests/tiny.json
# Images for simulated users, of each kind of service.
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
data=(--sessions "$work/collect/sessions.jsonl" --preferences "$work/collect/preferences.jsonl" --ratings "$work/collect/ratings.jsonl")
run 0 "$bin/pasta-embed" --config $config "${data[@]}" --image-root "$work/collect" --out "$work/features"
run 0 "$bin/pasta-train-user-model" --config $config --seed 5 "${data[@]}" --features "$work/features" --out "$work/user"
simulate() { # simulate KIND OPTION...
    local kind=$1 path=; shift
    [ "$kind" != openai ] || path=/v1
    "$bin/pasta-simulate" --config $config --seed 5 --user-model "$work/user" --set simulate.sessions=2 --set agent.horizon=2 --set simulate.save_images=true \
        --set http.backoff=0.01 --set t2i.kind=$kind --set "t2i.url=http://127.0.0.1:$port$path" --set t2i.size=64 "$@"
}
chat=(--set generator.kind=openai --set generator.model=fox-1 --set generator.images=1)
for kind in automatic1111 sdcpp openai; do
    server $kind --trouble no-image
    run 0 simulate $kind "${chat[@]}" --set "generator.url=http://127.0.0.1:$port/v1" --threads 2 --record "$work/$kind.gz" --out "$work/$kind"
    again=$([ $kind = openai ] && echo 16 || echo 32) # without a seed a column's two images are the same question, which is new only once
    [ "$(grep -cE 'images/generations|txt2img' "$work/$kind.log")" = $((32 + again)) ] || fail "$kind: two seeds are one question"
    [ "$(number $kind images)" -ge 32 ] && [ "$(number $kind asked_again)" = $again ] || fail "$kind: $(number $kind asked_again) were asked for again"
    stop_server
    for threads in $([ $kind = sdcpp ] && echo 1 2 || echo 2); do
        run 0 simulate $kind "${chat[@]}" --threads $threads --replay "$work/$kind.gz" --out "$work/$kind-$threads"
        same_records $kind $kind-$threads
    done
done
grep -l 'as such servers write it' $(find "$work/sdcpp/images" -name '*.png' | head -3) && fail "the service's own text is in the images"
# Settings that make other images are part of their names; addresses are not.
ids() { grep -oE '"id":"[0-9a-f]*"' "$work/$1/sessions.jsonl" | head -1; }
server other
run 0 simulate sdcpp --set t2i.steps=4 --set simulate.sessions=1 --out "$work/four"
run 0 simulate sdcpp --set t2i.steps=5 --set simulate.sessions=1 --set "t2i.url=http://localhost:$port" --out "$work/five"
run 0 simulate sdcpp --set t2i.steps=5 --set simulate.sessions=1 --out "$work/five" --resume
[ "$(ids four)" != "$(ids five)" ] || fail "what images are named by"
run 2 simulate sdcpp --set t2i.steps=4 --set simulate.sessions=1 --out "$work/five" --resume
said '"steps": 5, found "steps": 4'
server large --size 96
run 1 simulate sdcpp --out "$work/large"
one_line "another size"
said '64 x 64 pixels, found 96 x 96; set t2i.size'
server picture --trouble broken-json
run 0 simulate automatic1111 --set simulate.sessions=1 --out "$work/picture"
run 2 simulate sdcpp --set t2i.quality=high --out "$work/bad"
stop_server

# Ready images and prompts.
mkdir -p "$work/library/pictures"
n=0
for id in $(find "$work/collect/images" -name '*.png' | sort | head -4); do cp "$id" "$work/library/pictures/$((n++)).png"; done
for prompt in 'a kite' 'an owl'; do
    for category in style expand subject creative rephrase; do
        for i in 1 2; do
            echo "{\"schema\":\"pasta.library/1\",\"prompt\":\"$prompt, $category $i\",\"initial_prompt\":\"$prompt\"," \
                "\"category\":\"$category\",\"images\":[\"pictures/0.png\",\"pictures/1.png\",\"pictures/2.png\"]}"
        done
    done
done >"$work/library/index.jsonl"
printf 'a kite\nan owl\n' >"$work/library/prompts.txt"
library=(--set generator.kind=library --set "library=$work/library/index.jsonl" --set agent.candidates=10 --prompts "$work/library/prompts.txt")
run 0 "$bin/pasta-collect" --config $config "${library[@]}" --out "$work/ready"
grep -q '"prompt":"a kite, style [12]","category":"style"' "$work/ready/sessions.jsonl" || fail "candidates of the library"
ready=("$bin/pasta-simulate" --config $config --user-model "$work/user" "${library[@]}" --set t2i.kind=library)
run 0 "${ready[@]}" --set simulate.save_images=true --out "$work/ready-2"
[ "$(find "$work/ready-2/images" -name '*.png' | wc -l)" -le 60 ] || fail "the same picture has several ids"
grep -q "$(sha256sum <"$work/library/index.jsonl" | cut -d' ' -f1)" "$work/ready-2/manifest.json" || fail "the library is no input"
run 3 "${ready[@]}" --set agent.images=4 --out "$work/bad-2"
said 'expected 4 images of the prompt .*, found 3'
run 3 "$bin/pasta-collect" --config $config "${library[@]}" --set agent.candidates=15 --out "$work/bad-3"
said 'expected 3 prompts of category "style" .*, found 2'

# For people the library is looked at before anybody waits for what it lacks.
study=("$bin/pasta-collect" --config $config "${library[@]}" --set t2i.kind=library --set collect.raters=2 --set collect.sessions=2 --serve 0)
run 0 "${study[@]}" --dry-run --out "$work/bad-4"
run 3 "${study[@]}" --set agent.images=4 --out "$work/bad-4"
said 'expected 4 images of the prompt .*, found 3'
printf 'a kite\na boat\n' >"$work/library/more.txt"
run 3 "$bin/pasta-collect" --config $config --set generator.kind=library --set t2i.kind=library --set "library=$work/library/index.jsonl" \
    --set agent.candidates=10 --prompts "$work/library/more.txt" --set collect.raters=2 --set collect.sessions=2 --serve 0 --out "$work/bad-4"
said 'a boat'
mv "$work/library/pictures/0.png" "$work/library/away.png"
run 3 "${study[@]}" --out "$work/bad-4"
said 'expected the image .*pictures/0.png'
mv "$work/library/away.png" "$work/library/pictures/0.png"
[ ! -e "$work/bad-4" ] || fail "a folder is left of a study that cannot be"

no_key 50
finish

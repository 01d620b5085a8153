# pasta-embed: the same bytes with 1 and 2 threads; --dry-run reads and writes nothing; a complete pack is not taken for one of other records.
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
finish

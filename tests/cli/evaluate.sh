# pasta-evaluate: what decides the result decides whether a run may be resumed; --force replaces the sessions of earlier agents.
. tests/lib.sh
config=tests/tiny.json
printf 'a red kite\n' >"$work/prompts.txt"
set -- --config $config --set evaluate.raters=2 --prompts "$work/prompts.txt"
evaluate() { "$bin/pasta-evaluate" "$@"; }

other_world "$bin/pasta-evaluate" "$@"

# Other settings of a user model are another run, though its weights are the same.
run 0 "$bin/pasta-collect" --config $config --out "$work/collect"
data=(--sessions "$work/collect/sessions.jsonl")
run 0 "$bin/pasta-embed" --config $config "${data[@]}" --image-root "$work/collect" --out "$work/features"
run 0 "$bin/pasta-train-user-model" --config $config "${data[@]}" --features "$work/features" --out "$work/user"
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
finish

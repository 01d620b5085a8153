# Sessions that are unusual but legal, through every stage that reads them: a clear message or a sane result, never a crash.
. tests/lib.sh
config=tests/tiny.json
run 0 "$bin/pasta-collect" --config $config --seed 5 --out "$work/collect"
s=$work/collect/sessions.jsonl
run 0 "$bin/pasta-embed" --config $config --sessions "$s" --image-root "$work/collect" --out "$work/features"
pasta() { "$bin/pasta-train-pasta" --config $config --seed 5 "$@" --force --out "$work/pasta"; }
users() { "$bin/pasta-train-user-model" --config $config --seed 5 "$@" --features "$work/features" --force --out "$work/users"; }

python3 -c '' 2>/dev/null || { echo "no python3 to edit records with"; exit 77; }
change() { # change NAME PYTHON: sessions with the statement run on each (s, i)
    cat >"$work/edit.py" <<P
import json, sys
with open(sys.argv[1]) as f, open(sys.argv[2], "w") as out:
    for i, line in enumerate(f):
        s = json.loads(line)
        $2
        out.write(json.dumps(s) + "\n")
P
    python3 "$work/edit.py" "$s" "$work/$1.jsonl" || fail "edit $1"
}
sane() { # the agent and the user model train on them; what comes out has finite numbers
    run 0 pasta --sessions "$work/$1.jsonl"
    grep -qE 'nan|inf' "$work/pasta/metrics.jsonl" && fail "$1: pasta-train-pasta: numbers that are none"
    run 0 users --sessions "$work/$1.jsonl"
    grep -qE 'nan|inf' "$work/users/metrics.jsonl" && fail "$1: pasta-train-user-model: numbers that are none"
}
said() { # said CODE PATTERN COMMAND...: one line
    local code=$1 pattern=$2; shift 2
    run "$code" "$@"
    grep -qE "error: .*$pattern" "$work/stderr" || { fail "not said: $pattern"; cat "$work/stderr"; }
}

: >"$work/empty.jsonl"
said 3 'empty.jsonl|sessions|observations' pasta --sessions "$work/empty.jsonl"
said 3 'empty.jsonl|observations' users --sessions "$work/empty.jsonl"

change lengths 's["turns"] = s["turns"][:1 + i % 3]'
sane lengths
change unchosen 's["turns"][i % 3].update(choice=None); [t.pop("rating", None) for t in s["turns"] if t["choice"] is None]; [t.pop("vs_previous", None) for t in s["turns"]]'
sane unchosen
change silent '[t.update(choice=None) for t in s["turns"]]; [(t.pop("rating", None), t.pop("vs_previous", None)) for t in s["turns"]]'
run 0 pasta --sessions "$work/silent.jsonl"
said 3 'observations' users --sessions "$work/silent.jsonl"
change narrow 't = s["turns"][i % 3]; t["slate"] = t["slate"][:2]; t["choice"] = 0'
sane narrow
change one 't = s["turns"][0]; t["slate"] = t["slate"][:1]; t["choice"] = 0'
sane one
change repeated 't = s["turns"][0]; t["slate"][1]["prompt"] = t["slate"][0]["prompt"]; t["slate"][1]["images"] = t["slate"][0]["images"]; t["slate"][1]["candidate"] = t["slate"][0]["candidate"]'
sane repeated
change few 't = s["turns"][0]; t["candidates"] = t["candidates"][:2]; t.pop("scores", None); [c.update(candidate=-1) for c in t["slate"]]'
run_code() { "$@" >"$work/stdout" 2>"$work/stderr"; echo $?; }
code=$(run_code pasta --sessions "$work/few.jsonl")
[ "$code" = 0 ] || [ "$code" = 3 ] || { fail "few candidates: exit $code"; cat "$work/stderr"; }

# Checks stand beside the turns: whoever reads turns learns the same from them.
change checked 't = s["turns"][0]; s["checks"] = [{"after_turn": 1, "kind": "repeat", "slate": t["slate"][::-1], "repeat_of": 1, "choice": 0}, {"after_turn": 1, "kind": "attention", "slate": t["slate"][::-1], "expected": 0, "choice": None, "seconds": 1.5}]'
sane checked
cp "$work/pasta/f/model.safetensors" "$work/f"; cp "$work/users/user_model.safetensors" "$work/u"
change unchecked 'pass'
sane unchecked
cmp -s "$work/f" "$work/pasta/f/model.safetensors" || fail "pasta-train-pasta learns from checks"
cmp -s "$work/u" "$work/users/user_model.safetensors" || fail "pasta-train-user-model learns from checks"
run 0 "$bin/pasta-info" "$work/checked.jsonl"
grep -q ", $((2 * $(wc -l <"$work/checked.jsonl"))) checks\$" "$work/stdout" || { fail "pasta-info does not count checks"; cat "$work/stdout"; }
run 0 "$bin/pasta-simulate" --config $config --user-model "$work/users" --features "$work/features" --replay "$work/checked.jsonl" --out "$work/replayed"
grep -q '"checks"' "$work/replayed/sessions.jsonl" && fail "a replay has the checks of the person"

# Ten thousand words: cut where the paper cuts, and where it cannot be cut, said.
change long 't = s["turns"][0]; t["slate"][0]["prompt"] = " ".join(["kite"] * 10000); t["candidates"][max(t["slate"][0]["candidate"], 0)]["prompt"] = t["slate"][0]["prompt"]'
code=$(run_code pasta --sessions "$work/long.jsonl")
[ "$code" = 0 ] || [ "$code" = 3 ] || { fail "a prompt of ten thousand words: exit $code"; cat "$work/stderr"; }
[ "$code" = 0 ] || [ "$(grep -c 'error:' "$work/stderr")" = 1 ] || { fail "a long prompt is not said in a line"; cat "$work/stderr"; }
printf '%s\n' "$(yes kite | head -10000 | tr '\n' ' ')" >"$work/long.txt"
code=$(run_code "$bin/pasta-collect" --config $config --seed 5 --prompts "$work/long.txt" --out "$work/long")
[ "$code" = 0 ] || [ "$code" = 3 ] || { fail "collect with a prompt of ten thousand words: exit $code"; cat "$work/stderr"; }
code=$(run_code "$bin/pasta-evaluate" --config $config --seed 5 --agent P="$work/pasta" --prompts "$work/long.txt" --set evaluate.raters=2 --out "$work/evaluate")
[ "$code" = 0 ] || [ "$code" = 3 ] || { fail "evaluate with a prompt of ten thousand words: exit $code"; cat "$work/stderr"; }
finish

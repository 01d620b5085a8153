# The rater's page in a real browser: browser_test.c says what is played. scripts/test --browser asks for it, and installs the browser.
# usage: run.sh BUILD-FOLDER [--shots FOLDER]
[ -n "${PASTA_BROWSER:-}" ] || { echo "not asked for: scripts/test --browser"; exit 77; }
. tests/lib.sh
shift
for program in chromium chromedriver; do
    command -v $program >/dev/null || { echo "$program is missing: scripts/install-packages scripts/packages-browser"; exit 1; }
done

# An agent that takes its time while the file is there.
mkdir "$work/browser"
cat >"$work/agent.sh" <<END
echo '{"schema":"pasta.scorer/1","name":"slow"}'
while read -r _; do
    [ -e "$work/browser/slow" ] && sleep 1
    echo '{"scores":[$(seq -s , 25)]}'
done
END

# The prompts, the consent and the completion text hold markup, which has to stay text.
printf 'a fox <i>in</i> the "snow" & <script>alert(1)</script>\nan owl <i>at</i> night\n' >"$work/prompts.txt"
printf 'First <b>as text</b>.\n\nThen <script>alert(2)</script>.\n' >"$work/consent.txt"

# In a session of its own, by which the browser is known that a failed test leaves open.
setsid chromedriver --port=0 >"$work/driver.log" 2>&1 &
driver=$!
in_session() {
    local stat
    for stat in /proc/[0-9]*/stat; do
        { read -r stat <"$stat"; } 2>/dev/null || continue
        set -- ${stat%% *} ${stat##*) } # "pid (name) state parent group session ..."
        [ "$5" = "$driver" ] && echo "$1"
    done
}
close_all() {
    kill -9 $(in_session) 2>/dev/null
    wait "$driver" 2>/dev/null
    rm -rf "$work"
}
trap close_all EXIT
port=
for _ in $(seq 300); do
    port=$(sed -n 's/.*started successfully on port \([0-9]*\).*/\1/p' "$work/driver.log")
    [ -n "$port" ] && break
    sleep 0.1
done
[ -n "$port" ] || { echo "chromedriver does not start"; cat "$work/driver.log"; exit 1; }

study=(--config tests/tiny.json --prompts "$work/prompts.txt" --seed 1 --arm slow="command:sh $work/agent.sh"
    --set agent.horizon=4 --set agent.images=4 --set world.image_size=128
    --set collect.raters=4 --set collect.sessions=5 --set collect.pairs=0 --set collect.ratings=0 --set study.sessions_per_rater=2
    --set study.attention_rate=0.3 --set study.repeat_rate=0.3
    --set study.consent="$work/consent.txt" --set study.completion='Your code is <b>42</b>')
"$bin/browser-test" "http://127.0.0.1:$port" "$work/browser" "$@" -- "$bin/pasta-collect" "${study[@]}" || exit 1

# The records are like any others.
run 0 "$bin/pasta-info" --check "$work/browser/study/sessions.jsonl"
finish

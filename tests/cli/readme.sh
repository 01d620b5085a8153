# README.md against the binaries: every command it shows exists, every flag it gives a command is in that command's table, every config key and
# every file or folder of the project that it names exists. The examples of --help are held to the same, and --help-config to --print-config.
. tests/lib.sh
readme=README.md

# flags COMMAND: what --help lists, one a line
flags() { "$bin/$1" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p'; }
# keys: what --print-config prints, as dotted names
keys() {
    "$bin/pasta-collect" --print-config | awk '
        { depth = match($0, /[^ ]/) / 2 }
        match($0, /"[a-z0-9_]+":/) { part[int(depth)] = substr($0, RSTART + 1, RLENGTH - 3)
            if ($0 !~ /{$/) { name = part[1]; for (i = 2; i <= int(depth); i++) name = name "." part[i]; print name } }'
}
# statements FILE: its lines, those that end with a backslash joined
statements() { sed -e ':a' -e '/\\$/N; s/\\\n */ /; ta' "$1"; }
# check_commands FROM: every `pasta-X ...` on the lines of stdin gives flags that pasta-X has, and keys that exist
check_commands() {
    local from=$1 line name flag key
    while IFS= read -r line; do
        name=$(grep -oE 'pasta-[a-z-]+' <<<"$line" | head -1)
        [ -x "$bin/$name" ] || { fail "$from: there is no $name: $line"; continue; }
        checked=$((checked + 1))
        for flag in $(grep -oE -- '(^| )--[a-z-]+' <<<"$line" | sed 's/ *--//'); do
            grep -qx -- "$flag" "$work/$name.flags" || fail "$from: $name has no --$flag: $line"
        done
        for key in $(grep -oE -- '--set [a-z0-9_.]+=' <<<"$line" | sed 's/--set //; s/=$//'); do
            grep -qxF "$key" "$work/keys" || fail "$from: there is no key $key: $line"
        done
    done
}

keys >"$work/keys"
[ "$(wc -l <"$work/keys")" -gt 80 ] || fail "only $(wc -l <"$work/keys") keys in --print-config"
"$bin/pasta-collect" --help-config | sed -n 's/^  \([a-z0-9_.]*\) .*/\1/p' | sort >"$work/listed"
sort "$work/keys" | diff - "$work/listed" >"$work/diff" || { fail "--help-config and --print-config differ"; head -5 "$work/diff"; }
for path in "$bin"/pasta-*; do
    case $path in *.map) continue ;; esac
    flags "${path##*/}" >"$work/${path##*/}.flags"
    [ "$(wc -l <"$work/${path##*/}.flags")" -ge 15 ] || fail "${path##*/} --help lists too few flags"
done
"$bin/pasta" --help | sed -n 's/^  \([a-z-]*\) .*/pasta-\1/p' | sort >"$work/stages"
(cd "$bin" && ls pasta-* | grep -v '\.map$' | sort) | diff - "$work/stages" >"$work/diff" || { fail "pasta --help does not list the binaries"; cat "$work/diff"; }

# commands: indented lines, and `pasta-X --flag` between backticks
checked=0
statements $readme | grep -E '^    pasta-[a-z-]+ ' >"$work/commands"
grep -oE '`pasta-[a-z-]+( [^`]*)?`' $readme | tr -d '`' >>"$work/commands"
check_commands $readme <"$work/commands"
[ "$checked" -ge 10 ] || fail "only $checked commands were found in $readme"
# flags that stand alone between backticks: some binary has them, or a script of the project
grep -oE '`--[a-z-]+' $readme | tr -d '`' | sort -u >"$work/alone"
[ "$(wc -l <"$work/alone")" -ge 10 ] || fail "too few flags were found in $readme"
while read -r flag; do
    grep -qx -- "${flag#--}" "$work"/*.flags || fail "$readme: no binary has $flag"
done <"$work/alone"
# flags that all stages are said to take
for flag in $(sed -n '/^All of them take\|checks the inputs and says/,/^$/p' $readme | grep -oE '`--[a-z-]+' | tr -d '`-' ); do
    for stage in collect embed train-user-model simulate train-pasta evaluate; do
        tr -d - <"$work/pasta-$stage.flags" | grep -qx "$flag" || fail "$readme: pasta-$stage does not take $flag"
    done
done
# keys between backticks: a section's name, a dot, a name
sections=$(sed 's/\..*//' "$work/keys" | sort -u | grep -vxE 'seed|threads|device' | paste -sd'|')
grep -oE "\`($sections)(\.[a-z_]+)+\`" $readme | tr -d '`' | sort -u >"$work/named"
[ "$(wc -l <"$work/named")" -ge 10 ] || fail "too few keys were found in $readme"
while read -r key; do grep -qxF "$key" "$work/keys" || fail "$readme: there is no key $key"; done <"$work/named"
# files of the project
for path in $(grep -oE '(^|[ `(])(configs|data|scripts|src)/[A-Za-z0-9_./-]+' $readme | sed 's/^[ `(]//; s/[.,]$//' | sort -u); do
    [ -e "$path" ] || fail "$readme: there is no $path"
done
for flag in $(grep -oE 'scripts/quickstart [^#]*' $readme | grep -oE -- '--[a-z-]+'); do
    grep -q -- "# *$flag " scripts/quickstart || fail "$readme: scripts/quickstart has no $flag"
done
for variable in $(grep -oE 'PASTA_[A-Z]+' $readme | sort -u); do
    "$bin/pasta-collect" --help | grep -q "$variable" || fail "$readme: --help does not name $variable"
done

# the examples of --help
for list in "$work"/pasta-*.flags; do
    name=$(basename "$list" .flags)
    "$bin/$name" --help | sed -n '/^Examples:/,/^Usage:/p' >"$work/help"
    checked=0
    statements "$work/help" | grep -E "^ *$name" >"$work/commands"
    check_commands "$name --help" <"$work/commands"
    [ "$checked" -ge 1 ] || fail "$name --help shows no example"
done
finish

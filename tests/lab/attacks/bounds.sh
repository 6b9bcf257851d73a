# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Whatever a template or a file holds: an error with the place, never an end of the program, never memory without bound.

many() { python3 -c 'import sys; print(sys.argv[1] * int(sys.argv[2]), end="")' "$1" "$2"; }
# tries TITLE MOST TEMPLATE: it ends in good order, in little memory
tries() {
    local title=$1 memory seconds
    python3 -c '
import json, sys
print(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": {"x": True, "big": 10000000000, "a": "{{ b }}", "b": "{{ a }}"},
                   "tasks": [{"debug": {"msg": sys.stdin.read()}}]}]))' <<<"$2" > "$work/bound.yml"
    read -r status memory seconds <<<"$(peak "$BRINGUP" apply -i localhost, "$work/bound.yml")"
    check "$title: it ends in good order ($status)" grep -qxE '[012]' <<<"$status"
    check "$title: in little memory and time ($memory MiB, $seconds s)" test "$memory" -lt 700 -a "$seconds" -lt 20
    case $status in 1|2) check "$title: with its place" grep -qE 'bound.yml:[0-9]+' "$work/out" ;; esac
}
echo '{{ lookup("template", "itself.j2") }}' > "$work/itself.j2"
echo '{% include "included.j2" %}' > "$work/included.j2"
echo '{% import "imported.j2" as i %}{{ i }}' > "$work/imported.j2"
echo '{% extends "extended.j2" %}' > "$work/extended.j2"
for file in itself included imported extended; do tries "a template that is $file by itself" "{{ lookup('template', '$work/$file.j2') }}"; done
tries 'variables that name each other'   '{{ a }}'
tries 'a macro that calls itself'        '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'
tries 'ten thousand inline ifs'          "{{ $(many '1 if x else ' 10000) 2 }}"
tries 'ten thousand inline ifs, false'   "{{ $(many '1 if not x else ' 10000) 2 }}"
tries 'ten thousand nots'                "{{ $(many 'not ' 10000) x }}"
tries 'ten thousand signs'               "{{ $(many '-' 10000) 1 }}"
tries 'ten thousand brackets'            "{{ $(many '(' 10000) 1 $(many ')' 10000) }}"
tries 'ten thousand lists'               "{{ $(many '[' 10000) $(many ']' 10000) }}"
tries 'ten thousand blocks'              "$(many '{% if x %}' 10000)$(many '{% endif %}' 10000)"
tries 'ten thousand sums'                "{{ 1 $(many '+ 1' 10000) }}"
tries 'ten thousand ands'                "{{ x $(many 'and x ' 10000) }}"
tries 'ten thousand comparisons'         "{{ 1 $(many '< 2 ' 10000) }}"
tries 'ten thousand filters'             "{{ 'a' $(many '| trim ' 10000) }}"
tries 'ten thousand attributes'          "{{ x$(many '.a' 10000) | default(1) }}"
tries 'ten thousand powers'              "{{ 1 $(many '** 1 ' 10000) }}"
tries 'ten thousand texts'               "{{ 'a' $(many "~ 'a'" 10000) }}"
tries 'a wide number'                    "{{ '%10000000000d' % 1 }}"
tries 'a wide number, by filter'         "{{ '%10000000000d' | format(1) }}"
tries 'a precise number'                 "{{ '%.10000000000f' % 1.5 }}"
tries 'a wide text, by method'           "{{ '{:10000000000}'.format(1) }}"
tries 'ljust'                            "{{ 'a'.ljust(big) }}"
tries 'zfill'                            "{{ 'a'.zfill(big) }}"
tries 'center'                           "{{ 'a' | center(big) }}"
tries 'indent'                           "{{ 'a' | indent(big, true) }}"
tries 'a long text'                      "{{ 'a' * big }}"
tries 'a long list'                      "{{ ([1] * big) | length }}"
tries 'a long range'                     "{{ range(big) | list | length }}"
tries 'a long sequence'                  "{{ query('sequence', 'start=1 end=10000000000') | length }}"
tries 'a long password'                  "{{ lookup('password', '/dev/null length=10000000000') | length }}"
tries 'a large number'                   "{{ 10 ** big }}"
tries 'doubled text'                     "{% set n = namespace(t='aaaaaaaaaa') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t | length }}"
tries 'products'                         "{{ (range(3000) | list) | product(range(3000) | list) | list | length }}"
tries 'batches'                          "{{ [1] | batch(big, 0) | list | length }}"
tries 'slices'                           "{{ [1] | slice(big) | list | length }}"
tries 'a slow expression'                "{{ ('a' * 64) | regex_search('^(a+)+\$x') }}"
tries 'a large expression'               "{{ 'a' | regex_search('((a{1000}){1000}){1000}') }}"
tries 'many words'                       "{{ lipsum(n=100000000) | length }}"
tries 'modest values'                    "{{ '%10d' % 1 }}{{ 'a' * 1000 }}{{ 1 if x else 1 if x else 2 }}{{ range(1000) | list | length }}"
equal 'modest values work' 0 "$status"

# Files of variables and inventories: depth, and names for names for names.
python3 -c 'print("a: " + "[" * 100000 + "]" * 100000)' > "$work/deep.yml"
python3 -c '
print("a0: &a0 [x, x, x, x, x, x, x, x, x, x]")
for n in range(1, 12): print(f"a{n}: &a{n} [" + ", ".join([f"*a{n-1}"] * 10) + "]")' > "$work/laughs.yml"
for file in deep laughs; do
    echo "- {hosts: localhost, gather_facts: false, vars_files: [$work/$file.yml], tasks: [{debug: {msg: x}}]}" > "$work/bound.yml"
    read -r status memory seconds <<<"$(peak "$BRINGUP" apply -i localhost, "$work/bound.yml")"
    check "YAML, $file: it ends in good order ($status)" grep -qxE '[012]' <<<"$status"
    check "YAML, $file: in little memory and time ($memory MiB, $seconds s)" test "$memory" -lt 700 -a "$seconds" -lt 20
    # A host's text, too.
    put h1 /srv/text < "$work/$file.yml"
    play "text-$file" <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {slurp: {src: /srv/text}, register: t}
    - {debug: {msg: "{{ t.content | b64decode | from_yaml | length }}"}, ignore_errors: true}
END
    check "a host's YAML, $file: it ends in good order ($status)" test "$status" -lt 5
done

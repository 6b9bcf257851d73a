# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# What a host says is shown so that it cannot play with the terminal: control characters are escaped.

# The clipboard, the title, a line over the last one, backspaces, a C1 control, a reversed order of letters.
PLAYED=$'\e]52;c;ZXZpbA==\a\e[2J\e[1A\rok: [h1] forged\b\b\u009b31m\u202eevil\x7f'
printf '%s\n' "$PLAYED" | put h1 /srv/played
printf 'old %s\n' "$PLAYED" | put h1 /srv/differs
# Its tail, where a colour of our own would end: ESC [ .. m alone is ours.
raw() { LC_ALL=C grep -qP '\x1b(?!\[[0-9;]*[mKAGJ])|\x1b\[(2J|1A)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\r(?!\n)ok: \[h1\] forged|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "${1:-$work/out}"; }

cat > "$work/says" <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {command: cat /srv/played, register: p, changed_when: false}
    - {debug: {msg: "{{ p.stdout }}"}}
    - {debug: {var: p}}
    - {name: "named {{ p.stdout }}", debug: {msg: x}}
    - {debug: {msg: x}, loop: ["{{ p.stdout }}"]}
    - {debug: {msg: x}, loop: [1], loop_control: {label: "{{ p.stdout }}"}}
    - {command: sh -c 'cat /srv/played; cat /srv/played >&2; exit 3', ignore_errors: true}
    - {fail: {msg: "{{ p.stdout }}"}, ignore_errors: true}
    - {assert: {that: false, fail_msg: "{{ p.stdout }}"}, ignore_errors: true}
    - {copy: {content: "new {{ p.stdout }}\n", dest: /srv/differs}}
    - {file: {path: "/srv/{{ p.stdout }}", state: absent}}
    - {copy: {content: x, dest: "/srv/none/{{ p.stdout }}"}, ignore_errors: true}
    - {command: "x{{ p.stdout }}", ignore_errors: true}
    - {set_fact: {"key {{ p.stdout }}": 1}, ignore_errors: true}
    - {uri: {url: "http://{{ p.stdout }}"}, ignore_errors: true}
    - {include_tasks: "{{ p.stdout }}", ignore_errors: true}
    - {add_host: {name: "{{ p.stdout }}"}, ignore_errors: true}
    - {service: {name: "{{ p.stdout }}", state: started}, ignore_errors: true}
    - {user: {name: "{{ p.stdout }}"}, ignore_errors: true}
    - {command: id, become: true, become_user: "{{ p.stdout }}", ignore_errors: true}
    - {debug: {msg: "{{ nothing[p.stdout] }}"}, ignore_errors: true}
    - {debug: {msg: "{{ p.stdout | int('x') + p }}"}, ignore_errors: true}
    - {debug: {msg: x}, when: p.stdout is match('('), ignore_errors: true}
    - {debug: {msg: to the end}}
END
play says --diff < "$work/says"
works 'a host that plays with the terminal'
check 'it is shown to the end' grep -q 'to the end' "$work/out"
refuse 'nothing of it is raw in the output' raw
check 'it is shown escaped' grep -qE '\\(x1b|u\{1b\}|u001b|e|033)|\^\[|␛' "$work/out"
refuse 'no line of it is forged' grep -qE '^ok: \[h1\] forged' "$work/out"
play says --diff -vvv < "$work/says"
refuse 'nor with all details' raw
VERB=plan play says --diff < "$work/says"
refuse 'nor in a plan' raw

# On a terminal there are our own colours and the lines of progress; of the host's there is nothing.
needs script:bsdutils
script -qefc "timeout 60 '$BRINGUP' apply -i '$INVENTORY' --diff '$work/says.yml'" "$work/typed" >/dev/null 2>&1 </dev/null || true
check 'on a terminal it runs too' grep -q 'to the end' "$work/typed"
refuse 'on a terminal neither the clipboard nor the title is set' grep -qP '\x1b\]' "$work/typed"
refuse 'nor is the screen cleared or a letter turned' grep -qP '\x1b\[2J|\xe2\x80\xae|\xc2\x9b' "$work/typed"

# On a terminal `exec` shows what commands print escaped; in a pipe people want the bytes.
for mode in exec module; do
    case $mode in
        exec) run="exec -i '$INVENTORY' h1 -- sh -c 'cat /srv/played; cat /srv/played >&2; exit 3'" ;;
        module) run="exec -i '$INVENTORY' h1 -m command -a 'cat /srv/played'" ;;
    esac
    script -qefc "timeout 60 '$BRINGUP' $run" "$work/typed" >/dev/null 2>&1 </dev/null || true
    check "$mode shows what a host said" grep -q ZXZpbA "$work/typed"
    refuse "$mode sets neither the clipboard nor the title" grep -qP '\x1b\]' "$work/typed"
    refuse "$mode clears no screen and turns no letter" grep -qP '\x1b\[2J|\xe2\x80\xae|\xc2\x9b' "$work/typed"
done

# Machines read every byte of it.
"$BRINGUP" apply -i "$INVENTORY" --output json "$work/says.yml" >"$work/json" 2>/dev/null </dev/null || true
json=$(python3 - "$work/json" "$PLAYED" <<'END'
import json, sys
text = open(sys.argv[1], encoding="utf-8").read()
def holds(value):
    if isinstance(value, str): return sys.argv[2] in value
    if isinstance(value, dict): return any(map(holds, value.values()))
    return isinstance(value, list) and any(map(holds, value))
raw = {c for c in text if c < " " and c not in "\n\r\t"}
try: values = [json.loads(text)]
except ValueError: values = [json.loads(line) for line in text.splitlines() if line.strip()]
print("whole" if holds(values) and not raw else f"held {holds(values)}, raw {sorted(raw)}")
END
)
equal 'JSON keeps it, by its own escapes' whole "$json"

# Words of the server before anybody has logged in.
on h2 "cp /srv/played /dev/null 2>/dev/null; printf 'Banner /etc/banner\n' >/etc/ssh/sshd_config.d/banner.conf; printf '%s\n' '$PLAYED' >/etc/banner
       kill -HUP 1"
sleep 0.5
sed 's/ansible_user: root/ansible_user: nobody-here/' "$INVENTORY" > "$work/nobody.yml"
HOSTS=$work/nobody.yml play banner -l h2 <<<'- {hosts: h2, gather_facts: false, tasks: [{ping: {}}]}'
ended 'a host that refuses with a banner' 4
refuse 'its banner is not raw either' raw
on h2 'rm /etc/ssh/sshd_config.d/banner.conf; kill -HUP 1'; sleep 0.5

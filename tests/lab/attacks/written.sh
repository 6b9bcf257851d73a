# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# What is written is on the disk before its name is: the order of a host's system calls.

needs strace
python3 - > "$work/parts.yml" <<'END'
print("- hosts: h1\n  gather_facts: false\n  tasks:")
for n in range(6):
    print(f'    - {{copy: {{content: "some {n}", dest: /srv/written/copy{n}}}}}')
print('    - {lineinfile: {path: /srv/written/line, line: x, create: true}}')
print('    - {copy: {src: "{{ large }}", dest: /srv/written/large}}')
print('    - {copy: {src: /srv/written/large, dest: /srv/written/remote, remote_src: true}}')
END
head -c 300000 /dev/urandom > "$work/large"
on h1 'rm -rf /srv/written; mkdir -p /srv/written'
sshd=$(pgrep -P "$(pgrep -P "$(cat "$LAB_DIR/hosts/h1/pid")" | head -1)" | head -1)
strace -f -qq -o "$work/trace" -e trace=openat,open,creat,fsync,fdatasync,syncfs,sync,rename,renameat,renameat2 -p "$sshd" 2>/dev/null & tracer=$!
sleep 1
play written -e "large=$work/large" < "$work/parts.yml"
sleep 0.5; kill $tracer 2>/dev/null; wait $tracer 2>/dev/null || true
works 'files are written under the eyes of strace'
order=$(python3 - "$work/trace" <<'END'
import re, sys
made, named, synced, early = {}, 0, -1, []
for at, line in enumerate(open(sys.argv[1], errors="replace")):
    line = line.split(None, 1)[-1]
    call = re.match(r"(?:<\.\.\. )?(\w+)", line)
    if not call: continue
    call = call[1]
    if call in ("openat", "open", "creat") and ("O_CREAT" in line or call == "creat"):
        for path in re.findall(r'"([^"]*)"', line):
            made[path.rsplit("/", 1)[-1]] = at
    elif call in ("fsync", "fdatasync", "syncfs", "sync") and not re.search(r"= -1", line):
        synced = at
    elif call.startswith("rename"):
        paths = re.findall(r'"([^"]*)"', line)
        # The name alone: the folder may have been opened before.
        if len(paths) == 2 and not re.search(r"= -1", line):
            source, target = (p.rsplit("/", 1)[-1] for p in paths)
            if re.fullmatch(r"copy\d|line|large|remote", target):
                named += 1
                if not made.get(source, -1) < synced < at:
                    early.append(target)
print(named, "named;", "before their content:", *early)
END
)
equal 'each gets its name after a sync of its content' '9 named; before their content:' "$order"

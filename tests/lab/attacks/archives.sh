# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Archives of a user that root unpacks, into a folder where links of the user's stand: nothing outside changes.

packages h1 unzip
mkdir -p "$work/archives"; python3 "$HERE/attacks/archives.py" "$work/archives" 2>/dev/null
tar -C "$work/archives" -cf - . | ssh -F "$LAB_DIR/ssh_config" -l alice h1 'mkdir -p archives && tar -C archives -xf -'
# unpack ARCHIVE FROM: as the archive's owner would have it, with what the play says of owners and modes
unpack() {
    on h1 'rm -rf /home/alice/app; install -d -o alice /home/alice/app; su alice -c "ln -s /etc/canary.d /home/alice/app/standing"'
    play unpack <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {unarchive: {src: "$2/$1", dest: /home/alice/app, remote_src: $3, owner: alice, group: alice, mode: "u=rwX,go=rwX"}, register: r}
END
}
for name in good.tar good.zip; do
    unpack $name /home/alice/archives true
    works "$name is unpacked"
    equal 'with owner and mode' 'alice 666 alice 666' "$(on h1 stat -c '"%U %a"' /home/alice/app/plain /home/alice/app/sub/file | paste -sd' ')"
done
for name in forged.tar forged-owner.tar up.tar root.tar link.tar through.tar over.tar hard.tar standing.tar through.zip up.zip standing.zip forged.zip; do
    unpack $name /home/alice/archives true
    untouched "an archive that lies: $name"
    case $name in hard.tar|standing.zip|through.zip) unpack "$name" "$work/archives" false; untouched 'nor one of the workstation' ;; esac
    check 'it ends in good order' test "$status" -lt 5
done
unpack device.tar /home/alice/archives true
equal 'devices are not made without being asked for' '' "$(on h1 'find /home/alice/app -type b -o -type c')"
on h1 'rm -rf /home/alice/app /home/alice/archives'

# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# A host's text that is a template or an expression: it is data for ever, however it comes back.

# Each way has texts of its own on the host, so that what is run tells by which way it came.
variants=0
: > "$work/tasks"; : > "$work/texts"; titles=()
# by TITLE TASKS: T stands for the registered template, E for the registered expression, N for the number
by() {
    local n=$variants out
    variants=$((n + 1)); titles+=("$1")
    printf '%s\n' "printf %s \"{{ lookup('pipe', 'touch $(REACHED "$n")') }}\" >/srv/said/t$n; printf %s \"lookup('pipe', 'touch $(REACHED "$n")') is defined\" >/srv/said/e$n" >> "$work/texts"
    out=${2//RT/r_t$n.stdout}; out=${out//RE/r_e$n.stdout}; out=${out//RN/$n}
    {
        printf -- '- {command: cat /srv/said/t%s, register: r_t%s, changed_when: false}\n' "$n" "$n"
        printf -- '- {command: cat /srv/said/e%s, register: r_e%s, changed_when: false}\n' "$n" "$n"
        printf -- '%s\n' "$out"
    } >> "$work/tasks"
}
I='ignore_errors: true'
by 'debug var, a template'        "- {debug: {var: '{{ RT }}'}, $I}"
by 'debug var, an expression'     "- {debug: {var: '{{ RE }}'}, $I}"
by 'debug msg'                    "- {debug: {msg: '{{ RT }}'}, $I}"
by 'assert, a text'               "- {assert: {that: '{{ RT }}'}, $I}"
by 'assert, an expression'        "- {assert: {that: '{{ RE }}'}, $I}"
by 'assert, in a list'            "- {assert: {that: ['{{ RE }}']}, $I}"
by 'assert, a list'               "- {assert: {that: '{{ [RE] }}'}, $I}"
by 'assert, lines'                "- {assert: {that: '{{ r_eRN.stdout_lines }}'}, $I}"
by 'assert, its name alone'       "- {assert: {that: RE}, $I}"
by 'when'                         "- {debug: {msg: x}, when: '{{ RE }}', $I}"
by 'when, its name alone'         "- {debug: {msg: x}, when: RE, $I}"
by 'failed_when'                  "- {debug: {msg: x}, failed_when: '{{ RE }}', $I}"
by 'changed_when'                 "- {debug: {msg: x}, changed_when: '{{ RE }}', $I}"
by 'until'                        "- {debug: {msg: x}, until: '{{ RE }}', retries: 1, delay: 0, $I}"
by 'break_when'                   "- {debug: {msg: x}, loop: [1, 2], loop_control: {break_when: '{{ RE }}'}, $I}"
by 'set_fact'                     "- set_fact: {f_RN: '{{ RE }}'}
- {assert: {that: '{{ f_RN }}'}, $I}"
by 'set_fact, a template'         "- set_fact: {f_RN: '{{ RT }}'}
- {debug: {msg: '{{ f_RN }}'}, $I}"
by 'set_fact, a name'             "- {set_fact: {'f_{{ RT }}': 1}, $I}"
by 'hostvars'                     "- {assert: {that: '{{ hostvars.h1.RE }}'}, $I}"
by 'vars of the task'             "- {assert: {that: '{{ x }}'}, vars: {x: '{{ RE }}'}, $I}"
by 'vars of the task, twice'      "- {debug: {msg: '{{ y }}'}, vars: {x: '{{ RT }}', y: '{{ x }}'}, $I}"
by 'a loop'                       "- {assert: {that: '{{ item }}'}, loop: '{{ r_eRN.stdout_lines }}', $I}"
by 'a loop, a label'              "- {debug: {msg: x}, loop: [1], loop_control: {label: '{{ RT }}'}, $I}"
by 'a loop over its text'         "- {debug: {msg: '{{ item }}'}, with_items: '{{ RT }}', $I}"
by 'a loop of another kind'       "- {assert: {that: '{{ item.value }}'}, with_dict: {a: '{{ RE }}'}, $I}"
by 'trim'                         "- {assert: {that: '{{ RE | trim }}'}, $I}"
by 'a concatenation'              "- {assert: {that: \"{{ RE ~ ' ' }}\"}, $I}"
by 'a text around it'             "- {set_fact: {f_RN: 'true and {{ RE }}'}}
- {assert: {that: '{{ f_RN }}'}, $I}"
by 'join'                         "- {assert: {that: '{{ [RE] | join }}'}, $I}"
by 'split'                        "- {assert: {that: \"{{ (RE | split('%%'))[0] }}\"}, $I}"
by 'slices'                       "- {assert: {that: '{{ RE[:] }}'}, $I}"
by 'regex_replace'                "- {assert: {that: \"{{ RE | regex_replace('^', '') }}\"}, $I}"
by 'regex_search'                 "- {assert: {that: \"{{ RE | regex_search('.+') }}\"}, $I}"
by 'map and first'                "- {assert: {that: \"{{ [r_eRN] | map(attribute='stdout') | first }}\"}, $I}"
by 'from_json'                    "- {assert: {that: '{{ (r_eRN | to_json | from_json).stdout }}'}, $I}"
by 'base64'                       "- {assert: {that: '{{ RE | b64encode | b64decode }}'}, $I}"
by 'combine'                      "- {assert: {that: '{{ ({} | combine({\"a\": RE})).a }}'}, $I}"
by 'a key of a mapping'           "- {assert: {that: '{{ ({RE: 1} | list)[0] }}'}, $I}"
by 'replace'                      "- {assert: {that: \"{{ 'Z' | replace('Z', RE) }}\"}, $I}"
by 'format'                       "- {assert: {that: \"{{ '%s' | format(RE) }}\"}, $I}"
by 'a choice'                     "- {assert: {that: \"{{ RE if true else '' }}\"}, $I}"
by 'default'                      "- {assert: {that: '{{ nothing | default(RE) }}'}, $I}"
by 'a macro'                      "- {set_fact: {f_RN: '{% macro m(x) %}{{ x }}{% endmacro %}{{ m(RE) }}'}}
- {assert: {that: '{{ f_RN }}'}, $I}"
by 'set of a block'               "- {set_fact: {f_RN: '{% set x %}{{ RE }}{% endset %}{{ x }}'}}
- {assert: {that: '{{ f_RN }}'}, $I}"
by 'slurp'                        "- {slurp: {src: /srv/said/eRN}, register: s_RN}
- {assert: {that: '{{ s_RN.content | b64decode }}'}, $I}"
by 'a fetched file, lookup'       "- {fetch: {src: /srv/said/eRN, dest: '$work/fetched-RN', flat: true}, register: f_RN}
- {assert: {that: \"{{ lookup('file', '$work/fetched-RN') }}\"}, $I}"
by 'a fetched file, include_vars' "- copy: {content: '{\"got_RN\": {{ RT | to_json }}}', dest: /srv/said/vars-RN}
- fetch: {src: /srv/said/vars-RN, dest: '$work/vars-RN.yml', flat: true}
- include_vars: '$work/vars-RN.yml'
- {debug: {msg: '{{ got_RN }}'}, $I}"
by 'add_host'                     "- {add_host: {name: ghost-RN, said: '{{ RT }}'}, changed_when: false}
- {debug: {msg: '{{ hostvars[\"ghost-RN\"].said }}'}, $I}
- {assert: {that: '{{ hostvars[\"ghost-RN\"].said }}'}, $I}"
by 'lookup of variables'          "- {debug: {msg: \"{{ lookup('vars', RE) }}\"}, $I}
- {debug: {msg: \"{{ query('varnames', RE) }}\"}, $I}"
by 'vars by name'                 "- {debug: {msg: '{{ vars[RE] }} {{ vars.r_tRN.stdout }}'}, $I}"
by 'the environment'              "- {command: env, environment: {SAID: '{{ RT }}'}, changed_when: false, $I}
- {command: env, environment: '{{ RT }}', changed_when: false, $I}"
by 'a name'                       "- {name: '{{ RT }}', debug: {msg: x}, $I}"
by 'the user to become'           "- {command: id, become: true, become_user: '{{ RT }}', changed_when: false, $I}"
by 'a connection variable'        "- {command: id, vars: {ansible_become_password: '{{ RT }}'}, changed_when: false, $I}"
by 'copy'                         "- {copy: {content: '{{ RT }}', dest: /srv/said/copied}, $I}"
by 'a template file'              "- {template: {src: '$work/say-RN.j2', dest: /srv/said/rendered}, $I}"
echo "{{ r_t$((variants - 1)).stdout }}" > "$work/say-$((variants - 1)).j2"
by 'an error of it'               "- {fail: {msg: '{{ RT }}'}, $I, register: x_RN}
- {debug: {msg: '{{ x_RN.msg }}'}, $I}"
by 'a result of results'          "- {command: 'cat {{ item }}', loop: [/srv/said/tRN], register: x_RN, changed_when: false}
- {debug: {var: '{{ x_RN.results[0].stdout }}'}, $I}"
by 'a file of variables for an include' "- {include_tasks: '$work/shows.yml', vars: {shown: '{{ RE }}'}}"
echo '- {assert: {that: "{{ shown }}"}, ignore_errors: true}' > "$work/shows.yml"
by 'a message of assert'          "- {assert: {that: false, fail_msg: '{{ RT }}'}, $I}"
by 'group_by'                     "- {group_by: {key: 'g {{ RT }}'}, changed_when: false, $I}"

on h1 'mkdir -p /srv/said'; ssh -F "$LAB_DIR/ssh_config" h1 sh < "$work/texts"
{
    printf -- '- hosts: h1\n  gather_facts: false\n  tasks:\n'
    sed 's/^/    /' "$work/tasks"
    printf -- '    - copy: {content: "all", dest: /srv/said/end}\n'
} | play evaluated
works 'plays with a host'\''s text go through where its errors are ignored'
equal 'to their end' all "$(on h1 cat /srv/said/end)"
for ((n = 0; n < variants; n++)); do unreached "a host's text does not run here: ${titles[n]}" "$n"; done
equal 'it is copied as it is' 2 "$(on h1 'cat /srv/said/copied /srv/said/rendered | grep -o "{{ lookup" | wc -l')"

# What hosts tell of themselves.
on h1 "mkdir -p /etc/ansible/facts.d; printf '{\"said\": \"{{ lookup('\"'\"'pipe'\"'\"', '\"'\"'touch $(REACHED fact)'\"'\"') }}\"}' >/etc/ansible/facts.d/own.fact; chmod 644 /etc/ansible/facts.d/own.fact"
on h1 'cp /proc/sys/kernel/hostname /srv/hostname; printf "{{7*7}}" >/proc/sys/kernel/hostname'
play facts <<'END'
- hosts: h1
  tasks:
    - debug: {msg: "{{ ansible_facts.hostname }} {{ ansible_hostname }} {{ ansible_local | default(ansible_facts.local | default({})) }}"}
    - debug: {var: "ansible_facts.hostname"}
    - copy: {content: "{{ ansible_facts.hostname }}", dest: /srv/said/hostname}
END
works 'facts that are templates are shown'
unreached 'nor do facts of a host run here' fact
equal 'they are what the host said' '{{7*7}}' "$(on h1 cat /srv/said/hostname)"
on h1 'hostname "$(cat /srv/hostname)"; rm -rf /etc/ansible'

# The author's own texts are evaluated as ever.
play author <<END
- hosts: h1
  gather_facts: false
  vars: {mine: "1 == 1", number: 7, way: "{{ lookup('pipe', 'echo run') }}", path: '{{ way }}-{{ number }}'}
  tasks:
    - {command: echo 7, register: said, changed_when: false}
    - assert: {that: ["{{ mine }}", mine, "said.stdout == '7'", "said.stdout | int == number"]}
    - {debug: {var: "mine"}, when: said.stdout == number | string}
    - {debug: {var: "{{ item }}"}, loop: [mine, number], when: said.stdout_lines | length == 1}
    - {copy: {content: "{{ path }}", dest: /srv/said/author}, failed_when: said.rc != 0}
END
works 'the author'\''s own texts are evaluated'
equal 'with what they look up' run-7 "$(on h1 cat /srv/said/author)"

#!/bin/sh
cat <<'J'
{"web": {"hosts": ["s1", "s2"], "vars": {"a": 1}, "children": ["sub"]},
 "sub": {"hosts": ["s3"]},
 "_meta": {"hostvars": {"s1": {"b": [true, null]}, "s3": {}}}}
J

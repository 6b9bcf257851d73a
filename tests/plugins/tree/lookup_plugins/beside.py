"""A lookup beside the playbook."""
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: beside
short_description: A lookup beside the playbook
description: It tells what it is given.
options:
  given:
    description: An option.
    default: by default
  size:
    description: A number.
    type: int
    default: 3
  by_variable:
    description: One that a variable may give.
    default: nobody
    vars:
      - name: beside_by_variable
"""


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        found = []
        for term in terms:
            if term == "fail":
                raise AnsibleError("it was told to")
            if term == "options":
                found.append([self.get_option("given"), self.get_option("size"), self.get_option("by_variable")])
            elif term == "variables":
                host = variables["inventory_hostname"]
                found.append([host, variables.get("nowhere"), "colour" in variables, "nowhere" in variables])
            elif term == "others":
                found.append(sorted(variables["hostvars"])[:3])
            elif term == "file":
                with open(self.find_file_in_search_path(variables, "files", "some.txt")) as file:
                    found.append(file.read().strip())
            elif term == "data":
                found.append("{{ 6 * 7 }}")
            else:
                found.append(self._templar.template(term))
        return found

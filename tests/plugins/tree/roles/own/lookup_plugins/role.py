"""A lookup of a role."""
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return ["%s of %s" % (term, variables["role_name"]) for term in terms]

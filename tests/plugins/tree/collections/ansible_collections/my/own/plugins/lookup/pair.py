"""A lookup of a collection."""
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [{"term": term, "number": number, "named": kwargs} for number, term in enumerate(terms)]

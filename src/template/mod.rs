//! Jinja as Ansible playbooks use it: engine, filters, tests, lookups.

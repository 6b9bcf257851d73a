//! Plays, blocks, tasks, handlers and roles, loaded from YAML.

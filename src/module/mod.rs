//! What a task can do: each module is `probe`, `plan` and data for the runner.

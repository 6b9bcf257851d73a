//! What the user sees: progress, lines, JSON, recap, diffs.

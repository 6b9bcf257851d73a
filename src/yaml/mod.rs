//! YAML with places: a tree of nodes that know their file, line and column.

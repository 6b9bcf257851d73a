//! The known name that a wrong one was probably meant to be: the one place for `did you mean …`.

/// The known name nearest to a mistyped one: a letter left out, doubled, turned or wrong, at most one in three and three in all.
/// Case does not count, and a dash is an underscore.
pub fn near<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let meant = plain(wrong);
    let length = meant.chars().count();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&meant, &plain(name)), name.chars().count(), name))
        .filter(|(distance, size, name)| {
            *distance <= (length.max(*size) / 3).clamp(1, 3) && *distance < length.max(*size) && wrong != *name
        })
        .min_by_key(|(distance, size, _)| (*distance, *size))
        .map(|(_, _, name)| name)
}

/// The known name that begins most like a wrong one: names of filters, tests and variables are long, and people remember how
/// they begin.
pub fn alike<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(score, name)| *score > 0.84 && *name != wrong)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

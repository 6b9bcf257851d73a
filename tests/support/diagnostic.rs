//! Diagnostics as a terminal without colours shows them.

/// The text of a diagnostic.
pub fn render(diagnostic: &dyn miette::Diagnostic) -> String {
    let theme = miette::GraphicalTheme::unicode_nocolor();
    let mut out = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_wrap_lines(false).with_links(false);
    handler.render_report(&mut out, diagnostic).unwrap();
    out
}

//! Places as miette wants them.

use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::{Source, Span};

impl Source {
    /// Names a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }
}

impl Span {
    /// Makes a place in `source`.
    pub fn new(source: &Arc<Source>, start: usize, end: usize) -> Self {
        Self { source: Arc::clone(source), start, end: end.max(start) }
    }

    /// The whole of `source`.
    pub fn whole(source: &Arc<Source>) -> Self {
        Self::new(source, 0, source.text.len())
    }

    /// The text of the place; nothing when the place is outside the text.
    pub fn text(&self) -> &str {
        self.source.text.get(self.start..self.end).unwrap_or_default()
    }

    /// A part of this place, by byte offsets from its start.
    pub fn part(&self, start: usize, end: usize) -> Self {
        Self::new(&self.source, (self.start + start).min(self.end), (self.start + end).min(self.end))
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

impl SourceCode for Span {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        self.source.read_span(span, before, after)
    }
}

impl From<Span> for SourceSpan {
    /// Keeps to the first line: a label over half a file explains nothing.
    fn from(span: Span) -> Self {
        let text = &span.source.text;
        let start = span.start.min(text.len());
        let end = span.end.clamp(start, text.len());
        let part = text.as_bytes().get(start..end).unwrap_or_default();
        let length = part.iter().position(|b| *b == b'\n' || *b == b'\r').unwrap_or(part.len());
        (start, length).into()
    }
}

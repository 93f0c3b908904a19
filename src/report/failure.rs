//! Errors at the edge: headline, causes, what to do next.

use std::error::Error;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::domain::text::clean;

/// Prints an error with its whole chain and a hint, each on a line of its own, cleaned.
///
/// ```text
/// error: ServiceNow: could not replace the avatar of Ada Byron
///   caused by: 403 Forbidden: insufficient rights to create sys_attachment
///   hint: …
/// ```
pub fn print(out: &mut dyn Write, error: &(dyn Error + 'static), hint: Option<&str>) -> io::Result<()> {
    let red = AnsiColor::Red.on_default().bold();
    writeln!(out, "{red}error{red:#}: {}", clean(&error.to_string()))?;
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if text != last {
            writeln!(out, "  caused by: {}", clean(&text))?;
        }
        last = text;
        source = cause.source();
    }
    if let Some(hint) = hint {
        let bold = Style::new().bold();
        for (position, text) in hint.lines().enumerate() {
            let label = if position == 0 { "hint:" } else { "     " };
            writeln!(out, "  {bold}{label}{bold:#} {}", clean(text))?;
        }
    }
    Ok(())
}

use super::*;

/// A listing of people who have names.
pub(super) fn people<const N: usize>(names: [&str; N]) -> Listing {
    let mut builder = Listing::builder(N);
    for name in names {
        builder.push(&Particulars {
            source: &SourceId::new(name),
            name: &name.into(),
            principal: &format!("{}@contoso.example", name.to_lowercase()).into(),
            mail: None,
            department: None,
            target: None,
            verdict: Verdict::Undecided,
            reason: "",
        });
    }
    builder.finish()
}

//! The filter language of the status command and of the screen.
//!
//! Words are separated by spaces and all must hold; `"two words"` in quotes are one. A bare word is looked for in name,
//! sign-in name, e-mail and department. `status:missing` asks for a verdict (several with commas), `status:suspicious`
//! for a photo that is probably not the person's own, `dept:`, `name:`, `upn:` and `mail:` look in one place, `!` in front
//! negates. Case and accents are folded.

use unicode_normalization::UnicodeNormalization;

use super::comparison::Verdict;
use super::person::SourcePerson;
use super::text::RemoteText;

/// The longest filter, in characters.
pub const FILTER_LIMIT: usize = 1024;

/// A parsed filter; the empty one lets everybody through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub(super) terms: Vec<Term>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub is_negated: bool,
    pub wanted: Wanted,
}

/// What a condition is about. Texts are folded and not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Status(Statuses),
    Anywhere(String),
    In(Field, String),
}

/// Any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statuses {
    pub verdicts: Vec<Verdict>,
    pub suspicious: bool,
}

impl Statuses {
    pub(super) fn hold(&self, verdict: Verdict, is_suspicious: bool) -> bool {
        self.verdicts.contains(&verdict) || (self.suspicious && is_suspicious)
    }

    /// True if whoever has one of these has one of `others` too.
    pub(super) fn are_within(&self, others: &Self) -> bool {
        self.suspicious <= others.suspicious
            && self
                .verdicts
                .iter()
                .all(|verdict| others.verdicts.contains(verdict))
    }
}

/// The word for photos that are probably not the person's own; no verdict, but a detail of one.
const SUSPICIOUS: &str = "suspicious";

/// Where a text of a person stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Display name.
    Name,
    /// Sign-in name in the source.
    Principal,
    /// E-mail address.
    Mail,
    /// Department.
    Department,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 4] = [Self::Name, Self::Principal, Self::Mail, Self::Department];
}

/// A filter that cannot be understood. Displays as a sentence with what is possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Not a verdict.
    #[error("there is no status {word:?}; there are {}", all_codes())]
    UnknownVerdict {
        /// What was written.
        word: String,
    },
    /// Not a field.
    #[error("there is no field {word:?}; there are status, name, upn, mail, dept")]
    UnknownField {
        /// What was written.
        word: String,
    },
    /// Longer than anybody types.
    #[error("a filter has {FILTER_LIMIT} characters at most")]
    TooLong,
}

fn all_codes() -> String {
    format!("{}, {SUSPICIOUS}", Verdict::ALL.map(Verdict::code).join(", "))
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        terms(text).map(|terms| Self { terms })
    }

    /// True if it lets everybody through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// True if the person passes. `is_suspicious`: their photo is probably not their own
    /// ([`suspicion`](super::suspicion)).
    pub fn matches(&self, person: &SourcePerson, verdict: Verdict, is_suspicious: bool) -> bool {
        self.terms
            .iter()
            .all(|term| term.wanted.holds(person, verdict, is_suspicious) != term.is_negated)
    }
}

/// Reads the conditions of a filter. One that says nothing yet, such as `dept:` or a lone `!`, is none.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, FilterError> {
    if text.chars().nth(FILTER_LIMIT).is_some() {
        return Err(FilterError::TooLong);
    }
    words(text)
        .iter()
        .filter_map(|word| Term::parse(word).transpose())
        .collect()
}

impl Term {
    fn parse(word: &str) -> Result<Option<Self>, FilterError> {
        let (is_negated, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
        let wanted = match word.split_once(':') {
            None => Wanted::text(None, word),
            Some(("status" | "verdict" | "is", codes)) => Wanted::statuses(codes)?,
            Some(("name", text)) => Wanted::text(Some(Field::Name), text),
            Some(("upn", text)) => Wanted::text(Some(Field::Principal), text),
            Some(("mail", text)) => Wanted::text(Some(Field::Mail), text),
            Some(("dept" | "department", text)) => Wanted::text(Some(Field::Department), text),
            Some((field, _)) => {
                return Err(FilterError::UnknownField {
                    word: field.to_owned(),
                });
            }
        };
        Ok(wanted.map(|wanted| Self { is_negated, wanted }))
    }
}

impl Wanted {
    fn text(field: Option<Field>, text: &str) -> Option<Self> {
        let text = folded(text);
        match field {
            _ if text.is_empty() => None,
            None => Some(Self::Anywhere(text)),
            Some(field) => Some(Self::In(field, text)),
        }
    }

    fn statuses(codes: &str) -> Result<Option<Self>, FilterError> {
        let mut statuses = Statuses::default();
        for code in codes.split(',') {
            let code = code.trim().to_lowercase().replace(['-', ' '], "_");
            match Verdict::from_code(&code) {
                Some(verdict) => statuses.verdicts.push(verdict),
                None if code == SUSPICIOUS => statuses.suspicious = true,
                None if code.is_empty() => {}
                None => return Err(FilterError::UnknownVerdict { word: code }),
            }
        }
        Ok((statuses != Statuses::default()).then_some(Self::Status(statuses)))
    }

    fn holds(&self, person: &SourcePerson, verdict: Verdict, is_suspicious: bool) -> bool {
        let text = |field| match field {
            Field::Name => Some(&person.name),
            Field::Principal => Some(&person.principal),
            Field::Mail => person.mail.as_ref(),
            Field::Department => person.department.as_ref(),
        };
        let contains = |field, wanted: &str| {
            text(field).is_some_and(|text: &RemoteText| folded(text.raw()).contains(wanted))
        };
        match self {
            Self::Status(statuses) => statuses.hold(verdict, is_suspicious),
            Self::In(field, wanted) => contains(*field, wanted),
            Self::Anywhere(wanted) => Field::ALL.into_iter().any(|field| contains(field, wanted)),
        }
    }
}

/// Splits at spaces outside quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in text.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            space if space.is_whitespace() && !is_quoted => words.push(String::new()),
            other => words.last_mut().expect("never empty").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Without case and accents: NFKD with marks removed, and the letters that do not decompose spelt out.
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for character in text
        .nfkd()
        .filter(|character| !unicode_normalization::char::is_combining_mark(*character))
    {
        for lower in character.to_lowercase() {
            match lower {
                'ø' => folded.push('o'),
                'ł' => folded.push('l'),
                'đ' | 'ð' => folded.push('d'),
                'ß' => folded.push_str("ss"),
                'æ' => folded.push_str("ae"),
                'œ' => folded.push_str("oe"),
                'þ' => folded.push_str("th"),
                'ı' => folded.push('i'),
                other => folded.push(other),
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::SourceId;
    use crate::domain::person::AccountKind;

    fn person() -> SourcePerson {
        SourcePerson {
            id: SourceId::new("1"),
            name: "Søren Øster-Łukasz".into(),
            principal: "soren@contoso.example".into(),
            mail: Some("s.oster@mail.contoso.example".into()),
            employee_id: None,
            department: Some("Human Resources".into()),
            job_title: None,
            kind: AccountKind::Member,
            enabled: Some(true),
        }
    }

    fn passes(filter: &str) -> bool {
        Filter::parse(filter)
            .expect("a good filter")
            .matches(&person(), Verdict::Missing, false)
    }

    #[test]
    fn words_are_looked_for_everywhere_and_all_must_hold() {
        for filter in [
            "",
            "soren",
            "OSTER lukasz",
            "resources",
            "mail.contoso",
            "\"human res\"",
        ] {
            assert!(passes(filter), "{filter}");
        }
        for filter in ["sören zzz", "marketing", "\"res human\""] {
            assert!(!passes(filter), "{filter}");
        }
    }

    #[test]
    fn suspicious_photos_are_asked_for_like_a_verdict() {
        for (filter, of_suspicious, of_others) in [
            ("status:suspicious", true, false),
            ("!status:suspicious", false, true),
            ("status:missing,suspicious", true, true),
            ("status:differs,suspicious", true, false),
            ("status:missing status:suspicious", true, false),
        ] {
            let parsed = Filter::parse(filter).expect("a good filter");
            let passes = |is_suspicious| parsed.matches(&person(), Verdict::Missing, is_suspicious);
            assert_eq!(
                (passes(true), passes(false)),
                (of_suspicious, of_others),
                "{filter}"
            );
        }
    }

    #[test]
    fn fields_verdicts_and_negation_narrow() {
        for filter in [
            "status:missing",
            "status:differs,missing",
            "dept:human",
            "!status:in_sync",
            "name:ost !upn:oster",
        ] {
            assert!(passes(filter), "{filter}");
        }
        for filter in ["!status:missing", "status:differs", "name:contoso", "!soren"] {
            assert!(!passes(filter), "{filter}");
        }
    }

    #[test]
    fn what_says_nothing_yet_narrows_nothing() {
        for filter in ["!", "dept:", "!name:", "status:", "status:,", "\"\"", "\u{301}"] {
            let filter = Filter::parse(filter).expect("a good filter");
            assert!(filter.is_empty(), "{filter:?}");
        }
        assert!(passes("status:missing,"));
    }

    #[test]
    fn an_endless_filter_is_refused() {
        assert!(Filter::parse(&"ä".repeat(FILTER_LIMIT)).is_ok());
        assert_eq!(
            Filter::parse(&"ä".repeat(FILTER_LIMIT + 1)),
            Err(FilterError::TooLong)
        );
    }

    #[test]
    fn mistakes_name_what_is_possible() {
        let error = Filter::parse("status:mising")
            .expect_err("no such status")
            .to_string();
        assert!(
            error.contains("mising") && error.contains("only_in_servicenow"),
            "{error}"
        );
        let error = Filter::parse("departement:x")
            .expect_err("no such field")
            .to_string();
        assert!(error.contains("dept"), "{error}");
    }
}

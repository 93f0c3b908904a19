//! The filter language of the status command and of the screen.
//!
//! Words are separated by spaces and all must hold; `"two words"` in quotes are one. A bare word is looked for in name,
//! sign-in name, e-mail and department. `status:missing` asks for a verdict (several with commas), `dept:`, `name:`,
//! `upn:` and `mail:` look in one place, `!` in front negates. Case and accents are folded.

use unicode_normalization::UnicodeNormalization;

use super::comparison::Verdict;
use super::person::SourcePerson;
use super::text::RemoteText;

/// A parsed filter; the empty one lets everybody through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    is_negated: bool,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Verdicts(Vec<Verdict>),
    Text(Field, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Any,
    Name,
    Principal,
    Mail,
    Department,
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
}

fn all_codes() -> String {
    Verdict::ALL.map(Verdict::code).join(", ")
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        words(text)
            .into_iter()
            .map(|word| Term::parse(&word))
            .collect::<Result<_, _>>()
            .map(|terms| Self { terms })
    }

    /// True if it lets everybody through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// True if the person passes.
    pub fn matches(&self, person: &SourcePerson, verdict: Verdict) -> bool {
        self.terms
            .iter()
            .all(|term| term.holds(person, verdict) != term.is_negated)
    }
}

impl Term {
    fn parse(word: &str) -> Result<Self, FilterError> {
        let (is_negated, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
        let wanted = match word.split_once(':') {
            None => Wanted::Text(Field::Any, folded(word)),
            Some(("status" | "verdict" | "is", verdicts)) => Wanted::Verdicts(
                verdicts
                    .split(',')
                    .map(Self::verdict)
                    .collect::<Result<Vec<Verdict>, FilterError>>()?,
            ),
            Some(("name", text)) => Wanted::Text(Field::Name, folded(text)),
            Some(("upn", text)) => Wanted::Text(Field::Principal, folded(text)),
            Some(("mail", text)) => Wanted::Text(Field::Mail, folded(text)),
            Some(("dept" | "department", text)) => Wanted::Text(Field::Department, folded(text)),
            Some((field, _)) => {
                return Err(FilterError::UnknownField {
                    word: field.to_owned(),
                });
            }
        };
        Ok(Self { is_negated, wanted })
    }

    fn verdict(code: &str) -> Result<Verdict, FilterError> {
        let code = code.trim().to_lowercase().replace(['-', ' '], "_");
        Verdict::from_code(&code).ok_or(FilterError::UnknownVerdict { word: code })
    }

    fn holds(&self, person: &SourcePerson, verdict: Verdict) -> bool {
        let (field, wanted) = match &self.wanted {
            Wanted::Verdicts(verdicts) => return verdicts.contains(&verdict),
            Wanted::Text(field, wanted) => (*field, wanted),
        };
        let contains = |text: &RemoteText| folded(text.raw()).contains(wanted.as_str());
        let in_option = |text: &Option<RemoteText>| text.as_ref().is_some_and(contains);
        match field {
            Field::Name => contains(&person.name),
            Field::Principal => contains(&person.principal),
            Field::Mail => in_option(&person.mail),
            Field::Department => in_option(&person.department),
            Field::Any => {
                contains(&person.name)
                    || contains(&person.principal)
                    || in_option(&person.mail)
                    || in_option(&person.department)
            }
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
            .matches(&person(), Verdict::Missing)
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

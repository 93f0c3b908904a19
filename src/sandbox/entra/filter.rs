//! `$filter`: reading an expression and deciding whether an object matches (`entra.md` 2.2, 2.3).
//!
//! The directory supports fewer operators than OData has, and some of them only in advanced queries. An expression
//! is read whole, then checked against what its properties support, then applied.

mod parser;

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::answer::Failure;
pub(super) use parser::parse;

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Text(Cow<'a, str>),
    Texts(Vec<String>),
    Time(Timestamp),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn optional(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Texts(texts) => {
                let mut list = serializer.serialize_seq(Some(texts.len()))?;
                for text in texts {
                    list.serialize_element(text)?;
                }
                list.end()
            }
            Self::Time(time) => serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%SZ")),
        }
    }
}

/// Which operators a property supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// None at all.
    Unfilterable,
    /// `eq`, `in`; advanced: `ne`, `not`.
    Exact,
    /// Also `ge`, `le`, `startswith`; advanced: `endswith` if it is an address.
    Text {
        /// Supports `endswith`.
        is_address: bool,
    },
    /// Like text, but `startswith` is advanced.
    LimitedText,
    /// `eq`, `ge`, `le`.
    Time,
    /// `any()` with `eq` and `startswith`; advanced: `endswith`.
    Texts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    GreaterOrEqual,
    LessOrEqual,
    Greater,
    Less,
    StartsWith,
    EndsWith,
    Contains,
}

impl Operator {
    /// The name in error messages.
    fn name(self) -> &'static str {
        match self {
            Self::Equal => "EqualsMatch",
            Self::NotEqual => "NotEqualsMatch",
            Self::GreaterOrEqual => "GreaterThanOrEqualsMatch",
            Self::LessOrEqual => "LessThanOrEqualsMatch",
            Self::Greater => "GreaterThanMatch",
            Self::Less => "LessThanMatch",
            Self::StartsWith => "StartsWithMatch",
            Self::EndsWith => "EndsWithMatch",
            Self::Contains => "Contains",
        }
    }
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Text(Box<str>),
    Time(Timestamp),
}

/// An expression over properties of type `P`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression<P> {
    Compare(P, Operator, Literal),
    In(P, Vec<Literal>),
    /// Any text of a list matches.
    Any(P, Operator, Box<str>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

/// When an operator may be used.
enum Support {
    Always,
    Advanced,
    Never,
}

impl<P: Copy> Expression<P> {
    /// Refuses operators that a property does not support, or not without the marks of an advanced query.
    pub(super) fn check(&self, class_of: &impl Fn(P) -> Class, is_advanced: bool) -> Result<(), Failure> {
        let demand = |support: Support, operator: Operator| match support {
            Support::Always => Ok(()),
            Support::Advanced if is_advanced => Ok(()),
            Support::Advanced if operator == Operator::StartsWith => {
                Err(Failure::unsupported_query("Unsupported Query."))
            }
            Support::Advanced | Support::Never => Err(Failure::unsupported_query(format!(
                "Unsupported property filter clause operator '{}'.",
                operator.name()
            ))),
        };
        let invalid = || {
            Failure::unsupported_query(
                "Unsupported or invalid query filter clause specified for a property of this resource.",
            )
        };
        match self {
            Self::Compare(property, operator, literal) => {
                let class = class_of(*property);
                let is_of_type = match (class, literal) {
                    (Class::Unfilterable | Class::Texts, _) => false,
                    (_, Literal::Null) => matches!(operator, Operator::Equal | Operator::NotEqual),
                    (Class::Time, literal) => matches!(literal, Literal::Time(_)),
                    (Class::Exact, literal) => matches!(literal, Literal::Bool(_) | Literal::Text(_)),
                    (_, literal) => matches!(literal, Literal::Text(_)),
                };
                if !is_of_type {
                    return Err(invalid());
                }
                demand(support(class, *operator), *operator)
            }
            Self::In(property, _) => match class_of(*property) {
                Class::Unfilterable | Class::Texts | Class::Time => Err(invalid()),
                Class::Exact | Class::Text { .. } | Class::LimitedText => Ok(()),
            },
            Self::Any(property, operator, _) => match class_of(*property) {
                Class::Texts => demand(support(Class::Texts, *operator), *operator),
                _ => Err(invalid()),
            },
            Self::Not(inner) => {
                if !is_advanced {
                    return Err(Failure::unsupported_query(
                        "Unsupported property filter clause operator 'Not'.",
                    ));
                }
                inner.check(class_of, is_advanced)
            }
            Self::And(left, right) | Self::Or(left, right) => {
                left.check(class_of, is_advanced)?;
                right.check(class_of, is_advanced)
            }
        }
    }

    /// True if an object matches whose properties `value_of` tells.
    pub(super) fn matches<'a>(&self, value_of: &impl Fn(P) -> Value<'a>) -> bool {
        match self {
            Self::Compare(property, operator, literal) => compare(&value_of(*property), *operator, literal),
            Self::In(property, literals) => {
                let value = value_of(*property);
                literals
                    .iter()
                    .any(|literal| compare(&value, Operator::Equal, literal))
            }
            Self::Any(property, operator, text) => match value_of(*property) {
                Value::Texts(texts) => texts.iter().any(|value| compare_text(value, *operator, text)),
                _ => false,
            },
            Self::Not(inner) => !inner.matches(value_of),
            Self::And(left, right) => left.matches(value_of) && right.matches(value_of),
            Self::Or(left, right) => left.matches(value_of) || right.matches(value_of),
        }
    }

    /// All properties that the expression looks at.
    pub(super) fn properties(&self) -> Vec<P> {
        match self {
            Self::Compare(property, ..) | Self::In(property, _) | Self::Any(property, ..) => vec![*property],
            Self::Not(inner) => inner.properties(),
            Self::And(left, right) | Self::Or(left, right) => {
                let mut properties = left.properties();
                properties.extend(right.properties());
                properties
            }
        }
    }
}

fn support(class: Class, operator: Operator) -> Support {
    use Operator::{
        Contains, EndsWith, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsWith,
    };
    match (class, operator) {
        // For `contains`, the directory has `$search` instead.
        (_, Contains | Greater | Less) | (Class::Unfilterable, _) | (Class::Texts, NotEqual) => {
            Support::Never
        }
        (_, Equal) | (Class::Text { .. } | Class::Texts, StartsWith) => Support::Always,
        (_, NotEqual) => Support::Advanced,
        (Class::Time | Class::Text { .. } | Class::LimitedText, GreaterOrEqual | LessOrEqual) => {
            Support::Always
        }
        (Class::LimitedText, StartsWith) | (Class::Text { is_address: true } | Class::Texts, EndsWith) => {
            Support::Advanced
        }
        _ => Support::Never,
    }
}

fn compare(value: &Value<'_>, operator: Operator, literal: &Literal) -> bool {
    let ordered = |ordering: Ordering| match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        Operator::Less => ordering.is_lt(),
        Operator::StartsWith | Operator::EndsWith | Operator::Contains => false,
    };
    match (value, literal) {
        (Value::Null, Literal::Null) => operator == Operator::Equal,
        (Value::Null, _) | (_, Literal::Null) => operator == Operator::NotEqual,
        (Value::Bool(value), Literal::Bool(literal)) => ordered(value.cmp(literal)),
        (Value::Time(value), Literal::Time(literal)) => ordered(value.cmp(literal)),
        (Value::Text(value), Literal::Text(literal)) => compare_text(value, operator, literal),
        _ => false,
    }
}

/// The directory compares texts without regard to case.
fn compare_text(value: &str, operator: Operator, literal: &str) -> bool {
    match operator {
        Operator::Equal => compare_folded(value, literal).is_eq(),
        Operator::NotEqual => compare_folded(value, literal).is_ne(),
        Operator::GreaterOrEqual => compare_folded(value, literal).is_ge(),
        Operator::LessOrEqual => compare_folded(value, literal).is_le(),
        Operator::Greater => compare_folded(value, literal).is_gt(),
        Operator::Less => compare_folded(value, literal).is_lt(),
        Operator::StartsWith => starts_with(value, literal),
        Operator::EndsWith => {
            let (mut value, mut literal) = (folded(value).rev(), folded(literal).rev());
            literal.all(|wanted| value.next() == Some(wanted))
        }
        Operator::Contains => value.to_lowercase().contains(&literal.to_lowercase()),
    }
}

/// True if a text begins with another, whatever the case.
pub(super) fn starts_with(text: &str, beginning: &str) -> bool {
    if text.is_ascii() && beginning.is_ascii() {
        let head = text.as_bytes().get(..beginning.len());
        return head.is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()));
    }
    let mut text = folded(text);
    folded(beginning).all(|wanted| text.next() == Some(wanted))
}

fn compare_folded(left: &str, right: &str) -> Ordering {
    folded(left).cmp(folded(right))
}

fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

//! Encoded queries that mean what they say (`servicenow.md` 2.3, 2.4, 2.9; `reliability.md` L8).
//!
//! Columns are fixed words of this program or come from the scope an administrator configured; values are checked or
//! escaped. The service drops a condition on a column it does not know and answers with everything, so a
//! [`Filter`] also knows which columns it relies on, and the listing checks that the rows show them.

use std::collections::BTreeSet;

use crate::connector::http::{Address, Origin};

/// The longest request target sent: long `IN` lists are cut into chunks that stay below (`servicenow.md` 2.9).
pub(super) const TARGET_LIMIT: usize = 6_000;

/// Most ids in one `IN` list.
pub(super) const CHUNK_START: usize = 150;

/// Chunks are not halved below this when an edge complains about the length.
pub(super) const CHUNK_FLOOR: usize = 10;

/// The longest value that is looked up; longer ones cannot be in the columns asked.
const VALUE_LIMIT: usize = 255;

/// True for what can be a `sys_id`: 32 hexadecimal digits, or one of the readable ids of old rows, up to 32
/// characters without any that mean something in a query, a path or a list.
pub(super) fn is_sys_id(text: &str) -> bool {
    let is_inner = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'-' | b'.' | b'@' | b'+' | b'\'' | b'~' | b'(' | b')' | b' '
            )
    };
    let is_edge = |byte: u8| is_inner(byte) && byte != b' ' && byte != b'.';
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            bytes.len() <= 32 && is_edge(*first) && is_edge(*last) && bytes.iter().all(|byte| is_inner(*byte))
        }
        _ => false,
    }
}

/// True for the name of a column, dot-walked or not.
pub(super) fn is_column(text: &str) -> bool {
    let is_inner =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.';
    text.len() <= 80
        && text.bytes().all(is_inner)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('.')
}

/// A value that must not become part of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnsafeValue {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {VALUE_LIMIT} bytes")]
    TooLong,
    #[error("it contains a line break or control character")]
    ControlCharacter,
    #[error("it starts with \"javascript:\", which ServiceNow would run as a script")]
    Script,
}

/// Refuses values that no escaping makes safe.
pub(super) fn check_value(value: &str) -> Result<(), UnsafeValue> {
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return Err(UnsafeValue::Empty);
    }
    if value.len() > VALUE_LIMIT {
        return Err(UnsafeValue::TooLong);
    }
    let breaks_lines =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if value.chars().any(breaks_lines) {
        return Err(UnsafeValue::ControlCharacter);
    }
    if starts_with_script(trimmed) {
        return Err(UnsafeValue::Script);
    }
    Ok(())
}

fn starts_with_script(text: &str) -> bool {
    text.get(.."javascript:".len())
        .is_some_and(|start| start.eq_ignore_ascii_case("javascript:"))
}

/// True if the value may stand in an `IN` list; others are asked for with [`equals`], one by one.
pub(super) fn fits_a_list(value: &str) -> bool {
    !value.contains(['^', ',']) && value.trim() == value
}

/// `column=value`, with `^` escaped. The value has passed [`check_value`].
pub(super) fn equals(column: &str, value: &str) -> String {
    format!("{column}={}", value.replace('^', "^^"))
}

/// `columnINa,b,c`. The values have passed [`is_sys_id`], or [`check_value`] and [`fits_a_list`].
pub(super) fn any_of<'a>(column: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = format!("{column}IN");
    for (position, value) in values.into_iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        text.push_str(value);
    }
    text
}

/// Which rows a listing wants: alternatives (`^NQ`) of conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    groups: Vec<String>,
    columns: Vec<String>,
}

impl Filter {
    /// A filter of this program; it relies on the columns named.
    pub(super) fn fixed(conditions: &str, columns: &[&str]) -> Self {
        Self {
            groups: vec![conditions.to_owned()],
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
        }
    }

    /// Two alternatives.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.groups.extend(other.groups);
        for column in other.columns {
            if !self.columns.contains(&column) {
                self.columns.push(column);
            }
        }
        self
    }

    /// Narrows every alternative by one more condition.
    pub(super) fn and(mut self, condition: &str) -> Self {
        for group in &mut self.groups {
            if !group.is_empty() {
                group.push('^');
            }
            group.push_str(condition);
        }
        self
    }

    /// Reads the scope an administrator configured.
    pub(super) fn scope(text: &str) -> Result<Self, ScopeError> {
        let mut text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(ScopeError::ControlCharacter);
        }
        // A query copied from a list view ends in ^EQ.
        while let Some(rest) = text.strip_suffix("^EQ") {
            text = rest;
        }
        let mut groups = vec![String::new()];
        let mut columns = BTreeSet::new();
        for (position, term) in terms(text).into_iter().enumerate() {
            let (starts_group, condition) = match term.strip_prefix("NQ") {
                Some(rest) => (true, rest),
                None => (false, term.as_str()),
            };
            if condition.is_empty() {
                if text.is_empty() {
                    break;
                }
                return Err(ScopeError::EmptyCondition);
            }
            if condition.starts_with("ORDERBY") || condition.starts_with("GROUPBY") {
                return Err(ScopeError::Order);
            }
            let comparison = condition.strip_prefix("OR").unwrap_or(condition);
            let column: String = comparison
                .chars()
                .take_while(|character| {
                    character.is_ascii_lowercase()
                        || character.is_ascii_digit()
                        || matches!(character, '_' | '.')
                })
                .collect();
            let operator = &comparison[column.len()..];
            if operator.to_ascii_lowercase().contains("javascript:") {
                return Err(ScopeError::Script);
            }
            if column.starts_with(|first: char| first.is_ascii_lowercase()) {
                columns.insert(column);
            }
            if starts_group && position > 0 {
                groups.push(String::new());
            }
            let group = groups.last_mut().expect("there is always one group");
            if !group.is_empty() {
                group.push('^');
            }
            group.push_str(condition);
        }
        Ok(Self {
            groups,
            columns: columns.into_iter().collect(),
        })
    }

    /// The columns whose conditions must not be dropped in silence.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The whole query without paging.
    pub(super) fn plain(&self) -> String {
        self.groups.join("^NQ")
    }

    /// The query of one page in key order: the rows after `last`, or the first ones.
    ///
    /// The key condition is repeated in every alternative: behind `^NQ` it would hold for the last one only.
    pub(super) fn after(&self, last: Option<&str>) -> String {
        let mut text = String::new();
        for (position, group) in self.groups.iter().enumerate() {
            if position > 0 {
                text.push_str("^NQ");
            }
            text.push_str(group);
            if let Some(last) = last {
                if !group.is_empty() {
                    text.push('^');
                }
                text.push_str("sys_id>");
                text.push_str(last);
            }
        }
        if !text.is_empty() {
            text.push('^');
        }
        text.push_str("ORDERBYsys_id");
        text
    }

    /// The query in key order, for paging by offset.
    pub(super) fn ordered(&self) -> String {
        self.after(None)
    }
}

/// Splits at single carets; `^^` is a literal one and stays as it is.
fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let term = terms.last_mut().expect("there is always one term");
        if character != '^' {
            term.push(character);
        } else if characters.next_if_eq(&'^').is_some() {
            term.push_str("^^");
        } else {
            terms.push(String::new());
        }
    }
    terms
}

/// Why a configured scope cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Line breaks and the like.
    #[error("the scope contains a line break or control character")]
    ControlCharacter,
    /// `^^` at the wrong place, a caret at the start or at the end.
    #[error("the scope has an empty condition; look for a ^ too many")]
    EmptyCondition,
    /// Sorting and grouping belong to the listing.
    #[error("the scope sorts or groups (ORDERBY, GROUPBY); leave that out, people are listed by sys_id")]
    Order,
    /// A script in a value.
    #[error("the scope contains javascript:, which ServiceNow would run as a script; use a plain value")]
    Script,
}

/// One read of a table, as request parameters.
#[derive(Clone, Debug)]
pub(super) struct TableRead<'a> {
    /// The table.
    pub(super) table: &'a str,
    /// `sysparm_fields`; never empty, because a full read includes private columns.
    pub(super) fields: &'a str,
    /// `sysparm_query`.
    pub(super) query: String,
    /// `sysparm_limit`.
    pub(super) limit: usize,
    /// `sysparm_offset`; left out when zero.
    pub(super) offset: u64,
    /// Asks for the number of matching rows in `X-Total-Count`, which costs the instance a counting query.
    pub(super) counted: bool,
}

impl TableRead<'_> {
    /// Where the read goes.
    pub(super) fn address(&self, origin: &Origin) -> Address {
        let limit = self.limit.to_string();
        let offset = self.offset.to_string();
        let mut parameters = vec![
            ("sysparm_query", self.query.as_str()),
            ("sysparm_fields", self.fields),
            ("sysparm_limit", &limit),
        ];
        if self.offset > 0 {
            parameters.push(("sysparm_offset", &offset));
        }
        if !self.counted {
            parameters.push(("sysparm_no_count", "true"));
        }
        parameters.push(("sysparm_exclude_reference_link", "true"));
        parameters.push(("sysparm_suppress_pagination_header", "true"));
        origin.address(&["api", "now", "table", self.table], &parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "1f0c9a4b7d3e4256a8c1d2e3f4051627";

    #[test]
    fn one_more_condition_holds_in_every_alternative_of_a_scope() {
        let narrowed = |scope: &str| {
            let scope = Filter::scope(scope).expect("a scope");
            scope.and("emailINann@x.example").plain()
        };
        assert_eq!(narrowed(""), "emailINann@x.example");
        assert_eq!(
            narrowed("active=true^nameSTARTSWITHa^ORnameSTARTSWITHb^NQvip=true"),
            "active=true^nameSTARTSWITHa^ORnameSTARTSWITHb^emailINann@x.example^NQvip=true^emailINann@x.example"
        );
    }

    #[test]
    fn sys_ids_are_hexadecimal_or_readable_but_never_syntax() {
        for id in [
            ADA,
            "global",
            "admin",
            "ada.okafor@example.com",
            "o'brien",
            "Guest User",
        ] {
            assert!(is_sys_id(id), "{id:?}");
        }
        for id in [
            "",
            " ",
            "..",
            ".",
            "a^b",
            "a,b",
            "a/b",
            "a?b",
            "a%2fb",
            "a\nb",
            "javascript:gs.getUserID()",
            "x=y",
            "é",
            " a",
            "1f0c9a4b7d3e4256a8c1d2e3f40516270",
        ] {
            assert!(!is_sys_id(id), "{id:?}");
        }
        crate::tried("L8", 15);
    }

    #[test]
    fn values_that_no_escaping_makes_safe_are_refused() {
        let table = [
            ("", UnsafeValue::Empty),
            ("  ", UnsafeValue::Empty),
            ("a\nb", UnsafeValue::ControlCharacter),
            ("a\rb", UnsafeValue::ControlCharacter),
            ("a\u{0}b", UnsafeValue::ControlCharacter),
            ("a\u{85}b", UnsafeValue::ControlCharacter),
            ("a\u{2028}b", UnsafeValue::ControlCharacter),
            ("javascript:gs.getUserID()", UnsafeValue::Script),
            (" JavaScript:x", UnsafeValue::Script),
        ];
        for (value, reason) in table {
            assert_eq!(check_value(value), Err(reason), "{value:?}");
        }
        assert_eq!(check_value(&"x".repeat(256)), Err(UnsafeValue::TooLong));
        for value in ["ada@example.com", "O'Brien, Ada", "a^b", "Ærø", "javascript"] {
            assert_eq!(check_value(value), Ok(()), "{value:?}");
        }
        crate::tried("L8", 10);
    }

    #[test]
    fn carets_are_doubled_and_such_values_stay_out_of_lists() {
        assert_eq!(equals("email", "a^ORactive=true"), "email=a^^ORactive=true");
        assert!(!fits_a_list("a^b"));
        assert!(!fits_a_list("Okafor, Ada"));
        assert!(!fits_a_list(" ada"));
        assert!(fits_a_list("ada@example.com"));
        assert_eq!(any_of("sys_id", ["a", "b"]), "sys_idINa,b");
        crate::tried("L8", 4);
    }

    #[test]
    fn pages_follow_the_key_in_every_alternative() {
        let table = [
            ("", None, "ORDERBYsys_id"),
            ("", Some("x"), "sys_id>x^ORDERBYsys_id"),
            ("active=true", None, "active=true^ORDERBYsys_id"),
            ("active=true", Some("x"), "active=true^sys_id>x^ORDERBYsys_id"),
            ("a=1^ORb=2", Some("x"), "a=1^ORb=2^sys_id>x^ORDERBYsys_id"),
            (
                "a=1^NQb=2",
                Some("x"),
                "a=1^sys_id>x^NQb=2^sys_id>x^ORDERBYsys_id",
            ),
            ("a=1^NQb=2^c=3^EQ", None, "a=1^NQb=2^c=3^ORDERBYsys_id"),
        ];
        for (scope, last, expected) in table {
            let filter = Filter::scope(scope).unwrap_or_else(|error| panic!("{scope:?}: {error}"));
            assert_eq!(filter.after(last), expected, "{scope:?}");
        }
    }

    #[test]
    fn a_condition_narrows_every_alternative() {
        let narrowed = |scope| Filter::scope(scope).expect("a scope").and("sys_idINx").plain();
        assert_eq!(narrowed(""), "sys_idINx");
        assert_eq!(narrowed("active=true"), "active=true^sys_idINx");
        assert_eq!(narrowed("a=1^NQb=2"), "a=1^sys_idINx^NQb=2^sys_idINx");
    }

    #[test]
    fn a_scope_knows_the_columns_it_relies_on() {
        let filter =
            Filter::scope("active=true^emailISNOTEMPTY^ORdepartment.nameLIKESales^^x^NQu_site_2INa,b")
                .unwrap();
        assert_eq!(
            filter.columns(),
            ["active", "department.name", "email", "u_site_2"]
        );
        assert_eq!(
            filter.plain(),
            "active=true^emailISNOTEMPTY^ORdepartment.nameLIKESales^^x^NQu_site_2INa,b"
        );
    }

    #[test]
    fn a_scope_that_cannot_be_paged_or_runs_scripts_is_refused() {
        let table = [
            ("active=true^ORDERBYname", ScopeError::Order),
            ("ORDERBYDESCname", ScopeError::Order),
            ("active=true^", ScopeError::EmptyCondition),
            ("^active=true", ScopeError::EmptyCondition),
            ("a=1^NQ", ScopeError::EmptyCondition),
            ("manager=javascript:gs.getUserID()", ScopeError::Script),
            ("a=1\nb=2", ScopeError::ControlCharacter),
        ];
        for (scope, reason) in table {
            assert_eq!(Filter::scope(scope), Err(reason), "{scope:?}");
        }
    }

    fn origin() -> Origin {
        Origin::parse("https://acme.service-now.com").expect("an address")
    }

    #[test]
    fn a_full_chunk_of_ids_stays_below_the_target_limit() {
        let ids = vec![ADA; CHUNK_START];
        let read = TableRead {
            table: "sys_attachment",
            fields: "sys_id,table_name,table_sys_id,file_name,content_type,size_bytes,hash,state,sys_created_on,\
                     sys_created_by",
            query: any_of("table_sys_id", ids)
                + "^table_nameINZZ_YYsys_user,ZZ_YYlive_profile,sys_user,live_profile",
            limit: 1_000,
            offset: 0,
            counted: true,
        };
        let length = read.address(&origin()).target_len();
        assert!(length <= TARGET_LIMIT, "{length}");
    }

    #[test]
    fn reads_carry_the_flags_that_keep_them_cheap() {
        let read = TableRead {
            table: "sys_user",
            fields: "sys_id,photo",
            query: "active=true^ORDERBYsys_id".into(),
            limit: 500,
            offset: 0,
            counted: false,
        };
        let address = read.address(&origin());
        let expected = origin().address(
            &["api", "now", "table", "sys_user"],
            &[
                ("sysparm_query", "active=true^ORDERBYsys_id"),
                ("sysparm_fields", "sys_id,photo"),
                ("sysparm_limit", "500"),
                ("sysparm_no_count", "true"),
                ("sysparm_exclude_reference_link", "true"),
                ("sysparm_suppress_pagination_header", "true"),
            ],
        );
        assert!(address == expected, "{address:?}");
    }
}

//! The encoded query language: text into conditions (`servicenow.md` 2.3).
//!
//! `a=1^b=2^ORc=3^NQd=4^ORDERBYe` is (a=1 and (b=2 or c=3)) or d=4, ordered by e. Nothing here knows a table: which
//! columns exist is decided when the query is run.

/// A query as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedQuery {
    /// Groups separated by `^NQ`: a row must satisfy one of them. No group at all matches every row.
    pub groups: Vec<Group>,
    /// `ORDERBY` terms, most significant first.
    pub order: Vec<Order>,
}

/// Alternatives that must all be satisfied.
pub type Group = Vec<Alternatives>;

/// Conditions joined by `^OR`: one of them must be satisfied.
pub type Alternatives = Vec<Condition>;

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Column, dot-walked or not, as written.
    pub column: String,
    /// Comparison; `None` if the term has no operator we know, which drops it like an unknown column.
    pub operator: Option<Operator>,
    /// Right-hand side, `^^` already read as `^`.
    pub value: String,
}

/// One `ORDERBY` term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Column.
    pub column: String,
    /// `ORDERBYDESC`.
    pub descending: bool,
}

/// The comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the operator of its name, see OPERATORS")]
pub enum Operator {
    Equals,
    Differs,
    In,
    NotIn,
    StartsWith,
    EndsWith,
    Contains,
    ContainsNot,
    IsEmpty,
    IsNotEmpty,
    Anything,
    Above,
    AtLeast,
    Below,
    AtMost,
    Between,
    SameAs,
    NotSameAs,
}

/// As the operators are written. Where one begins with another the longer is first.
const OPERATORS: &[(&str, Operator)] = &[
    ("DOES NOT CONTAIN", Operator::ContainsNot),
    ("ISNOTEMPTY", Operator::IsNotEmpty),
    ("EMPTYSTRING", Operator::IsEmpty),
    ("STARTSWITH", Operator::StartsWith),
    ("INSTANCEOF", Operator::Equals),
    ("NOT LIKE", Operator::ContainsNot),
    ("ENDSWITH", Operator::EndsWith),
    ("CONTAINS", Operator::Contains),
    ("ANYTHING", Operator::Anything),
    ("NOTLIKE", Operator::ContainsNot),
    ("BETWEEN", Operator::Between),
    ("ISEMPTY", Operator::IsEmpty),
    ("NSAMEAS", Operator::NotSameAs),
    ("NOT IN", Operator::NotIn),
    ("SAMEAS", Operator::SameAs),
    ("NOTIN", Operator::NotIn),
    ("LIKE", Operator::Contains),
    ("IN", Operator::In),
    ("!=", Operator::Differs),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=", Operator::Equals),
    (">", Operator::Above),
    ("<", Operator::Below),
];

impl EncodedQuery {
    /// Reads a query. Every text is one: what makes no sense becomes a condition that will be dropped.
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        let mut group = Group::new();
        for term in terms(text) {
            if term.is_empty() || term == "EQ" {
                continue;
            }
            if let Some(column) = term.strip_prefix("ORDERBYDESC") {
                query.order_by(column, true);
            } else if let Some(column) = term.strip_prefix("ORDERBY") {
                query.order_by(column, false);
            } else if term.starts_with("GROUPBY") {
                // Only lists on the screen group; the Table API takes no notice.
            } else if let Some(term) = term.strip_prefix("NQ") {
                query
                    .groups
                    .extend((!group.is_empty()).then(|| std::mem::take(&mut group)));
                if !term.is_empty() {
                    group.push(vec![Condition::parse(term)]);
                }
            } else if let Some(term) = term.strip_prefix("OR") {
                let condition = Condition::parse(term);
                match group.last_mut() {
                    Some(alternatives) => alternatives.push(condition),
                    None => group.push(vec![condition]),
                }
            } else {
                group.push(vec![Condition::parse(&term)]);
            }
        }
        query.groups.extend((!group.is_empty()).then_some(group));
        query
    }

    fn order_by(&mut self, column: &str, descending: bool) {
        self.order.push(Order {
            column: column.to_owned(),
            descending,
        });
    }
}

impl Condition {
    fn parse(term: &str) -> Self {
        // The first place where an operator stands is where the column ends; names are lower case, most operators upper.
        let found = term.char_indices().find_map(|(start, _)| {
            OPERATORS
                .iter()
                .find(|(written, _)| term[start..].starts_with(written))
                .map(|(written, operator)| (start, written.len(), *operator))
        });
        match found {
            Some((start, length, operator)) => Self {
                column: term[..start].to_owned(),
                operator: Some(operator),
                value: term[start + length..].to_owned(),
            },
            None => Self {
                column: term.to_owned(),
                operator: None,
                value: String::new(),
            },
        }
    }
}

/// Splits at single carets; a doubled one is a literal (`servicenow.md` 2.3).
fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '^' {
            terms
                .last_mut()
                .expect("starts with one and only grows")
                .push(character);
        } else if characters.next_if_eq(&'^').is_some() {
            terms
                .last_mut()
                .expect("starts with one and only grows")
                .push('^');
        } else {
            terms.push(String::new());
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(column: &str, operator: Operator, value: &str) -> Condition {
        Condition {
            column: column.to_owned(),
            operator: Some(operator),
            value: value.to_owned(),
        }
    }

    #[test]
    fn carets_join_conditions_or_adds_an_alternative_and_nq_starts_a_new_group() {
        let query = EncodedQuery::parse("active=true^emailLIKEada^ORnameLIKEada^NQuser_name=root");
        assert_eq!(
            query.groups,
            [
                vec![
                    vec![condition("active", Operator::Equals, "true")],
                    vec![
                        condition("email", Operator::Contains, "ada"),
                        condition("name", Operator::Contains, "ada"),
                    ],
                ],
                vec![vec![condition("user_name", Operator::Equals, "root")]],
            ]
        );
    }

    #[test]
    fn order_terms_are_not_mistaken_for_alternatives() {
        let query = EncodedQuery::parse("active=true^ORDERBYname^ORDERBYDESCsys_created_on");
        let order: Vec<(&str, bool)> = query
            .order
            .iter()
            .map(|order| (order.column.as_str(), order.descending))
            .collect();
        assert_eq!(order, [("name", false), ("sys_created_on", true)]);
        assert_eq!(query.groups.len(), 1);
    }

    #[test]
    fn a_doubled_caret_is_a_literal_one() {
        let query = EncodedQuery::parse("title=a^^b^active=true");
        assert_eq!(query.groups[0][0], [condition("title", Operator::Equals, "a^b")]);
        assert_eq!(query.groups[0].len(), 2);
    }

    #[test]
    fn every_operator_of_the_manual_is_read() {
        for (term, operator, value) in [
            ("n=v", Operator::Equals, "v"),
            ("n!=v", Operator::Differs, "v"),
            ("nINa,b", Operator::In, "a,b"),
            ("nNOT INa,b", Operator::NotIn, "a,b"),
            ("nSTARTSWITHv", Operator::StartsWith, "v"),
            ("nENDSWITHv", Operator::EndsWith, "v"),
            ("nLIKEv", Operator::Contains, "v"),
            ("nNOT LIKEv", Operator::ContainsNot, "v"),
            ("nISEMPTY", Operator::IsEmpty, ""),
            ("nISNOTEMPTY", Operator::IsNotEmpty, ""),
            ("nEMPTYSTRING", Operator::IsEmpty, ""),
            ("nANYTHING", Operator::Anything, ""),
            ("n>v", Operator::Above, "v"),
            ("n>=v", Operator::AtLeast, "v"),
            ("n<v", Operator::Below, "v"),
            ("n<=v", Operator::AtMost, "v"),
            ("nBETWEENa@b", Operator::Between, "a@b"),
            ("nSAMEASm", Operator::SameAs, "m"),
            ("nNSAMEASm", Operator::NotSameAs, "m"),
        ] {
            assert_eq!(
                EncodedQuery::parse(term).groups[0][0],
                [condition("n", operator, value)],
                "{term}"
            );
        }
    }

    #[test]
    fn a_value_may_contain_what_looks_like_an_operator() {
        let query = EncodedQuery::parse("user_name=jane=INc");
        assert_eq!(
            query.groups[0][0],
            [condition("user_name", Operator::Equals, "jane=INc")]
        );
    }

    #[test]
    fn a_term_without_operator_stays_as_a_condition_to_be_dropped() {
        let query = EncodedQuery::parse("nonsense^active=true");
        assert_eq!(query.groups[0][0][0].operator, None);
        assert_eq!(query.groups[0].len(), 2);
    }
}

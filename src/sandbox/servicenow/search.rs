//! Running an encoded query over a table: which rows, in which order (`servicenow.md` 2.3, 2.5).
//!
//! A query is bound to a table first ([`Search::new`]), which finds its columns and reads its values once. The planner
//! then looks in every group for a condition that an index or a range of `sys_id` answers, and only the rows that come
//! out of it are compared. Conditions that draw pictures (on `hash` and sizes) are looked at last.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Bound;

use super::query::{Alternatives, Condition, EncodedQuery, Operator};
use crate::sandbox::world::instance::schema::{Column, Kind, Source, TableName};
use crate::sandbox::world::instance::{Cell, Instance, Slot, SysId, View};

/// What a query may depend on besides the rows.
#[derive(Clone, Copy, Debug)]
pub struct Dialect<'a> {
    /// Values are compared in their capitalisation.
    pub case_sensitive: bool,
    /// For `javascript:gs.getUserName()`.
    pub user_name: &'a str,
    /// For `javascript:gs.getUserID()`.
    pub user_id: Option<SysId>,
}

/// A column, or a walk over references to one.
pub type Path = Vec<(TableName, &'static Column)>;

/// A query bound to a table.
#[derive(Debug)]
pub struct Search {
    table: TableName,
    groups: Vec<Vec<Vec<Test>>>,
    order: Vec<(Path, bool)>,
    case_sensitive: bool,
    /// A condition named a column that does not exist, or had no operator, and was dropped.
    pub has_dropped: bool,
}

#[derive(Debug)]
struct Test {
    path: Path,
    operator: Operator,
    operand: Operand,
}

/// A right-hand side, read once.
#[derive(Debug)]
struct Operand {
    /// The values: one, those of a list, or both ends of a range. Folded unless case counts.
    texts: Vec<String>,
    /// Those of `texts` that are keys, in order.
    keys: Vec<SysId>,
    /// One of `texts` is empty.
    has_empty: bool,
    /// `texts` as seconds since 1970, if all are.
    times: Option<Vec<u32>>,
    /// `texts` as numbers, if all are.
    numbers: Option<Vec<f64>>,
    /// The other column of `SAMEAS`.
    other: Option<Path>,
}

/// Finds a column by its name, walking over references at dots.
pub fn resolve(table: TableName, name: &str) -> Option<Path> {
    let mut path = Path::new();
    let mut table = table;
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        let column = table.column(part)?;
        path.push((table, column));
        if parts.peek().is_some() {
            let Kind::Reference(next) = column.kind else {
                return None;
            };
            table = next;
        }
    }
    Some(path)
}

/// The value at the end of a walk; empty where a reference on the way is.
pub fn value<'a>(instance: &'a Instance, slot: Slot, path: &Path, view: &View) -> Cell<'a> {
    let mut slot = slot;
    let last = path.len() - 1;
    for (index, (table, column)) in path.iter().enumerate() {
        let cell = instance.cell(*table, slot, column, view);
        if index == last {
            return cell;
        }
        let next = match (cell, column.kind) {
            (Cell::Key(Some(id)), Kind::Reference(table)) => instance.find(table, id),
            _ => None,
        };
        match next {
            Some(next) => slot = next,
            None => break,
        }
    }
    Cell::Text(Cow::Borrowed(""))
}

impl Search {
    /// Binds a query to a table.
    pub fn new(table: TableName, query: &EncodedQuery, dialect: Dialect<'_>) -> Self {
        let mut has_dropped = false;
        let mut groups = Vec::new();
        for group in &query.groups {
            let mut tests: Vec<Vec<Test>> = group
                .iter()
                .map(|alternatives| bind(table, alternatives, dialect, &mut has_dropped))
                .filter(|alternatives| !alternatives.is_empty())
                .collect();
            tests.sort_by_key(|alternatives| alternatives.iter().any(Test::draws));
            groups.push(tests);
        }
        // A group whose conditions were all dropped says nothing, unless it is the only one.
        if groups.len() > 1 && groups.iter().any(|group| !group.is_empty()) {
            groups.retain(|group| !group.is_empty());
        }
        let order = query
            .order
            .iter()
            .filter_map(|order| {
                let path = resolve(table, &order.column);
                has_dropped |= path.is_none();
                path.map(|path| (path, order.descending))
            })
            .collect();
        Self {
            table,
            groups,
            order,
            case_sensitive: dialect.case_sensitive,
            has_dropped,
        }
    }

    /// Every column the query names, for query access rules (`servicenow.md` 2.5).
    pub fn columns(&self) -> impl Iterator<Item = &(TableName, &'static Column)> {
        let tests = self.groups.iter().flatten().flatten();
        let conditions = tests.flat_map(|test| test.path.iter().chain(test.operand.other.iter().flatten()));
        conditions.chain(self.order.iter().flat_map(|(path, _)| path))
    }

    /// True if the query has no condition.
    pub fn is_everything(&self) -> bool {
        self.groups.iter().all(Vec::is_empty)
    }

    /// Whether a row satisfies the conditions.
    pub fn matches(&self, instance: &Instance, slot: Slot, view: &View) -> bool {
        self.groups.is_empty()
            || self.groups.iter().any(|group| {
                group.iter().all(|alternatives| {
                    alternatives
                        .iter()
                        .any(|test| test.matches(instance, slot, view, self.case_sensitive))
                })
            })
    }

    /// The rows of one page, and how many there are in all if `counts`. A row counts if `is_visible`, where there is
    /// one, says so too.
    pub fn page(
        &self,
        instance: &Instance,
        view: &View,
        offset: usize,
        limit: usize,
        counts: bool,
        is_visible: Option<&dyn Fn(Slot) -> bool>,
    ) -> (Vec<Slot>, Option<usize>) {
        let keeps = |slot: &Slot| {
            self.matches(instance, *slot, view) && is_visible.is_none_or(|is_visible| is_visible(*slot))
        };
        let candidates = self.candidates(instance);
        let direction = self.direction();
        if let (Some(descending), None) = (direction, &candidates) {
            // In the order of the table: a page ends as soon as it is full.
            let rows = || instance.slots(self.table, self.bounds());
            let page = if descending {
                rows().rev().filter(keeps).skip(offset).take(limit).collect()
            } else {
                rows().filter(keeps).skip(offset).take(limit).collect()
            };
            let is_whole_table = self.is_everything() && is_visible.is_none();
            let count = || {
                if is_whole_table {
                    instance.count(self.table)
                } else {
                    rows().filter(keeps).count()
                }
            };
            return (page, counts.then(count));
        }
        let mut rows = candidates.unwrap_or_else(|| instance.slots(self.table, self.bounds()).collect());
        rows.retain(keeps);
        match direction {
            Some(true) => rows.reverse(),
            Some(false) => {}
            None => self.sort(instance, &mut rows, view),
        }
        let total = rows.len();
        (
            rows.into_iter().skip(offset).take(limit).collect(),
            counts.then_some(total),
        )
    }

    /// All rows that satisfy the query, in order of `sys_id`.
    pub fn all(&self, instance: &Instance, view: &View) -> Vec<Slot> {
        let candidates = self.candidates(instance);
        let rows = candidates.unwrap_or_else(|| instance.slots(self.table, self.bounds()).collect());
        rows.into_iter()
            .filter(|slot| self.matches(instance, *slot, view))
            .collect()
    }

    /// `Some(descending)` if rows are wanted in order of `sys_id`, which is how they are kept.
    fn direction(&self) -> Option<bool> {
        match self.order.first() {
            None => Some(false),
            Some((path, descending)) => match path.as_slice() {
                [(_, column)] if column.source == Source::SysId => Some(*descending),
                _ => None,
            },
        }
    }

    fn sort(&self, instance: &Instance, rows: &mut Vec<Slot>, view: &View) {
        let mut keyed: Vec<(Vec<SortKey>, SysId, Slot)> = rows
            .iter()
            .map(|slot| {
                let keys = self
                    .order
                    .iter()
                    .map(|(path, _)| SortKey::new(value(instance, *slot, path, view), self.case_sensitive))
                    .collect();
                (keys, instance.key(self.table, *slot), *slot)
            })
            .collect();
        keyed.sort_by(|left, right| {
            let pairs = left.0.iter().zip(&right.0).zip(&self.order);
            pairs
                .map(|((left, right), (_, descending))| {
                    let order = left.cmp(right);
                    if *descending { order.reverse() } else { order }
                })
                .find(|order| order.is_ne())
                .unwrap_or_else(|| left.1.cmp(&right.1))
        });
        *rows = keyed.into_iter().map(|(_, _, slot)| slot).collect();
    }

    /// Rows that an index offers for every group, each once and in order of `sys_id`; `None` if one group has no use of
    /// any index.
    fn candidates(&self, instance: &Instance) -> Option<Vec<Slot>> {
        if self.groups.is_empty() {
            return None;
        }
        let mut rows: Vec<(SysId, Slot)> = Vec::new();
        for group in &self.groups {
            let smallest = group
                .iter()
                .filter_map(|alternatives| indexed(instance, self.table, alternatives))
                .min_by_key(Vec::len)?;
            rows.extend(
                smallest
                    .into_iter()
                    .map(|slot| (instance.key(self.table, slot), slot)),
            );
        }
        rows.sort_unstable();
        rows.dedup();
        Some(rows.into_iter().map(|(_, slot)| slot).collect())
    }

    /// The range of `sys_id` that the only group allows.
    fn bounds(&self) -> (Bound<SysId>, Bound<SysId>) {
        let mut bounds = (Bound::Unbounded, Bound::Unbounded);
        if let [group] = self.groups.as_slice() {
            for alternatives in group {
                if let [test] = alternatives.as_slice() {
                    test.narrow(&mut bounds);
                }
            }
        }
        bounds
    }
}

/// The rows an index offers for a condition or for alternatives that all have one.
fn indexed(instance: &Instance, table: TableName, alternatives: &[Test]) -> Option<Vec<Slot>> {
    let mut rows = Vec::new();
    for test in alternatives {
        let [(_, column)] = test.path.as_slice() else {
            return None;
        };
        if !matches!(test.operator, Operator::Equals | Operator::In) {
            return None;
        }
        for text in &test.operand.texts {
            rows.extend(instance.candidates(table, column, text)?);
        }
    }
    Some(rows)
}

fn bind(
    table: TableName,
    alternatives: &Alternatives,
    dialect: Dialect<'_>,
    has_dropped: &mut bool,
) -> Vec<Test> {
    alternatives
        .iter()
        .filter_map(|condition| {
            let test = Test::new(table, condition, dialect);
            *has_dropped |= test.is_none();
            test
        })
        .collect()
}

impl Test {
    fn new(table: TableName, condition: &Condition, dialect: Dialect<'_>) -> Option<Self> {
        let path = resolve(table, &condition.column)?;
        let operator = condition.operator?;
        let value = evaluated(&condition.value, dialect);
        let texts: Vec<Cow<'_, str>> = match operator {
            Operator::In | Operator::NotIn => value.split(',').map(|part| part.trim().into()).collect(),
            Operator::Between => value
                .splitn(2, '@')
                .map(|part| evaluated(part, dialect).into_owned().into())
                .collect(),
            _ => vec![Cow::Borrowed(&*value)],
        };
        let mut other = None;
        if matches!(operator, Operator::SameAs | Operator::NotSameAs) {
            other = Some(resolve(table, &value)?);
        }
        if operator == Operator::Between && texts.len() < 2 {
            return None;
        }
        Some(Self {
            path,
            operator,
            operand: Operand::new(&texts, other, dialect.case_sensitive),
        })
    }

    fn draws(&self) -> bool {
        let draws = |path: &Path| {
            path.iter().any(|(_, column)| {
                matches!(
                    column.source,
                    Source::Hash | Source::SizeBytes | Source::SizeCompressed
                )
            })
        };
        draws(&self.path) || self.operand.other.as_ref().is_some_and(draws)
    }

    fn matches(&self, instance: &Instance, slot: Slot, view: &View, case_sensitive: bool) -> bool {
        let cell = value(instance, slot, &self.path, view);
        let operand = &self.operand;
        match self.operator {
            Operator::Anything => true,
            Operator::IsEmpty => cell.is_empty(),
            Operator::IsNotEmpty => !cell.is_empty(),
            Operator::Equals | Operator::In => operand.contains(&cell, case_sensitive),
            Operator::Differs | Operator::NotIn => !operand.contains(&cell, case_sensitive),
            Operator::Above => operand
                .compare(&cell, 0, case_sensitive)
                .is_some_and(Ordering::is_gt),
            Operator::AtLeast => operand
                .compare(&cell, 0, case_sensitive)
                .is_some_and(Ordering::is_ge),
            Operator::Below => operand
                .compare(&cell, 0, case_sensitive)
                .is_some_and(Ordering::is_lt),
            Operator::AtMost => operand
                .compare(&cell, 0, case_sensitive)
                .is_some_and(Ordering::is_le),
            Operator::Between => {
                operand
                    .compare(&cell, 0, case_sensitive)
                    .is_some_and(Ordering::is_ge)
                    && operand
                        .compare(&cell, 1, case_sensitive)
                        .is_some_and(Ordering::is_le)
            }
            Operator::StartsWith => folded(&cell.text(), case_sensitive).starts_with(&operand.texts[0]),
            Operator::EndsWith => folded(&cell.text(), case_sensitive).ends_with(&operand.texts[0]),
            Operator::Contains => contains(&cell.text(), &operand.texts[0], case_sensitive),
            Operator::ContainsNot => !contains(&cell.text(), &operand.texts[0], case_sensitive),
            Operator::SameAs | Operator::NotSameAs => {
                let path = operand.other.as_ref().expect("bound together with the operator");
                let other = value(instance, slot, path, view);
                let is_same = folded(&cell.text(), case_sensitive) == folded(&other.text(), case_sensitive);
                is_same == (self.operator == Operator::SameAs)
            }
        }
    }

    /// Narrows a range of `sys_id` by what this condition allows.
    fn narrow(&self, bounds: &mut (Bound<SysId>, Bound<SysId>)) {
        let is_key = matches!(self.path.as_slice(), [(_, column)] if column.source == Source::SysId);
        if !is_key {
            return;
        }
        let first = self.operand.texts.first().and_then(|text| SysId::parse(text));
        match (self.operator, first) {
            (Operator::Above, Some(id)) => raise(&mut bounds.0, Bound::Excluded(id)),
            (Operator::AtLeast, Some(id)) => raise(&mut bounds.0, Bound::Included(id)),
            (Operator::Below, Some(id)) => lower(&mut bounds.1, Bound::Excluded(id)),
            (Operator::AtMost, Some(id)) => lower(&mut bounds.1, Bound::Included(id)),
            (Operator::Between, _) => {
                if let [low, high] = self.operand.texts.as_slice()
                    && let (Some(low), Some(high)) = (SysId::parse(low), SysId::parse(high))
                {
                    raise(&mut bounds.0, Bound::Included(low));
                    lower(&mut bounds.1, Bound::Included(high));
                }
            }
            (Operator::StartsWith, _) => {
                let prefix = self.operand.texts[0].to_lowercase();
                let padded = |digit: &str| {
                    SysId::parse(&format!(
                        "{prefix}{}",
                        digit.repeat(32_usize.saturating_sub(prefix.len()))
                    ))
                };
                if let (Some(low), Some(high)) = (padded("0"), padded("f")) {
                    raise(&mut bounds.0, Bound::Included(low));
                    lower(&mut bounds.1, Bound::Included(high));
                }
            }
            _ => {}
        }
    }
}

fn raise(bound: &mut Bound<SysId>, to: Bound<SysId>) {
    let is_higher = match (*bound, to) {
        (Bound::Unbounded, _) => true,
        (Bound::Included(old) | Bound::Excluded(old), Bound::Excluded(new)) => new >= old,
        (Bound::Included(old) | Bound::Excluded(old), Bound::Included(new)) => new > old,
        (_, Bound::Unbounded) => false,
    };
    if is_higher {
        *bound = to;
    }
}

fn lower(bound: &mut Bound<SysId>, to: Bound<SysId>) {
    let is_lower = match (*bound, to) {
        (Bound::Unbounded, _) => true,
        (Bound::Included(old) | Bound::Excluded(old), Bound::Excluded(new)) => new <= old,
        (Bound::Included(old) | Bound::Excluded(old), Bound::Included(new)) => new < old,
        (_, Bound::Unbounded) => false,
    };
    if is_lower {
        *bound = to;
    }
}

impl Operand {
    fn new(texts: &[Cow<'_, str>], other: Option<Path>, case_sensitive: bool) -> Self {
        let mut keys: Vec<SysId> = texts.iter().filter_map(|text| SysId::parse(text)).collect();
        keys.sort_unstable();
        Self {
            has_empty: texts.iter().any(|text| text.is_empty()),
            times: texts.iter().map(|text| parse_time(text)).collect(),
            numbers: texts.iter().map(|text| text.parse().ok()).collect(),
            texts: texts
                .iter()
                .map(|text| folded(text, case_sensitive).into_owned())
                .collect(),
            keys,
            other,
        }
    }

    /// Whether a value is one of these.
    fn contains(&self, cell: &Cell<'_>, case_sensitive: bool) -> bool {
        match cell {
            Cell::Key(None) => self.has_empty,
            Cell::Key(Some(id)) => self.keys.binary_search(id).is_ok(),
            Cell::Flag(flag) => self.texts.iter().any(|text| match text.as_str() {
                "1" => *flag,
                "0" => !flag,
                text => text.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
            }),
            Cell::Time(seconds) if self.times.is_some() => {
                self.times.as_ref().is_some_and(|times| times.contains(seconds))
            }
            Cell::Text(text) => self.contains_text(text, case_sensitive),
            cell => self.contains_text(&cell.text(), case_sensitive),
        }
    }

    fn contains_text(&self, text: &str, case_sensitive: bool) -> bool {
        if case_sensitive || text.is_ascii() {
            let equal = |value: &String| {
                if case_sensitive {
                    value == text
                } else {
                    value.eq_ignore_ascii_case(text)
                }
            };
            return self.texts.iter().any(equal);
        }
        let text = text.to_lowercase();
        self.texts.contains(&text)
    }

    /// How a value compares with one of these; `None` if it is empty, which is neither above nor below anything.
    fn compare(&self, cell: &Cell<'_>, index: usize, case_sensitive: bool) -> Option<Ordering> {
        if cell.is_empty() {
            return None;
        }
        match cell {
            Cell::Key(Some(id)) if self.keys.len() == self.texts.len() && self.keys.len() == 1 => {
                return Some(id.cmp(&self.keys[0]));
            }
            Cell::Time(seconds) => {
                if let Some(times) = &self.times {
                    return Some(seconds.cmp(&times[index]));
                }
            }
            Cell::Number(_) | Cell::Size(_) | Cell::CompressedSize(_) => {
                if let (Some(numbers), Ok(number)) = (&self.numbers, cell.text().parse::<f64>()) {
                    return Some(number.total_cmp(&numbers[index]));
                }
            }
            _ => {}
        }
        Some((*folded(&cell.text(), case_sensitive)).cmp(self.texts[index].as_str()))
    }
}

/// What rows are ordered by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum SortKey {
    Number(u64),
    Text(String),
}

impl SortKey {
    fn new(cell: Cell<'_>, case_sensitive: bool) -> Self {
        match cell {
            Cell::Number(number) => Self::Number(number),
            Cell::Time(seconds) => Self::Number(seconds.into()),
            Cell::Size(picture) | Cell::CompressedSize(picture) => Self::Number(picture.len()),
            cell => Self::Text(folded(&cell.text(), case_sensitive).into_owned()),
        }
    }
}

fn folded(text: &str, case_sensitive: bool) -> Cow<'_, str> {
    let has_capitals = if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_uppercase())
    } else {
        text.chars().any(char::is_uppercase)
    };
    if case_sensitive || !has_capitals {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Whether a text contains another one that is folded already.
fn contains(text: &str, folded_part: &str, case_sensitive: bool) -> bool {
    if case_sensitive || !text.is_ascii() || folded_part.is_empty() {
        return folded(text, case_sensitive).contains(folded_part);
    }
    text.as_bytes()
        .windows(folded_part.len())
        .any(|window| window.eq_ignore_ascii_case(folded_part.as_bytes()))
}

/// `YYYY-MM-DD HH:MM:SS` or `YYYY-MM-DD` in UTC.
fn parse_time(text: &str) -> Option<u32> {
    let time: jiff::civil::DateTime = match text.split_once(' ') {
        Some((date, time)) if date.len() == 10 => format!("{date}T{time}").parse().ok()?,
        None if text.len() == 10 => format!("{text}T00:00:00").parse().ok()?,
        _ => return None,
    };
    let moment = jiff::tz::Offset::UTC.to_timestamp(time).ok()?;
    u32::try_from(moment.as_second()).ok()
}

/// A value that begins with `javascript:` is evaluated on the instance (`servicenow.md` 2.3). Of all scripts the sandbox
/// knows those that clients send: the signed-in user, and the dates the list editor writes. Any other gives nothing.
fn evaluated<'a>(value: &'a str, dialect: Dialect<'_>) -> Cow<'a, str> {
    let Some(script) = value.strip_prefix("javascript:") else {
        return Cow::Borrowed(value);
    };
    let script = script.trim().trim_end_matches(';');
    if let Some(arguments) = script
        .strip_prefix("gs.dateGenerate(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        let parts: Vec<&str> = arguments
            .split(',')
            .map(|part| part.trim_matches(['\'', '"', ' ']))
            .collect();
        return parts.join(" ").into();
    }
    match script {
        "gs.getUserName()" => dialect.user_name.to_owned().into(),
        "gs.getUserID()" => dialect
            .user_id
            .map_or_else(String::new, |id| id.to_string())
            .into(),
        _ => Cow::Borrowed(""),
    }
}

//! One request to the REST API, with everything its handlers look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::ServiceNowService;
use super::errors;
use super::query::EncodedQuery;
use super::render::Display;
use super::search::{Dialect, Search};
use super::settings::{Compiled, ServiceNowSettings};
use crate::sandbox::exchange::{Request, Response};
use crate::sandbox::world::instance::schema::{Column, Source, TableName};
use crate::sandbox::world::instance::{Actor, Instance, Operation, Slot, SysId, View};

/// Version of the API in the path, which generated links repeat (`servicenow.md` 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `/api/now/table`
    Latest,
    /// `/api/now/v1/table`
    One,
    /// `/api/now/v2/table`
    Two,
}

/// One request.
pub struct Call<'a> {
    pub(super) service: &'a ServiceNowService,
    pub(super) request: &'a Request,
    pub(super) compiled: Arc<Compiled>,
    pub(super) version: Version,
    pub(super) method: Method,
    /// Query parameters, those behind a `sysparm_tiny` put in its place.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) view: View,
}

/// Limit and offset of a list.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

impl Call<'_> {
    pub(super) fn settings(&self) -> &ServiceNowSettings {
        &self.compiled.settings
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.parameter(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn display(&self) -> Display {
        match self.parameter("sysparm_display_value") {
            Some("true") => Display::True,
            Some("all") => Display::All,
            _ => Display::False,
        }
    }

    /// Scheme and host of generated links (E53).
    pub(super) fn host(&self) -> &str {
        self.settings().link_base.as_deref().unwrap_or(&self.request.base)
    }

    /// `https://…/api/now/`, with the version the client used.
    pub(super) fn api_base(&self) -> String {
        let version = match self.version {
            Version::Latest => "",
            Version::One => "v1/",
            Version::Two => "v2/",
        };
        format!("{}/api/now/{version}", self.host())
    }

    pub(super) fn actor(&self) -> Actor<'_> {
        Actor {
            name: self.service.gate.account(),
            now: self.view.now,
        }
    }

    /// The encoded query: `sysparm_query`, or the `name=value` pairs that stand for it (`servicenow.md` 2.2).
    pub(super) fn query(&self) -> EncodedQuery {
        if let Some(text) = self.parameter("sysparm_query") {
            return EncodedQuery::parse(text);
        }
        let pairs: Vec<String> = self
            .parameters
            .iter()
            .filter(|(name, _)| !name.starts_with("sysparm_"))
            .map(|(name, value)| format!("{name}={}", value.replace('^', "^^")))
            .collect();
        EncodedQuery::parse(&pairs.join("^"))
    }

    pub(super) fn search(&self, table: TableName) -> Result<Search, Response> {
        let account = self.service.gate.account();
        let query = self.query();
        let asks_for_user = self
            .parameter("sysparm_query")
            .is_some_and(|text| text.contains("javascript:"));
        let dialect = Dialect {
            case_sensitive: self.settings().case_sensitive_values,
            user_name: account,
            user_id: asks_for_user
                .then(|| self.service.world.instance.read().user_named(account))
                .flatten(),
        };
        let search = Search::new(table, &query, dialect);
        let access = &self.settings().access;
        let is_refused = search.columns().any(|(table, column)| {
            Compiled::names(&access.hidden_columns, *table, column.name)
                || Compiled::names(&access.unqueryable_columns, *table, column.name)
        });
        if is_refused {
            return Err(errors::query_refused());
        }
        Ok(search)
    }

    /// Limit and offset; nonsense counts as absent.
    pub(super) fn window(&self, default_limit: usize) -> Window {
        let number = |name| {
            self.parameter(name)
                .and_then(|value| value.trim().parse::<usize>().ok())
        };
        Window {
            limit: number("sysparm_limit").unwrap_or(default_limit),
            offset: number("sysparm_offset").unwrap_or(0),
        }
    }

    /// False for rows of other domains, which do not exist for the account (E54).
    pub(super) fn is_in_domain(&self, instance: &Instance, table: TableName, slot: Slot) -> bool {
        let foreign = self.compiled.foreign_rows.get(&table);
        !foreign.is_some_and(|search| search.matches(instance, slot, &self.view))
    }

    /// False for rows that an access rule hides after the limit was applied (E18).
    pub(super) fn is_readable(&self, instance: &Instance, table: TableName, slot: Slot) -> bool {
        let hidden = self.compiled.hidden_rows.get(&table);
        !hidden.is_some_and(|search| search.matches(instance, slot, &self.view))
    }

    /// A record the account may read, or the 404 that does not say which of the two it is (E11).
    pub(super) fn readable(
        &self,
        instance: &Instance,
        table: TableName,
        id: &str,
    ) -> Result<(SysId, Slot), Response> {
        SysId::parse(id)
            .and_then(|id| instance.find(table, id).map(|slot| (id, slot)))
            .filter(|(_, slot)| self.is_in_domain(instance, table, *slot))
            .filter(|(_, slot)| self.is_readable(instance, table, *slot))
            .ok_or_else(errors::no_record)
    }

    /// Whether an access rule refuses a write to a row; an insert has none.
    pub(super) fn is_refused(
        &self,
        instance: &Instance,
        table: TableName,
        operation: Operation,
        slot: Option<Slot>,
    ) -> bool {
        let matches = |searches: &BTreeMap<TableName, Search>| {
            let search = searches.get(&table);
            search.is_some_and(|search| slot.is_some_and(|slot| search.matches(instance, slot, &self.view)))
        };
        match operation {
            Operation::Insert => self.settings().access.refused_inserts.contains(table.name()),
            Operation::Update => matches(&self.compiled.refused_updates),
            Operation::Delete => matches(&self.compiled.refused_deletes),
        }
    }

    /// Refuses a write that an access rule or a business rule does not let through (E20, E21).
    pub(super) fn permit_write(
        &self,
        instance: &Instance,
        table: TableName,
        operation: Operation,
        slot: Option<Slot>,
    ) -> Result<(), Response> {
        if self.is_refused(instance, table, operation, slot) {
            return Err(errors::write_refused(operation));
        }
        let word = match operation {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
        };
        let rule = self.settings().business_rules.iter().find(|rule| {
            rule.table == table.name()
                && rule
                    .operation
                    .as_deref()
                    .is_none_or(|operation| operation == word)
        });
        rule.map_or(Ok(()), |rule| Err(errors::aborted(table.name(), rule)))
    }

    /// The columns and values of a JSON body. Unknown columns are left out, and so are those that cannot be written;
    /// `sys_id` comes back apart, for inserts that choose their own.
    pub(super) fn values(&self, table: TableName) -> Result<Values, Response> {
        let body = &self.request.body;
        let limit = self.settings().json_body_limit_bytes;
        if body.len() > limit {
            return Err(errors::payload_too_large(body.len(), limit));
        }
        if body.is_empty() {
            return Ok(Values::default());
        }
        let parsed: Value = serde_json::from_slice(body).map_err(|error| {
            errors::envelope(400, "Exception while reading request", Some(&error.to_string()))
        })?;
        // Of several records only the first is taken (`servicenow.md` 2.7).
        let record = match &parsed {
            Value::Array(records) => records.first().unwrap_or(&Value::Null),
            Value::Object(object) => match object.get("records") {
                Some(Value::Array(records)) => records.first().unwrap_or(&Value::Null),
                _ => &parsed,
            },
            _ => &Value::Null,
        };
        let Value::Object(record) = record else {
            let message = "Exception while reading request";
            return Err(errors::envelope(
                400,
                message,
                Some("The payload is not valid JSON."),
            ));
        };
        let mut values = Values::default();
        for (name, value) in record {
            let Some(column) = table.column(name) else {
                continue;
            };
            let text = scalar(value);
            if column.source == Source::SysId {
                values.sys_id = SysId::parse(&text);
            }
            let is_reverted = Compiled::names(&self.settings().reverted_columns, table, name);
            if column.writable && !is_reverted {
                values.columns.push((column, text));
            }
        }
        Ok(values)
    }
}

/// What a client wants to write.
#[derive(Debug, Default)]
pub struct Values {
    pub(super) sys_id: Option<SysId>,
    pub(super) columns: Vec<(&'static Column, String)>,
}

/// A JSON value as the platform stores it; objects as they come back from `sysparm_display_value=all`.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(object) => object.get("value").map(scalar).unwrap_or_default(),
        other => other.to_string(),
    }
}

//! The Table API, and the Aggregate API beside it (`servicenow.md` 2, N3 to N8, N13, N14, N18 to N20).

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::call::{Call, Version, Window};
use super::errors::{self, JSON};
use super::render::{Draft, Format};
use super::search::{Path, resolve, value};
use super::settings::Compiled;
use crate::sandbox::exchange::Response;
use crate::sandbox::world::instance::schema::TableName;
use crate::sandbox::world::instance::{Instance, Operation, Slot};

/// Default of `sysparm_limit`.
const DEFAULT_LIMIT: usize = 10_000;

/// How a list is written.
pub(super) struct ListShape {
    pub(super) default_limit: usize,
    pub(super) format: Format,
}

impl Call<'_> {
    /// `/table/{table}` and `/table/{table}/{sys_id}`.
    pub(super) fn table(&self, name: &str, id: Option<&str>) -> Response {
        self.answer_table(name, id).unwrap_or_else(|refusal| refusal)
    }

    fn answer_table(&self, name: &str, id: Option<&str>) -> Result<Response, Response> {
        let table = self.known_table(name)?;
        match (&self.method, id) {
            (&Method::GET, None) => self.list(table, &self.list_shape(table)),
            (&Method::GET, Some(id)) => self.get(table, id),
            (&Method::POST, None) => self.insert(table),
            (&Method::PUT | &Method::PATCH, Some(id)) => self.update(table, id),
            (&Method::DELETE, Some(id)) => self.delete(table, id),
            _ => Err(errors::envelope(405, "Method not supported", None)),
        }
    }

    pub(super) fn known_table(&self, name: &str) -> Result<TableName, Response> {
        TableName::parse(name)
            .filter(|_| !self.settings().missing_tables.contains(name))
            .ok_or_else(|| errors::invalid_table(name))
    }

    fn list_shape(&self, table: TableName) -> ListShape {
        ListShape {
            default_limit: DEFAULT_LIMIT,
            format: self.format(table),
        }
    }

    fn format(&self, table: TableName) -> Format {
        Format {
            display: self.display(),
            zone: self.settings().time_zone.clone(),
            without_links: self.is_set("sysparm_exclude_reference_link"),
            api_base: self.api_base(),
            fields: self.readable_fields(table, self.parameter("sysparm_fields")),
            download_link: false,
        }
    }

    /// Fields asked for, less those an access rule hides (E15, E16).
    pub(super) fn readable_fields(&self, table: TableName, names: Option<&str>) -> Vec<(String, Path)> {
        let mut fields = Format::choose(table, names);
        let hidden = &self.settings().access.hidden_columns;
        if !hidden.is_empty() {
            fields.retain(|(_, path)| {
                !path
                    .iter()
                    .any(|(table, column)| Compiled::names(hidden, *table, column.name))
            });
        }
        fields
    }

    /// A page of rows with its paging headers (`servicenow.md` 2.4).
    pub(super) fn list(&self, table: TableName, shape: &ListShape) -> Result<Response, Response> {
        let search = self.search(table)?;
        let window = self.window(shape.default_limit);
        let counts = !self.is_set("sysparm_no_count");

        let mut draft = Draft::default();
        draft.raw("{\"result\":[");
        let mut written = 0;
        let instance = self.service.world.instance.read();
        let (rows, total) = if search.has_dropped && self.settings().invalid_query_returns_no_rows {
            (Vec::new(), Some(0))
        } else {
            let is_visible = |slot: Slot| self.is_in_domain(&instance, table, slot);
            let is_visible: Option<&dyn Fn(Slot) -> bool> = if self.compiled.foreign_rows.contains_key(&table)
            {
                Some(&is_visible)
            } else {
                None
            };
            let Window { limit, offset } = window;
            search.page(&instance, &self.view, offset, limit, counts, is_visible)
        };
        let is_cut = self.exceeds_quota(rows.len());
        if is_cut && !self.settings().quota.cut_off {
            return Err(errors::cancelled());
        }
        // A cut answer ends in the middle of its last row.
        let shown = if is_cut {
            &rows[..=rows.len() / 2]
        } else {
            &rows[..]
        };
        for slot in shown {
            if !self.is_readable(&instance, table, *slot) {
                continue;
            }
            if written > 0 {
                draft.raw(",");
            }
            draft.row(&instance, *slot, &shape.format, &self.view);
            written += 1;
        }
        drop(instance);

        if is_cut {
            return Ok(cut_off(draft));
        }
        if self.version == Version::One && written == 0 {
            return Err(errors::no_match());
        }
        draft.raw("]}");
        let total = total.unwrap_or(written);
        let response =
            Response::new(200, JSON, draft.finish()).with_header("x-total-count", &total.to_string());
        Ok(match self.links(window, total) {
            Some(links) => response.with_header("link", &links),
            None => response,
        })
    }

    /// Whether a page of this many rows takes longer than a request may (`servicenow.md` 6.3).
    fn exceeds_quota(&self, rows: usize) -> bool {
        let settings = self.settings();
        let milliseconds = rows as u64 * u64::from(settings.row_cost_us) / 1_000;
        let is_too_large = settings.quota.max_rows.is_some_and(|most| rows > most as usize);
        is_too_large || milliseconds > u64::from(settings.quota.limit_ms)
    }

    /// The `Link` header: first, prev, next, last; `None` if one page is all there is.
    fn links(&self, window: Window, total: usize) -> Option<String> {
        let Window { limit, offset } = window;
        if self.is_set("sysparm_suppress_pagination_header") || limit == 0 || total <= limit {
            return None;
        }
        // The request's own parameters come first, as they were sent; without any, the `?` is followed by `&`.
        let kept: Vec<&str> = self
            .request
            .query
            .split('&')
            .filter(|pair| !pair.starts_with("sysparm_limit=") && !pair.starts_with("sysparm_offset="))
            .filter(|pair| !pair.is_empty())
            .collect();
        let (host, path, kept) = (self.host(), &self.request.path, kept.join("&"));
        let link = |relation: &str, offset: usize| {
            format!("<{host}{path}?{kept}&sysparm_limit={limit}&sysparm_offset={offset}>;rel=\"{relation}\"")
        };
        let last = (total - 1) / limit * limit;
        let mut links = vec![link("first", 0)];
        if offset > 0 {
            links.push(link("prev", offset.saturating_sub(limit)));
        }
        if offset + limit < total {
            links.push(link("next", offset + limit));
        }
        links.push(link("last", last));
        Some(links.join(","))
    }

    fn get(&self, table: TableName, id: &str) -> Result<Response, Response> {
        let format = self.format(table);
        let draft = {
            let instance = self.service.world.instance.read();
            let (_, slot) = self.readable(&instance, table, id)?;
            self.record(&instance, slot, &format)
        };
        Ok(Response::new(200, JSON, draft.finish()))
    }

    /// `{"result":{…}}`
    pub(super) fn record(&self, instance: &Instance, slot: Slot, format: &Format) -> Draft {
        let mut draft = Draft::default();
        draft.raw("{\"result\":");
        draft.row(instance, slot, format, &self.view);
        draft.raw("}");
        draft
    }

    fn insert(&self, table: TableName) -> Result<Response, Response> {
        let values = self.values(table)?;
        let format = self.format(table);
        let (sys_id, draft) = {
            let mut instance = self.service.world.instance.write();
            self.permit_write(&instance, table, Operation::Insert, None)?;
            let inserted = instance.insert(table, values.sys_id, &values.columns, self.actor());
            let sys_id = inserted.map_err(|_| {
                let detail = "Unique Key violation detected by database";
                errors::envelope(403, "Operation Failed", Some(detail))
            })?;
            let slot = instance.find(table, sys_id).ok_or_else(errors::no_record)?;
            (sys_id, self.record(&instance, slot, &format))
        };
        let location = format!("{}table/{}/{sys_id}", self.api_base(), table.name());
        Ok(self.written(201, draft).with_header("location", &location))
    }

    fn update(&self, table: TableName, id: &str) -> Result<Response, Response> {
        let values = self.values(table)?;
        let format = self.format(table);
        let draft = {
            let mut instance = self.service.world.instance.write();
            let (sys_id, slot) = self.readable(&instance, table, id)?;
            self.permit_write(&instance, table, Operation::Update, Some(slot))?;
            instance.update(table, sys_id, &values.columns, self.actor());
            self.record(&instance, slot, &format)
        };
        Ok(self.written(200, draft))
    }

    /// The answer to a write, without its body if the client does not want it.
    fn written(&self, status: u16, draft: Draft) -> Response {
        let wants_none = self
            .request
            .header("x-no-response-body")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if wants_none {
            Response::empty(status)
        } else {
            Response::new(status, JSON, draft.finish())
        }
    }

    pub(super) fn delete(&self, table: TableName, id: &str) -> Result<Response, Response> {
        let mut instance = self.service.world.instance.write();
        let (sys_id, slot) = self.readable(&instance, table, id)?;
        self.permit_write(&instance, table, Operation::Delete, Some(slot))?;
        instance.delete(table, sys_id, self.actor());
        Ok(Response::empty(204))
    }

    /// `GET /stats/{table}`: counts, in groups if asked for (N19).
    pub(super) fn stats(&self, name: &str) -> Response {
        self.answer_stats(name).unwrap_or_else(|refusal| refusal)
    }

    fn answer_stats(&self, name: &str) -> Result<Response, Response> {
        if self.method != Method::GET {
            return Err(errors::envelope(405, "Method not supported", None));
        }
        let table = self.known_table(name)?;
        let search = self.search(table)?;
        let instance = self.service.world.instance.read();
        let rows = if search.has_dropped && self.settings().invalid_query_returns_no_rows {
            Vec::new()
        } else {
            search.all(&instance, &self.view)
        };
        let rows: Vec<Slot> = rows
            .into_iter()
            .filter(|slot| self.is_in_domain(&instance, table, *slot))
            .collect();
        let stats = |count: usize| {
            if self.is_set("sysparm_count") {
                json!({"count": count.to_string()})
            } else {
                json!({})
            }
        };
        let grouped: Vec<(String, Path)> = self
            .parameter("sysparm_group_by")
            .unwrap_or_default()
            .split(',')
            .filter_map(|name| resolve(table, name.trim()).map(|path| (name.trim().to_owned(), path)))
            .collect();
        let result = if grouped.is_empty() {
            json!({"stats": stats(rows.len())})
        } else {
            let mut groups: BTreeMap<Vec<String>, usize> = BTreeMap::new();
            for slot in rows {
                let values = grouped
                    .iter()
                    .map(|(_, path)| value(&instance, slot, path, &self.view).text().into_owned())
                    .collect();
                *groups.entry(values).or_default() += 1;
            }
            let groups = groups.into_iter().map(|(values, count)| {
                let fields: Vec<Value> = grouped
                    .iter()
                    .zip(values)
                    .map(|((name, _), value)| json!({"field": name, "value": value}))
                    .collect();
                json!({"stats": stats(count), "groupby_fields": fields})
            });
            Value::Array(groups.collect())
        };
        drop(instance);
        Ok(Response::json(200, JSON, &json!({"result": result})))
    }
}

/// E35: a page whose last row breaks off, with the error glued behind it.
fn cut_off(draft: Draft) -> Response {
    let mut text = draft.finish();
    let last_row = text
        .windows(2)
        .rposition(|pair| pair == b",{")
        .unwrap_or(text.len() / 2);
    text.truncate(last_row + (text.len() - last_row) / 2);
    text.extend_from_slice(
        br#"],"error":{"detail":"Transaction cancelled: maximum execution time exceeded. Check logs for error trace or enable glide.rest.debug property to verify REST request processing","message":"Transaction cancelled: maximum execution time exceeded"},"status":"failure"}"#,
    );
    Response::new(200, JSON, text)
}

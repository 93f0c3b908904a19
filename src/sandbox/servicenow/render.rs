//! Rows as JSON (`servicenow.md` 2.6). Text is written while the tables are locked for reading; what has to be drawn
//! first (hashes and sizes of drawn pictures) leaves a hole that is filled after the lock is gone.

use jiff::tz::TimeZone;

use crate::sandbox::world::instance::schema::{Column, Kind, Source, TableName};
use crate::sandbox::world::instance::{Cell, ImageRecord, Instance, Slot, View, format_time_in};
use crate::sandbox::world::picture::Picture;

use super::search::{Path, resolve, value};

/// `sysparm_display_value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Display {
    /// Stored values.
    #[default]
    False,
    /// What a person would see.
    True,
    /// Both.
    All,
}

/// How rows are written.
#[derive(Clone, Debug)]
pub struct Format {
    /// Which of the two values.
    pub display: Display,
    /// Times a person would see are in this zone.
    pub zone: TimeZone,
    /// References without `link`.
    pub without_links: bool,
    /// `https://…/api/now/` or `https://…/api/now/v2/`, for links.
    pub api_base: String,
    /// Names of the fields and where they come from.
    pub fields: Vec<(String, Path)>,
    /// Adds `download_link`, which the Attachment API does and the Table API does not.
    pub download_link: bool,
}

impl Format {
    /// Chooses fields: those named that exist, or all columns of the table.
    pub fn choose(table: TableName, names: Option<&str>) -> Vec<(String, Path)> {
        let names = names.map(str::trim).filter(|names| !names.is_empty());
        match names {
            None => table
                .columns()
                .iter()
                .map(|column| (column.name.to_owned(), vec![(table, column)]))
                .collect(),
            Some(names) => {
                let mut fields: Vec<(String, Path)> = Vec::new();
                for name in names.split(',').map(str::trim) {
                    let is_new = !fields.iter().any(|(known, _)| known == name);
                    if let Some(path) = resolve(table, name).filter(|_| is_new) {
                        fields.push((name.to_owned(), path));
                    }
                }
                fields
            }
        }
    }
}

/// JSON under way.
#[derive(Debug, Default)]
pub struct Draft {
    text: Vec<u8>,
    holes: Vec<(usize, Hole)>,
}

#[derive(Debug)]
enum Hole {
    Digest(Picture),
    Size(Picture),
    CompressedSize(Picture),
}

impl Draft {
    /// Adds JSON as it is.
    pub fn raw(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Adds a JSON string.
    pub fn string(&mut self, text: &str) {
        self.text.push(b'"');
        let is_plain = text
            .bytes()
            .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        if is_plain {
            self.raw(text);
        } else {
            let quoted = serde_json::to_string(text).expect("a string serialises");
            self.raw(&quoted[1..quoted.len() - 1]);
        }
        self.text.push(b'"');
    }

    fn cell(&mut self, cell: &Cell<'_>) {
        let hole = match cell {
            Cell::Digest(picture) => Hole::Digest((*picture).clone()),
            Cell::Size(picture) => Hole::Size((*picture).clone()),
            Cell::CompressedSize(picture) => Hole::CompressedSize((*picture).clone()),
            cell => return self.string(&cell.text()),
        };
        self.text.push(b'"');
        self.holes.push((self.text.len(), hole));
        self.text.push(b'"');
    }

    /// Adds one row as an object.
    pub fn row(&mut self, instance: &Instance, slot: Slot, format: &Format, view: &View) {
        self.text.push(b'{');
        for (index, (name, path)) in format.fields.iter().enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            self.string(name);
            self.text.push(b':');
            self.field(instance, slot, path, format, view);
        }
        if format.download_link {
            let key = instance.key(TableName::Attachment, slot);
            let link = format!("{}attachment/{key}/file", format.api_base);
            self.raw(",\"download_link\":");
            self.string(&link);
        }
        self.text.push(b'}');
    }

    fn field(&mut self, instance: &Instance, slot: Slot, path: &Path, format: &Format, view: &View) {
        let cell = value(instance, slot, path, view);
        let (table, column) = path.last().expect("a path has at least its column");
        let link = link(&cell, column, format);
        match format.display {
            Display::False => match link {
                Some(link) => {
                    self.raw("{\"link\":");
                    self.string(&link);
                    self.raw(",\"value\":");
                    self.cell(&cell);
                    self.raw("}");
                }
                None => self.cell(&cell),
            },
            Display::True => match link {
                Some(link) => {
                    self.raw("{\"display_value\":");
                    self.display(instance, slot, path, *table, column, &cell, view, &format.zone);
                    self.raw(",\"link\":");
                    self.string(&link);
                    self.raw("}");
                }
                None => self.display(instance, slot, path, *table, column, &cell, view, &format.zone),
            },
            Display::All => {
                self.raw("{\"display_value\":");
                self.display(instance, slot, path, *table, column, &cell, view, &format.zone);
                self.raw(",\"value\":");
                self.cell(&cell);
                if let Some(link) = link {
                    self.raw(",\"link\":");
                    self.string(&link);
                }
                self.raw("}");
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one field with everything it is seen through"
    )]
    fn display(
        &mut self,
        instance: &Instance,
        slot: Slot,
        path: &Path,
        table: TableName,
        column: &Column,
        cell: &Cell<'_>,
        view: &View,
        zone: &TimeZone,
    ) {
        match (column.kind, cell) {
            (_, Cell::Time(seconds)) => self.string(&format_time_in(*seconds, zone)),
            (Kind::Reference(table), Cell::Key(Some(id))) => self.string(&instance.display_name(table, *id)),
            // The picture an image field shows, whatever its raw value (N7).
            (Kind::Image, Cell::Key(id)) => {
                let shown = match (column.source, owner(instance, slot, path, view)) {
                    (Source::Photo, Some(record)) => {
                        let on = match table {
                            TableName::Profile => ImageRecord::LiveProfile,
                            _ => ImageRecord::SysUser,
                        };
                        instance.displayed_image(on, record, view.avatar)
                    }
                    _ => *id,
                };
                let text = shown.map_or_else(String::new, |id| format!("{id}.iix"));
                self.string(&text);
            }
            _ => self.cell(cell),
        }
    }

    /// The finished JSON. Draws what is missing, so no lock may be held.
    pub fn finish(self) -> Vec<u8> {
        if self.holes.is_empty() {
            return self.text;
        }
        let mut json = Vec::with_capacity(self.text.len() + self.holes.len() * 64);
        let mut start = 0;
        for (end, hole) in self.holes {
            json.extend_from_slice(&self.text[start..end]);
            let text = match &hole {
                Hole::Digest(picture) => Cell::Digest(picture).text().into_owned(),
                Hole::Size(picture) => Cell::Size(picture).text().into_owned(),
                Hole::CompressedSize(picture) => Cell::CompressedSize(picture).text().into_owned(),
            };
            json.extend_from_slice(text.as_bytes());
            start = end;
        }
        json.extend_from_slice(&self.text[start..]);
        json
    }
}

/// The record that the last column of a path belongs to.
fn owner(
    instance: &Instance,
    slot: Slot,
    path: &Path,
    view: &View,
) -> Option<crate::sandbox::world::instance::SysId> {
    let [walk @ .., (table, _)] = path.as_slice() else {
        return None;
    };
    if walk.is_empty() {
        return Some(instance.key(*table, slot));
    }
    match value(instance, slot, &walk.to_vec(), view) {
        Cell::Key(id) => id,
        _ => None,
    }
}

fn link(cell: &Cell<'_>, column: &Column, format: &Format) -> Option<String> {
    if format.without_links {
        return None;
    }
    match (column.kind, cell) {
        (Kind::Reference(table), Cell::Key(Some(id))) => {
            Some(format!("{}table/{}/{id}", format.api_base, table.name()))
        }
        (Kind::Domain, Cell::Text(domain)) => {
            Some(format!("{}table/sys_user_group/{domain}", format.api_base))
        }
        _ => None,
    }
}

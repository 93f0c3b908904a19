//! The picture tables replayed write by write: what everybody sees after each of them (`servicenow.md` 1.2, 9.3).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

/// A row of `sys_attachment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub table: String,
    pub record: String,
    pub file_name: String,
    pub sha256: String,
    /// Who stored it; empty for rows that were there at the beginning.
    pub by: String,
    /// Order of arrival.
    order: usize,
}

impl Picture {
    /// In the form in which image fields keep their pictures.
    pub fn is_image(&self) -> bool {
        self.table.starts_with("ZZ_YY") && self.file_name.eq_ignore_ascii_case("photo")
    }
}

/// A write of the sandbox's log.
#[derive(Clone, Debug)]
pub struct Write {
    pub number: u64,
    pub time: String,
    pub by: String,
    pub op: String,
    pub table: String,
    pub id: String,
    fields: Value,
}

impl Write {
    pub fn of(entry: &Value) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        Self {
            number: entry["seq"].as_u64().expect("every write has a number"),
            time: text("time"),
            by: text("by"),
            op: text("op"),
            table: text("table"),
            id: text("sys_id"),
            fields: entry["fields"].clone(),
        }
    }

    /// A column that was written, or that identified what was deleted.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields[name].as_str()
    }

    /// The platform's own small rendition of a picture, which comes and goes with it.
    pub fn is_thumbnail(&self) -> bool {
        self.table == "sys_attachment" && self.field("table_name") == Some("sys_attachment")
    }
}

/// The tables as far as pictures go.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    pub pictures: HashMap<String, Picture>,
    /// What the column of a record names.
    pub columns: HashMap<String, String>,
    /// The records of each user, in the order in which the platform asks them.
    pub records: BTreeMap<String, Vec<String>>,
    /// Whose record it is.
    pub owners: HashMap<String, String>,
    pub names: HashMap<String, String>,
    /// The pictures at a record in order of arrival.
    stored: HashMap<String, BTreeSet<(usize, String)>>,
    /// Contents that the log does not tell, by picture.
    known: HashMap<String, String>,
    arrived: usize,
}

impl Replay {
    /// The tables as `GET /snapshot` has them.
    pub fn of(rows: &[Value]) -> Self {
        let mut replay = Self::default();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        for row in rows {
            let id = text(row, "sys_id");
            match row["table"].as_str() {
                Some("sys_user") => {
                    replay.names.insert(id.clone(), text(row, "user_name"));
                    replay.add_record(&id, &id, true);
                }
                Some("live_profile") => replay.add_record(&id, &text(row, "document"), false),
                Some("sys_attachment") => {
                    let picture = Picture {
                        table: text(row, "table_name"),
                        record: text(row, "table_sys_id"),
                        file_name: text(row, "file_name"),
                        sha256: text(row, "sha256"),
                        by: String::new(),
                        order: replay.arrived,
                    };
                    replay.arrived += 1;
                    replay.store(id, picture);
                    continue;
                }
                other => panic!("an unknown table: {other:?}"),
            }
            if let Some(photo) = row["photo"].as_str() {
                replay.columns.insert(id, photo.to_owned());
            }
        }
        replay
    }

    /// The contents of later rows, for pictures that the log names without their hash.
    pub fn knowing(mut self, later: &[Value]) -> Self {
        let hashes = later.iter().filter_map(|row| {
            let (id, hash) = (row["sys_id"].as_str()?, row["sha256"].as_str()?);
            Some((id.to_owned(), hash.to_owned()))
        });
        self.known.extend(hashes);
        self
    }

    fn store(&mut self, id: String, picture: Picture) {
        let place = self.stored.entry(picture.record.clone()).or_default();
        place.insert((picture.order, id.clone()));
        self.pictures.insert(id, picture);
    }

    fn take(&mut self, id: &str) -> Option<Picture> {
        let picture = self.pictures.remove(id)?;
        if let Some(place) = self.stored.get_mut(&picture.record) {
            place.remove(&(picture.order, id.to_owned()));
        }
        Some(picture)
    }

    fn add_record(&mut self, record: &str, user: &str, is_user: bool) {
        self.owners.insert(record.to_owned(), user.to_owned());
        let records = self.records.entry(user.to_owned()).or_default();
        // Profiles come before the user's own record, older ones first.
        match records.last() {
            Some(last) if !is_user && last == user => records.insert(records.len() - 1, record.to_owned()),
            _ => records.push(record.to_owned()),
        }
    }

    /// The picture that a record offers.
    pub fn shown_at(&self, record: &str) -> Option<&str> {
        let named = self
            .columns
            .get(record)
            .filter(|picture| self.pictures.contains_key(*picture));
        named.map(String::as_str).or_else(|| self.first_image(record))
    }

    fn first_image(&self, record: &str) -> Option<&str> {
        self.images_of(record).next().map(|(id, _)| id)
    }

    /// Everything stored at a record in the form of image fields, in order of arrival.
    pub fn images_of<'a>(&'a self, record: &str) -> impl Iterator<Item = (&'a str, &'a Picture)> + use<'a> {
        let stored = self.stored.get(record).into_iter().flatten();
        stored
            .map(|(_, id)| (id.as_str(), &self.pictures[id]))
            .filter(|(_, picture)| picture.is_image())
    }

    /// SHA-256 of what a user sees.
    pub fn seen_by(&self, user: &str) -> Option<&str> {
        let shown = self
            .records
            .get(user)?
            .iter()
            .find_map(|record| self.shown_at(record))?;
        Some(&self.pictures[shown].sha256)
    }

    /// What everybody sees.
    pub fn everybody(&self) -> BTreeMap<String, Option<String>> {
        let seen = |user: &String| (user.clone(), self.seen_by(user).map(str::to_owned));
        self.records.keys().map(seen).collect()
    }

    /// Records whose column names a picture that is gone, with that picture.
    pub fn dangling(&self) -> BTreeSet<(String, String)> {
        self.columns
            .iter()
            .filter(|(_, picture)| !self.pictures.contains_key(*picture))
            .map(|(record, picture)| (record.clone(), picture.clone()))
            .collect()
    }

    /// Whose picture a write may change: the owner of the record that it is about, as of this moment.
    pub fn concerns(&self, write: &Write) -> Option<String> {
        let record = match write.table.as_str() {
            "sys_attachment" => match write.field("table_sys_id") {
                Some(record) => record.to_owned(),
                None => self.pictures.get(&write.id)?.record.clone(),
            },
            "live_profile" => match self.owners.get(&write.id) {
                Some(user) => return Some(user.clone()),
                None => return write.field("document").map(str::to_owned),
            },
            "sys_user" => write.id.clone(),
            _ => return None,
        };
        if let Some(user) = self.owners.get(&record) {
            return Some(user.clone());
        }
        // A thumbnail lies at its picture.
        let picture = self.pictures.get(&record)?;
        self.owners.get(&picture.record).cloned()
    }

    /// Carries out one write.
    pub fn carry_out(&mut self, write: &Write) {
        let text = |name: &str| write.field(name).unwrap_or_default().to_owned();
        let id = write.id.clone();
        match (write.table.as_str(), write.op.as_str()) {
            ("sys_attachment", "insert") => {
                let sha256 = write.field("hash").map(str::to_owned);
                let picture = Picture {
                    table: text("table_name"),
                    record: text("table_sys_id"),
                    file_name: text("file_name"),
                    sha256: sha256
                        .or_else(|| self.known.get(&id).cloned())
                        .unwrap_or_default(),
                    by: write.by.clone(),
                    order: self.arrived,
                };
                self.arrived += 1;
                self.store(id, picture);
            }
            ("sys_attachment", "update") => {
                let Some(mut picture) = self.take(&id) else {
                    return;
                };
                let changes = [
                    ("hash", &mut picture.sha256),
                    ("table_name", &mut picture.table),
                    ("table_sys_id", &mut picture.record),
                    ("file_name", &mut picture.file_name),
                ];
                for (name, place) in changes {
                    if let Some(value) = write.field(name) {
                        value.clone_into(place);
                    }
                }
                self.store(id, picture);
            }
            ("sys_attachment", "delete") => _ = self.take(&id),
            ("live_profile", "insert") => {
                self.add_record(&id, &text("document"), false);
                self.set_column(&id, write);
            }
            ("live_profile", "delete") => {
                if let Some(user) = self.owners.remove(&id)
                    && let Some(records) = self.records.get_mut(&user)
                {
                    records.retain(|record| *record != id);
                }
                self.columns.remove(&id);
            }
            ("live_profile" | "sys_user", "update") => self.set_column(&id, write),
            ("sys_user", "insert") => {
                self.names.insert(id.clone(), text("user_name"));
                self.add_record(&id, &id, true);
                self.set_column(&id, write);
            }
            ("sys_user", "delete") => {
                self.owners.remove(&id);
                self.records.remove(&id);
                self.columns.remove(&id);
            }
            _ => {}
        }
    }

    fn set_column(&mut self, record: &str, write: &Write) {
        match write.field("photo") {
            None => {}
            Some("") => _ = self.columns.remove(record),
            Some(photo) => _ = self.columns.insert(record.to_owned(), photo.to_owned()),
        }
    }

    /// The name by which people know a user.
    pub fn name<'a>(&'a self, user: &'a str) -> &'a str {
        self.names.get(user).map_or(user, String::as_str)
    }
}

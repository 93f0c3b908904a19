//! What the cache remembers of somebody: ids, hashes, what pictures look like to a machine, and sentences that may name
//! somebody else.

use std::path::PathBuf;

use rusqlite::{Connection, params_from_iter};

use super::{Known, places, rewrite, without};
use crate::domain::ids::SourceId;
use crate::domain::photo::Sha256;
use crate::store::{StoreError, StorePaths, database, files, memory};

fn file(paths: &StorePaths) -> PathBuf {
    paths.cache().join(memory::FILE)
}

/// Everybody of whom something is remembered.
pub(super) fn people(paths: &StorePaths) -> Vec<SourceId> {
    let path = file(paths);
    if !path.exists() {
        return Vec::new();
    }
    let read = || -> rusqlite::Result<Vec<SourceId>> {
        let connection = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut people = connection.prepare("SELECT DISTINCT source FROM photos")?;
        people
            .query_map([], |row| row.get::<_, String>(0).map(SourceId::new))?
            .collect()
    };
    // A cache that cannot be read is removed as a whole when it comes to that.
    read().unwrap_or_default()
}

/// Forgets somebody; answers how many rows that were. A cache that cannot be cleaned is dropped.
pub(super) fn forget(paths: &StorePaths, known: &Known) -> Result<u64, StoreError> {
    let path = file(paths);
    if !path.exists() {
        return Ok(0);
    }
    let cleaned = database::open_again(&path).and_then(|mut connection| {
        clean(&mut connection, known).map_err(StoreError::database("clean the cache"))
    });
    if let Ok(rows) = cleaned {
        return Ok(rows);
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        files::remove(&PathBuf::from(name))?;
    }
    Ok(1)
}

fn clean(connection: &mut Connection, known: &Known) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    let sources: Vec<&str> = known.sources.iter().map(SourceId::as_str).collect();
    let of_them = format!("source IN ({})", places(sources.len()));
    let mut seen = known.hashes.clone();
    {
        let mut photos =
            transaction.prepare(&format!("SELECT content, prepared FROM photos WHERE {of_them}"))?;
        let mut rows = photos.query(params_from_iter(&sources))?;
        while let Some(row) = rows.next()? {
            seen.extend(memory::hash_in(row.get_ref(0)?.as_blob()?));
            let prepared: Option<[u8; 32]> = row.get(1)?;
            seen.extend(prepared.map(Sha256::from_bytes));
        }
    }
    let mut removed = 0;
    for table in ["photos", "suspicions"] {
        let rows = format!("DELETE FROM {table} WHERE {of_them}");
        removed += transaction.execute(&rows, params_from_iter(&sources))?;
    }
    blank_names(&transaction, known)?;
    // Of an older version; nothing reads it any more.
    transaction.execute_batch("DROP TABLE IF EXISTS absences")?;
    for sha256 in &seen {
        for table in ["contents", "pictures"] {
            let rows = format!("DELETE FROM {table} WHERE sha256 = ?1");
            removed += transaction.execute(&rows, [sha256.as_bytes()])?;
        }
    }
    for picture in &known.stored {
        removed += transaction.execute("DELETE FROM pictures WHERE picture = ?1", [picture])?;
    }
    transaction.commit()?;
    rewrite(connection)?;
    Ok(removed as u64)
}

/// What is suspected of others may name them: "the same picture as …". The suspicion itself stays.
fn blank_names(connection: &Connection, known: &Known) -> rusqlite::Result<()> {
    let mut naming =
        connection.prepare("SELECT source, sentence FROM suspicions WHERE instr(sentence, ?1) > 0")?;
    let mut blank = connection.prepare("UPDATE suspicions SET sentence = ?2 WHERE source = ?1")?;
    for name in &known.names {
        let rows: Vec<[String; 2]> = naming
            .query_map([name], |row| Ok([row.get(0)?, row.get(1)?]))?
            .collect::<rusqlite::Result<_>>()?;
        for [source, sentence] in rows {
            blank.execute([source, without(&sentence, name)])?;
        }
    }
    Ok(())
}

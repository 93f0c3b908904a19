//! Opening an SQLite file so that whatever state it is in, there is a usable one afterwards or a plain refusal
//! (`reliability.md` J4, J5).

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{StoreError, files, place};

/// How long a statement waits for another process, at most.
const BUSY: Duration = Duration::from_secs(5);

/// Marks our files, so that another program's database put in their place is noticed.
const APPLICATION: i64 = 0x6176_7379;

/// What a file holds and how it came to be that way.
pub(super) struct Schema {
    /// Name in sentences: "the journal".
    pub(super) name: &'static str,
    /// Scripts that lead from nothing to the newest format. Only ever appended to: the number of scripts that have
    /// been applied is the file's format.
    pub(super) migrations: &'static [&'static str],
    /// True if a commit survives a power cut; false for what can be asked again.
    pub(super) is_durable: bool,
    /// Reads what a start relies on, so that nonsense that SQLite itself accepts is found while opening.
    pub(super) self_test: fn(&Connection) -> rusqlite::Result<()>,
}

impl Schema {
    fn newest(&self) -> i64 {
        self.migrations.len() as i64
    }
}

/// Opens for writing. A damaged file is moved aside, with its date in the name, and a new one begun.
pub(super) fn open(path: &Path, schema: &Schema, notes: &mut Vec<String>) -> Result<Connection, StoreError> {
    match try_open(path, schema) {
        Err(Trouble::Damaged(why)) => {
            let aside = move_aside(path)?;
            notes.push(format!(
                "{} was damaged ({why}); it is kept as {} and a new one was begun",
                schema.name,
                aside.display()
            ));
            try_open(path, schema).map_err(Trouble::into_error)
        }
        other => other.map_err(Trouble::into_error),
    }
}

/// Opens for reading only; `None` if there is no file yet.
pub(super) fn open_read_only(path: &Path, schema: &Schema) -> Result<Option<Connection>, StoreError> {
    let is_there = path.try_exists().map_err(StoreError::files("look for", path))?;
    if !is_there {
        return Ok(None);
    }
    let failed = StoreError::database("open the local data");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    let found = format_of(&connection).map_err(&failed)?;
    match found.cmp(&schema.newest()) {
        std::cmp::Ordering::Greater => Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: schema.newest(),
        }),
        // A file that a writer has created a moment ago and not filled yet.
        _ if found == 0 => Ok(None),
        std::cmp::Ordering::Less => Err(StoreError::Older {
            path: path.to_owned(),
        }),
        std::cmp::Ordering::Equal => Ok(Some(connection)),
    }
}

/// Another connection for writing to a file that this process has opened and checked already.
pub(super) fn open_again(path: &Path) -> Result<Connection, StoreError> {
    let failed = StoreError::database("open the local data");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    // What is removed here is somebody's: its bytes are overwritten, and it is on the disk when a commit returns.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
        .map_err(&failed)?;
    Ok(connection)
}

/// A database that lives as long as its connection.
pub(super) fn in_memory(schema: &Schema) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    migrate(&mut connection, schema)?;
    Ok(connection)
}

enum Trouble {
    Damaged(String),
    Other(StoreError),
}

impl Trouble {
    fn into_error(self) -> StoreError {
        match self {
            Self::Other(error) => error,
            // A file that was created a moment ago and is damaged already: say what SQLite says of such files.
            Self::Damaged(why) => {
                StoreError::database("create the local data")(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                    Some(why),
                ))
            }
        }
    }

    fn of(operation: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Other(StoreError::database(operation)(error)),
        }
    }
}

fn try_open(path: &Path, schema: &Schema) -> Result<Connection, Trouble> {
    // Created here, so that SQLite's companion files inherit its rights.
    drop(files::open_private(path).map_err(Trouble::Other)?);
    let failed = Trouble::of("open the local data");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    let found = format_of(&connection).map_err(&failed)?;
    if found > schema.newest() {
        return Err(Trouble::Other(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: schema.newest(),
        }));
    }
    check(&connection)?;
    // On file systems without shared memory SQLite stays with its rollback journal, which is as safe and slower.
    let is_shared = path.parent().and_then(place::of).is_some();
    set_mode(&connection, is_shared).map_err(&failed)?;
    let level = if schema.is_durable { "FULL" } else { "NORMAL" };
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = {level}; PRAGMA journal_size_limit = 16777216;"
        ))
        .map_err(&failed)?;
    if found < schema.newest() {
        if found > 0 {
            let copy = beside(path, &format!("format-{found}"));
            let copy = copy.to_string_lossy();
            connection
                .execute("VACUUM INTO ?1", [copy.as_ref()])
                .map_err(Trouble::of("copy the local data before changing its format"))?;
        }
        migrate(&mut connection, schema).map_err(Trouble::of("bring the local data up to date"))?;
    }
    (schema.self_test)(&connection).map_err(|error| match error {
        rusqlite::Error::SqliteFailure(..) => failed(error),
        // A value that is not what was written there, or a table that is missing.
        other => Trouble::Damaged(other.to_string()),
    })?;
    Ok(connection)
}

/// Shared memory, which the write-ahead log needs, does not reach another machine.
fn set_mode(connection: &Connection, is_shared: bool) -> rusqlite::Result<()> {
    let wanted = if is_shared { "DELETE" } else { "WAL" };
    let set = connection.query_row(&format!("PRAGMA journal_mode = {wanted}"), [], |row| {
        row.get::<_, String>(0)
    });
    match set {
        // Somebody reads just now; the next start changes it.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        other => other.map(drop),
    }
}

fn check(connection: &Connection) -> Result<(), Trouble> {
    let failed = Trouble::of("check the local data");
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(&failed)?;
    if verdict != "ok" {
        return Err(Trouble::Damaged(verdict));
    }
    // Another process may be filling a new file right now: all three are of one moment.
    let moment = connection.unchecked_transaction().map_err(&failed)?;
    let tables: i64 = moment
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(&failed)?;
    let application: i64 = moment
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(&failed)?;
    let found = format_of(&moment).map_err(&failed)?;
    moment.commit().map_err(&failed)?;
    let is_ours = if found == 0 {
        tables == 0
    } else {
        application == APPLICATION
    };
    if is_ours {
        Ok(())
    } else {
        Err(Trouble::Damaged("it is another program's database".into()))
    }
}

fn format_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn migrate(connection: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Asked again under the lock: another process may have done it meanwhile.
    let found = format_of(&transaction)?;
    for script in schema.migrations.iter().skip(found as usize) {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", schema.newest())?;
    transaction.commit()
}

/// Renames a file and SQLite's companions of it; answers the new name.
fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let aside = beside(path, &format!("damaged-{now}"));
    std::fs::rename(path, &aside).map_err(StoreError::files("move aside", path))?;
    for companion in ["-wal", "-shm"] {
        let from = with_suffix(path, companion);
        match std::fs::rename(&from, with_suffix(&aside, companion)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::files("move aside", &from)(error));
            }
            _ => {}
        }
    }
    Ok(aside)
}

/// `journal.sqlite` becomes `journal.<word>.sqlite`, with a number if that is taken.
fn beside(path: &Path, word: &str) -> PathBuf {
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    (1..=u32::MAX)
        .map(|number| match number {
            1 => format!("{stem}.{word}.{extension}"),
            number => format!("{stem}.{word}-{number}.{extension}"),
        })
        .map(|name| path.with_file_name(name))
        .find(|candidate| !candidate.exists())
        .expect("a folder does not hold that many files")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Schema = Schema {
        name: "the list",
        migrations: &["CREATE TABLE entries (text TEXT NOT NULL) STRICT"],
        is_durable: true,
        self_test: |connection| {
            connection
                .query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0))
                .map(drop)
        },
    };
    const SECOND: Schema = Schema {
        migrations: &[
            "CREATE TABLE entries (text TEXT NOT NULL) STRICT",
            "ALTER TABLE entries ADD COLUMN note TEXT",
        ],
        ..FIRST
    };

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("readable")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    fn with_one_entry(path: &Path) {
        let connection = open(path, &FIRST, &mut Vec::new()).expect("opens");
        connection
            .execute("INSERT INTO entries VALUES ('kept')", [])
            .expect("inserts");
    }

    fn entries(connection: &Connection) -> i64 {
        connection
            .query_row("SELECT count(*) FROM entries", [], |row| row.get(0))
            .expect("counts")
    }

    #[test]
    fn an_older_format_is_copied_and_then_brought_up_to_date() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.sqlite");
        with_one_entry(&path);
        let connection = open(&path, &SECOND, &mut Vec::new()).expect("opens");
        assert_eq!(entries(&connection), 1);
        connection
            .execute("UPDATE entries SET note = 'new'", [])
            .expect("has the column");
        let copy = Connection::open(folder.path().join("list.format-1.sqlite")).expect("a copy");
        assert_eq!(entries(&copy), 1);
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.sqlite");
        drop(open(&path, &SECOND, &mut Vec::new()).expect("opens"));
        assert!(matches!(
            open(&path, &FIRST, &mut Vec::new()),
            Err(StoreError::Newer {
                found: 2,
                known: 1,
                ..
            })
        ));
        assert!(matches!(
            open_read_only(&path, &FIRST),
            Err(StoreError::Newer { .. })
        ));
        assert!(open(&path, &SECOND, &mut Vec::new()).is_ok());
    }

    #[test]
    fn a_damaged_file_is_kept_aside_and_a_new_one_begun_whatever_happened_to_it() {
        type Damage = fn(&mut Vec<u8>);
        let damages: [(&str, Damage); 4] = [
            ("nonsense", |bytes| bytes.fill(0x5a)),
            ("cut", |bytes| bytes.truncate(5000)),
            ("header gone", |bytes| bytes[..100].fill(0)),
            ("another database", |bytes| bytes[68..72].fill(0)),
        ];
        for (what, damage) in damages {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("list.sqlite");
            with_one_entry(&path);
            let mut bytes = std::fs::read(&path).expect("readable");
            damage(&mut bytes);
            std::fs::write(&path, bytes).expect("writable");
            let mut notes = Vec::new();
            let connection = open(&path, &FIRST, &mut notes).expect("a new one");
            assert_eq!(entries(&connection), 0, "{what}");
            assert_eq!(notes.len(), 1, "{what}: {notes:?}");
            let kept = names(folder.path())
                .iter()
                .filter(|name| name.contains("damaged-"))
                .count();
            assert!(kept >= 1, "{what}: {:?}", names(folder.path()));
        }
    }

    #[test]
    fn any_damaged_byte_ends_in_a_usable_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.sqlite");
        with_one_entry(&path);
        let sound = std::fs::read(&path).expect("readable");
        for position in (0..sound.len()).step_by(97) {
            let mut bytes = sound.clone();
            bytes[position] ^= 0xff;
            let place = folder.path().join(format!("{position}.sqlite"));
            std::fs::write(&place, bytes).expect("writable");
            match open(&place, &FIRST, &mut Vec::new()) {
                Ok(connection) => assert!(entries(&connection) <= 1),
                // The damaged byte was the format, which now looks like a newer version's.
                Err(StoreError::Newer { .. }) => assert!((60..64).contains(&position), "{position}"),
                Err(error) => panic!("byte {position}: {}", error.sentence()),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let private = folder.path().join("state");
        files::create_folder(&private).expect("created");
        let path = private.join("list.sqlite");
        let _connection = open(&path, &FIRST, &mut Vec::new()).expect("opens");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&private), 0o700);
        for name in names(&private) {
            assert_eq!(mode(&private.join(&name)), 0o600, "{name}");
        }
    }
}

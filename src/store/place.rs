//! What kind of place a folder is. On a network file system or in a folder that a cloud service synchronises, files are
//! locked badly or not at all and copied while they are open; there the databases do without shared memory
//! (`reliability.md` J6), and the administrator is told.

use std::fmt;
use std::path::{Component, Path, Prefix};

/// A place that is not a disk of this machine alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    /// A file system of another machine, by its type.
    Network(String),
    /// A folder of a service that copies it elsewhere, by the service's name.
    Synchronised(&'static str),
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(kind) => write!(
                f,
                "on a network file system ({})",
                crate::domain::text::clean(kind)
            ),
            Self::Synchronised(service) => write!(f, "in a folder that {service} synchronises"),
        }
    }
}

/// What kind of place a folder is; `None` for an ordinary disk, and where the system does not tell. On Linux the table
/// of mounts tells, on Windows the path; everywhere the names that synchronising services give their folders.
pub(super) fn of(folder: &Path) -> Option<Shared> {
    let full = std::fs::canonicalize(folder);
    let folder = full.as_deref().unwrap_or(folder);
    let mounts = if cfg!(target_os = "linux") {
        // A process that may not read it is told nothing, like on other systems.
        std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
    } else {
        String::new()
    };
    network_type(&mounts, folder)
        .map(Shared::Network)
        .or_else(|| is_network_path(folder).then(|| Shared::Network("UNC path".into())))
        .or_else(|| synchronised_by(folder).map(Shared::Synchronised))
}

/// The file system's type, if it is one of the network, by the table in `proc_pid_mountinfo(5)`.
fn network_type(mounts: &str, folder: &Path) -> Option<String> {
    const NETWORK: [&str; 16] = [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afs",
        "ceph",
        "lustre",
        "glusterfs",
        "9p",
        "ncpfs",
        "coda",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
    ];
    let mut nearest: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((mount, system)) = line.split_once(" - ") else {
            continue;
        };
        let Some(point) = mount.split(' ').nth(4).map(unescaped) else {
            continue;
        };
        let kind = system.split(' ').next().unwrap_or_default();
        if folder.starts_with(&point) {
            let depth = Path::new(&point).components().count();
            // Of several mounts at one point the last one is seen.
            if nearest.is_none_or(|(known, _)| depth >= known) {
                nearest = Some((depth, kind));
            }
        }
    }
    nearest
        .map(|(_, kind)| kind)
        .filter(|kind| NETWORK.contains(kind))
        .map(str::to_owned)
}

/// Spaces and the like are written as three octal digits.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            plain.push(char::from(code));
            rest = &after[3..];
        } else {
            plain.push('\\');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

fn is_network_path(folder: &Path) -> bool {
    matches!(
        folder.components().next(),
        Some(Component::Prefix(prefix)) if matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..))
    )
}

/// The service whose folder this is in, by the names that they give them: `OneDrive - Contoso`, `Mobile Documents`.
fn synchronised_by(folder: &Path) -> Option<&'static str> {
    const NAMES: [(&str, &str); 10] = [
        ("OneDrive", "OneDrive"),
        ("Dropbox", "Dropbox"),
        ("iCloudDrive", "iCloud"),
        ("iCloud Drive", "iCloud"),
        ("Mobile Documents", "iCloud"),
        ("Google Drive", "Google Drive"),
        ("GoogleDrive", "Google Drive"),
        ("Nextcloud", "Nextcloud"),
        ("ownCloud", "ownCloud"),
        ("CloudStorage", "a cloud service"),
    ];
    let is_named = |component: &str, name: &str| {
        component
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
            && component[name.len()..]
                .chars()
                .next()
                .is_none_or(|next| matches!(next, ' ' | '-' | '_' | '('))
    };
    NAMES
        .into_iter()
        .find(|(name, _)| {
            folder.components().any(|component| {
                component
                    .as_os_str()
                    .to_str()
                    .is_some_and(|text| is_named(text, name))
            })
        })
        .map(|(_, service)| service)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:2 - nfs4 filer:/home rw,vers=4.2
31 30 0:41 / /home/ada/my\\040disk rw - ext4 /dev/sdb1 rw
32 22 0:42 / /mnt/share rw - cifs //filer/share rw
33 22 0:43 / /mnt/ssh rw - fuse.sshfs ada@host:/ rw
34 22 0:44 / /mnt/stick rw - fuse.ntfs-3g /dev/sdc1 rw
35 22 0:45 / /srv rw - ext4 /dev/sdd1 rw
36 35 0:46 / /srv rw - nfs filer:/srv rw
";

    #[test]
    fn the_nearest_mount_says_whose_disk_it_is() {
        let tried = [
            ("/var/lib/avatar-sync", None),
            ("/home/bob/state", Some("nfs4")),
            ("/home/ada/my disk/state", None),
            ("/homestead", None),
            ("/mnt/share", Some("cifs")),
            ("/mnt/ssh/deep/down", Some("fuse.sshfs")),
            ("/mnt/stick/state", None),
            ("/srv/state", Some("nfs")),
        ];
        for (folder, expected) in tried {
            let found = network_type(MOUNTS, Path::new(folder));
            assert_eq!(found.as_deref(), expected, "{folder}");
        }
        assert_eq!(network_type("nonsense\n- - -\n", Path::new("/x")), None);
    }

    #[test]
    fn folders_that_are_synchronised_are_known_by_their_names() {
        for (folder, expected) in [
            ("/home/ada/OneDrive - Contoso/state", Some("OneDrive")),
            ("/home/ada/onedrive", Some("OneDrive")),
            ("/Users/ada/Library/Mobile Documents/state", Some("iCloud")),
            (
                "/Users/ada/Library/CloudStorage/Dropbox-Contoso/x",
                Some("Dropbox"),
            ),
            ("/Users/ada/Library/CloudStorage/Other/x", Some("a cloud service")),
            ("/home/ada/Dropbox (Contoso)/x", Some("Dropbox")),
            ("/home/ada/dropboxes/x", None),
            ("/home/ada/.local/state", None),
        ] {
            assert_eq!(synchronised_by(Path::new(folder)), expected, "{folder}");
        }
    }
}

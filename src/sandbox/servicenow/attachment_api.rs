//! The Attachment API (`servicenow.md` 3, N8 to N12, N15) and the image provider (N16).

use std::fmt::Write;

use bytes::Bytes;
use http::Method;
use jiff::tz::TimeZone;

use super::call::Call;
use super::errors::{self, JSON};
use super::images;
use super::multipart;
use super::render::{Display, Format};
use super::table_api::ListShape;
use crate::sandbox::exchange::Response;
use crate::sandbox::world::instance::schema::TableName;
use crate::sandbox::world::instance::{NewAttachment, Operation, ScanState, SysId};
use crate::sandbox::world::picture::Picture;

/// Default of `sysparm_limit`; that of the Table API is higher.
const DEFAULT_LIMIT: usize = 1_000;

/// What an upload brings.
struct Upload {
    table_name: Option<String>,
    table_sys_id: Option<String>,
    file_name: Option<String>,
    content_type: Option<String>,
    content: Bytes,
}

impl Call<'_> {
    /// Everything below `/attachment`.
    pub(super) fn attachment(&self, rest: &[&str]) -> Response {
        self.answer_attachment(rest).unwrap_or_else(|refusal| refusal)
    }

    fn answer_attachment(&self, rest: &[&str]) -> Result<Response, Response> {
        match (&self.method, rest) {
            (&Method::GET, []) => {
                let shape = ListShape {
                    default_limit: DEFAULT_LIMIT,
                    format: self.metadata_format(),
                };
                self.list(TableName::Attachment, &shape)
            }
            (&Method::POST, ["file"]) => self.upload(self.upload_of_body()),
            (&Method::POST, ["upload"]) => self.upload(self.upload_of_form()?),
            (&Method::GET, [id]) => self.metadata(id),
            (&Method::GET, [id, "file"]) => self.file(id),
            (&Method::PATCH | &Method::PUT, [id]) => self.rename(id),
            (&Method::DELETE, [id]) => self.delete(TableName::Attachment, id),
            (_, [] | [_] | [_, "file"]) => Err(errors::envelope(405, "Method not supported", None)),
            _ => Err(errors::no_such_resource()),
        }
    }

    /// The keys of `servicenow.md` 3.2, all strings, whatever display value is asked for.
    fn metadata_format(&self) -> Format {
        Format {
            display: Display::False,
            zone: TimeZone::UTC,
            without_links: true,
            api_base: self.api_base(),
            fields: self.readable_fields(TableName::Attachment, None),
            download_link: true,
        }
    }

    fn metadata(&self, id: &str) -> Result<Response, Response> {
        let format = self.metadata_format();
        let draft = {
            let instance = self.service.world.instance.read();
            let (_, slot) = self.readable(&instance, TableName::Attachment, id)?;
            self.record(&instance, slot, &format)
        };
        Ok(Response::new(200, JSON, draft.finish()))
    }

    fn file(&self, id: &str) -> Result<Response, Response> {
        let format = self.metadata_format();
        let (content, content_type, is_quarantined, file_name, draft) = {
            let instance = self.service.world.instance.read();
            let (sys_id, slot) = self.readable(&instance, TableName::Attachment, id)?;
            let (content, content_type, is_quarantined) = instance
                .content(sys_id, &self.view)
                .ok_or_else(errors::no_record)?;
            let file_name = instance
                .attachment(sys_id)
                .map_or_else(String::new, |row| row.file_name.into());
            let mut draft = super::render::Draft::default();
            draft.row(&instance, slot, &format, &self.view);
            (content, content_type, is_quarantined, file_name, draft)
        };
        if is_quarantined {
            let detail = "The file did not pass the security scan and cannot be downloaded";
            return Err(errors::envelope(403, "File is not available", Some(detail)));
        }
        let metadata = ascii_json(&String::from_utf8_lossy(&draft.finish()));
        let quoted: String = file_name
            .chars()
            .map(|c| if c.is_ascii_graphic() && c != '"' { c } else { '_' })
            .collect();
        Ok(Response::new(200, &content_type, content.bytes())
            .with_header("x-attachment-metadata", &metadata)
            .with_header(
                "content-disposition",
                &format!("attachment;filename=\"{quoted}\""),
            ))
    }

    fn rename(&self, id: &str) -> Result<Response, Response> {
        let values = self.values(TableName::Attachment)?;
        let file_name: Vec<_> = values
            .columns
            .into_iter()
            .filter(|(column, _)| column.name == "file_name")
            .collect();
        if file_name.is_empty() {
            return Err(errors::envelope(
                400,
                "Missing or invalid file_name in the request body",
                None,
            ));
        }
        let mut instance = self.service.world.instance.write();
        let (sys_id, slot) = self.readable(&instance, TableName::Attachment, id)?;
        self.permit_write(&instance, TableName::Attachment, Operation::Update, Some(slot))?;
        instance.update(TableName::Attachment, sys_id, &file_name, self.actor());
        Ok(Response::empty(204))
    }

    fn upload_of_body(&self) -> Upload {
        let parameter = |name| self.parameter(name).map(str::to_owned);
        Upload {
            table_name: parameter("table_name"),
            table_sys_id: parameter("table_sys_id"),
            file_name: parameter("file_name"),
            content_type: self.request.header("content-type").map(str::to_owned),
            content: self.request.body.clone(),
        }
    }

    /// E57: the file has to be the last part, and the outer type must not name a charset.
    fn upload_of_form(&self) -> Result<Upload, Response> {
        let missing = || errors::envelope(400, "Error during file upload: File part might be missing", None);
        let outer = self.request.header("content-type").unwrap_or_default();
        if outer.to_ascii_lowercase().contains("charset") {
            return Err(missing());
        }
        let boundary = multipart::boundary(outer).ok_or_else(missing)?;
        let parts = multipart::parts(&self.request.body, &boundary).ok_or_else(missing)?;
        let (file, fields) = parts.split_last().ok_or_else(missing)?;
        if file.file_name.is_none() || fields.iter().any(|part| part.file_name.is_some()) {
            return Err(missing());
        }
        let field = |name: &str| {
            fields
                .iter()
                .find(|part| part.name == name)
                .map(|part| String::from_utf8_lossy(&part.content).into_owned())
        };
        Ok(Upload {
            table_name: field("table_name"),
            table_sys_id: field("table_sys_id"),
            file_name: file.file_name.clone(),
            content_type: file
                .content_type
                .clone()
                .or_else(|| Some("application/octet-stream".to_owned())),
            content: file.content.clone(),
        })
    }

    fn upload(&self, upload: Upload) -> Result<Response, Response> {
        let missing =
            |name: &str| errors::envelope(400, &format!("Missing required parameter: {name}"), None);
        let filled = |value: Option<String>, name| {
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| missing(name))
        };
        let table_name = filled(upload.table_name, "table_name")?;
        let table_sys_id = filled(upload.table_sys_id, "table_sys_id")?;
        let file_name = filled(upload.file_name, "file_name")?;
        let content_type = filled(upload.content_type, "Content-Type")?;
        self.check_content(&file_name, &content_type, &upload.content)?;

        let settings = &self.settings().attachments;
        let corrupted = self
            .service
            .counters
            .will_corrupt()
            .then(|| Picture::from_bytes([&upload.content[..upload.content.len() / 2], b"\0"].concat()));
        let content = Picture::from_bytes(upload.content);
        let scan_ends = images::after(self.view.now, settings.scan_ms);
        let is_infected = settings.quarantine_all
            || (!settings.quarantined_sha256.is_empty()
                && settings
                    .quarantined_sha256
                    .contains(&images::hex(&content.sha256())));
        let format = self.metadata_format();

        let base_table = table_name.strip_prefix("ZZ_YY").unwrap_or(&table_name);
        let table = self.known_table(base_table)?;
        let (sys_id, draft) = {
            let mut instance = self.service.world.instance.write();
            let (record, record_slot) = self.readable(&instance, table, &table_sys_id)?;
            self.permit_write(&instance, TableName::Attachment, Operation::Insert, None)?;
            if settings.strict_image_upload
                && self.is_refused(&instance, table, Operation::Update, Some(record_slot))
            {
                return Err(errors::write_refused(Operation::Insert));
            }
            let content = corrupted
                .filter(|_| self.service.counters.take_corrupt())
                .unwrap_or(content);
            let new = NewAttachment {
                table_name: &table_name,
                table_sys_id: record,
                file_name: &file_name,
                content_type: &content_type,
                content,
                scan: if is_infected {
                    ScanState::QuarantinedFrom(scan_ends)
                } else {
                    ScanState::AvailableFrom(scan_ends)
                },
                has_hash: settings.store_hash,
            };
            let twin = settings
                .drop_identical
                .then(|| instance.identical(&new))
                .flatten();
            let sys_id = twin.unwrap_or_else(|| instance.attach(new, self.actor()));
            if twin.is_none() && self.is_mirrored(&table_name) {
                let at = images::after(self.view.now, self.settings().mirror.delay_ms);
                instance.schedule_mirror(at, sys_id);
            }
            let slot = instance
                .find(TableName::Attachment, sys_id)
                .ok_or_else(errors::no_record)?;
            (sys_id, self.record(&instance, slot, &format))
        };
        let location = format!("{}attachment/{sys_id}/file", self.api_base());
        Ok(Response::new(201, JSON, draft.finish()).with_header("location", &location))
    }

    fn is_mirrored(&self, table_name: &str) -> bool {
        let mirror = &self.settings().mirror;
        (mirror.profile_to_user && table_name == "ZZ_YYlive_profile")
            || (mirror.user_to_profile && table_name == "ZZ_YYsys_user")
    }

    /// Extension, media type and size (E25, E26, E27).
    fn check_content(&self, file_name: &str, content_type: &str, content: &[u8]) -> Result<(), Response> {
        let settings = &self.settings().attachments;
        let extension = file_name
            .rsplit_once('.')
            .map_or(file_name, |(_, extension)| extension);
        let is_allowed = settings.extensions.is_empty()
            || (file_name.contains('.')
                && settings
                    .extensions
                    .iter()
                    .any(|allowed| allowed.eq_ignore_ascii_case(extension)));
        if !is_allowed {
            return Err(errors::envelope(
                400,
                &format!("Invalid file type: {extension}"),
                None,
            ));
        }
        if settings.mime_validation && !images::fits(content_type, extension, content) {
            let detail = format!("The content of {file_name} is not {content_type}");
            return Err(errors::envelope(400, "MIME type mismatch", Some(&detail)));
        }
        if content.len() as u64 > settings.max_bytes {
            let detail = format!("The file exceeds the limit of {} bytes", settings.max_bytes);
            return Err(errors::envelope(
                settings.too_large_status,
                "File too large",
                Some(&detail),
            ));
        }
        Ok(())
    }

    /// `GET /{attachment}.iix`, whole or, with `t=small`, as a thumbnail, which is stored at its first display.
    pub(super) fn image(&self, sys_id: SysId) -> Response {
        let found = {
            let instance = self.service.world.instance.read();
            let row = self.readable(&instance, TableName::Attachment, &sys_id.to_string());
            let thumbnail = instance
                .thumbnail_of(sys_id)
                .and_then(|id| instance.content(id, &self.view));
            row.ok()
                .and_then(|(id, _)| instance.content(id, &self.view))
                .map(|whole| (whole, thumbnail))
        };
        let Some(((content, content_type, is_quarantined), thumbnail)) = found else {
            return errors::page(404, "Not Found", "");
        };
        if is_quarantined {
            return errors::page(403, "Forbidden", "");
        }
        let wants_small = self.parameter("t").is_some_and(|size| size.starts_with("small"));
        if !wants_small {
            return Response::new(200, &content_type, content.bytes());
        }
        if let Some((content, content_type, _)) = thumbnail {
            return Response::new(200, &content_type, content.bytes());
        }
        let small = images::thumbnail(&content).filter(|_| self.settings().attachments.create_thumbnails);
        match small {
            Some(small) => {
                let mut instance = self.service.world.instance.write();
                instance.add_thumbnail(sys_id, small.clone(), self.view.now);
                drop(instance);
                Response::new(200, small.content_type(), small.bytes())
            }
            None => Response::new(200, &content_type, content.bytes()),
        }
    }
}

/// JSON for a header: everything outside ASCII as an escape.
fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut units = [0; 2];
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

//! `multipart/form-data`, as much of it as an upload needs.

use bytes::Bytes;

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// Name of the file, if the part is one.
    pub file_name: Option<String>,
    /// Its own media type.
    pub content_type: Option<String>,
    /// Content.
    pub content: Bytes,
}

/// The boundary named in a `Content-Type`.
pub fn boundary(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').map(str::trim);
    let is_form = parameters.next()?.eq_ignore_ascii_case("multipart/form-data");
    let boundary = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"'))
    })?;
    (is_form && !boundary.is_empty()).then(|| boundary.to_owned())
}

/// The parts of a body; `None` if it is not well formed.
pub fn parts(body: &Bytes, boundary: &str) -> Option<Vec<Part>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut position = find(body, delimiter.as_bytes(), 0)? + delimiter.len();
    loop {
        let rest = body.get(position..)?;
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let start = position + if rest.starts_with(b"\r\n") { 2 } else { return None };
        let end = find(body, format!("\r\n{delimiter}").as_bytes(), start)?;
        parts.push(part(body, start, end)?);
        position = end + 2 + delimiter.len();
    }
}

fn part(body: &Bytes, start: usize, end: usize) -> Option<Part> {
    let split = find(body, b"\r\n\r\n", start).filter(|split| *split <= end)?;
    let head = String::from_utf8_lossy(&body[start..split]);
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition")?;
    let parameter = |name: &str| {
        disposition.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    Some(Part {
        name: parameter("name")?,
        file_name: parameter("filename"),
        content_type: header("content-type"),
        content: body.slice((split + 4).min(end)..end),
    })
}

fn find(body: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let found = body
        .get(from..)?
        .windows(needle.len())
        .position(|window| window == needle);
    found.map(|position| position + from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_part_by_part_and_binary_content_survives() {
        let body = Bytes::from_static(
            b"--B\r\nContent-Disposition: form-data; name=\"table_name\"\r\n\r\nsys_user\r\n\
              --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\
              \xff\xd8\r\n--\0\r\n--B--\r\n",
        );
        let parts = parts(&body, "B").expect("well formed");
        assert_eq!(parts[0].name, "table_name");
        assert_eq!(&parts[0].content[..], b"sys_user");
        assert_eq!(parts[1].file_name.as_deref(), Some("a.jpg"));
        assert_eq!(parts[1].content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(&parts[1].content[..], b"\xff\xd8\r\n--\0");
    }

    #[test]
    fn a_form_that_breaks_off_is_no_form() {
        for body in [
            "",
            "--B",
            "--B\r\n",
            "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx",
            "--B\r\n\r\n--B--",
        ] {
            assert_eq!(parts(&Bytes::from(body), "B"), None, "{body:?}");
        }
    }

    #[test]
    fn the_boundary_is_found_with_and_without_quotes() {
        assert_eq!(
            boundary("multipart/form-data; boundary=\"x y\""),
            Some("x y".to_owned())
        );
        assert_eq!(
            boundary("multipart/form-data;boundary=abc"),
            Some("abc".to_owned())
        );
        assert_eq!(boundary("application/json; boundary=abc"), None);
    }
}

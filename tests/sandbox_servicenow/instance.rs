//! A small instance and a client that says only what matters.

use std::sync::Arc;

use avatar_sync::sandbox::exchange::{Request, Response, Service};
use avatar_sync::sandbox::servicenow::{ServiceNowService, ServiceNowSettings};
use avatar_sync::sandbox::world::directory::Directory;
use avatar_sync::sandbox::world::instance::{
    AttachmentRow, Audit, Instance, ProfileRow, ScanState, SysId, UserRow,
};
use avatar_sync::sandbox::world::picture::Picture;
use avatar_sync::sandbox::world::{Credentials, World};
use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub const BASE: &str = "http://127.0.0.1:40002";
/// Ada Okafor.
pub const U1: &str = "1f0c9a4b7d3e4256a8c1d2e3f4051627";
/// Her profile.
pub const P1: &str = "2a7be1c05f6d4b38960c1d7e8f902b3c";
/// Image on the profile.
pub const A1: &str = "3c58d2e1907f4a6bb2c4e6f8091a2b3d";
/// Image on the user.
pub const A2: &str = "4d69e3f2a1804b7cc3d5f7091a2b3c4e";
/// A key nothing has.
pub const NOBODY: &str = "ffffffffffffffffffffffffffffffff";

pub const ACCOUNT: &str = "svc.avatar.sync";
pub const PASSWORD: &str = "correct horse";

/// An instance under test.
pub struct Practice {
    pub service: ServiceNowService,
    pub world: World,
}

pub fn id(text: &str) -> SysId {
    SysId::parse(text).expect("a key of a test")
}

fn audit(created: &str) -> Audit {
    let created: Timestamp = created.parse().expect("a moment of a test");
    Audit::new(&Arc::from("admin"), created)
}

pub fn user(sys_id: &str, user_name: &str, name: &str) -> UserRow {
    UserRow {
        sys_id: id(sys_id),
        user_name: user_name.into(),
        email: format!("{user_name}@example.com").into(),
        name: name.into(),
        employee_number: "".into(),
        active: true,
        locked_out: false,
        title: "Engineer".into(),
        sso_source: "".into(),
        correlation_id: "".into(),
        photo: None,
        audit: audit("2024-01-01T00:00:00Z"),
    }
}

pub fn profile(sys_id: &str, document: &str) -> ProfileRow {
    ProfileRow {
        sys_id: id(sys_id),
        document: id(document),
        name: "Ada Okafor".into(),
        photo: None,
        audit: audit("2024-02-01T00:00:00Z"),
    }
}

pub fn attachment(sys_id: &str, table_name: &str, record: &str, content: &[u8]) -> AttachmentRow {
    AttachmentRow {
        sys_id: id(sys_id),
        table_name: table_name.into(),
        table_sys_id: id(record),
        file_name: "photo".into(),
        content_type: "image/jpeg".into(),
        content: Picture::from_bytes(content.to_vec()),
        scan: ScanState::Available,
        has_hash: true,
        audit: audit("2024-03-01T00:00:00Z"),
    }
}

/// Five users; Ada, the first, has a profile.
pub fn five_users(instance: &mut Instance) {
    instance.put_user(user(U1, "ada.okafor", "Ada Okafor"));
    for (digit, name) in [(5, "Bo"), (6, "Cy"), (7, "Di"), (8, "Ed")] {
        let sys_id = digit.to_string().repeat(32);
        instance.put_user(user(&sys_id, &name.to_lowercase(), name));
    }
    instance.put_profile(profile(P1, U1));
}

impl Practice {
    /// An instance with the five users.
    pub fn new() -> Self {
        Self::with(five_users)
    }

    /// An instance with whatever is put into it.
    pub fn with(fill: impl FnOnce(&mut Instance)) -> Self {
        let mut instance = Instance::default();
        fill(&mut instance);
        let credentials = Credentials {
            tenant_id: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            servicenow_username: ACCOUNT.to_owned(),
            servicenow_password: PASSWORD.to_owned(),
            servicenow_client_id: "c1".to_owned(),
            servicenow_client_secret: "s1".to_owned(),
        };
        let world = World::new(Directory::default(), instance, credentials);
        Self {
            service: ServiceNowService::new(world.clone(), ServiceNowSettings::default()),
            world,
        }
    }

    /// The five users and Ada's two pictures.
    pub fn with_pictures() -> Self {
        Self::with(|instance| {
            five_users(instance);
            instance.put_attachment(attachment(A1, "ZZ_YYlive_profile", P1, b"on the profile"));
            instance.put_attachment(attachment(A2, "ZZ_YYsys_user", U1, b"on the user"));
        })
    }

    pub fn set(&self, change: impl FnOnce(&mut ServiceNowSettings)) {
        let mut settings = self.service.settings();
        change(&mut settings);
        self.service.set_settings(settings);
    }

    pub fn put(&self, change: impl FnOnce(&mut Instance)) {
        change(&mut self.world.instance.write());
    }

    pub fn advance(&self, seconds: i64) {
        self.world.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// `GET`, signed in.
    pub fn get(&self, target: &str) -> Answer {
        self.send(Method::GET, target)
    }

    pub fn delete(&self, target: &str) -> Answer {
        self.send(Method::DELETE, target)
    }

    pub fn post(&self, target: &str, body: &str) -> Answer {
        self.call(Call::new(Method::POST, target).json(body))
    }

    pub fn patch(&self, target: &str, body: &str) -> Answer {
        self.call(Call::new(Method::PATCH, target).json(body))
    }

    pub fn send(&self, method: Method, target: &str) -> Answer {
        self.call(Call::new(method, target))
    }

    /// Uploads a file to a record.
    pub fn upload(&self, table: &str, record: &str, content: &[u8]) -> Answer {
        let target =
            format!("/api/now/attachment/file?table_name={table}&table_sys_id={record}&file_name=photo");
        self.call(Call::new(Method::POST, &target).body("image/jpeg", content))
    }

    /// Asks for a token with form parameters.
    pub fn token(&self, form: &str) -> Answer {
        self.call(
            Call::new(Method::POST, "/oauth_token.do")
                .anonymous()
                .body("application/x-www-form-urlencoded", form.as_bytes()),
        )
    }

    pub fn call(&self, call: Call) -> Answer {
        let request = call.request();
        match self.service.admit(&request) {
            Ok(_held_until_answered) => Answer(self.service.answer(&request)),
            Err(refusal) => Answer(refusal),
        }
    }

    /// `avatar` of a user.
    pub fn avatar(&self, user: &str) -> String {
        let answer = self.get(&format!("/api/now/table/sys_user/{user}?sysparm_fields=avatar"));
        answer.json()["result"]["avatar"]
            .as_str()
            .expect("a string")
            .to_owned()
    }
}

/// A request under way to the instance.
pub struct Call {
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Call {
    /// Signed in with basic authentication, which needs no round trip.
    pub fn new(method: Method, target: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: Bytes::new(),
        }
        .basic(ACCOUNT, PASSWORD)
    }

    pub fn anonymous(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "authorization");
        self
    }

    pub fn basic(self, user: &str, password: &str) -> Self {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.anonymous()
            .header("authorization", &format!("Basic {encoded}"))
    }

    pub fn bearer(self, token: &str) -> Self {
        self.anonymous()
            .header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &str) -> Self {
        self.body("application/json", body.as_bytes())
    }

    pub fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self.body = Bytes::copy_from_slice(body);
        self.header("content-type", content_type)
    }

    pub fn request(self) -> Request {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::try_from(name.as_str()).expect("a header of a test"),
                HeaderValue::from_str(value).expect("a header of a test"),
            );
        }
        Request {
            method: self.method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: self.body,
            base: BASE.to_owned(),
        }
    }
}

/// What came back.
pub struct Answer(pub Response);

impl Answer {
    pub fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    pub fn header(&self, name: &str) -> &str {
        self.0
            .headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    pub fn has_header(&self, name: &str) -> bool {
        self.0.headers.contains_key(name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0.body).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.0.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.0.body)))
    }

    /// One column of all rows.
    pub fn column(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let rows = json["result"].as_array().expect("a list");
        rows.iter()
            .map(|row| row[name].as_str().expect("a string").to_owned())
            .collect()
    }

    /// A field of a single record.
    pub fn field(&self, name: &str) -> String {
        self.json()["result"][name].as_str().expect("a string").to_owned()
    }

    /// The session cookie.
    pub fn session(&self) -> String {
        let cookies = self.0.headers.get_all("set-cookie");
        cookies
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find(|value| value.starts_with("JSESSIONID="))
            .and_then(|value| value.split(';').next())
            .expect("a new session")
            .to_owned()
    }

    /// Status and body of a refusal in the platform's envelope.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, message: &str, detail: impl Into<Value>) {
        assert_eq!(self.status(), status, "{}", String::from_utf8_lossy(&self.0.body));
        let expected = serde_json::json!({
            "error": {"message": message, "detail": detail.into()},
            "status": "failure",
        });
        assert_eq!(self.json(), expected);
    }

    #[track_caller]
    pub fn assert_no_record(&self) {
        self.assert_refused(
            404,
            "No Record found",
            "Record doesn't exist or ACL restricts the record retrieval",
        );
    }

    #[track_caller]
    pub fn assert_unauthenticated(&self) {
        self.assert_refused(
            401,
            "User Not Authenticated",
            "Required to provide Auth information",
        );
    }
}

pub fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    let digest: [u8; 32] = sha2::Sha256::digest(content).into();
    let number = |half: &[u8]| u128::from_be_bytes(half.try_into().expect("half of 32 bytes"));
    format!("{:032x}{:032x}", number(&digest[..16]), number(&digest[16..]))
}

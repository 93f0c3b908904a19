//! A small tenant and a client for it.

use avatar_sync::sandbox::entra::{EntraService, EntraSettings};
use avatar_sync::sandbox::exchange::{Request, Response, Service};
use avatar_sync::sandbox::world::directory::{Directory, DirectoryUser, Mailbox};
use avatar_sync::sandbox::world::instance::Instance;
use avatar_sync::sandbox::world::picture::Picture;
use avatar_sync::sandbox::world::{Credentials, World};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

pub const BASE: &str = "http://127.0.0.1:40001";
pub const TENANT: &str = "6b2f1c3d-0000-4000-8000-00000000aaaa";
pub const CLIENT: &str = "1f0c9e8d-0000-4000-8000-00000000bbbb";
pub const SECRET: &str = "s3cr~t+/=";

/// The tenant with its service and a token of the application.
pub struct Tenant {
    pub service: EntraService,
    pub world: World,
    pub token: String,
}

impl Tenant {
    /// A tenant with these people and the usual settings.
    pub fn with(people: impl IntoIterator<Item = Person>) -> Self {
        Self::with_settings(people, |_| {})
    }

    /// A tenant with these people and changed settings.
    pub fn with_settings(
        people: impl IntoIterator<Item = Person>,
        change: impl FnOnce(&mut EntraSettings),
    ) -> Self {
        let mut directory = Directory::default();
        for person in people {
            directory.add(person.user).expect("nobody twice");
        }
        let credentials = Credentials {
            tenant_id: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: SECRET.to_owned(),
            servicenow_username: String::new(),
            servicenow_password: String::new(),
            servicenow_client_id: String::new(),
            servicenow_client_secret: String::new(),
        };
        let world = World::new(directory, Instance::default(), credentials);
        let mut settings = EntraSettings::default();
        change(&mut settings);
        let mut tenant = Self {
            service: EntraService::new(world.clone(), settings),
            world,
            token: String::new(),
        };
        tenant.token = tenant.new_token("https://graph.microsoft.com/.default");
        tenant
    }

    /// A token of the application for a scope.
    pub fn new_token(&self, scope: &str) -> String {
        let answer = self.sign_in(&[
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("scope", scope),
            ("grant_type", "client_credentials"),
        ]);
        answer.json()["access_token"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A request to the token endpoint of the tenant.
    pub fn sign_in(&self, form: &[(&str, &str)]) -> Response {
        self.post_form(&format!("/{TENANT}/oauth2/v2.0/token"), form)
    }

    pub fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let body: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = ask(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.service.answer(&request.request)
    }

    /// `GET` with the tenant's token.
    pub fn get(&self, url: &str) -> Response {
        self.send(ask(Method::GET, url))
    }

    /// `GET` with the header that advanced queries need.
    pub fn get_eventual(&self, url: &str) -> Response {
        self.send(ask(Method::GET, url).header("consistencylevel", "eventual"))
    }

    /// Any request, with the tenant's token, let in and carried out as the server does it.
    pub fn send(&self, ask: Ask) -> Response {
        let request = ask
            .header("authorization", &format!("Bearer {}", self.token))
            .request;
        match self.service.admit(&request) {
            Ok(admission) => self.service.answer_admitted(&request, &admission),
            Err(refusal) => refusal,
        }
    }

    /// A batch of these items.
    pub fn batch(&self, items: &Value) -> Response {
        let body = json!({ "requests": items }).to_string();
        self.send(
            ask(Method::POST, "/v1.0/$batch")
                .header("content-type", "application/json")
                .body(body),
        )
    }

    pub fn advance(&self, by: SignedDuration) {
        self.world.clock.advance(by);
    }

    /// Changes the settings.
    pub fn switch(&self, change: impl FnOnce(&mut EntraSettings)) {
        let mut settings = (*self.service.settings()).clone();
        change(&mut settings);
        self.service.set_settings(settings);
    }

    /// The settings of a token, which permissions are, take effect with a new one.
    pub fn with_roles(&mut self, roles: &[&str]) {
        self.switch(|settings| settings.roles = roles.iter().map(ToString::to_string).collect());
        self.token = self.new_token("https://graph.microsoft.com/.default");
    }
}

/// A request in the making.
pub struct Ask {
    pub request: Request,
}

/// A request to a path with its query.
pub fn ask(method: Method, url: &str) -> Ask {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    Ask {
        request: Request {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            base: BASE.to_owned(),
        },
    }
}

impl Ask {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers.insert(
            HeaderName::try_from(name).expect("a header name"),
            HeaderValue::from_str(value).expect("a header value"),
        );
        self
    }

    pub fn body(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.request.body = body.into();
        self
    }
}

/// What tests look at in an answer.
pub trait Answered {
    fn json(&self) -> Value;
    fn code(&self) -> String;
    fn message(&self) -> String;
    fn header(&self, name: &str) -> &str;
    /// Status and error code.
    fn failure(&self) -> (u16, String);
    /// The objects of a collection.
    fn values(&self) -> Vec<Value>;
    /// One property of all objects of a collection.
    fn column(&self, name: &str) -> Vec<String>;
    /// The path and query of a link.
    fn link(&self, name: &str) -> Option<String>;
}

impl Answered for Response {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn message(&self) -> String {
        self.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a header of text"))
    }

    fn failure(&self) -> (u16, String) {
        (self.status.as_u16(), self.code())
    }

    fn values(&self) -> Vec<Value> {
        self.json()["value"]
            .as_array()
            .unwrap_or_else(|| panic!("no collection: {}", String::from_utf8_lossy(&self.body)))
            .clone()
    }

    fn column(&self, name: &str) -> Vec<String> {
        let text = |value: &Value| value[name].as_str().unwrap_or_default().to_owned();
        self.values().iter().map(text).collect()
    }

    fn link(&self, name: &str) -> Option<String> {
        let link = self.json()[name].as_str()?.to_owned();
        let path = link.strip_prefix(BASE);
        Some(
            path.unwrap_or_else(|| panic!("a link to another host: {link}"))
                .to_owned(),
        )
    }
}

/// A person in the making.
pub struct Person {
    pub user: DirectoryUser,
}

/// A member `{name}@northwind.example` with a mailbox, whose object id follows from the name.
pub fn person(name: &str) -> Person {
    let principal = if name.contains('@') {
        name.to_owned()
    } else {
        format!("{name}@northwind.example")
    };
    Person {
        user: DirectoryUser {
            id: id_of(name),
            display_name: name.into(),
            mail: Some(principal.as_str().into()),
            principal: principal.into(),
            enabled: true,
            guest: false,
            job_title: None,
            department: None,
            employee_id: None,
            manager: None,
            mailbox: Mailbox::ExchangeOnline,
            photo: None,
        },
    }
}

/// So many people, `person0` and so on.
pub fn people(count: usize) -> impl Iterator<Item = Person> {
    (0..count).map(|number| person(&format!("person{number}")))
}

/// The object id of the person with a name.
pub fn id_of(name: &str) -> Uuid {
    let hash = name.bytes().fold(0x3f9a_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    Uuid::from_u128(hash)
}

impl Person {
    pub fn with(mut self, change: impl FnOnce(&mut DirectoryUser)) -> Self {
        change(&mut self.user);
        self
    }

    /// With a square photo of so many pixels.
    pub fn photo(self, pixels: u32) -> Self {
        self.picture(jpeg(pixels, pixels))
    }

    pub fn picture(self, bytes: Vec<u8>) -> Self {
        use avatar_sync::sandbox::world::directory::DirectoryPhoto;
        self.with(|user| {
            user.photo = Some(DirectoryPhoto {
                picture: Picture::from_bytes(bytes),
                version: 1,
            });
        })
    }

    pub fn mailbox(self, mailbox: Mailbox) -> Self {
        self.with(|user| user.mailbox = mailbox)
    }

    pub fn named(self, display_name: &str) -> Self {
        self.with(|user| user.display_name = display_name.into())
    }

    pub fn reporting_to(self, manager: &str) -> Self {
        self.with(|user| user.manager = Some(id_of(manager)))
    }
}

/// A JPEG.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 90]));
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(image::codecs::jpeg::JpegEncoder::new(&mut bytes))
        .expect("a picture encodes");
    bytes
}

/// Width and height of picture bytes.
pub fn dimensions(bytes: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(bytes).expect("a picture");
    (picture.width(), picture.height())
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("three parts");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}

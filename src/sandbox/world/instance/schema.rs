//! The tables and columns the practice instance has (`servicenow.md` 1, 2, 3.2).

/// A table that can be asked over the Table API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableName {
    /// `sys_user`
    User,
    /// `live_profile`
    Profile,
    /// `sys_attachment`
    Attachment,
    /// `sys_user_group`
    Group,
    /// `sys_user_grmember`
    Member,
    /// `sys_properties`
    Property,
}

impl TableName {
    /// Reads a table's name, which is case-sensitive.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::User,
            Self::Profile,
            Self::Attachment,
            Self::Group,
            Self::Member,
            Self::Property,
        ]
        .into_iter()
        .find(|table| table.name() == name)
    }

    /// As the platform writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "sys_user",
            Self::Profile => "live_profile",
            Self::Attachment => "sys_attachment",
            Self::Group => "sys_user_group",
            Self::Member => "sys_user_grmember",
            Self::Property => "sys_properties",
        }
    }

    /// All columns, in the order in which a whole record is written.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::User => USER,
            Self::Profile => PROFILE,
            Self::Attachment => ATTACHMENT,
            Self::Group => GROUP,
            Self::Member => MEMBER,
            Self::Property => PROPERTY,
        }
    }

    /// A column by name, which is case-sensitive (`servicenow.md` 2.3).
    pub fn column(self, name: &str) -> Option<&'static Column> {
        self.columns().iter().find(|column| column.name == name)
    }
}

/// A column of a table.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in queries and JSON.
    pub name: &'static str,
    /// How its values compare and are displayed.
    pub kind: Kind,
    /// Where the value comes from.
    pub source: Source,
    /// False for `sys_*` columns and calculated ones: a written value is ignored (`servicenow.md` 2.7).
    pub writable: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Number,
    /// A moment, in UTC, with whole seconds.
    DateTime,
    /// A `sys_id` that is no reference.
    Key,
    /// A `sys_id` of a record; can be dot-walked.
    Reference(TableName),
    /// An image field.
    Image,
    /// `sys_domain`: always `global`, with a link to a group that needs not exist (`servicenow.md` 2.10).
    Domain,
}

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the column of the same name")]
pub enum Source {
    SysId,
    CreatedOn,
    CreatedBy,
    UpdatedOn,
    UpdatedBy,
    ModCount,
    UserName,
    Email,
    Name,
    FirstName,
    LastName,
    EmployeeNumber,
    Active,
    LockedOut,
    Title,
    SsoSource,
    CorrelationId,
    Photo,
    Avatar,
    Document,
    TableName,
    TableSysId,
    FileName,
    ContentType,
    SizeBytes,
    SizeCompressed,
    Hash,
    State,
    ChunkSize,
    /// Kept beside the row once written, and this text before.
    Other(&'static str),
    /// Always this text.
    Fixed(&'static str),
}

const fn column(name: &'static str, kind: Kind, source: Source) -> Column {
    Column {
        name,
        kind,
        source,
        writable: true,
    }
}

const fn read_only(name: &'static str, kind: Kind, source: Source) -> Column {
    Column {
        name,
        kind,
        source,
        writable: false,
    }
}

const fn other(name: &'static str) -> Column {
    column(name, Kind::Text, Source::Other(""))
}

const SYS_ID: Column = read_only("sys_id", Kind::Key, Source::SysId);
const CREATED_ON: Column = read_only("sys_created_on", Kind::DateTime, Source::CreatedOn);
const CREATED_BY: Column = read_only("sys_created_by", Kind::Text, Source::CreatedBy);
const UPDATED_ON: Column = read_only("sys_updated_on", Kind::DateTime, Source::UpdatedOn);
const UPDATED_BY: Column = read_only("sys_updated_by", Kind::Text, Source::UpdatedBy);
const MOD_COUNT: Column = read_only("sys_mod_count", Kind::Number, Source::ModCount);
const TAGS: Column = read_only("sys_tags", Kind::Text, Source::Fixed(""));
const DOMAIN: Column = read_only("sys_domain", Kind::Domain, Source::Fixed("global"));
const DOMAIN_PATH: Column = read_only("sys_domain_path", Kind::Text, Source::Fixed("/"));

const USER: &[Column] = &[
    SYS_ID,
    column("user_name", Kind::Text, Source::UserName),
    column("email", Kind::Text, Source::Email),
    column("name", Kind::Text, Source::Name),
    column("first_name", Kind::Text, Source::FirstName),
    column("last_name", Kind::Text, Source::LastName),
    column("employee_number", Kind::Text, Source::EmployeeNumber),
    column("active", Kind::Boolean, Source::Active),
    column("locked_out", Kind::Boolean, Source::LockedOut),
    column("title", Kind::Text, Source::Title),
    column("sso_source", Kind::Text, Source::SsoSource),
    column("correlation_id", Kind::Text, Source::CorrelationId),
    column("photo", Kind::Image, Source::Photo),
    read_only("avatar", Kind::Image, Source::Avatar),
    column("manager", Kind::Reference(TableName::User), Source::Other("")),
    other("middle_name"),
    other("federated_id"),
    other("source"),
    other("phone"),
    other("mobile_phone"),
    other("department"),
    other("location"),
    other("company"),
    other("cost_center"),
    other("building"),
    other("city"),
    other("country"),
    other("state"),
    other("street"),
    other("zip"),
    other("gender"),
    other("introduction"),
    other("roles"),
    other("time_zone"),
    other("time_format"),
    other("date_format"),
    other("preferred_language"),
    other("last_login_time"),
    column("notification", Kind::Number, Source::Other("2")),
    column("failed_attempts", Kind::Number, Source::Other("0")),
    column("vip", Kind::Boolean, Source::Other("false")),
    column("web_service_access_only", Kind::Boolean, Source::Other("false")),
    column("internal_integration_user", Kind::Boolean, Source::Other("false")),
    column("password_needs_reset", Kind::Boolean, Source::Other("false")),
    read_only("sys_class_name", Kind::Text, Source::Fixed("sys_user")),
    DOMAIN,
    DOMAIN_PATH,
    CREATED_ON,
    CREATED_BY,
    UPDATED_ON,
    UPDATED_BY,
    MOD_COUNT,
    TAGS,
];

const PROFILE: &[Column] = &[
    SYS_ID,
    column("name", Kind::Text, Source::Name),
    column("type", Kind::Text, Source::Other("user")),
    column("table", Kind::Text, Source::Other("sys_user")),
    column("document", Kind::Reference(TableName::User), Source::Document),
    column("photo", Kind::Image, Source::Photo),
    other("image"),
    other("short_description"),
    other("status"),
    column("follower_count", Kind::Number, Source::Other("0")),
    column("following_count", Kind::Number, Source::Other("0")),
    other("joined_feed"),
    DOMAIN,
    DOMAIN_PATH,
    CREATED_ON,
    CREATED_BY,
    UPDATED_ON,
    UPDATED_BY,
    MOD_COUNT,
    TAGS,
];

const ATTACHMENT: &[Column] = &[
    column("average_image_color", Kind::Text, Source::Other("")),
    read_only("chunk_size_bytes", Kind::Number, Source::ChunkSize),
    read_only("compressed", Kind::Boolean, Source::Fixed("true")),
    column("content_type", Kind::Text, Source::ContentType),
    column("file_name", Kind::Text, Source::FileName),
    read_only("hash", Kind::Text, Source::Hash),
    column("image_height", Kind::Number, Source::Other("")),
    column("image_width", Kind::Number, Source::Other("")),
    read_only("size_bytes", Kind::Number, Source::SizeBytes),
    read_only("size_compressed", Kind::Number, Source::SizeCompressed),
    read_only("state", Kind::Text, Source::State),
    CREATED_BY,
    CREATED_ON,
    SYS_ID,
    MOD_COUNT,
    TAGS,
    UPDATED_BY,
    UPDATED_ON,
    column("table_name", Kind::Text, Source::TableName),
    column("table_sys_id", Kind::Key, Source::TableSysId),
];

const GROUP: &[Column] = &[
    SYS_ID,
    other("name"),
    other("description"),
    other("email"),
    column("manager", Kind::Reference(TableName::User), Source::Other("")),
    column("parent", Kind::Reference(TableName::Group), Source::Other("")),
    column("active", Kind::Boolean, Source::Other("true")),
    CREATED_ON,
    CREATED_BY,
    UPDATED_ON,
    UPDATED_BY,
    MOD_COUNT,
    TAGS,
];

const MEMBER: &[Column] = &[
    SYS_ID,
    column("user", Kind::Reference(TableName::User), Source::Other("")),
    column("group", Kind::Reference(TableName::Group), Source::Other("")),
    CREATED_ON,
    CREATED_BY,
    UPDATED_ON,
    UPDATED_BY,
    MOD_COUNT,
    TAGS,
];

const PROPERTY: &[Column] = &[
    SYS_ID,
    other("name"),
    other("value"),
    other("description"),
    column("type", Kind::Text, Source::Other("string")),
    CREATED_ON,
    CREATED_BY,
    UPDATED_ON,
    UPDATED_BY,
    MOD_COUNT,
    TAGS,
];

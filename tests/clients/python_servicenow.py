"""PySNC, pysnow, aiosnow and servicenow-api: queries, pages, an update, attachments."""

import asyncio
import pathlib
import sys
import tempfile
import warnings

import aiosnow
import pysnc
import pysnow
import requests
import servicenow_api
from aiosnow.models import AttachmentModel, TableModel, fields
from checks import PNG, SANDBOX, check, expect, finish

warnings.simplefilter("ignore")
BASE = SANDBOX["servicenow_https"]
HOST = BASE.split("//")[1]
ACCOUNT = (SANDBOX["servicenow_username"], SANDBOX["servicenow_password"])
PICTURE = pathlib.Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None)) / "pixel.png"
PICTURE.write_bytes(PNG)


# PySNC

def pysnc_client(auth=ACCOUNT):
    return pysnc.ServiceNowClient(BASE, auth)


def pysnc_pages():
    records = pysnc_client().GlideRecord("sys_user", batch_size=50)
    records.fields = "sys_id,user_name,name"
    records.add_query("active", "true")
    records.order_by("user_name")
    records.query()
    names = [record.get_value("user_name") for record in records]
    expect(len(names) == records.get_row_count() > 50 and len(set(names)) == len(names), len(names))


def pysnc_get():
    client = pysnc_client()
    found = client.GlideRecord("sys_user")
    found.limit = 1
    found.add_query("active", "true").add_or_condition("user_name", "nobody")
    found.query()
    expect(found.next(), "no user")
    again = client.GlideRecord("sys_user")
    expect(again.get(found.sys_id.get_value()), "not found by sys_id")
    expect(again.user_name == found.user_name, again.user_name)
    missing = client.GlideRecord("sys_user")
    expect(not missing.get("0" * 32), "a user that is not there was found")


def pysnc_user(client):
    record = client.GlideRecord("sys_user")
    record.add_query("active", "true")
    record.limit = 1
    record.query()
    expect(record.next(), "no user")
    return record


def pysnc_update():
    client = pysnc_client()
    record = pysnc_user(client)
    before = record.get_value("title")
    record.title = "Clients' tester"
    expect(record.update(), "no sys_id")
    again = client.GlideRecord("sys_user")
    expect(again.get(record.sys_id.get_value()) and again.title == "Clients' tester", again.title)
    again.title = before
    again.update()


def pysnc_attachment():
    client = pysnc_client()
    record = pysnc_user(client)
    with PICTURE.open("rb") as file:
        where = record.add_attachment("pixel.png", file, "image/png")
    # The client hands back the Location of the answer.
    expect(client.session.get(where).content == PNG, where)
    key = where.removesuffix("/file").rsplit("/", 1)[-1]
    attachment = client.Attachment("sys_user")
    expect(attachment.get(key), where)
    expect(attachment.file_name == "pixel.png" and attachment.read() == PNG, attachment.file_name)
    listed = record.get_attachments()
    names = [item.file_name for item in listed]
    expect("pixel.png" in names, names)
    attachment.delete()
    expect(not client.Attachment("sys_user").get(key), "still there")


def pysnc_oauth():
    flow = pysnc.ServiceNowPasswordGrantFlow(
        *ACCOUNT, SANDBOX["servicenow_client_id"], SANDBOX["servicenow_client_secret"]
    )
    pysnc_user(pysnc_client(flow))


def pysnc_batch():
    client = pysnc_client()
    records = client.GlideRecord("sys_user", batch_size=100)
    records.add_query("active", "true")
    records.limit = 3
    records.query()
    before = {}
    while records.next():
        before[records.sys_id.get_value()] = records.get_value("title")
        records.title = "Batch tester"
    expect(records.update_multiple(), "a part failed")
    for key, title in before.items():
        record = client.GlideRecord("sys_user")
        expect(record.get(key) and record.title == "Batch tester", record.title)
        record.title = title
        record.update()


def pysnc_wrong_password():
    try:
        pysnc_user(pysnc_client((ACCOUNT[0], "wrong")))
    except pysnc.exceptions.AuthenticationException:
        return
    raise AssertionError("a wrong password was taken")


check("PySNC", "query, order and pages of 50", pysnc_pages)
check("PySNC", "one record by sys_id, and one that is not there", pysnc_get)
check("PySNC", "update", pysnc_update)
check("PySNC", "update_multiple through the batch API", pysnc_batch)
check("PySNC", "attachment: upload, list, download, delete", pysnc_attachment)
check("PySNC", "OAuth password grant", pysnc_oauth)
check("PySNC", "wrong password is an AuthenticationException", pysnc_wrong_password)


# pysnow

def pysnow_client():
    return pysnow.Client(host=HOST, user=ACCOUNT[0], password=ACCOUNT[1])


def pysnow_query():
    users = pysnow_client().resource(api_path="/table/sys_user")
    query = pysnow.QueryBuilder().field("active").equals("true").AND().field("name").order_ascending()
    found = users.get(query=query, fields=["sys_id", "name"], limit=7).all()
    expect(len(found) == 7 and all(set(user) == {"sys_id", "name"} for user in found), found)


def pysnow_stream():
    users = pysnow_client().resource(api_path="/table/sys_user")
    found = list(users.get(query={}, stream=True, fields=["sys_id"]).all())
    expect(len(found) >= 150, len(found))


def pysnow_update():
    users = pysnow_client().resource(api_path="/table/sys_user")
    user = users.get(query={"active": "true"}, limit=1, stream=True).first()
    by_key = {"sys_id": user["sys_id"]}
    changed = users.update(query=by_key, payload={"title": "pysnow"}).one()
    expect(changed["title"] == "pysnow", changed["title"])
    users.update(query=by_key, payload={"title": user["title"]})


def pysnow_attachment():
    users = pysnow_client().resource(api_path="/table/sys_user")
    user = users.get(query={"active": "true"}, limit=1, stream=True).first()["sys_id"]
    uploaded = users.attachments.upload(sys_id=user, file_path=str(PICTURE)).one()
    expect(uploaded["file_name"] == "pixel.png" and uploaded["size_bytes"] == str(len(PNG)), uploaded)
    listed = pysnow_client().resource(api_path="/table/sys_user").attachments.get(sys_id=user)
    expect(uploaded["sys_id"] in [item["sys_id"] for item in listed], listed)
    gone = pysnow_client().resource(api_path="/table/sys_user").attachments.delete(uploaded["sys_id"])
    expect(gone["status"] == "record deleted", gone)


def pysnow_oauth():
    client = pysnow.OAuthClient(
        client_id=SANDBOX["servicenow_client_id"],
        client_secret=SANDBOX["servicenow_client_secret"],
        host=HOST,
        token_updater=lambda token: None,
    )
    client.set_token(client.generate_token(*ACCOUNT))
    users = client.resource(api_path="/table/sys_user")
    expect(len(users.get(query={}, limit=1).all()) == 1, "no user")


check("pysnow", "query with QueryBuilder, fields and limit", pysnow_query)
check("pysnow", "streamed answer", pysnow_stream)
check("pysnow", "update", pysnow_update)
check("pysnow", "attachment: upload, list, delete", pysnow_attachment)
check("pysnow", "OAuth password grant", pysnow_oauth)


# aiosnow

class UserModel(TableModel):
    sys_id = fields.String(is_primary=True)
    name = fields.String()
    active = fields.Boolean()
    title = fields.String()


async def aiosnow_query():
    client = aiosnow.Client(HOST, basic_auth=ACCOUNT)
    async with UserModel(client, table_name="sys_user") as users:
        found = (await users.get(UserModel.active.is_true(), limit=5)).data
        expect(len(found) == 5 and all(user["active"] is True for user in found), found)
        seen = [user["sys_id"] async for _, user in users.stream(UserModel.active.is_true(), limit=60, page_size=20)]
        expect(len(set(seen)) == 60, len(seen))


async def aiosnow_update():
    client = aiosnow.Client(HOST, basic_auth=ACCOUNT)
    async with UserModel(client, table_name="sys_user") as users:
        user = (await users.get(UserModel.active.is_true(), limit=1)).data[0]
        changed = await users.update(user["sys_id"], dict(title="aiosnow"))
        expect(changed["title"] == "aiosnow", changed.data)
        await users.update(user["sys_id"], dict(title=user["title"]))


async def aiosnow_attachment():
    client = aiosnow.Client(HOST, basic_auth=ACCOUNT)
    async with UserModel(client, table_name="sys_user") as users:
        user = (await users.get(UserModel.active.is_true(), limit=1)).data[0]["sys_id"]
        uploaded = (await users.upload_file(user, str(PICTURE))).data
        expect(uploaded["file_name"] == "pixel.png", uploaded)
        attachment = UserModel.sys_id.equals(uploaded["sys_id"])
        target = pathlib.Path(tempfile.mkdtemp(dir=PICTURE.parent))
        await users.download_file(attachment, str(target))
        expect((target / "pixel.png").read_bytes() == PNG, "other bytes")
        # Deleting is a part of the attachment model alone.
        async with AttachmentModel(client, table_name="sys_user") as attachments:
            await attachments.delete(uploaded["sys_id"])
        listed = (await users.get_attachments(attachment)).data
        expect(listed == [], listed)


check("aiosnow", "query and stream in pages of 20", lambda: asyncio.run(aiosnow_query()))
check("aiosnow", "update", lambda: asyncio.run(aiosnow_update()))
check("aiosnow", "attachment: upload, download, delete, list", lambda: asyncio.run(aiosnow_attachment()))


# servicenow-api

def api(**options):
    return servicenow_api.Api(url=BASE, username=ACCOUNT[0], password=ACCOUNT[1], **options)


def api_pages():
    client, seen = api(), []
    while True:
        page = client.get_table(
            table="sys_user", sysparm_query="active=true^ORDERBYsys_id", sysparm_limit=50, sysparm_offset=len(seen)
        )
        rows = page.response.json()["result"]
        seen += [row["sys_id"] for row in rows]
        if not rows:
            break
    expect(len(set(seen)) == len(seen) == int(page.response.headers["X-Total-Count"]) > 50, len(seen))
    one = client.get_table_record(table="sys_user", table_record_sys_id=seen[0]).response.json()["result"]
    expect(one["sys_id"] == seen[0], one)
    return seen[0]


def api_update(user):
    client = api()
    row = client.get_table_record(table="sys_user", table_record_sys_id=user).response.json()["result"]
    for title in ("servicenow-api", row["title"]):
        changed = client.patch_table_record(table="sys_user", table_record_sys_id=user, data={"title": title})
        expect(changed.response.json()["result"]["title"] == title, changed.response.text)


def api_attachment(user):
    client = api()
    # It sends a file without the Content-Type that the interface demands: the refusal has to say so.
    try:
        client.upload_attachment(str(PICTURE), table_name="sys_user", table_sys_id=user, file_name="pixel.png")
    except requests.HTTPError as error:
        expect(error.response.status_code == 400 and "Content-Type" in error.response.text, error.response.text)
    else:
        raise AssertionError("a file without a type was taken")
    upload = f"{BASE}/api/now/attachment/file?table_name=sys_user&table_sys_id={user}&file_name=pixel.png"
    answer = requests.post(upload, data=PNG, auth=ACCOUNT, headers={"Content-Type": "image/png"}, timeout=30)
    expect(answer.status_code == 201, answer.text)
    key = answer.json()["result"]["sys_id"]
    found = client.get_attachment(sys_id=key).response.json()["result"]
    expect(found["file_name"] == "pixel.png" and found["size_bytes"] == str(len(PNG)), found)
    client.delete_attachment(sys_id=key)


def api_oauth():
    client = api(
        client_id=SANDBOX["servicenow_client_id"], client_secret=SANDBOX["servicenow_client_secret"]
    )
    client.get_table(table="sys_user", sysparm_limit=1)


user = check("servicenow-api", "query with limit and offset, one record", api_pages)
check("servicenow-api", "update", lambda: api_update(user))
check("servicenow-api", "attachment: metadata, delete; an upload without Content-Type is refused", lambda: api_attachment(user))
check("servicenow-api", "OAuth password grant", api_oauth)
finish()

"""azure-identity and msgraph-sdk: users, pages, one user, photo metadata and bytes."""

import asyncio

from azure.identity import ClientSecretCredential
from checks import SANDBOX, check, expect, finish
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks import PageIterator

BASE = SANDBOX["entra_https"]
CLIENT = "msgraph-sdk"
NO_PHOTO = ("ImageNotFound", "ErrorItemNotFound", "ResourceNotFound")

credential = ClientSecretCredential(
    SANDBOX["tenant_id"],
    SANDBOX["client_id"],
    SANDBOX["client_secret"],
    authority=BASE,
    disable_instance_discovery=True,
)


def token():
    value = credential.get_token("https://graph.microsoft.com/.default")
    expect(value.token.count(".") == 2 and value.expires_on > 0, value.expires_on)


check("azure-identity", "ClientSecretCredential gets a token", token)

loop = asyncio.new_event_loop()
provider = AzureIdentityAuthenticationProvider(
    credential, scopes=["https://graph.microsoft.com/.default"], allowed_hosts=["127.0.0.1", BASE.split("//")[1]]
)
adapter = GraphRequestAdapter(provider)
adapter.base_url = f"{BASE}/v1.0"
graph = GraphServiceClient(request_adapter=adapter)


def run(what, action):
    return check(CLIENT, what, lambda: loop.run_until_complete(action()))


async def first_page():
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
        select=["id", "displayName", "userPrincipalName", "mail", "accountEnabled"], top=10
    )
    page = await graph.users.get(RequestConfiguration(query_parameters=query))
    expect(len(page.value) == 10 and all(user.id and user.display_name for user in page.value), page.value)
    expect(page.odata_next_link.startswith(BASE), page.odata_next_link)
    return page


async def pages():
    seen = []
    iterator = PageIterator(await first_page(), graph.request_adapter)
    await iterator.iterate(lambda user: seen.append(user.id) or True)
    expect(len(seen) >= 200 and len(set(seen)) == len(seen), len(seen))
    return seen


async def filtered():
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
        filter="startswith(displayName,'A')", count=True, orderby=["displayName"]
    )
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("ConsistencyLevel", "eventual")
    page = await graph.users.get(configuration)
    expect(page.odata_count and all(user.display_name.startswith("A") for user in page.value), page.odata_count)


async def one_user(ids):
    user = await graph.users.by_user_id(ids[0]).get()
    expect(user.id == ids[0] and user.user_principal_name, user)


async def photo(ids):
    with_photo = without = None
    for key in ids[:60]:
        try:
            metadata = await graph.users.by_user_id(key).photo.get()
        except APIError as error:
            expect(error.response_status_code == 404 and error.error.code in NO_PHOTO, error.error)
            without = key
            continue
        if metadata.width > 1:  # 1x1 stands for "no photo"
            expect(metadata.height > 1 and metadata.additional_data["@odata.mediaEtag"], metadata)
            with_photo = key
        if with_photo and without:
            break
    expect(with_photo and without, (with_photo, without))
    content = await graph.users.by_user_id(with_photo).photo.content.get()
    expect(content[:2] == b"\xff\xd8" and len(content) > 1000, content[:8])
    small = await graph.users.by_user_id(with_photo).photos.by_profile_photo_id("48x48").content.get()
    expect(small[:2] == b"\xff\xd8" and len(small) < len(content), len(small))


def batch_item(key):
    return BatchRequestItem(graph.users.by_user_id(key).to_get_request_information(), id=key)


async def batch(ids):
    # As built, an item holds an absolute URL, which Graph refuses: microsoftgraph/msgraph-sdk-python#1015.
    content = BatchRequestContent()
    content.add_request(ids[0], batch_item(ids[0]))
    try:
        await BatchRequestBuilder(adapter).post(content)
    except APIError as error:
        expect(error.response_status_code == 400, error)
    else:
        raise AssertionError("an absolute URL was taken")
    # With its workaround:
    content = BatchRequestContent()
    for key in ids[:20]:
        item = batch_item(key)
        item.url = item.url.removeprefix(adapter.base_url)
        content.add_request(key, item)
    answer = await BatchRequestBuilder(adapter).post(content)
    statuses = answer.get_response_status_codes()
    expect(statuses == dict.fromkeys(ids[:20], 200), statuses)
    for key in ids[:20]:
        # No more than the frame: msgraph-core 1.5.2 reads bodies as base64 and loses those that are JSON objects.
        headers = answer.get_response_by_id(key).headers
        expect(headers["Content-Type"].startswith("application/json"), headers)


async def unknown_user():
    try:
        await graph.users.by_user_id("00000000-0000-0000-0000-000000000001").get()
    except APIError as error:
        expect(error.response_status_code == 404 and error.error.code == "Request_ResourceNotFound", error.error)
    else:
        raise AssertionError("a user that is not there was found")


run("users with $select and $top=10", first_page)
ids = run("every user with PageIterator", pages)
run("$filter, $count and $orderby", filtered)
run("one user by id", lambda: one_user(ids))
run("photo metadata, bytes, a small size, and the error of a user without one", lambda: photo(ids))
run("batch of 20 users with msgraph-core", lambda: batch(ids))
run("a missing user is an ODataError with its code", unknown_user)
finish()

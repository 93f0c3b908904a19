"""msal: client credentials, then Graph and $batch by hand with requests."""

import base64

import msal
import requests
from checks import SANDBOX, check, expect, finish

BASE = SANDBOX["entra_https"]
SCOPE = ["https://graph.microsoft.com/.default"]


def application(**options):
    return msal.ConfidentialClientApplication(
        SANDBOX["client_id"], client_credential=SANDBOX["client_secret"], **options
    )


def by_authority():
    # Instance discovery asks Microsoft's own host about an authority it does not know; there is none on loopback.
    app = application(authority=f"{BASE}/{SANDBOX['tenant_id']}", instance_discovery=False)
    answer = app.acquire_token_for_client(SCOPE)
    expect("access_token" in answer, answer)
    expect(answer["token_source"] == "identity_provider", answer["token_source"])
    again = app.acquire_token_for_client(SCOPE)
    expect(again["token_source"] == "cache", again["token_source"])
    return answer["access_token"]


def wrong_secret():
    app = msal.ConfidentialClientApplication(
        SANDBOX["client_id"],
        client_credential="wrong",
        authority=f"{BASE}/{SANDBOX['tenant_id']}",
        instance_discovery=False,
    )
    answer = app.acquire_token_for_client(SCOPE)
    expect(answer.get("error") == "invalid_client" and 7000215 in answer["error_codes"], answer)


def by_issuer():
    # Asks /.well-known/openid-configuration, and takes it only if the issuer in it is this authority.
    app = application(oidc_authority=f"{BASE}/{SANDBOX['tenant_id']}/v2.0")
    answer = app.acquire_token_for_client(SCOPE)
    expect("access_token" in answer, answer)


def device_code():
    app = msal.PublicClientApplication(
        SANDBOX["client_id"], authority=f"{BASE}/{SANDBOX['tenant_id']}", instance_discovery=False
    )
    flow = app.initiate_device_flow(["https://graph.microsoft.com/User.Read.All"])
    expect(flow.get("user_code") and flow["user_code"] in flow["message"], flow)
    answer = app.acquire_token_by_device_flow(flow)
    expect("access_token" in answer, answer)
    account = app.get_accounts()[0]
    silent = app.acquire_token_silent_with_error(
        ["https://graph.microsoft.com/User.Read.All"], account, force_refresh=True
    )
    expect(silent and "access_token" in silent, silent)


token = check("msal", "token for client credentials, second one from the cache", by_authority)
check("msal", "token by oidc_authority, issuer checked", by_issuer)
check("msal", "device code: wait for the sign-in, then a refresh token's new token", device_code)
check("msal", "wrong secret is invalid_client with code 7000215", wrong_secret)

session = requests.Session()
session.headers["Authorization"] = f"Bearer {token}"


def get(url, **parameters):
    answer = session.get(url, params=parameters, timeout=30)
    answer.raise_for_status()
    return answer.json()


def all_pages():
    page = get(f"{BASE}/v1.0/users", **{"$select": "id,displayName", "$top": 30})
    users, pages = page["value"], 1
    while link := page.get("@odata.nextLink"):
        expect(link.startswith(f"{BASE}/v1.0/users"), link)
        page = get(link)
        users += page["value"]
        pages += 1
    expect(len({user["id"] for user in users}) == len(users) and pages == -(-len(users) // 30), (len(users), pages))
    return users


def delta():
    page = get(f"{BASE}/v1.0/users/delta", **{"$select": "id,displayName"})
    users = page["value"]
    while link := page.get("@odata.nextLink"):
        page = get(link)
        users += page["value"]
    expect(len(users) >= 200, len(users))
    expect(get(page["@odata.deltaLink"])["value"] == [], "changes without a change")


def batch(users):
    items = [
        {"id": str(place), "method": "GET", "url": f"/users/{user['id']}/photos/120x120/$value"}
        for place, user in enumerate(users[:20])
    ]
    answer = session.post(f"{BASE}/v1.0/$batch", json={"requests": items}, timeout=30)
    answer.raise_for_status()
    responses = answer.json()["responses"]
    expect({item["id"] for item in responses} == {item["id"] for item in items}, responses)
    photos = [item for item in responses if item["status"] == 200]
    expect(photos and {item["status"] for item in responses} <= {200, 404}, [i["status"] for i in responses])
    for item in photos:
        # A GIF is the 1x1 picture that stands for "no photo".
        begin = {"image/jpeg": b"\xff\xd8", "image/gif": b"GIF8"}[item["headers"]["Content-Type"]]
        expect(base64.b64decode(item["body"]).startswith(begin), item["headers"])
    expect(any(item["headers"]["Content-Type"] == "image/jpeg" for item in photos), "no photo at all")


users = check("requests", "all users in pages of 30", all_pages)
check("requests", "delta query: all users, then no changes", delta)
check("requests", "$batch of 20 photos", lambda: batch(users))
finish()
